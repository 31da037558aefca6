"""Descriptors of a process's standard streams: pipes, or the two ends of one terminal."""

import asyncio
import contextlib
import fcntl
import json
import os
import struct
import termios
from dataclasses import dataclass, field

_MAX_SIZE = 0xFFFF
_END_OF_FILE = b"\x04"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which streams the client asked for."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


@dataclass
class StandardStreams:
    """The process's descriptors, and ours."""

    stdin: int
    stdout: int
    stderr: int
    tty: bool = False
    writes: int | None = None
    """Ours: what is written here the process reads."""
    reads: dict[int, int] = field(default_factory=dict)
    """Ours: descriptor by the number of the stream (1 or 2)."""
    _transports: list[asyncio.ReadTransport] = field(default_factory=list)

    @staticmethod
    def open(wanted: Wanted) -> "StandardStreams":
        """Make them; streams that nobody asked for are /dev/null."""
        if wanted.tty:
            ours, theirs = os.openpty()
            made = StandardStreams(theirs, os.dup(theirs), os.dup(theirs), tty=True, reads={1: ours})
            made.writes = os.dup(ours) if wanted.stdin else None
            return made
        made = StandardStreams(-1, -1, -1)
        if wanted.stdin:
            made.stdin, made.writes = os.pipe()
        else:
            made.stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for stream, name in ((1, "stdout"), (2, "stderr")):
            if getattr(wanted, name):
                made.reads[stream], theirs = os.pipe()
            else:
                theirs = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
            setattr(made, name, theirs)
        return made

    def resize(self, text: bytes) -> None:
        """Set the terminal's size from ``{"Width": columns, "Height": rows}``; anything else is ignored."""
        try:
            size = json.loads(text)
            columns, rows = int(size["Width"]), int(size["Height"])
        except (ValueError, KeyError, TypeError):
            return
        if self.tty and 0 < columns <= _MAX_SIZE and 0 < rows <= _MAX_SIZE:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self.reads[1], termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def given_away(self) -> None:
        """Close the process's ends: it has its own now."""
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.close(descriptor)

    async def reader(self, stream: int) -> asyncio.StreamReader:
        """Reads what the process writes; takes the descriptor over, until `close`."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        opened = os.fdopen(self.reads[stream], "rb", 0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), opened)
        self._transports.append(transport)
        return reader

    def close(self) -> None:
        """Read no more, also where something that the process left behind holds on to the other end."""
        for transport in self._transports:
            transport.close()

    async def writer(self) -> "Input":
        """Writes what the process reads; takes the descriptor over."""
        if self.writes is None:
            return Input(None, tty=self.tty)
        loop = asyncio.get_running_loop()
        opened = os.fdopen(self.writes, "wb", 0)
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, opened)
        return Input(asyncio.StreamWriter(transport, protocol, None, loop), tty=self.tty)


@dataclass
class Input:
    """A process's standard input."""

    _writer: asyncio.StreamWriter | None
    tty: bool = False

    async def write(self, data: bytes) -> None:
        """Pass on; nothing when the process no longer reads."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.write(data)
                await self._writer.drain()

    async def end(self) -> None:
        """End of file; a terminal is told by its own control character."""
        if self.tty:
            await self.write(_END_OF_FILE)
        elif self._writer is not None:
            self._writer.close()

    def close(self) -> None:
        """Release the descriptor."""
        if self._writer is not None:
            self._writer.close()
