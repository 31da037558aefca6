"""Starts one process of a pod in its namespaces, hands signals to it, writes its output down and tells how it ended."""

import contextlib
import fcntl
import json
import os
import select
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from local.cluster.process_node import syscalls
from local.cluster.process_node.shim import credentials, rootfs
from local.cluster.process_node.shim.logs import LogFile, Stream
from local.cluster.process_node.shim.parent import Parent

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_NOT_PREPARED = 128
"""containerd's exit code of a container that could not be created."""
_TIOCSCTTY = 0x540E
_HIGHEST_DESCRIPTOR = 4096


class Shim:
    """One process and the descriptors around it."""

    def __init__(self, specification: Mapping[str, Any]) -> None:
        self._spec = specification
        self._streams: list[Stream] = []

    def run(self) -> None:
        """Start it, serve it until it ends, report."""
        last = credentials.last_capability()
        report_read, report_write = os.pipe2(os.O_CLOEXEC)
        stdio = self._stdio()
        try:
            groups = [os.open(file, os.O_WRONLY | os.O_CLOEXEC) for file in self._spec["cgroup_files"]]
            parent = Parent.of_children()
            self._enter_namespaces()
            child = os.fork()
        except OSError as error:
            _tell(event="failed", code=_NOT_PREPARED, message=str(error))
            return
        if not child:
            _run_child(self._spec, stdio, last, report_write, groups, parent=parent)
        for descriptor in {*stdio, *groups, report_write, parent.descriptor}:
            os.close(descriptor)
        problem = _read_all(report_read)
        if problem:
            os.waitpid(child, 0)
            _tell(event="failed", **json.loads(problem))
            return
        _tell(event="started", pid=child)
        self._serve(child)

    def _stdio(self) -> tuple[int, int, int]:
        given = self._spec.get("stdio")
        if given:
            return given[0], given[1], given[2]
        log = self._spec["log"]
        target = LogFile(Path(log["path"]), log["limit_bytes"], log["files"])
        ends = []
        for name in ("stdout", "stderr"):
            read, write = os.pipe2(os.O_CLOEXEC)
            self._streams.append(Stream(read, name, target))
            ends.append(write)
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), ends[0], ends[1]

    def _enter_namespaces(self) -> None:
        # All are opened before the first is entered: /proc shows another tree afterwards.
        descriptors = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in self._spec["namespaces"]]
        for descriptor in descriptors:
            syscalls.setns(descriptor)
            os.close(descriptor)
        # Not yet the mount namespace: pivot_root moves every process of it, and the shim still writes the log.
        new = self._spec["new"] & ~syscalls.CLONE_NEWNS
        if new:
            syscalls.unshare(new)

    def _serve(self, child: int) -> None:
        # From here on the end of the input tells that the agent is gone, and the child is killed by name: the kernel's
        # way, through the shim's own death, fails with a program that has changed its user since.
        syscalls.die_with_parent(0)
        ended = os.pidfd_open(child)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(0, select.POLLIN)
        streams = {stream.descriptor: stream for stream in self._streams}
        for descriptor in streams:
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            for descriptor in ready:
                if descriptor in streams and not streams[descriptor].pump():
                    poll.unregister(descriptor)
            if 0 in ready and not _obey(child):
                poll.unregister(0)
            if ended in ready:
                break
        _, status = os.waitpid(child, 0)
        for stream in self._streams:
            stream.finish()
        code = os.waitstatus_to_exitcode(status)
        _tell(event="ended", code=code if code >= 0 else 128 - code, signal=max(0, -code))


def run(specification: Mapping[str, Any]) -> None:
    """One process, from its specification to its end."""
    Shim(specification).run()


def _obey(child: int) -> bool:
    """Do what the agent says; False when it says no more."""
    text = os.read(0, 4096)
    if not text:
        os.kill(child, signal.SIGKILL)
        return False
    for line in text.decode().splitlines():
        word, _, number = line.partition(" ")
        if word == "kill":
            os.kill(child, int(number))
    return True


def _run_child(
    specification: Mapping[str, Any],
    stdio: tuple[int, int, int],
    last: int,
    report: int,
    groups: Sequence[int],
    *,
    parent: Parent,
) -> NoReturn:
    code, message, argv = _NOT_PREPARED, "", specification["argv"]
    try:
        parent.follow()
        for group in groups:
            os.write(group, b"0")
        _prepare(specification, stdio, last, {report, parent.descriptor})
        # Again: the kernel forgets it when the user changes.
        parent.follow()
    except BaseException as error:  # noqa: BLE001 - told to the agent, which reports it
        message = f"{type(error).__name__}: {error}"
    else:
        try:
            os.execvpe(argv[0], argv, specification["environment"])  # noqa: S606 - the point of it all
        except FileNotFoundError:
            place = "no such file or directory" if "/" in argv[0] else "executable file not found in $PATH"
            code, message = _NOT_FOUND, f'exec: "{argv[0]}": {place}'
        except OSError as error:
            code, message = _NOT_EXECUTABLE, f'exec: "{argv[0]}": {(error.strerror or str(error)).lower()}'
    os.write(report, json.dumps({"code": code, "message": message}).encode())
    os._exit(code)


def _prepare(specification: Mapping[str, Any], stdio: tuple[int, int, int], last: int, kept: Collection[int]) -> None:
    os.setsid()
    for number, descriptor in enumerate([os.dup(descriptor) for descriptor in stdio]):
        os.dup2(descriptor, number)
    lowest = 3
    for descriptor in (*sorted(kept), _HIGHEST_DESCRIPTOR):
        os.closerange(lowest, descriptor)
        lowest = descriptor + 1
    if specification["tty"]:
        _take_terminal()
    if specification["new"] & syscalls.CLONE_NEWNS:
        syscalls.unshare(syscalls.CLONE_NEWNS)
    if specification["root"]:
        rootfs.enter(specification["root"], specification["mounts"], read_only=specification["read_only_root"])
    os.umask(0o022)
    credentials.become(specification["user"], last)
    _enter_directory(specification["working_directory"])
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        # Python ignores or catches them, and what is ignored is inherited.
        signal.signal(number, signal.SIG_DFL)


def _enter_directory(path: str) -> None:
    try:
        os.chdir(path)
    except FileNotFoundError:
        # runc makes it; as root of a read-only file system it cannot, and then the error is the container's.
        os.makedirs(path)  # noqa: PTH103 - pathlib is slow to import and this program starts for every probe
        os.chdir(path)


def _take_terminal() -> None:
    fcntl.ioctl(0, _TIOCSCTTY, 0)


def _read_all(descriptor: int) -> bytes:
    found = bytearray()
    while block := os.read(descriptor, 4096):
        found += block
    os.close(descriptor)
    return bytes(found)


def _tell(**members: Any) -> None:
    # The agent may be gone.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(members).encode() + b"\n")
