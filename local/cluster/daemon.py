"""Starting, finding, asking and ending the supervisor's process."""

import http.client
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.cluster.files import private_directory
from local.cluster.identity import ProcessIdentity
from local.cluster.layout import SupervisorFiles
from local.cluster.status import Status
from local.paths import REPOSITORY, STATE_VARIABLE, StatePaths

_START_SECONDS = 30.0
_POLL_SECONDS = 0.05
_ASK_SECONDS = 10.0
_OK = 200
_LOG_LINES = 15
_PASSED_VARIABLES = ("HOME", "PATH", "LANG", "TZ", "TMPDIR", "SLIPWAY_CACHE_DIR", "XDG_CACHE_HOME")


class SupervisorError(RuntimeError):
    """The supervisor did not start, or does not answer; the message says what to do."""


@dataclass(frozen=True)
class Running:
    """What the supervisor wrote down about itself."""

    identity: ProcessIdentity
    url: str
    token: str

    def ask(self, path: str) -> dict[str, Any]:
        """A JSON answer.

        Raises:
            SupervisorError: it does not answer.
        """
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_ASK_SECONDS)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
            response = connection.getresponse()
            body = response.read()
        except OSError as error:
            raise SupervisorError(f"the supervisor (pid {self.identity.pid}) does not answer: {error}") from error
        finally:
            connection.close()
        if response.status != _OK:
            raise SupervisorError(f"the supervisor answered {response.status}: {body.decode(errors='replace').strip()}")
        answer: dict[str, Any] = json.loads(body)
        return answer

    def status(self) -> Status:
        """The environment as the supervisor sees it."""
        return Status.from_json(self.ask("/status"))


def recorded(files: SupervisorFiles) -> Running | None:
    """The supervisor that the record file names, dead or alive."""
    try:
        record = json.loads(files.record.read_text())
    except (OSError, ValueError):
        return None
    identity = ProcessIdentity.from_json(record)
    if identity is None or not isinstance(record.get("url"), str):
        return None
    return Running(identity, record["url"], str(record.get("token", "")))


def running(files: SupervisorFiles) -> Running | None:
    """The supervisor, if it lives."""
    found = recorded(files)
    return found if found and found.identity.alive() else None


def start(paths: StatePaths) -> Running:
    """Start the daemon and return once it answers.

    Raises:
        SupervisorError: it ended, or took too long; with the last lines of its log.
    """
    files = SupervisorFiles(paths)
    private_directory(files.directory)
    files.record.unlink(missing_ok=True)
    pid = _spawn(paths, files.log)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = running(files)
        if found and found.identity.pid == pid:
            found.status()
            return found
        if ProcessIdentity.of(pid) is None:
            raise SupervisorError(
                f"the supervisor ended while it started; its log, {files.log}, ends:\n{_tail(files.log)}"
            )
        time.sleep(_POLL_SECONDS)
    raise SupervisorError(f"the supervisor (pid {pid}) does not answer after {_START_SECONDS:g} s; see {files.log}")


def _spawn(paths: StatePaths, log: Path) -> int:
    # The shell puts the daemon into the background of a session of its own and ends: nobody has to reap it, and no
    # terminal's Ctrl-C reaches it.
    script = 'log="$1"; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
    command = [sys.executable, "-P", "-m", "local.cluster.supervisor", "--environment", paths.environment]
    environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
    environment |= {STATE_VARIABLE: str(paths.root.parent), "PYTHONPATH": str(REPOSITORY)}
    started = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(log), *command],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=paths.root,
        start_new_session=True,
        text=True,
        check=True,
    )
    return int(started.stdout)


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    except OSError:
        return "(there is no log)"
