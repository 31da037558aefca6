"""Which processes belong to an environment: told by its state directory in their environment or command line."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Process:
    """One living process."""

    pid: int
    parent: int
    command: str

    def resident_kib(self) -> int:
        """Its share of memory (PSS: pages that several processes share are divided among them); 0 once it is gone."""
        try:
            lines = (_PROC / str(self.pid) / "smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def with_state(state: Path) -> list[Process]:
    """Living processes (no zombies) that name ``state``; never the caller itself."""
    found: list[Process] = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            process = _read(int(entry.name), str(state).encode())
            if process is not None:
                found.append(process)
    return found


def beside(state: Path, daemon: str, *, served: bool = False) -> list[Process]:
    """Processes of ``state`` without the daemon of that name and what it started; with ``served`` only the latter."""
    processes = with_state(state)
    daemons = {process.pid for process in processes if daemon in process.command}
    family = set(daemons)
    while more := {process.pid for process in processes if process.parent in family} - family:
        family |= more
    return [item for item in processes if (item.pid in family - daemons if served else item.pid not in family)]


def gone_within(seconds: float, look: Callable[[], list[Process]]) -> list[Process]:
    """Wait until ``look`` finds nothing; returns what is still alive after ``seconds``."""
    deadline = time.monotonic() + seconds
    while left := look():
        if time.monotonic() > deadline:
            return left
        time.sleep(_POLL_SECONDS)
    return []


def _read(pid: int, needle: bytes) -> Process | None:
    directory = _PROC / str(pid)
    try:
        command = (directory / "cmdline").read_bytes()
        stat = (directory / "stat").read_text().rpartition(")")[2].split()
        # A zombie has no memory: its command line is empty, whoever's it was.
        if stat[0] == "Z" or needle not in command + (directory / "environ").read_bytes():
            return None
    except OSError:
        return None
    return Process(pid, int(stat[1]), command.replace(b"\0", b" ").decode(errors="replace").strip())
