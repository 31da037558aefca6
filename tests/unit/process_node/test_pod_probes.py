"""What a probe's answer means, and where it is asked for."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from local.cluster.process_node import hooks
from local.cluster.process_node.context import utc_now
from local.cluster.process_node.probes import Probes
from local.cluster.process_node.records import Record, Running

SECONDS = 60.0


def test_a_probe_that_the_node_cannot_make_says_nothing_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([hooks.HookError("no"), OSError(24, "Too many open files"), hooks.HookError("no again")])
    told: list[str] = []

    async def command(*_: object) -> None:
        raise next(answers)

    async def story() -> None:
        monkeypatch.setattr(hooks, "command", command)
        failed = asyncio.Event()
        probe = {"exec": {"command": ["x"]}, "periodSeconds": 0.01, "failureThreshold": 2}
        record = Record({"name": "main", "livenessProbe": probe}, state=Running(utc_now()))
        context: Any = SimpleNamespace(event=lambda _, __, words, **___: told.append(words), wake=lambda: None)
        probes = Probes(context, record, lambda *_: failed.set())
        await asyncio.wait_for(failed.wait(), SECONDS)
        probes.stop()

    asyncio.run(story())
    assert told == [
        "Liveness probe failed: no",
        "Liveness probe errored and resulted in unknown state: [Errno 24] Too many open files",
        "Liveness probe failed: no again",
    ], "and the probe goes on afterwards"


def pod(**spec: Any) -> Any:
    """The context of a pod of the machine's own network; ``spec`` says whether it is one."""
    sandbox = SimpleNamespace(attachment=None)
    return SimpleNamespace(pod={"spec": spec}, pod_ip="10.0.0.9", sandbox=sandbox)


@pytest.mark.parametrize(
    ("answer", "says"),
    [(b"HTTP/1.1 204 No Content\r\n\r\n", ""), (b"x" * (1 << 17), "malformed HTTP response"), (b"", "EOF")],
)
def test_a_pod_of_the_machines_network_is_asked_there(answer: bytes, says: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def story() -> str:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            await hooks.http_get(pod(hostNetwork=True), Record({"name": "main"}), {"port": port}, "test")
        except hooks.HookError as error:
            return str(error)
        finally:
            server.close()
        return ""

    found = asyncio.run(story())
    assert says in found
    assert bool(found) == bool(says)
