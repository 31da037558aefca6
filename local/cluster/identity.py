"""Which process is meant: a pid alone may have been handed to somebody else since it was written down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_STATE_FIELD = 0
_START_FIELD = 19
"""Fields of /proc/<pid>/stat after the command name, proc(5): state is the 3rd of all, starttime the 22nd."""
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class ProcessIdentity:
    """A process that is not mistaken for a later one with the same pid: ``started`` names the boot and the moment."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The identity of the living process ``pid``; None when there is none (a zombie counts as none)."""
        started = _start(pid)
        return None if started is None else cls(pid, started)

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """The inverse of ``to_json``; None when ``value`` is anything else, such as a file cut short."""
        if not isinstance(value, dict):
            return None
        pid, started = value.get("pid"), value.get("started")
        return cls(pid, started) if isinstance(pid, int) and isinstance(started, str) else None

    def to_json(self) -> dict[str, int | str]:
        """As JSON members."""
        return {"pid": self.pid, "started": self.started}

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return _start(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to the process and to its group when it leads one; nothing when it is gone."""
        if not self.alive():
            return
        try:
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return


def stop(identities: Iterable[ProcessIdentity], *, grace_seconds: float) -> list[ProcessIdentity]:
    """End processes: SIGTERM, after ``grace_seconds`` SIGKILL. Returns those that run even so."""
    remaining = [identity for identity in identities if identity.alive()]
    for number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        for identity in remaining:
            identity.signal(number)
        deadline = time.monotonic() + patience
        while remaining and time.monotonic() < deadline:
            remaining = [identity for identity in remaining if identity.alive()]
            time.sleep(_POLL_SECONDS if remaining else 0)
    return remaining


def resident_mib(pid: int) -> int:
    """Resident memory in MiB; 0 when the process is gone or the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // (1 << 20)


def _start(pid: int) -> str | None:
    if sys.platform != "linux":
        return _start_by_ps(pid)
    try:
        # The command name is in parentheses and may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[_STATE_FIELD] in {"Z", "X"}:
        return None
    return f"{_boot()}:{fields[_START_FIELD]}"


def _boot() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown-boot"


def _start_by_ps(pid: int) -> str | None:
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
