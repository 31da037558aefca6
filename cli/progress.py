"""An update as it happens: in place on a terminal, as a line now and then elsewhere."""

import os
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli.events import Picture, short_type
from cli.terminal import clock

_SHOWN: Final = 6
_LINE_EVERY_SECONDS: Final = 10.0


class UpdateProgress:
    """Shows a growing ``Picture``; ``plain`` output never redraws."""

    def __init__(self, console: Console, verb: str) -> None:
        self._console = console
        self._verb = verb
        self._began = time.monotonic()
        self._said = self._began
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal and not os.environ.get("NO_COLOR"):
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def show(self, picture: Picture) -> None:
        """Draw what is known now."""
        if self._live is not None:
            self._live.update(self._drawn(picture), refresh=True)
            return
        now = time.monotonic()
        if now - self._said >= _LINE_EVERY_SECONDS:
            self._said = now
            waiting = ", ".join(f"{short_type(step.type)} {step.name}" for step in picture.running[:2])
            more = f"; working on {waiting}" if waiting else ""
            self._console.print(f"  {clock(self.elapsed)}  {told(picture)}{more}", style="dim", soft_wrap=True)

    def _drawn(self, picture: Picture) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        now = time.time()
        for step in picture.running[:_SHOWN]:
            table.add_row(
                Spinner("dots"),
                Text(short_type(step.type)),
                Text(step.name),
                Text(clock(max(now - step.began, 0)), style="dim"),
            )
        hidden = len(picture.running) - _SHOWN
        more = f", {hidden} more in progress" if hidden > 0 else ""
        foot = f"{self._verb}: {told(picture)}, {clock(self.elapsed)}{more}"
        return Group(table, Text(foot, style="bold"))


def told(picture: Picture) -> str:
    """``12 created, 3 in progress``."""
    parts = [f"{number} {word}" for word, number in picture.counts().items()]
    if picture.running:
        parts.append(f"{len(picture.running)} in progress")
    return ", ".join(parts) or "starting"
