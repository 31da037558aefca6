"""Forwarding of UDP: one connected socket per client and Service port, forgotten after a silence."""

import asyncio
import logging
import socket

from local.cluster.process_node.network.streams import Connect

Address = tuple[str, int]
_IDLE_SECONDS = 60.0
_MAX_CLIENTS = 4096
_MAX_WAITING = 64
"""Datagrams kept while the way to the backend is made; more are dropped, as UDP may."""
_LOG = logging.getLogger(__name__)


class UdpForwarder(asyncio.DatagramProtocol):
    """Receives on one socket."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._transport: asyncio.DatagramTransport | None = None
        self._flows: dict[Address, _Flow] = {}

    async def start(self, bound: socket.socket) -> None:
        """Begin to receive."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=bound)

    async def stop(self) -> None:
        """Close the socket and forget the clients."""
        for flow in list(self._flows.values()):
            flow.close()
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """From a client."""
        flow = self._flows.get(addr)
        if flow is None:
            if len(self._flows) >= _MAX_CLIENTS:
                next(iter(self._flows.values())).close()
            flow = self._flows[addr] = _Flow(self, addr)
            flow.begin(self._connect)
        flow.send(data)

    def reply(self, data: bytes, client: Address) -> None:
        """To a client, from the Service's address."""
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(data, client)

    def forget(self, client: Address) -> None:
        """The flow of ``client`` is over."""
        self._flows.pop(client, None)


class _Flow(asyncio.DatagramProtocol):
    """One client's way to its backend."""

    def __init__(self, owner: UdpForwarder, client: Address) -> None:
        self._owner = owner
        self._client = client
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, connect: Connect) -> None:
        self._task = asyncio.create_task(self._open(connect))

    def send(self, data: bytes) -> None:
        self._touch()
        if self._transport:
            self._transport.sendto(data)
        elif len(self._waiting) < _MAX_WAITING:
            self._waiting.append(data)

    def close(self) -> None:
        self._owner.forget(self._client)
        if self._timer:
            self._timer.cancel()
        if self._transport:
            self._transport.close()
        elif self._task:
            self._task.cancel()

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: ARG002 - connected: there is one peer
        self._touch()
        self._owner.reply(data, self._client)

    def error_received(self, exc: Exception) -> None:
        # The backend's port is closed: the client's next datagram looks for another one.
        _LOG.debug("udp %s: %s", self._client, exc)
        self.close()

    async def _open(self, connect: Connect) -> None:
        try:
            connected = await connect(socket.SOCK_DGRAM)
        except OSError as error:
            _LOG.debug("udp %s: %s", self._client, error)
            self.close()
            return
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=connected)
        for data in self._waiting:
            self._transport.sendto(data)
        self._waiting.clear()

    def _touch(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self.close)
