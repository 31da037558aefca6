"""A child process that is kept alive, and that never outlives the supervisor."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from local.cluster.files import private_directory
from local.cluster.identity import ProcessIdentity, resident_mib
from local.cluster.status import ProcessStatus

_SET_PARENT_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STABLE_SECONDS = 20.0
_STOP_SECONDS = 5.0
SILENT_SECONDS = 120.0
"""A kubelet's liveness probe gives up after about one minute; a busy laptop needs longer to start something."""
_ALIVE_POLL_SECONDS = 5.0
_LOG_LIMIT_BYTES = 20 << 20


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What to run and how to know that it works."""

    name: str
    arguments: Sequence[str]
    log: Path
    ports: Mapping[str, int]
    healthy: Callable[[], Awaitable[str]]
    """Asks the process; returns "" when it is ready, else why it is not."""
    environment: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Called before each start, also before one that follows a crash."""
    alive: Callable[[], Awaitable[str]] | None = None
    """Asks the process whether it is worth waiting for; one that is silent for ``SILENT_SECONDS`` is started again."""


class Child:
    """Runs one process until told otherwise; starts it again, ever more slowly, when it ends by itself."""

    def __init__(self, spec: ChildSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.identity: ProcessIdentity | None = None
        self._changed = changed
        self._restarts = 0
        self._last_exit = ""
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"child {self.spec.cluster}/{self.spec.name}")

    async def stop(self) -> None:
        """End the process: SIGTERM to its group, SIGKILL after a moment."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def ready(self) -> str:
        """Why the process is not ready; "" when it is."""
        if self.identity is None or not self.identity.alive():
            return self._last_exit or "starting"
        return await self.spec.healthy()

    async def status(self) -> ProcessStatus:
        """For reports."""
        reason = await self.ready()
        pid = self.identity.pid if self.identity else None
        return ProcessStatus(
            name=self.spec.name,
            cluster=self.spec.cluster,
            pid=pid,
            ports=dict(self.spec.ports),
            memory_mib=resident_mib(pid) if pid else 0,
            log=str(self.spec.log),
            ready=not reason,
            reason=reason,
            restarts=self._restarts,
        )

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            code = await self._run_once()
            if time.monotonic() - began > _STABLE_SECONDS:
                self._failures = 0
            delay = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
            self._failures += 1
            self._restarts += 1
            self._last_exit = f"{_exit_words(code)}; started again after {delay:g} s, see {self.spec.log}"
            self._changed()
            await asyncio.sleep(delay)

    async def _run_once(self) -> int:
        private_directory(self.spec.log.parent)
        if self.spec.log.exists() and self.spec.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.spec.log.replace(self.spec.log.with_suffix(".log.old"))
        if self.spec.prepare is not None:
            await self.spec.prepare()
        with self.spec.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self.spec.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.spec.environment),
                cwd=self.spec.log.parent,
                # Two system calls, loaded before the fork: they take no lock.
                preexec_fn=partial(_end_with_supervisor, os.getpid()),
                process_group=0,
            )
        self.identity = ProcessIdentity.of(process.pid)
        self._changed()
        watch = asyncio.create_task(self._end_when_silent())
        try:
            return await process.wait()
        finally:
            watch.cancel()
            if process.returncode is None:
                await self._end(process)
            self.identity = None

    async def _end_when_silent(self) -> None:
        """What a liveness probe is for: some programs wait for ever for what they did not get at their start."""
        if self.spec.alive is None:
            return
        heard = time.monotonic()
        while self.identity:
            await asyncio.sleep(_ALIVE_POLL_SECONDS)
            if not await self.spec.alive():
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS and self.identity:
                self.identity.signal(signal.SIGKILL)
                return

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.identity:
                self.identity.signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), _STOP_SECONDS)
                return


def _end_with_supervisor(supervisor: int) -> None:
    if _LIBC is not None:
        _LIBC.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    # It may have died before the kernel was asked.
    if os.getppid() != supervisor:
        os._exit(1)


def _exit_words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"ended by {signal.Signals(-code).name}"
    return f"ended by signal {-code}"
