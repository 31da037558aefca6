"""Two pods on the network of a made-up cluster, and what one of them can reach; a program of its own, because it
changes its namespaces. Prints JSON.

``python -m tests.support.network_probe [user]``; with ``user`` in a user namespace, as without root.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

from local.cluster.process_node.network.links import Plan, make_fabric, plug, unplug
from local.cluster.process_node.network.name_server import NameServer
from local.cluster.process_node.network.namespaces import (
    inside_pool,
    new_network_namespace,
    new_user_namespace,
    run_inside,
)
from local.cluster.process_node.network.proxy import Frontend, Proxy, Sockets
from local.cluster.process_node.network.services import Directory
from tests.support.network_world import directory, endpoint, endpoint_slice, service

PLAN = Plan(pods="100.100.0.0/16", services="172.20.0.0/16")
CLIENT, SERVER, DNS = "100.100.1.1", "100.100.2.1", "172.20.0.10"
_SECONDS = 5.0
_PORTS = ({"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "echo", "port": 99, "protocol": "UDP"})


def made_up() -> Directory:
    """``web`` with a pod behind it, ``idle`` without, ``far`` with one on a KWOK node, and the API server."""
    http = {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}
    echo = {"name": "echo", "port": 99, "protocol": "UDP"}
    return directory(
        [
            service("team", "web", clusterIP="172.20.3.4", ports=[http, echo]),
            service("team", "idle", clusterIP="172.20.3.5", ports=[http]),
            service("team", "far", clusterIP="172.20.3.6", ports=[http]),
            service("default", "kubernetes", clusterIP="172.20.0.1", ports=[{"name": "https", "port": 443}]),
        ],
        [
            endpoint_slice("team", "web", [endpoint(SERVER)], _PORTS),
            endpoint_slice("team", "far", [endpoint("100.64.0.9")], _PORTS),
        ],
    )


def ask(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> str:
    """What a server answers to "hello", or how the connection fails."""
    with socket.socket(socket.AF_INET, kind) as asked:
        asked.settimeout(_SECONDS)
        try:
            asked.connect((address, port))
            asked.sendall(b"hello")
            if kind is socket.SOCK_STREAM:
                asked.shutdown(socket.SHUT_WR)
            return asked.recv(99).decode()
        except OSError as error:
            return type(error).__name__ if error.errno is None else os.strerror(error.errno)


async def serve(name: str, listening: socket.socket) -> None:
    """Answer each connection with ``name`` and what came, once its sender has ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name}: {(await reader.read()).decode()}".encode())
        await writer.drain()
        writer.close()

    await asyncio.start_server(answer, sock=listening)


class Echo(asyncio.DatagramProtocol):
    """Sends back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(b"echo: " + data, addr)  # type: ignore[attr-defined]


def bound(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.bind((address, port))
    if kind is socket.SOCK_STREAM:
        made.listen()
    made.setblocking(False)
    return made


async def probe() -> dict[str, str]:
    """Everything that is looked at, by name."""
    cluster, client, server = (new_network_namespace() for _ in range(3))
    make_fabric(cluster, PLAN)
    plug(cluster, client, CLIENT, PLAN)
    plug(cluster, server, SERVER, PLAN)
    await serve("pod", run_inside(server, lambda: bound("0.0.0.0", 8080)))  # noqa: S104 - in the pod's own namespace
    udp = run_inside(server, lambda: bound("0.0.0.0", 99, socket.SOCK_DGRAM))  # noqa: S104 - as above
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=udp)
    host = bound("127.0.0.1", 0)
    await serve("host", host)
    sockets = Sockets(inside_pool(cluster))
    services = made_up()
    proxy = Proxy(sockets, lambda: services, host.getsockname(), lambda item: item.startswith("100.100."))
    await proxy.reconcile()
    names = NameServer(lambda: services)
    await names.start(await sockets.bound(Frontend(DNS, 53, "UDP")), await sockets.bound(Frontend(DNS, 53, "TCP")))

    async def of_client(function: Callable[[], str]) -> str:
        return await asyncio.to_thread(run_inside, client, function)

    found = {
        "pod": await of_client(partial(ask, SERVER, 8080)),
        "service": await of_client(partial(ask, "172.20.3.4", 80)),
        "service over UDP": await of_client(partial(ask, "172.20.3.4", 99, socket.SOCK_DGRAM)),
        "service without endpoints": await of_client(partial(ask, "172.20.3.5", 80)),
        "service with simulated pods": await of_client(partial(ask, "172.20.3.6", 80)),
        "other port": await of_client(partial(ask, "172.20.3.4", 81)),
        "unused address": await of_client(partial(ask, "172.20.9.9", 80)),
        "API server": await of_client(partial(ask, "172.20.0.1", 443)),
        "host": await of_client(partial(ask, "127.0.0.1", host.getsockname()[1])),
        "host by the gateway": await of_client(partial(ask, PLAN.gateway, host.getsockname()[1])),
        "internet": await of_client(partial(ask, "192.0.2.1", 80)),
        "name": await of_client(_resolve),
        "low port without root": await of_client(lambda: str(bound("0.0.0.0", 80).getsockname()[1])),  # noqa: S104
    }
    plug(cluster, client, CLIENT, PLAN)
    found["pod after plugging in again"] = await of_client(partial(ask, SERVER, 8080))
    unplug(cluster, CLIENT)
    unplug(cluster, CLIENT)
    found["pod after unplugging"] = await of_client(partial(ask, SERVER, 8080))
    return found


def _resolve() -> str:
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [DNS]
    return ",".join(str(item) for item in resolver.resolve("web.team.svc.cluster.local", "A"))


def interfaces() -> str:
    """Of the namespace that the program was started in."""
    return ", ".join(name for _, name in socket.if_nameindex())


async def main() -> None:
    before = interfaces()
    found = await probe()
    found["interfaces of the host"] = "unchanged" if interfaces() == before else f"{before} -> {interfaces()}"
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    # Threads that stay in a namespace are not waited for.
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:] == ["user"]:
        new_user_namespace()
    asyncio.run(main())
