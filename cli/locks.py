"""Who holds the lock of a stack on a file backend, and whether that process still lives."""

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cli.errors import UserError
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
        since = re.sub(r"\.\d+", "", self.since)
        return f"pid {self.pid} of {self.user}@{self.host} since {since}, {state}"


def refuse_second(environment: Mapping[str, str], stack: str) -> None:
    """Tell whoever comes second who is at work: before an engine is started, in one clear error.

    Raises:
        UserError: somebody holds the lock of the stack, or died with it.
    """
    for lock in locks(environment, stack):
        dead = lock.alive is False
        after = "" if lock.alive else f"; `slipway recover {stack} --force` when it is surely dead"
        raise UserError(
            f"an update of {stack} was killed and left its lock" if dead else f"somebody else is updating {stack}",
            where=str(lock.path),
            value=str(lock),
            fix=f"`slipway recover {stack}` puts the stack right, then `slipway up {stack}` goes on"
            if dead
            else f"wait until it has ended, or interrupt it where it runs{after}; nothing was changed here",
        )


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
