"""What guards see, and what they leave alone."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.trainer.guards import SpikeGuard, StragglerGuard, Watchdog, nonfinite, robust_z
from workloads.trainer.state import ExitCode, StepReport


def report(step: int, loss: float | None, grad_norm: float | None = None) -> StepReport:
    return StepReport(step=step, loss=loss, tokens=100, seconds=1.0, grad_norm=grad_norm)


@pytest.mark.parametrize(
    ("loss", "grad_norm", "named"),
    [
        (math.nan, None, "the loss is nan at step 5"),
        (math.inf, 1.0, "the loss is inf at step 5"),
        (2.0, math.nan, "the gradient norm is nan at step 5"),
        (None, -math.inf, "the gradient norm is -inf at step 5"),
    ],
)
def test_what_is_no_number_is_fatal_and_named(loss: float | None, grad_norm: float | None, named: str) -> None:
    event = nonfinite(report(5, loss, grad_norm))
    assert event is not None
    assert event.fatal
    assert event.message.startswith(named)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.none())
def test_every_finite_loss_passes_and_so_does_an_unknown_one(loss: float | None) -> None:
    assert nonfinite(report(1, loss)) is None


def falling(steps: int) -> list[float]:
    """A loss that falls as losses do, with a little noise."""
    return [4 * 0.99**step + 0.02 * math.sin(7 * step) for step in range(steps)]


def test_a_jump_is_a_spike_and_the_steps_after_it_are_none() -> None:
    guard = SpikeGuard(score=8)
    losses = falling(60)
    losses[50] += 10
    seen = [guard.step(report(step, loss)) for step, loss in enumerate(losses)]
    found = [event for event in seen if event is not None]
    assert [(event.step, event.fatal) for event in found] == [(50, False)]
    assert "above the last 50 steps" in found[0].message


def test_a_loss_that_falls_or_stands_still_is_no_spike() -> None:
    for losses in (falling(300), [1.0] * 100 + [1.01] * 100):
        guard = SpikeGuard(score=8)
        assert not any(guard.step(report(step, loss)) for step, loss in enumerate(losses))


def test_too_few_steps_make_no_judgement() -> None:
    guard = SpikeGuard(score=8)
    assert guard.step(report(1, 1.0)) is None
    assert guard.step(report(2, 1e9)) is None


def test_the_robust_score_is_that_of_the_textbook() -> None:
    # Median 3, deviations 2 1 0 1 2, MAD 1: (3 + 1.4826 * 10 - 3) / 1.4826 = 10.
    assert robust_z(3 + 14.826, [1, 2, 3, 4, 5]) == pytest.approx(10)


def test_a_rank_that_is_slow_in_most_steps_is_told_once_with_its_host() -> None:
    guard = StragglerGuard(ratio=1.5, hosts=["a", "a", "b", "b"], window=5)
    events = [guard.step(step, [1.0, 1.1, 2.0, 0.9]) for step in range(1, 20)]
    told = [event for each in events for event in each]
    assert len(told) == 1
    assert told[0].step == 5, "once the window is full"
    assert told[0].message == "rank 2 on b is slow: 2 s for what takes the median of all ranks 1 s, 2.0 times as long"


def test_one_slow_step_is_no_straggler() -> None:
    guard = StragglerGuard(ratio=1.5, hosts=["a", "b"], window=5)
    rows = [[1.0, 1.0]] * 10 + [[1.0, 30.0]] + [[1.0, 1.0]] * 10
    assert [event for step, row in enumerate(rows) for event in guard.step(step, row)] == []


def test_a_straggler_that_recovered_is_told_again_when_it_lags_again() -> None:
    guard = StragglerGuard(ratio=1.5, hosts=["a", "b", "c"], window=3)
    slow, fine = [1.0, 9.0, 1.0], [1.0, 1.0, 1.0]
    rows = [slow] * 6 + [fine] * 6 + [slow] * 6
    assert len([event for step, row in enumerate(rows) for event in guard.step(step, row)]) == 2


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_watchdog_lets_the_first_step_take_longer_and_then_holds_to_its_limit() -> None:
    clock = Clock()
    watchdog = Watchdog(60, clock=clock)
    clock.now = 179
    assert not watchdog.expired(), "kernels are compiled in the first step"
    watchdog.beat("computing step 2")
    clock.now += 60
    assert not watchdog.expired()
    clock.now += 1
    assert watchdog.expired()
    watchdog.beat("saving", allowance=3)
    clock.now += 179
    assert not watchdog.expired(), "a save that is waited for may take longer"


def test_a_watchdog_of_zero_seconds_never_barks() -> None:
    clock = Clock()
    watchdog = Watchdog(0, clock=clock)
    clock.now = 1e9
    assert not watchdog.expired()


def test_the_last_line_says_what_stood_still_and_the_exit_code_is_its_own(tmp_path: Path) -> None:
    clock, left = Clock(), list[int]()
    # The stacks are written to a descriptor, so a real file it is.
    with (tmp_path / "err").open("w+") as stream:
        watchdog = Watchdog(60, rank=3, leave=left.append, clock=clock, out=stream)
        watchdog.beat("computing step 7")
        clock.now = 61
        watchdog.bark()
        stream.seek(0)
        lines = stream.read().splitlines()
    assert left == [ExitCode.HUNG]
    assert lines[-1].startswith("trainer: rank 3 made no progress for 61 s while computing step 7:")
    assert any("most recent call first" in line for line in lines), "the stacks come before the last line"
