"""What the user sees while the toolchain is made: each step, its time, and an estimate of what is left."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from local.toolchain.golang import cores

_PLAIN_EVERY_SECONDS: Final = 30.0
_RARELY_UNDER: Final = 0.05
_FROM_CACHE_UNDER: Final = 0.25


@dataclass
class Step:
    """One thing to do: its recorded size in CPU seconds, and once it runs its log, whose lines are packages."""

    title: str
    cpu_seconds: float
    log: Path | None = None
    started: float | None = None
    took: float | None = None
    origin: str = ""

    def elapsed(self, now: float) -> float:
        """Seconds since the step began; 0 before it does."""
        if self.took is not None:
            return self.took
        return 0.0 if self.started is None else now - self.started


def seconds_left(steps: Sequence[Step], *, cores: int, now: float) -> float:
    """An estimate from the recorded sizes, scaled by how long the finished steps took on this machine.

    A step that took much less than its size came from Go's build cache, and a step without a log was the network:
    neither says anything about the others.
    """
    pace = 1 / cores
    least = _FROM_CACHE_UNDER * pace
    done = [step for step in steps if step.log and step.took and step.took > least * step.cpu_seconds]
    if done:
        pace = sum(step.took or 0.0 for step in done) / sum(step.cpu_seconds for step in done)
    left = 0.0
    for step in steps:
        if step.took is None:
            expected = step.cpu_seconds * pace
            # A step that is overdue is never announced as finished.
            left += max(expected - step.elapsed(now), _RARELY_UNDER * expected)
    return left


def clock(seconds: float) -> str:
    """`65` as `1:05`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


@dataclass
class Progress:
    """Shows steps in place on a terminal, and as lines elsewhere or when NO_COLOR is set."""

    console: Console
    steps: list[Step] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))
    _live: Live | None = None
    _last_line: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether to print lines instead of redrawing."""
        return not self.console.is_terminal or bool(os.environ.get("NO_COLOR"))

    def __enter__(self) -> Self:
        if not self.plain:
            self._live = Live(self._picture(), console=self.console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """One line for the user, above the picture."""
        self.console.print(text, style="dim", highlight=False, soft_wrap=True)

    @contextmanager
    def running(self, step: Step) -> Iterator[None]:
        """Marks a step as running inside the block and as done after it."""
        step.started = self._last_line = time.monotonic()
        if self.plain:
            number, left = self.steps.index(step) + 1, self._left()
            self.say(f"[{number}/{len(self.steps)}] {step.title} (about {clock(left)} left in all)")
        self.tick()
        yield
        step.took = time.monotonic() - step.started
        if self.plain:
            self.say(f"[{self.steps.index(step) + 1}/{len(self.steps)}] {step.title}: {clock(step.took)}")
        self.tick()

    def tick(self) -> None:
        """Redraws, or now and then says that the work goes on."""
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
            return
        now = time.monotonic()
        current = next((step for step in self.steps if step.started is not None and step.took is None), None)
        if current is not None and self.plain and now - self._last_line >= _PLAIN_EVERY_SECONDS:
            self._last_line = now
            self.say(f"  {current.title}: {_state(current, now)}, about {clock(self._left())} left in all")

    def _left(self) -> float:
        return seconds_left(self.steps, cores=cores(), now=time.monotonic())

    def _picture(self) -> RenderableType:
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        for step in self.steps:
            if step.took is not None:
                mark: RenderableType = Text("done", style="green")
            elif step.started is not None:
                mark = self._spinner
            else:
                mark = Text("-", style="dim")
            table.add_row(mark, step.title, Text(_state(step, now), style="dim"))
        foot = f"elapsed {clock(now - self.began)}, about {clock(self._left())} left"
        return Group(table, Text(foot, style="bold"))


def _state(step: Step, now: float) -> str:
    if step.took is not None:
        return clock(step.took)
    if step.started is None:
        return ""
    return f"{clock(step.elapsed(now))}{_packages(step.log)}"


def _packages(log: Path | None) -> str:
    """With -v, go writes one line for each package that it compiles."""
    if log is None or not log.exists():
        return ""
    compiled = log.read_bytes().count(b"\n")
    return f", {compiled} packages"
