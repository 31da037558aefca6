"""What people's tools get of a process node through the real API server: logs and exec."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from local.cluster.process_node.kubelet_api import KubeletServer
from tests.support.kubelet_world import MadeUpPods, Outcome, collect
from tests.support.process_network import ProcessNetwork, process_network

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

POD = "/api/v1/namespaces/team/pods/run"


def inside_world(directory: Path, use: Callable[[ProcessNetwork, MadeUpPods], Awaitable[None]]) -> None:
    async def run() -> None:
        async with process_network(directory) as world:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            await world.join("node-1", port)
            pods = MadeUpPods(directory / "0.log")
            server = KubeletServer(world.settings("node-1", port), pods)
            await server.start()
            try:
                await _pod(world)
                await use(world, pods)
            finally:
                await server.stop()

    asyncio.run(run())


async def _pod(world: ProcessNetwork) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    await world.kube.request("POST", "/api/v1/namespaces", namespace)

    async def admitted() -> bool:
        return await world.kube.get("/api/v1/namespaces/team/serviceaccounts/default") is not None

    await world.until(admitted)
    spec = {"nodeName": "node-1", "containers": [{"name": "main", "image": "none"}]}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "run", "namespace": "team"}, "spec": spec}
    await world.kube.request("POST", "/api/v1/namespaces/team/pods", document)


def client(world: ProcessNetwork) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=world.plane.server, verify=world.admin(), trust_env=False, timeout=30)


def session(world: ProcessNetwork, query: str, protocol: str) -> connect:
    url = world.plane.server.replace("https", "wss") + f"{POD}/exec?{query}"
    return connect(url, ssl=world.admin(), subprotocols=[Subprotocol(protocol)], proxy=None)


def test_the_api_server_passes_logs_through(tmp_path: Path) -> None:
    async def use(world: ProcessNetwork, pods: MadeUpPods) -> None:
        pods.log_file.write_text(
            "".join(f"2026-01-02T03:04:0{second}.5Z stdout F line {second}\n" for second in range(5))
        )
        async with client(world) as asked:
            tail = await asked.get(f"{POD}/log?tailLines=2&timestamps=true")
            assert tail.text == "2026-01-02T03:04:03.5Z line 3\n2026-01-02T03:04:04.5Z line 4\n"
            since = await asked.get(f"{POD}/log?sinceTime=2026-01-02T03:04:04Z")
            assert since.text == "line 4\n"
            before = await asked.get(f"{POD}/log?previous=true")
            assert (before.status_code, before.json()["message"].strip()) == (
                400,
                'previous terminated container "main" in pod "run" not found',
            ), "the kubelet's own words arrive"
            pods.running = True
            lines = []
            async with asked.stream("GET", f"{POD}/log?follow=true&tailLines=1") as answer:
                async for line in answer.aiter_lines():
                    lines.append(line)
                    if line == "line 4":
                        with pods.log_file.open("a") as file:
                            file.write("2026-01-02T03:04:09Z stdout F last\n")
                        pods.running = False
            assert lines == ["line 4", "last"], "the stream ends with the container"

    inside_world(tmp_path, use)


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
def test_exec_through_the_api_server_has_input_terminal_and_exit_code(tmp_path: Path, protocol: str) -> None:
    async def use(world: ProcessNetwork, _: MadeUpPods) -> None:
        script = "read%20a%3B%20stty%20size%3B%20echo%20got%20%24a%3B%20exit%204"
        query = f"command=sh&command=-c&command={script}&stdin=true&stdout=true&tty=true"
        async with session(world, query, protocol) as opened:
            await opened.send(b"\x04" + json.dumps({"Width": 90, "Height": 20}).encode())
            await opened.send(b"\x00word\n")
            terminal: Outcome = await collect(opened)
        assert b"20 90\r\ngot word\r\n" in terminal.streams[1]
        assert json.loads(terminal.streams[3])["details"]["causes"] == [{"reason": "ExitCode", "message": "4"}]
        if protocol.startswith("v5"):
            async with session(world, "command=wc&command=-c&stdin=true&stdout=true", protocol) as opened:
                await opened.send(b"\x00" + b"x" * 1000)
                await opened.send(b"\xff\x00")
                counted = await collect(opened)
            assert counted.streams[1].strip() == b"1000", "version 5 can end standard input"

    inside_world(tmp_path, use)
