"""A pod's sandbox: the namespaces that its containers share, held open by the agent."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from local.cluster.process_node import syscalls
from local.cluster.process_node.process import Shim
from local.cluster.process_node.seams import Attachment, NodeError

_SHARED = ("mnt", "uts", "ipc")


@dataclass(frozen=True)
class MemoryMount:
    """A tmpfs of the pod: an emptyDir of medium Memory, or /dev/shm."""

    path: str
    """Existing directory, which shows the tmpfs in the sandbox only."""
    size_bytes: int = 0
    """0: half of the machine's memory, the kernel's default."""
    mode: str = "0777"
    gid: int = 0


class Sandbox:
    """Namespaces of one pod; gone when closed, or with the agent."""

    def __init__(self, shim: Shim, descriptors: Sequence[int], init: int, attachment: Attachment | None) -> None:
        self._shim = shim
        self._descriptors = descriptors
        self._init = init
        self.attachment = attachment

    @classmethod
    async def create(
        cls, hostname: str, memory: Sequence[MemoryMount], attachment: Attachment | None, *, shared_pid: bool
    ) -> "Sandbox":
        """Make a sandbox.

        Raises:
            NodeError: the system forbids it.
        """
        mounts = [{"path": item.path, "size": item.size_bytes, "mode": item.mode, "gid": item.gid} for item in memory]
        shim = await Shim.start("sandbox", {"hostname": hostname, "tmpfs": mounts, "shared_pid": shared_pid})
        try:
            return await cls._of(shim, attachment, shared_pid=shared_pid)
        except BaseException:
            # Also cancelled: nobody else knows of it.
            await shim.abort()
            raise

    @classmethod
    async def _of(cls, shim: Shim, attachment: Attachment | None, *, shared_pid: bool) -> "Sandbox":
        answer = await shim.read()
        if answer["event"] != "ready":
            raise NodeError("namespaces cannot be made on this machine; the agent's log has the error")
        with contextlib.ExitStack() as undo:
            descriptors = []
            for name in _SHARED:
                descriptors.append(os.open(f"/proc/{shim.pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC))
                undo.callback(os.close, descriptors[-1])
            if not shared_pid:
                await shim.end()
            undo.pop_all()
        return cls(shim, descriptors, answer["init"], attachment)

    @property
    def new(self) -> int:
        """CLONE_* flags of what each container has for itself."""
        return syscalls.CLONE_NEWNS | (0 if self._init else syscalls.CLONE_NEWPID)

    @property
    def namespaces(self) -> list[str]:
        """Paths of what the containers share."""
        paths = [f"/proc/{os.getpid()}/fd/{descriptor}" for descriptor in self._descriptors]
        if self.attachment is not None:
            paths.append(str(self.attachment.netns))
        if self._init:
            paths.append(f"/proc/{self._init}/ns/pid")
        return paths

    def namespaces_of(self, pid: int) -> list[str]:
        """Paths of the namespaces of one container's process, for a process beside it."""
        return [f"/proc/{pid}/ns/{name}" for name in (*_SHARED, "net", "pid")]

    async def close(self) -> None:
        """Let go of the namespaces; whoever still runs in a shared PID namespace is killed."""
        for descriptor in self._descriptors:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._descriptors = ()
        await self._shim.end()
