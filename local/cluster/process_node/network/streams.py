"""Forwarding of TCP connections, each direction ended on its own as the peers end it."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

Connect = Callable[[socket.SocketKind], Awaitable[socket.socket]]
"""Opens a connection to whoever serves now; raises OSError when nobody does."""

_CHUNK = 1 << 18
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing resets the connection."""


class TcpForwarder:
    """Accepts on one socket."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._accepted, sock=listening)

    async def stop(self) -> None:
        """Stop accepting; connections that are open go on, as they do with kube-proxy."""
        server, self._server = self._server, None
        if server:
            server.close()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await self._connect(socket.SOCK_STREAM)
        except OSError:
            reset(writer)
            return
        await splice((reader, writer), await asyncio.open_connection(sock=upstream))


async def splice(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Pass bytes both ways until both directions have ended; a reset on one side becomes one on the other."""
    results = await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))
    for _, writer in (one, other):
        if all(results):
            writer.close()
        else:
            reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the peer gets an error, not an end of file."""
    opened: socket.socket | None = writer.get_extra_info("socket")
    if opened is not None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One direction to its end; False when it broke, with both connections cut so that the other direction ends too."""
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        reset(writer)
        return False
    return True
