"""What there is, for `slipway toolchain list` and for the end of a build."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from local.toolchain import workloads
from local.toolchain.locate import Origin, find
from local.toolchain.make import Made
from local.toolchain.pins import TOOLS
from local.toolchain.progress import clock

_MB = 1_000_000


class ToolStatus(BaseModel):
    """One executable of the toolchain as it is on this machine; `origin`, `path` and `size_bytes` only when ready."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    origin: Origin | None
    path: Path | None
    size_bytes: int | None
    ready: bool


def list_tools() -> list[ToolStatus]:
    """Every executable of the toolchain in the order of the pins; looks, and makes nothing."""
    return [_status(name) for name in TOOLS]


def environment_status() -> ToolStatus:
    """The workloads' Python environment as one more line; its version is the key of its packages."""
    prefix = workloads.location()
    ready = workloads.is_whole(prefix)
    return ToolStatus(
        name="workloads-environment",
        version=prefix.name.removeprefix(f"{workloads.NAME}-"),
        origin="cache" if ready else None,
        path=prefix / "bin" / "python" if ready else None,
        size_bytes=None,
        ready=ready,
    )


def _status(name: str) -> ToolStatus:
    located = find(name)
    if located is None:
        return ToolStatus(name=name, version=TOOLS[name].version, origin=None, path=None, size_bytes=None, ready=False)
    return ToolStatus(
        name=name,
        version=located.version,
        origin=located.origin,
        path=located.path,
        size_bytes=located.path.stat().st_size,
        ready=True,
    )


def print_summary(made: Sequence[Made], console: Console, *, seconds: float) -> None:
    """The table at the end of a build: what was made, how, and what it took."""
    table = Table("executable", "version", "from", "size", "took", title="Toolchain", title_justify="left")
    for one in made:
        size = f"{one.located.path.stat().st_size / _MB:.0f} MB"
        table.add_row(one.located.name, one.located.version, one.located.origin, size, clock(one.seconds))
    table.caption = f"{clock(seconds)} in all"
    console.print(table)
