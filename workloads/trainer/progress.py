"""What rank 0 shows: a live line on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from workloads.trainer.state import StepReport

LOG_EVERY_SECONDS = 5.0
LOG_FIRST_STEPS = 3


class ProgressView:
    """Steps, loss, tokens per second and the time left. `message` prints a line above it.

    In a log the first steps and the last are printed, and between them one line in five seconds: a run of a million
    steps must not fill the node's disk.
    """

    def __init__(
        self, total_steps: int, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total_steps
        self._out = out or sys.stdout
        self._clock = clock
        self._console = Console(file=self._out)
        self._bar: Progress | None = None
        self._task: Any = None
        self._shown = -LOG_EVERY_SECONDS
        self._lines = 0

    def start(self, step: int) -> None:
        """Show from `step` on."""
        if not self._console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[figures]}"), console=self._console)
        self._task = self._bar.add_task("training", total=self._total, completed=step, figures="")
        self._bar.start()

    def step(self, report: StepReport, *, tokens_per_second: float, step_seconds: float) -> None:
        """One step is done; `step_seconds` is the typical time of one."""
        left = timedelta(seconds=round((self._total - report.step) * step_seconds))
        loss = "" if report.loss is None else f"loss {report.loss:.4f}  "
        figures = f"{loss}{tokens_per_second:,.0f} tok/s  ETA {left}"
        if self._bar is not None:
            self._bar.update(self._task, completed=report.step, figures=figures)
            return
        now = self._clock()
        always = self._lines < LOG_FIRST_STEPS or report.step >= self._total
        if always or now - self._shown >= LOG_EVERY_SECONDS:
            self._shown = now
            self._lines += 1
            self.message(f"step {report.step}/{self._total}  {figures}")

    def message(self, text: str) -> None:
        """One line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._out, flush=True)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()
