"""Writes a container's output as a container runtime does: one line with time and stream each, files of bounded size.

Format: kubernetes/design-proposals-archive, node/kubelet-cri-logging.md.
"""

import contextlib
import os
import time
from pathlib import Path

_PIECE_BYTES = 16 << 10
"""containerd's ``max_container_log_line_size``: a longer line is written in pieces."""
_BLOCK_BYTES = 64 << 10


class LogFile:
    """The file that is written now and its predecessors, at most ``files`` of ``limit_bytes`` each."""

    def __init__(self, path: Path, limit_bytes: int, files: int) -> None:
        self._path = path
        self._limit = limit_bytes
        self._files = files
        self._descriptor = self._open()
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append whole lines, then begin a new file when this one is full.

        What does not fit on the disk is lost, as with containerd: the container runs on.
        """
        view = memoryview(data)
        with contextlib.suppress(OSError):
            while view:
                view = view[os.write(self._descriptor, view) :]
            self._size += len(data)
            if self._size >= self._limit:
                self._rotate()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def _rotate(self) -> None:
        for number in range(self._files - 1, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        descriptor = self._open()
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._size = 0

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path


class Stream:
    """One output pipe of the container."""

    def __init__(self, descriptor: int, name: str, log: LogFile) -> None:
        self.descriptor = descriptor
        self._name = name.encode()
        self._log = log
        self._rest = b""
        os.set_blocking(descriptor, False)

    def pump(self) -> bool:
        """Write what has arrived; False at the end of the output."""
        try:
            block = os.read(self.descriptor, _BLOCK_BYTES)
        except BlockingIOError:
            return True
        self._consume(block)
        return bool(block)

    def finish(self) -> None:
        """Write what has arrived, up to a last line without an end; waits for nobody who still holds the pipe."""
        try:
            while block := os.read(self.descriptor, _BLOCK_BYTES):
                self._consume(block)
        except BlockingIOError:
            pass
        if self._rest:
            # A piece, as containerd writes a last line without an end: whoever reads it adds none.
            self._log.write(self._entry(_stamp(), b"P", self._rest))
            self._rest = b""

    def _consume(self, block: bytes) -> None:
        lines = (self._rest + block).split(b"\n")
        self._rest = lines.pop()
        stamp = _stamp()
        written = [piece for line in lines for piece in self._pieces(stamp, line)]
        while len(self._rest) >= _PIECE_BYTES:
            written.append(self._entry(stamp, b"P", self._rest[:_PIECE_BYTES]))
            self._rest = self._rest[_PIECE_BYTES:]
        if written:
            self._log.write(b"".join(written))

    def _pieces(self, stamp: bytes, line: bytes) -> list[bytes]:
        found = []
        while len(line) > _PIECE_BYTES:
            found.append(self._entry(stamp, b"P", line[:_PIECE_BYTES]))
            line = line[_PIECE_BYTES:]
        found.append(self._entry(stamp, b"F", line))
        return found

    def _entry(self, stamp: bytes, tag: bytes, text: bytes) -> bytes:
        return b"%s %s %s %s\n" % (stamp, self._name, tag, text)


def _stamp() -> bytes:
    now = time.time_ns()
    seconds, nanoseconds = divmod(now, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() + b".%09dZ" % nanoseconds
