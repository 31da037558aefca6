"""The kubelet's API over real TLS and real WebSockets; the container is a process of the test's own."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from local.cluster.process_node.kubelet_api import sessions
from tests.support.kubelet_world import KubeletWorld, collect, kubelet_world

T = TypeVar("T")
EXEC = "/exec/team/run/main"
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


def inside(directory: Path, use: Callable[[KubeletWorld], Awaitable[T]]) -> T:
    async def run() -> T:
        async with kubelet_world(directory) as world:
            return await use(world)

    return asyncio.run(run())


def get(directory: Path, path: str, user: str = "kube-apiserver-kubelet-client") -> httpx2.Response:
    async def ask(world: KubeletWorld) -> httpx2.Response:
        async with world.client(user) as client:
            return await client.get(path)

    return inside(directory, ask)


def command(*words: str, **flags: str) -> str:
    query = "&".join([*(f"command={word}" for word in words), *(f"{name}={value}" for name, value in flags.items())])
    return f"{EXEC}?{query}".replace(" ", "%20").replace(">", "%3E").replace(";", "%3B")


def status(outcome: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(outcome.streams[ERROR])
    return value


def test_only_the_api_server_may_ask(tmp_path: Path) -> None:
    answer = get(tmp_path, "/pods", "system:node:other")
    assert (answer.status_code, answer.text) == (403, "system:node:other is not the API server\n")


def test_without_a_certificate_there_is_no_connection(tmp_path: Path) -> None:
    with pytest.raises((httpx2.TransportError, ssl.SSLError)):
        get(tmp_path, "/pods", "nobody")


def test_pods_are_listed_with_their_status(tmp_path: Path) -> None:
    body = get(tmp_path, "/pods").json()
    assert (body["kind"], body["items"][0]["status"]["phase"]) == ("PodList", "Running")


def test_resource_metrics_are_in_seconds_and_bytes(tmp_path: Path) -> None:
    text = get(tmp_path, "/metrics/resource").text
    assert 'container_cpu_usage_seconds_total{container="main",namespace="team",pod="run"} 1.500000\n' in text
    assert 'pod_memory_working_set_bytes{namespace="team",pod="run"} 2048\n' in text


def test_the_summary_names_node_and_pods(tmp_path: Path) -> None:
    body = get(tmp_path, "/stats/summary").json()
    assert body["node"]["nodeName"] == "node-1"
    assert body["pods"][0]["containers"][0]["cpu"]["usageCoreNanoSeconds"] == 1_500_000_000


@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("/healthz", 200, "ok"),
        ("/containerLogs/team/other/main", 404, 'pod "other" does not exist in namespace "team"'),
        ("/containerLogs/team/run/side", 400, "container side is not valid"),
        (
            "/containerLogs/team/run/main?previous=true",
            400,
            'previous terminated container "main" in pod "run" not found',
        ),
        ("/containerLogs/team/run/main?tailLines=x", 400, "tailLines: 'x'"),
        ("/checkpoint/team/run/main", 404, "does not serve /checkpoint"),
        (f"{EXEC}?output=1&command=ls", 400, "WebSocket only, not over SPDY"),
        (f"{EXEC}?output=1", 400, "at least one command"),
        (f"{EXEC}?command=ls", 400, "at least 1 of stdin, stdout, stderr"),
        ("/attach/team/run/main?input=1&output=1", 400, "read no standard input"),
    ],
)
def test_requests_are_answered_or_refused_in_words(tmp_path: Path, path: str, code: int, says: str) -> None:
    answer = get(tmp_path, path)
    assert answer.status_code == code
    assert says in answer.text


def test_a_log_is_followed_while_it_grows(tmp_path: Path) -> None:
    async def follow(world: KubeletWorld) -> list[str]:
        world.pods.running = True
        world.pods.log_file.write_text("2026-01-02T03:04:05Z stdout F first\n")
        lines = []
        async with world.client() as client, client.stream("GET", "/containerLogs/team/run/main?follow=true") as answer:
            async for line in answer.aiter_lines():
                lines.append(line)
                if line == "first":
                    with world.pods.log_file.open("a") as file:
                        file.write("2026-01-02T03:04:06Z stdout F second\n")
                    world.pods.running = False
        return lines

    assert inside(tmp_path, follow) == ["first", "second"], "the stream ends with the container"


def test_exec_keeps_output_and_errors_apart_and_tells_the_exit_code(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(
            command("sh", "-c", "echo out; echo err >&2; exit 3", output="1", error="1").replace("&2", "%262")
        ) as socket:
            return await collect(socket)

    outcome = inside(tmp_path, run)
    assert (outcome.streams[STDOUT], outcome.streams[STDERR]) == (b"out\n", b"err\n")
    assert status(outcome)["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}], "kubectl exits with it"


def test_exec_reads_standard_input_to_its_end(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(command("sha256sum", input="1", output="1")) as socket:
            for _ in range(64):
                await socket.send(bytes([STDIN]) + b"x" * 8192)
            await socket.send(bytes([CLOSE, STDIN]))
            return await collect(socket)

    import hashlib

    outcome = inside(tmp_path, run)
    assert outcome.streams[STDOUT].split()[0].decode() == hashlib.sha256(b"x" * 8192 * 64).hexdigest()
    assert status(outcome)["status"] == "Success"


def test_large_output_arrives_whole(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(command("head", "-c", "3000000", "/dev/zero", output="1")) as socket:
            return await collect(socket)

    assert len(inside(tmp_path, run).streams[STDOUT]) == 3_000_000


def test_a_terminal_has_the_size_that_the_client_tells(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        script = "read _; stty size; tty -s; echo tty=$?"
        async with world.stream(command("sh", "-c", script, input="1", output="1", error="1", tty="1")) as socket:
            await socket.send(bytes([RESIZE]) + json.dumps({"Width": 120, "Height": 33}).encode())
            await socket.send(bytes([STDIN]) + b"go\n")
            return await collect(socket)

    outcome = inside(tmp_path, run)
    assert b"33 120\r\ntty=0\r\n" in outcome.streams[STDOUT], "rows before columns, lines end as a terminal ends them"
    assert STDERR not in outcome.streams, "a terminal has one output"


def test_the_terminal_ends_its_reader_when_the_client_ends_standard_input(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(command("cat", input="1", output="1", tty="1")) as socket:
            await socket.send(bytes([STDIN]) + b"line\n")
            await socket.send(bytes([CLOSE, STDIN]))
            return await collect(socket)

    assert b"line" in inside(tmp_path, run).streams[STDOUT]


def test_ctrl_c_reaches_the_process_through_the_terminal(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(
            command("sh", "-c", "echo ready; exec sleep 600", input="1", output="1", tty="1")
        ) as socket:
            async for message in socket:
                if b"ready" in bytes(message):  # type: ignore[arg-type]
                    break
            await socket.send(bytes([STDIN]) + b"\x03")
            return await collect(socket)

    assert status(inside(tmp_path, run))["details"]["causes"][0]["message"] == "130", "128 + SIGINT"


def test_version_4_has_no_end_of_input_but_the_same_status(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(command("sh", "-c", "exit 7", output="1"), "v4.channel.k8s.io") as socket:
            return await collect(socket)

    assert status(inside(tmp_path, run))["details"]["causes"][0]["message"] == "7"


def test_base64_channels_are_text_and_count_in_digits(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> str:
        async with world.stream(command("cat", input="1", output="1"), "v4.base64.channel.k8s.io") as socket:
            await socket.send("0" + base64.b64encode(b"hello").decode())
            async for message in socket:
                if len(message) > 1:
                    return str(message)
        return ""

    assert inside(tmp_path, run) == "1" + base64.b64encode(b"hello").decode()


def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with world.stream(command("ls", output="1"), "v9.example"):
                pass
        return refused.value.response.status_code

    assert inside(tmp_path, run) == 400


def test_a_client_that_leaves_takes_its_process_with_it(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> int:
        async with world.stream(command("sh", "-c", "echo up; exec sleep 600", output="1")) as socket:
            async for message in socket:
                if b"up" in bytes(message):  # type: ignore[arg-type]
                    break
        return await asyncio.wait_for(world.pods.started[0].wait(), 20)

    assert inside(tmp_path, run) == 137, "128 + SIGKILL: nobody else would end it"


def test_a_child_that_keeps_the_output_open_does_not_hold_the_session(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream(command("sh", "-c", "sleep 60 %26 echo done", output="1")) as socket:
            return await collect(socket)

    outcome = inside(tmp_path, run)
    assert (outcome.streams[STDOUT], status(outcome)["status"]) == (b"done\n", "Success")


def _descriptors(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(path.readlink()))
    return found


def test_exec_holds_on_to_nothing_when_its_command_leaves_a_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_DRAIN_SECONDS", 0.1)
    left, before = tmp_path / "left", _descriptors(os.getpid())

    async def run(world: KubeletWorld) -> bytes:
        path = command("sh", "-c", f"sleep 600 & echo $! > {left}; echo done", output="1")
        async with world.stream(path.replace("&%20", "%26%20")) as socket:
            outcome = await collect(socket)
        pid = int(left.read_text())
        try:
            async with asyncio.timeout(20):
                while (_descriptors(pid) & _descriptors(os.getpid())) - before:  # noqa: ASYNC110 - closed by the loop
                    await asyncio.sleep(0.01)
        finally:
            os.kill(pid, signal.SIGKILL)
        return bytes(outcome.streams[STDOUT])

    assert inside(tmp_path, run) == b"done\n"


def test_a_container_that_does_not_run_is_told_on_the_error_stream(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        async with world.stream("/exec/team/run/side?command=ls&output=1") as socket:
            return await collect(socket)

    assert "container not found ('side')" in status(inside(tmp_path, run))["message"]


def test_attach_shows_what_is_written_from_now_on(tmp_path: Path) -> None:
    async def run(world: KubeletWorld) -> Any:
        world.pods.running = True
        world.pods.log_file.write_text("2026-01-02T03:04:05Z stdout F old\n")
        async with world.stream("/attach/team/run/main?output=1&error=1") as socket:
            # The empty message says that the streams are open; what is written after it is new.
            await socket.recv()
            with world.pods.log_file.open("a") as file:
                file.write("2026-01-02T03:04:06Z stdout F new\n2026-01-02T03:04:06Z stderr F bad\n")
            world.pods.running = False
            return await collect(socket)

    outcome = inside(tmp_path, run)
    assert (outcome.streams[STDOUT], outcome.streams[STDERR]) == (b"new\n", b"bad\n")
