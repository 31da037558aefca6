"""When the nodes of a capacity block are started: times as pure values."""

from datetime import UTC, datetime, timedelta

import pytest

from components import clock
from components.aws.block_schedule import BlockPeriod, StartAction, start_action

BLOCK = BlockPeriod(
    reservation_id="cr-0123456789abcdef0",
    starts=datetime(2027, 1, 11, 11, 30, tzinfo=UTC),
    ends=datetime(2027, 1, 25, 11, 30, tzinfo=UTC),
)
BEFORE = datetime(2026, 11, 21, tzinfo=UTC)


def test_nodes_start_five_minutes_into_the_block_and_every_hour_again_until_ekss_own_scale_down() -> None:
    assert start_action(BLOCK, BEFORE) == StartAction(
        begins="2027-01-11T11:35:00Z", ends="2027-01-25T10:30:00Z", recurrence="35 * * * *"
    )
    assert BLOCK.ends - timedelta(minutes=40) > datetime(2027, 1, 25, 10, 35, tzinfo=UTC), "no start after the emptying"


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        (datetime(2027, 1, 11, 10, 4, tzinfo=UTC), "2027-01-11T11:35:00Z"),
        # The update itself takes its time, and would hand in a time that is over by then.
        (datetime(2027, 1, 11, 10, 5, tzinfo=UTC), None),
        (datetime(2027, 1, 18, tzinfo=UTC), None),
    ],
)
def test_a_beginning_that_may_be_over_is_not_told(now: datetime, begins: str | None) -> None:
    action = start_action(BLOCK, now)
    assert action is not None
    assert action.begins == begins


@pytest.mark.parametrize("late", [timedelta(hours=-1), timedelta(), timedelta(days=100)])
def test_a_block_that_is_over_starts_nothing(late: timedelta) -> None:
    assert start_action(BLOCK, BLOCK.ends + late) is None


def test_the_time_can_be_stated_to_make_a_graph_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795219200")
    assert clock.now() == BEFORE
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "soon")
    assert clock.now() > BEFORE - timedelta(days=366), "nonsense is no time"
