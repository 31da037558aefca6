"""Where output goes: results to stdout, everything about the work to stderr, both plain when nobody looks."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_NARROWEST: Final = 100
"""Columns of output that goes to a file or a pipe: tables must not be squeezed into 80."""


def output() -> Console:
    """The console for results. Rich itself honours NO_COLOR and finds out about terminals."""
    return _console(stderr=False)


def messages() -> Console:
    """The console for progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else _NARROWEST
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


def table(*columns: str, title: str = "") -> Table:
    """A table without lines; nothing in it is ever cut off, because people copy ids from it."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold", header_style="dim")
    return made


def is_interactive() -> bool:
    """Whether there is somebody to ask."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def print_json(document: Mapping[str, Any]) -> None:
    """Machine-readable output: one JSON document on stdout, no colour, no wrapping."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def write(text: str, output: Path | None) -> None:
    """A report to stdout, or to the file that somebody named."""
    if output is None:
        sys.stdout.write(text)
        return
    output.write_text(text, encoding="utf-8")
    messages().print(f"wrote {output}", soft_wrap=True)


def clock(seconds: float) -> str:
    """``65`` as ``1:05``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
