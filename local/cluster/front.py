"""The published endpoint of a cluster: passes bytes to the API server while the cluster's settings admit the client."""

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Mapping
from typing import Any

from local.cluster.ports import LOOPBACK

CLIENT_ADDRESS = "203.0.113.10"
"""Source address of everything outside the simulated cloud (RFC 5737, documentation)."""
_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 16


def admitted(vpc_config: Mapping[str, Any], client: str = CLIENT_ADDRESS) -> bool:
    """Whether the public endpoint is on and its allow-list holds ``client``; EKS's default is on, for everyone."""
    if not vpc_config.get("endpointPublicAccess", True):
        return False
    address = ipaddress.ip_address(client)
    ranges = vpc_config.get("publicAccessCidrs") or ["0.0.0.0/0"]
    return any(address in ipaddress.ip_network(cidr, strict=False) for cidr in ranges)


class Front:
    """A TCP pass-through from ``port`` to ``target``, which can be closed: then clients have no path to the cluster."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.target = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def set_open(self, wanted: bool) -> None:  # noqa: FBT001 - the name says what True means
        """Listen, or stop listening and cut the connections there are."""
        if wanted and self._server is None:
            self._server = await asyncio.start_server(self._connection, LOOPBACK, self.port)
            _LOG.info("endpoint on port %d opened", self.port)
        elif not wanted and self._server is not None:
            server, self._server = self._server, None
            server.close()
            for writer in list(self._writers):
                writer.close()
            await server.wait_closed()
            _LOG.info("endpoint on port %d closed", self.port)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(LOOPBACK, self.target)
        except OSError:
            self._writers.discard(writer)
            writer.close()
            return
        self._writers.add(upstream_writer)
        try:
            await asyncio.gather(pass_bytes(reader, upstream_writer), pass_bytes(upstream_reader, writer))
        finally:
            for end in (writer, upstream_writer):
                self._writers.discard(end)
                end.close()


async def pass_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction of a connection to its end."""
    with contextlib.suppress(ConnectionError, OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    # One direction ended: with TLS inside, the other has nothing left to say either.
    with contextlib.suppress(ConnectionError, OSError, RuntimeError):
        writer.close()
