"""When the next checkpoint is due. Rank 0 asks; the others follow its answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from workloads.reliability import young_daly_seconds
from workloads.trainer.state import Interval

FIRST_SAVE_STEPS = 10
"""Young-Daly has nothing to compute with before the first save; this many steps are cheap to lose and give a figure."""


@dataclass(kw_only=True)
class Cadence:
    """Counts from the last save.

    Attributes:
        interval: what was asked for.
        last_step: the step of the last save that was started, or that the run resumed from.
        save_seconds: mean of the measured saves, newer ones weigh more; None before the first.
    """

    interval: Interval
    last_step: int = 0
    save_seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    last_time: float = field(init=False)

    def __post_init__(self) -> None:
        self.last_time = self.clock()
        _check(self.interval)

    @property
    def seconds(self) -> float | None:
        """Seconds between checkpoints; None where steps decide, or before the first measured save."""
        if self.interval.steps is not None:
            return None
        if self.interval.seconds is not None:
            return self.interval.seconds
        if self.save_seconds is None:
            return None
        # A checkpoint starts when the one before it is published, at the earliest.
        return max(self.save_seconds, young_daly_seconds(self.save_seconds, self.interval.mtbf_hours * 3600))

    def due(self, step: int) -> bool:
        """Whether a checkpoint of `step` should be started."""
        if self.interval.steps is not None:
            return step > self.last_step and step % self.interval.steps == 0
        seconds = self.seconds
        if seconds is None:
            return step - self.last_step >= FIRST_SAVE_STEPS
        return step > self.last_step and self.clock() - self.last_time >= seconds

    def started(self, step: int) -> None:
        """A save of `step` has begun."""
        self.last_step = step
        self.last_time = self.clock()

    def measured(self, save_seconds: float) -> None:
        """A save took this long from its start until it was published."""
        save_seconds = max(save_seconds, 1e-3)
        self.save_seconds = save_seconds if self.save_seconds is None else (self.save_seconds + save_seconds) / 2


def _check(interval: Interval) -> None:
    if interval.steps is not None and interval.seconds is not None:
        raise ValueError(f"both steps={interval.steps} and seconds={interval.seconds} are given; give one of them")
    for name in ("steps", "seconds", "mtbf_hours"):
        value = getattr(interval, name)
        if value is not None and value <= 0:
            raise ValueError(f"{name}={value}: the interval between checkpoints has to be positive")
