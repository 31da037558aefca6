"""The simulated tunnel: an HTTP proxy on loopback that has a leg in the network, for clusters with a private endpoint.

It passes on nothing but CONNECT requests for endpoints of this environment's clusters (RFC 9110, 9.3.6).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from local.cluster.front import pass_bytes
from local.cluster.ports import LOOPBACK

_LOG = logging.getLogger(__name__)
_HEAD_LIMIT = 1 << 14
_HEAD_SECONDS = 10.0


class Tunnel:
    """Listens on ``port``; ``inside`` tells where a published endpoint's port leads, or None."""

    def __init__(self, port: int, inside: Callable[[int], int | None]) -> None:
        self.port = port
        self._inside = inside
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connection, LOOPBACK, self.port, limit=_HEAD_LIMIT)

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in list(self._writers):
            writer.close()
        await server.wait_closed()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            target = await self._target(reader)
            if target is None:
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            upstream_reader, upstream_writer = await asyncio.open_connection(LOOPBACK, target)
            self._writers.add(upstream_writer)
            try:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await asyncio.gather(pass_bytes(reader, upstream_writer), pass_bytes(upstream_reader, writer))
            finally:
                self._writers.discard(upstream_writer)
                upstream_writer.close()
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            _LOG.info("tunnel: %s", error)
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _target(self, reader: asyncio.StreamReader) -> int | None:
        """The port behind ``CONNECT host:port``; hosts other than loopback are not in the simulated network."""
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        method, authority, *_ = [*head.partition(b"\r\n")[0].decode("latin-1").split(" "), "", ""]
        host, _, port = authority.rpartition(":")
        if method != "CONNECT" or host != LOOPBACK or not port.isdigit():
            return None
        return self._inside(int(port))
