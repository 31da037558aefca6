"""The Service proxy: listens on every ClusterIP that has someone behind it, and passes on what it hears.

A Service without ready endpoints has no listener, so that the kernel refuses its clients at once. Endpoints see the
bridge's address as their peer, where kube-proxy keeps the client's.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from local.cluster.process_node.network.datagrams import UdpForwarder
from local.cluster.process_node.network.namespaces import new_socket
from local.cluster.process_node.network.services import Directory, Port, Service
from local.cluster.process_node.network.streams import TcpForwarder

_LOG = logging.getLogger(__name__)
_API_SERVICE = ("default", "kubernetes")


@dataclass(frozen=True)
class Backend:
    """Where a connection goes."""

    address: str
    port: int
    outside: bool = False
    """In the host's network instead of the pods': the API server."""


@dataclass(frozen=True)
class Frontend:
    """Where a listener is."""

    address: str
    port: int
    protocol: str


class Sockets:
    """Makes sockets of the cluster's namespace; ``inside`` runs in it."""

    def __init__(self, inside: Executor) -> None:
        self._inside = inside

    async def bound(self, frontend: Frontend) -> socket.socket:
        """A listening socket (TCP) or a bound one (UDP).

        Raises:
            OSError: the kernel refused.
        """
        return await asyncio.get_running_loop().run_in_executor(self._inside, _bound, frontend)

    async def connected(self, backend: Backend, kind: socket.SocketKind) -> socket.socket:
        """A socket connected to a backend.

        Raises:
            OSError: nobody answers there.
        """
        loop = asyncio.get_running_loop()
        made = new_socket(kind) if backend.outside else await loop.run_in_executor(self._inside, new_socket, kind)
        try:
            await loop.sock_connect(made, (backend.address, backend.port))
        except BaseException:
            made.close()
            raise
        return made


class Proxy:
    """Keeps the listeners as the Services are.

    ``api`` is where the API server listens on the host. ``is_pod`` tells whether an address can be reached: endpoints
    on KWOK nodes have one but no process.
    """

    def __init__(
        self, sockets: Sockets, directory: Callable[[], Directory], api: tuple[str, int], is_pod: Callable[[str], bool]
    ) -> None:
        self._sockets = sockets
        self._directory = directory
        self._api = Backend(*api, outside=True)
        self._is_pod = is_pod
        self._running: dict[Frontend, TcpForwarder | UdpForwarder] = {}
        self._turn = 0

    async def reconcile(self, *, reserved: Iterable[Frontend] = ()) -> None:
        """Open and close listeners; ``reserved`` are others' (the name server's)."""
        wanted: dict[Frontend, tuple[Service, Port]] = {}
        for service in self._directory().services.values():
            for port in service.ports:
                if service.address and self.backends(service, port):
                    wanted[Frontend(service.address, port.number, port.protocol)] = (service, port)
        for frontend in reserved:
            wanted.pop(frontend, None)
        for frontend in self._running.keys() - wanted.keys():
            await self._running.pop(frontend).stop()
        for frontend, (service, port) in wanted.items():
            if frontend not in self._running:
                await self._open(frontend, service, port)

    async def stop(self) -> None:
        """Close everything."""
        while self._running:
            _, forwarder = self._running.popitem()
            await forwarder.stop()

    def backends(self, service: Service, port: Port) -> list[Backend]:
        """Who can serve a port of a Service now, another one first at every call."""
        if service.key == _API_SERVICE:
            return [self._api]
        found = [Backend(*item) for item in self._directory().backends(service, port) if self._is_pod(item[0])]
        self._turn += 1
        middle = self._turn % len(found) if found else 0
        return found[middle:] + found[:middle]

    async def _open(self, frontend: Frontend, service: Service, port: Port) -> None:
        def now() -> list[Backend]:
            # Asked by each new connection: endpoints come and go while the listener stays.
            current = self._directory().services.get(service.key, service)
            return self.backends(current, port)

        async def connect(kind: socket.SocketKind) -> socket.socket:
            return await self._first(now(), kind)

        try:
            listening = await self._sockets.bound(frontend)
        except OSError as error:
            _LOG.warning("service %s/%s: %s: %s", *service.key, frontend, error)
            return
        forwarder = UdpForwarder(connect) if port.protocol == "UDP" else TcpForwarder(connect)
        await forwarder.start(listening)
        self._running[frontend] = forwarder

    async def _first(self, backends: Iterable[Backend], kind: socket.SocketKind) -> socket.socket:
        problem = ConnectionRefusedError("no endpoint is ready")
        for backend in backends:
            try:
                return await self._sockets.connected(backend, kind)
            except OSError as error:
                problem = ConnectionRefusedError(f"{backend.address}:{backend.port}: {error}")
        raise problem


def _bound(frontend: Frontend) -> socket.socket:
    udp = frontend.protocol == "UDP"
    made = new_socket(socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        if not udp:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((frontend.address, frontend.port))
        if not udp:
            made.listen(socket.SOMAXCONN)
    except OSError:
        made.close()
        raise
    return made
