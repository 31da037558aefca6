"""What must not go unnoticed: numbers that are none, a loss that jumps, a rank that lags, a collective that hangs.

Guards look and tell. The first kind ends the run (with exit code 65, before the next checkpoint, so that the last good
one stays); the second and third are events in metrics.jsonl and counters; the watchdog ends the process with 75, so
that the gang is restarted from its last checkpoint.
"""

import faulthandler
import math
import os
import statistics
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from workloads.trainer.state import ExitCode, StepReport

MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for normally distributed values (Rousseeuw & Croux, 1993)."""


@dataclass(frozen=True, kw_only=True)
class GuardEvent:
    """Something that a guard saw.

    Attributes:
        guard: its name: nonfinite, spike, straggler, grace, checkpoint, watchdog.
        step: at which.
        message: one line for people.
        fatal: whether the run must not go on.
    """

    guard: str
    step: int
    message: str
    fatal: bool = False


def nonfinite(report: StepReport) -> GuardEvent | None:
    """Loss or gradient norm is NaN or infinite: every parameter is, or will be with the next update."""
    for name, value in (("loss", report.loss), ("gradient norm", report.grad_norm)):
        if value is not None and not math.isfinite(value):
            return GuardEvent(
                guard="nonfinite",
                step=report.step,
                message=f"the {name} is {value} at step {report.step}; no checkpoint is written from here on",
                fatal=True,
            )
    return None


@dataclass(kw_only=True)
class SpikeGuard:
    """Robust z-score of the loss against the steps before: (loss - median) / (1.4826 * MAD).

    Median and MAD, unlike mean and deviation, are not moved by the spike that they are to find. The deviation counts as
    at least 1 % of the median: a loss that stands still would make anything a spike.

    Attributes:
        score: from which a loss is a spike.
        window: steps that are compared with.
        least: steps that have to be there.
    """

    score: float
    window: int = 100
    least: int = 20
    _seen: deque[float] = field(default_factory=deque)

    def step(self, report: StepReport) -> GuardEvent | None:
        """One loss; ranks that do not know it see nothing."""
        if report.loss is None:
            return None
        event = self._judge(report.step, report.loss)
        self._seen.append(report.loss)
        while len(self._seen) > self.window:
            self._seen.popleft()
        return event

    def _judge(self, step: int, loss: float) -> GuardEvent | None:
        if len(self._seen) < self.least:
            return None
        found = robust_z(loss, self._seen)
        if found <= self.score:
            return None
        message = f"loss {loss:.4f} at step {step} is {found:.1f} deviations above the last {len(self._seen)} steps"
        return GuardEvent(guard="spike", step=step, message=message)


def robust_z(value: float, others: Sequence[float] | deque[float]) -> float:
    """How many robust standard deviations `value` lies above the median of `others`."""
    median = statistics.median(others)
    deviation = MAD_TO_SIGMA * statistics.median(abs(other - median) for other in others)
    return (value - median) / max(deviation, abs(median) / 100, sys.float_info.min)


@dataclass(kw_only=True)
class StragglerGuard:
    """A rank whose own time stays above `ratio` times the median of all ranks, in the median of a window.

    One slow measurement is noise; a slow GPU or a throttled core is slow in most of them. What is compared is time that
    a rank spends without waiting for others: the probe's, or the loop's own measure (`StepReport.own_seconds`).
    """

    ratio: float
    hosts: Sequence[str]
    window: int = 5
    _seen: deque[Sequence[float]] = field(default_factory=deque)
    _told: set[int] = field(default_factory=set)

    def step(self, step: int, seconds_by_rank: Sequence[float]) -> list[GuardEvent]:
        """Everyone's own seconds of this step. A straggler is told once, and again only after it had recovered."""
        self._seen.append(seconds_by_rank)
        if len(self._seen) > self.window:
            self._seen.popleft()
        if len(self._seen) < self.window or len(seconds_by_rank) < 2:  # noqa: PLR2004  # nobody to compare with
            return []
        typical = [statistics.median(column) for column in zip(*self._seen, strict=True)]
        median = statistics.median_low(typical)
        slow = {rank for rank, seconds in enumerate(typical) if median > 0 and seconds > self.ratio * median}
        new = sorted(slow - self._told)
        self._told = slow
        return [
            GuardEvent(
                guard="straggler",
                step=step,
                message=f"rank {rank} on {self.hosts[rank]} is slow: {typical[rank]:.3g} s for what takes the median "
                f"of all ranks {median:.3g} s, {typical[rank] / median:.1f} times as long",
            )
            for rank in new
        ]


class Watchdog:
    """Ends this process when no step has been finished for too long, with the stacks of all threads.

    A collective whose peer is gone, a stuck file system and a deadlock look alike from inside: nothing returns. Waiting
    for the collective's own timeout makes ranks give up at different moments; leaving here lets the gang be restarted.
    The first step may take `FIRST` times longer: kernels are compiled and connections made.
    """

    FIRST = 3

    def __init__(
        self,
        seconds: float,
        *,
        rank: int = 0,
        out: TextIO | None = None,
        leave: Callable[[int], None] = os._exit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._rank = rank
        self._out = out
        self._leave = leave
        self._clock = clock
        self._doing = "starting"
        self._since = clock()
        self._deadline = self._since + seconds * self.FIRST
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch from now on. A limit of zero seconds watches nothing."""
        if self._seconds > 0:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def beat(self, doing: str, *, allowance: float = 1.0) -> None:
        """Something was finished; `doing` comes next and may take `allowance` times the limit."""
        self._doing = doing
        self._since = self._clock()
        self._deadline = self._since + self._seconds * allowance

    def stop(self) -> None:
        """Watch no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def expired(self) -> bool:
        """Whether the limit is passed."""
        return self._seconds > 0 and self._clock() > self._deadline

    def bark(self) -> None:
        """Print every thread's stack and one last line that says what stood still, and leave."""
        out = self._out or sys.stderr
        faulthandler.dump_traceback(file=out, all_threads=True)
        print(
            f"trainer: rank {self._rank} made no progress for {self._clock() - self._since:.0f} s while {self._doing}: "
            f"a hung collective, a peer that is gone, or storage that does not answer. The stacks of all threads are "
            f"above. Leaving with exit code {ExitCode.HUNG.value}: the run is restarted from its last checkpoint.",
            file=out,
            flush=True,
        )
        self._leave(ExitCode.HUNG.value)

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 4)):
            if self.expired():
                self.bark()
                return
