"""A process of a pod, seen from the agent: its shim, how it started and how it ended."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cluster.process_node.seams import NodeError, Stdio
from local.paths import REPOSITORY

_SHIM = "local.cluster.process_node.shim"
_LIMIT_BYTES = 1 << 20
_ABORT_SECONDS = 2.0
"""More than a shim needs on a busy machine to mount a root file system, after which it looks at its input again."""
_GONE_CODE = 255
"""containerd's exit code of a container whose shim is gone (``unknownExitCode``)."""


class StartError(NodeError):
    """The process could not be started; ``code`` is what a shell would call it (126, 127) or 128."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Exit:
    """How a process ended."""

    code: int
    """128 + N when signal N ended it."""
    signal: int = 0


@dataclass(frozen=True, kw_only=True)
class User:
    """Identity of a process; see ``shim.credentials``."""

    uid: int = 0
    gid: int = 0
    groups: Sequence[int] = ()
    capabilities: Sequence[int] | None = None
    """Kept capabilities by number; None: all."""
    no_new_privileges: bool = False


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What the shim needs to know."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    working_directory: str
    user: User
    namespaces: Sequence[str]
    """Paths of namespaces to enter."""
    new: int = 0
    """CLONE_* flags of namespaces to make."""
    root: str = ""
    """Empty directory that becomes the root; empty: the namespaces' own."""
    mounts: Sequence[Mapping[str, Any]] = ()
    read_only_root: bool = False
    cgroup_files: Sequence[str] = ()
    log: Mapping[str, Any] = field(default_factory=dict)
    """``path``, ``limit_bytes``, ``files``: where output goes unless ``stdio`` says it."""
    stdio: Stdio | None = None
    tty: bool = False

    def to_json(self) -> dict[str, Any]:
        """As the shim reads it."""
        members = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return members | {"user": {**vars(self.user), "nested": os.geteuid() != os.getuid() or in_user_namespace()}}


def in_user_namespace() -> bool:
    """Whether this process is root in a user namespace of its own only, with a single id."""
    try:
        with open("/proc/self/uid_map") as stream:  # noqa: PTH123 - asked for every process
            words = stream.read().split()
    except OSError:
        return False
    return len(words) == 3 and words[2] == "1"  # noqa: PLR2004 - uid_map(5): inside, outside, length


class Shim:
    """One shim process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, mode: str, specification: Mapping[str, Any], descriptors: Sequence[int] = ()) -> "Shim":
        """Start a shim in ``mode`` (sandbox, process)."""
        command = [sys.executable, "-S", "-s", "-P", "-m", _SHIM, mode]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            cwd="/",
            pass_fds=tuple(set(descriptors)),
            start_new_session=True,
            limit=_LIMIT_BYTES,
        )
        shim = cls(process)
        shim.write(json.dumps(specification))
        return shim

    @property
    def pid(self) -> int:
        """The shim's own process id."""
        return self._process.pid

    def write(self, line: str) -> None:
        """Say something to it; nothing when it is gone."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode() + b"\n")

    async def read(self) -> dict[str, Any]:
        """What it says next; ``{"event": "gone"}`` at its end."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe, see start
        line = await self._process.stdout.readline()
        if not line:
            return {"event": "gone"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def release(self) -> None:
        """Close its input: it kills what it holds, and ends."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def end(self) -> None:
        """Release it and wait."""
        self.release()
        await self._process.wait()

    async def abort(self) -> None:
        """Release it and wait; SIGKILL when it does not end, which the kernel passes on to what it runs."""
        self.release()
        try:
            await asyncio.wait_for(self._process.wait(), _ABORT_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class PodProcess:
    """A container's first process, or one beside it."""

    def __init__(self, shim: Shim, pid: int) -> None:
        self._shim = shim
        self.pid = pid
        self.exit: asyncio.Task[Exit] = asyncio.create_task(self._wait(), name=f"exit of {pid}")

    @classmethod
    async def start(cls, specification: ProcessSpec) -> "PodProcess":
        """Start it and return once its program runs.

        Raises:
            StartError: it could not be started.
        """
        shim = await Shim.start("process", specification.to_json(), specification.stdio or ())
        try:
            answer = await shim.read()
        except BaseException:
            # Cancelled: nothing of it may be left when whoever waited goes on.
            await shim.abort()
            raise
        if answer["event"] != "started":
            await shim.end()
            raise StartError(answer.get("code", 128), answer.get("message", "the shim ended before the process began"))
        return cls(shim, answer["pid"])

    def signal(self, number: int) -> None:
        """Send a signal; nothing when it has ended."""
        if not self.exit.done():
            self._shim.write(f"kill {number}")

    async def abort(self) -> None:
        """SIGKILL, and wait for the end; returns in any case."""
        await self._shim.abort()
        await asyncio.wait([self.exit], timeout=_ABORT_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(9)

    async def wait(self) -> int:
        """Its exit code."""
        return (await asyncio.shield(self.exit)).code

    async def _wait(self) -> Exit:
        answer = await self._shim.read()
        await self._shim.end()
        if answer["event"] != "ended":
            return Exit(_GONE_CODE)
        return Exit(answer["code"], answer["signal"])
