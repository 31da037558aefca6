"""Standard streams over a WebSocket: the ``channel.k8s.io`` protocols, versions 1, 4 and 5.

The first byte of a message is its stream. Source: k8s.io/streaming ``pkg/httpstream/wsstream`` and k8s.io/cri-streaming
``pkg/streaming/remotecommand`` of Kubernetes 1.36; the API server hands such connections to kubelets that declare the
feature ``ExtendWebSocketsToKubelet``.
"""

import asyncio
import base64
import binascii
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus

from websockets.exceptions import InvalidState, NegotiationError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from local.cluster.process_node.kubelet_api.exchange import Channel, Request, RequestError

PROTOCOLS = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
"""For exec and attach, best first."""
_CLOSE_SIGNAL = 255
"""Version 5: this "stream" carries the number of one that the client has ended."""
_READ = 1 << 16
_MAX_MESSAGE = 1 << 22
_NORMAL = 1000
"""Close code of a session that ended as it should (RFC 6455, 7.4.1)."""


class Stream(IntEnum):
    """The streams of exec and attach."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4


@dataclass(frozen=True)
class Message:
    """What came on a stream."""

    stream: int
    data: bytes
    ends: bool = False
    """The client ended the stream."""


class ChannelSocket:
    """A WebSocket whose messages are pieces of streams."""

    def __init__(self, channel: Channel, protocol: ServerProtocol) -> None:
        self._channel = channel
        self._protocol = protocol
        self._version = protocol.subprotocol or ""
        self._base64 = "base64" in self._version
        self._lock = asyncio.Lock()
        self._arrived: deque[Frame] = deque()
        self._fragments: list[bytes] = []

    @property
    def reports_status(self) -> bool:
        """Whether the error stream carries a ``Status`` (from version 4 on), not a plain message."""
        return self._version.startswith(("v4", "v5"))

    async def receive(self) -> Message | None:
        """The next message; None when the client has gone, or breaks the protocol."""
        while True:
            while self._arrived:
                frame = self._arrived.popleft()
                if frame.opcode is Opcode.CLOSE:
                    return None
                if message := self._message(frame):
                    return message
            data = await self._channel.reader.read(_READ)
            if data:
                self._protocol.receive_data(data)
            else:
                self._protocol.receive_eof()
            self._arrived.extend(event for event in self._protocol.events_received() if isinstance(event, Frame))
            await self._flush()
            if not data:
                return None

    async def send(self, stream: int, data: bytes) -> None:
        """A piece of a stream; waits while the client is slow, nothing when it has gone."""
        async with self._lock:
            try:
                if self._base64:
                    self._protocol.send_text(str(stream).encode() + base64.b64encode(data))
                else:
                    self._protocol.send_binary(bytes([stream]) + data)
            except InvalidState:
                return
            await self._flush()

    async def close(self) -> None:
        """Say that it is over; does not wait for an answer."""
        async with self._lock:
            try:
                self._protocol.send_close(_NORMAL)
            except InvalidState:
                return
            await self._flush()

    def _message(self, frame: Frame) -> Message | None:
        """What a frame completes; None for pings and for pieces of a message."""
        if frame.opcode not in {Opcode.BINARY, Opcode.TEXT, Opcode.CONT}:
            return None
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return None
        data = b"".join(self._fragments)
        self._fragments.clear()
        if self._base64 and data:
            try:
                data = bytes([data[0] - ord("0")]) + base64.b64decode(data[1:], validate=True)
            except (binascii.Error, ValueError):
                return None
        if len(data) > 1 and data[0] == _CLOSE_SIGNAL and self._version.startswith("v5"):
            return Message(data[1], b"", ends=True)
        return Message(data[0], data[1:]) if data else None

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._channel.writer.write(data)
        await self._channel.writer.drain()


async def upgrade(request: Request, channel: Channel, protocols: Sequence[str] = PROTOCOLS) -> ChannelSocket:
    """Go on as a WebSocket.

    Raises:
        RequestError: the client speaks SPDY, or none of ``protocols``.
    """
    if not request.wants_websocket:
        raise RequestError(
            HTTPStatus.BAD_REQUEST,
            "this node streams over WebSocket only, not over SPDY: use kubectl 1.31 or later, or another client with "
            f"one of {', '.join(protocols)}",
        )

    def choose(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        found = next((name for name in protocols if name in offered), None)
        if offered and found is None:
            raise NegotiationError(f"none of {', '.join(offered)} is one of {', '.join(protocols)}")
        # Who names no protocol speaks the first version.
        return Subprotocol(found) if found else None

    protocol = ServerProtocol(select_subprotocol=choose, max_size=_MAX_MESSAGE)
    protocol.receive_data(request.head)
    handshake = next((event for event in protocol.events_received() if isinstance(event, Handshake)), None)
    if handshake is None:
        raise RequestError(HTTPStatus.BAD_REQUEST, "malformed WebSocket handshake")
    response = protocol.accept(handshake)
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise RequestError(HTTPStatus(response.status_code), (response.body or b"").decode(errors="replace").strip())
    protocol.send_response(response)
    for data in protocol.data_to_send():
        channel.writer.write(data)
    await channel.writer.drain()
    return ChannelSocket(channel, protocol)
