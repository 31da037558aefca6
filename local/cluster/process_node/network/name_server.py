"""The cluster's DNS on UDP and TCP: messages are dnspython's business, answers come from ``names``."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from local.cluster.process_node.network.names import NOTHING, ZONE, Record, answer, in_zone
from local.cluster.process_node.network.services import Directory

PORT = 53
_TTL_SECONDS = 5
"""CoreDNS's default for cluster names."""
_PLAIN_UDP_BYTES = 512
"""RFC 1035, 4.2.1, for those who announce no buffer (EDNS)."""
_MAX_UDP_BYTES = 1232
"""Fits into one packet everywhere (DNS flag day 2020)."""
_IDLE_SECONDS = 10.0
_LOG = logging.getLogger(__name__)


def respond(directory: Directory, wire: bytes, *, limit: int = 0) -> bytes:
    """The response to a query; b"" when the bytes are no query at all.

    ``limit`` is the transport's largest message in bytes; what does not fit is cut off and marked (TC). 0: no limit.
    """
    try:
        query = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return b""
    if query.flags & dns.flags.QR:
        return b""
    response = dns.message.make_response(query, recursion_available=True)
    if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        response.set_rcode(dns.rcode.NOTIMP)
        return response.to_wire()
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True)
    kind = dns.rdatatype.to_text(question.rdtype)
    found = answer(directory, name, kind) if in_zone(name.lower()) else NOTHING
    # The question's own spelling comes back (some resolvers vary it to recognise forgeries).
    response.answer = _sets(found.records, question.name)
    response.additional = _sets(found.additional, None)
    if in_zone(name.lower()):
        response.flags |= dns.flags.AA
    if not found.exists:
        response.set_rcode(dns.rcode.NXDOMAIN)
    if not found.records:
        response.authority = [_authority()]
    if not limit:
        return response.to_wire(max_size=0xFFFF)
    size = min(max(query.payload, _PLAIN_UDP_BYTES), _MAX_UDP_BYTES, limit)
    return response.to_wire(max_size=size, prefer_truncation=True)


class NameServer:
    """Answers on sockets that others have bound."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def start(self, udp: socket.socket, tcp: socket.socket) -> None:
        """Begin to answer."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._directory), sock=udp)
        self._server = await asyncio.start_server(self._stream, sock=tcp)

    async def stop(self) -> None:
        """Close the sockets; a second call does nothing."""
        transport, self._transport = self._transport, None
        server, self._server = self._server, None
        if transport:
            transport.close()
        if server:
            server.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Length-prefixed messages (RFC 1035, 4.2.2), one after the other."""
        with contextlib.suppress(asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                reply = respond(self._directory(), wire)
                if not reply:
                    break
                writer.write(len(reply).to_bytes(2) + reply)
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not by isinstance: before 3.12 the loop's own class is no subclass of DatagramTransport.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = respond(self._directory(), data, limit=_MAX_UDP_BYTES)
        if reply and self._transport:
            self._transport.sendto(reply, addr)


def _sets(records: Sequence[Record], owner: dns.name.Name | None) -> list[dns.rrset.RRset]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for record in records:
        grouped.setdefault((record.name, record.kind), []).append(record.value)
    return [
        dns.rrset.from_text_list(owner or dns.name.from_text(name), _TTL_SECONDS, "IN", kind, values)
        for (name, kind), values in grouped.items()
    ]


def _authority() -> dns.rrset.RRset:
    """For negative answers (RFC 2308): they may be remembered as briefly as the positive ones."""
    value = f"ns.dns.{ZONE}. hostmaster.{ZONE}. 1 7200 1800 86400 {_TTL_SECONDS}"
    return dns.rrset.from_text(f"{ZONE}.", _TTL_SECONDS, "IN", "SOA", value)
