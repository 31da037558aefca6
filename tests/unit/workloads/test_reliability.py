"""Young-Daly and ETTR: the arithmetic, against figures worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.reliability import (
    LLAMA3_MTBF_HOURS,
    FailureCost,
    ettr,
    expected_replay_seconds,
    young_daly_seconds,
)

SECONDS = st.floats(min_value=0.01, max_value=1e5)


def test_young_daly_of_a_save_of_six_seconds_at_three_hours_is_six_minutes() -> None:
    # sqrt(2 * 6 * 10800) = sqrt(129600) = 360
    assert young_daly_seconds(6, 3 * 3600) == pytest.approx(360)


@given(SECONDS, SECONDS)
def test_no_other_interval_loses_less_time_than_young_dalys(save: float, mtbf: float) -> None:
    def lost(interval: float) -> float:
        return save / interval + interval / (2 * mtbf)

    best = young_daly_seconds(save, mtbf)
    assert lost(best) <= min(lost(best * 0.9), lost(best * 1.1)) * (1 + 1e-9)


@pytest.mark.parametrize(("save", "mtbf"), [(0, 3600), (-1, 3600), (5, 0), (math.nan, 3600), (5, math.inf)])
def test_young_daly_refuses_what_is_no_positive_time(save: float, mtbf: float) -> None:
    with pytest.raises(ValueError, match="positive number of seconds"):
        young_daly_seconds(save, mtbf)


def test_a_failure_costs_the_sum_of_its_four_parts() -> None:
    cost = FailureCost(detect=30, reschedule=20, restart=40, replay=90)
    assert (cost.downtime, cost.total) == (90, 180)


def test_a_failure_of_three_minutes_every_three_hours_leaves_98_percent() -> None:
    # (10800 - 90) / (10800 + 90) = 0.98347
    cost = FailureCost(detect=30, reschedule=20, restart=40, replay=90)
    assert ettr(cost, mtbf_seconds=10_800) == pytest.approx(0.98347, abs=1e-5)


def test_stalls_of_checkpoints_take_their_share() -> None:
    nothing = FailureCost(detect=0, reschedule=0, restart=0, replay=0)
    assert ettr(nothing, mtbf_seconds=10_800, interval_seconds=99, stall_seconds=1) == pytest.approx(0.99)


def test_a_job_that_fails_before_it_has_replayed_makes_no_progress() -> None:
    cost = FailureCost(detect=1, reschedule=1, restart=1, replay=100)
    assert ettr(cost, mtbf_seconds=60) == 0


def test_half_an_interval_and_the_unpublished_save_are_lost_on_average() -> None:
    assert expected_replay_seconds(360, 6) == 186


def test_a_failure_never_takes_negative_time() -> None:
    with pytest.raises(ValueError, match="restart is -1"):
        FailureCost(detect=0, reschedule=0, restart=-1, replay=0)


def test_the_stated_mtbf_of_llama_3_is_about_three_hours() -> None:
    assert pytest.approx(3.09, abs=0.01) == LLAMA3_MTBF_HOURS
