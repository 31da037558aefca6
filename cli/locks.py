"""Who holds the lock of a stack on a file backend, and whether that process still lives."""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cli.project import PROJECT

_ORGANIZATION: Final = "organization"
"""What file backends call the one organization that they have."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One lock file (``lockContent`` in the engine's ``backend/diy/lock.go``)."""

    path: Path
    pid: int
    user: str
    host: str
    since: str
    alive: bool | None
    """None when the holder runs on another machine, where we cannot look."""

    def __str__(self) -> str:
        state = {True: "still running", False: "dead", None: "on another machine"}[self.alive]
        return f"pid {self.pid} of {self.user}@{self.host} since {self.since}, {state}"


def locks(environment: Mapping[str, str], stack: str) -> list[Lock]:
    """The locks of a stack; none on backends that keep them elsewhere."""
    url = urlsplit(environment.get("PULUMI_BACKEND_URL", ""))
    if url.scheme != "file":
        return []
    directory = Path(url.netloc + url.path).expanduser() / ".pulumi" / "locks" / _ORGANIZATION / PROJECT / stack
    found: list[Lock] = []
    for path in sorted(directory.glob("*.json")):
        try:
            content = json.loads(path.read_text())
        except ValueError:
            # Half written by a killed engine.
            content = {}
        host, pid = str(content.get("hostname", "?")), int(content.get("pid", 0))
        found.append(
            Lock(
                path=path,
                pid=pid,
                user=str(content.get("username", "?")),
                host=host,
                since=str(content.get("timestamp", "?")),
                alive=_is_engine(pid) if host == socket.gethostname() else None,
            )
        )
    return found


def _is_engine(pid: int) -> bool:
    """Whether ``pid`` is a running engine: pids are given again, so the name counts too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    command = Path(f"/proc/{pid}/cmdline")
    if not command.exists():
        return True
    words = command.read_bytes().split(b"\0")
    # A zombie has no command line: it holds nothing any more.
    return any(b"pulumi" in word for word in words)
