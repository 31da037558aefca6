"""The network of process nodes with a real control plane: Services, DNS, and a holder that is killed; needs root."""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.process_network import ProcessNetwork, ask, inside, process_network, resolve

pytestmark = [
    pytest.mark.simulation,
    pytest.mark.timeout(1000),
    pytest.mark.skipif(os.geteuid() != 0, reason="the test enters the pods' namespaces itself, which takes root"),
]

WEB = {"app": "web"}


def inside_world(directory: Path, use: Callable[[ProcessNetwork], Awaitable[None]]) -> None:
    async def run() -> None:
        async with process_network(directory) as world:
            await use(world)

    asyncio.run(run())


def test_services_and_names_follow_the_pods(tmp_path: Path) -> None:
    async def use(world: ProcessNetwork) -> None:
        await world.join("node-1")
        await world.join("node-2")
        await world.service("kube-dns", "kube-system", clusterIP="172.20.0.10", ports=[{"port": 53, "protocol": "UDP"}])
        await world.service("web", selector=WEB, clusterIP="172.20.7.7", ports=[{"port": 80, "targetPort": "web"}])
        await world.service("gang", selector=WEB, clusterIP="None", publishNotReadyAddresses=True)
        await world.service("ready", selector=WEB, clusterIP="None")
        client = await world.pod("node-1", "client", {})
        assert await inside(client, lambda: ask("172.20.7.7", 80)) == "Connection refused", "there is no endpoint yet"

        one = await world.pod("node-1", "web-0", WEB, hostname="web-0", subdomain="gang")
        two = await world.pod("node-2", "web-1", WEB, ready=False, hostname="web-1", subdomain="gang")
        assert one.ip.rpartition(".")[0] != two.ip.rpartition(".")[0], "each node has its own block"
        await world.serve(one, 8080)
        await world.serve(two, 8080)
        assert await inside(client, lambda: ask(two.ip, 8080)) == two.ip, "pods of different nodes reach each other"

        async def answers(name: str, expected: list[str]) -> bool:
            found: list[str] = await inside(client, lambda: resolve(f"{name}.default.svc.cluster.local"))
            return found == expected

        await world.until(lambda: answers("gang", sorted([one.ip, two.ip])))
        await world.until(lambda: answers("web-1.gang", [two.ip]))
        await world.until(lambda: answers("ready", [one.ip]))
        assert await answers("web", ["172.20.7.7"])

        async def served_by() -> set[str]:
            return {await inside(client, lambda: ask("172.20.7.7", 80)) for _ in range(4)}

        assert await served_by() == {one.ip}, "the target port is a name, and web-1 is not ready"
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await world.kube.patch("/api/v1/namespaces/default/pods/web-1/status", ready)

        async def both() -> bool:
            return await served_by() == {one.ip, two.ip}

        await world.until(both)
        for name in ("web-0", "web-1"):
            await world.kube.delete(f"/api/v1/namespaces/default/pods/{name}", grace_seconds=0)

        async def refused() -> bool:
            return await served_by() == {"Connection refused"}

        await world.until(refused)

    inside_world(tmp_path, use)


def test_a_pod_finds_the_api_server_but_not_the_host(tmp_path: Path) -> None:
    async def use(world: ProcessNetwork) -> None:
        await world.join("node-1")
        pod = await world.pod("node-1", "client", {})

        def certificate() -> str:
            context = ssl.create_default_context(cafile=str(world.plane.directory / "pki" / "ca.crt"))
            with (
                socket.create_connection(("172.20.0.1", 443), timeout=5) as raw,
                # As client-go does with KUBERNETES_SERVICE_HOST: the certificate must name the address.
                context.wrap_socket(raw, server_hostname="172.20.0.1") as secured,
            ):
                return str(secured.version())

        async def reached() -> bool:
            try:
                return bool(await inside(pod, certificate) == "TLSv1.3")
            except ConnectionRefusedError:
                return False

        await world.until(reached)
        with socket.create_server(("0.0.0.0", 0)) as host:  # noqa: S104 - to show that no pod reaches it
            port = host.getsockname()[1]
            for address in ("127.0.0.1", "100.100.0.1"):
                assert await inside(pod, partial(ask, address, port)) == "Connection refused", address
        answer = await inside(pod, lambda: resolve("web.default.svc.cluster.local"))
        assert answer == ["LifetimeTimeout"], "without the CoreDNS add-on there is no name server"

    inside_world(tmp_path, use)


def test_pods_keep_their_addresses_and_connections_when_the_holder_is_killed(tmp_path: Path) -> None:
    async def use(world: ProcessNetwork) -> None:
        await world.join("node-1")
        await world.join("node-2")
        one = await world.pod("node-1", "one", {})
        two = await world.pod("node-2", "two", {})
        await world.serve(two, 8080)
        opened: socket.socket = await inside(one, lambda: socket.create_connection((two.ip, 8080), timeout=30))
        with opened:
            opened.sendall(b"before\n")
            assert await asyncio.to_thread(opened.recv, 99) == f"{two.ip}\n".encode()
            assert world.holder.identity is not None
            os.kill(world.holder.identity.pid, signal.SIGKILL)

            async def again() -> bool:
                return bool(await inside(one, lambda: ask(two.ip, 8080, 1.0)) == two.ip)

            await world.until(again)
            opened.sendall(b"after\n")
            assert await asyncio.to_thread(opened.recv, 99) == f"{two.ip}\n".encode(), "TCP outlives the lost bridge"

    inside_world(tmp_path, use)
