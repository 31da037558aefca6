"""A kubelet API server before a store of made-up pods, and a client that shows the API server's certificate."""

import asyncio
import contextlib
import fcntl
import os
import socket
import ssl
import termios
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from local.cluster.certificates import Authority
from local.cluster.control_plane import KUBELET_CLIENT
from local.cluster.kube import Document
from local.cluster.process_node.kubelet_api import KubeletServer
from local.cluster.process_node.seams import (
    ContainerLog,
    ContainerUsage,
    ExecProcess,
    NodeSettings,
    PodRef,
    PodUsage,
    Stdio,
    UnknownContainerError,
)


class HostProcess:
    """A process of the test's own, in place of one inside a container."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def wait(self) -> int:
        code = await self.process.wait()
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()


@dataclass
class MadeUpPods:
    """One pod ``team/run`` with the container ``main``."""

    log_file: Path
    running: bool = False
    started: list[HostProcess] = field(default_factory=list)

    def pods(self) -> Sequence[Document]:
        return [{"metadata": {"namespace": "team", "name": "run", "uid": "u-1"}, "status": {"phase": "Running"}}]

    def log(self, _namespace: str, pod: str, container: str, *, previous: bool = False) -> ContainerLog:
        if container != "main":
            raise UnknownContainerError(f'container {container} is not valid for pod "{pod}"')
        if previous:
            raise UnknownContainerError(f'previous terminated container "{container}" in pod "{pod}" not found')
        return ContainerLog(path=self.log_file, running=self.running)

    async def start_exec(
        self, _namespace: str, _pod: str, container: str, command: Sequence[str], stdio: Stdio, *, tty: bool = False
    ) -> ExecProcess:
        if container != "main":
            raise UnknownContainerError(f"container not found ({container!r})")

        def own_terminal() -> None:
            os.setsid()
            if tty:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        stdin, stdout, stderr = stdio
        process = await asyncio.create_subprocess_exec(
            *command, stdin=stdin, stdout=stdout, stderr=stderr, preexec_fn=own_terminal
        )
        self.started.append(HostProcess(process))
        return self.started[-1]

    async def usage(self) -> Sequence[PodUsage]:
        containers = [ContainerUsage(name="main", cpu_nanoseconds=1_500_000_000, memory_bytes=2048)]
        return [PodUsage(pod=PodRef(namespace="team", name="run", uid="u-1"), containers=containers)]


@dataclass
class KubeletWorld:
    """The server and how to reach it."""

    url: str
    contexts: dict[str, ssl.SSLContext]
    pods: MadeUpPods

    def client(self, user: str = KUBELET_CLIENT) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(base_url=self.url, verify=self.contexts[user], trust_env=False, timeout=20)

    def stream(self, path: str, protocol: str = "v5.channel.k8s.io") -> connect:
        url = self.url.replace("https", "wss") + path
        return connect(url, ssl=self.contexts[KUBELET_CLIENT], subprotocols=[protocol], proxy=None)  # type: ignore[list-item]


@contextlib.asynccontextmanager
async def kubelet_world(directory: Path) -> AsyncIterator[KubeletWorld]:
    authority = Authority(directory / "pki", "test CA")
    pair = authority.server("node", ("127.0.0.1",))
    contexts = {}
    for user in (KUBELET_CLIENT, "system:node:other"):
        one = authority.client(user.replace(":", "-"), user)
        contexts[user] = ssl.create_default_context(cafile=str(authority.pair.certificate))
        contexts[user].load_cert_chain(str(one.certificate), str(one.key))
    contexts["nobody"] = ssl.create_default_context(cafile=str(authority.pair.certificate))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = NodeSettings(
        node="node-1",
        cluster="c",
        server="",
        authority=authority.pair.certificate,
        certificate=pair.certificate,
        key=pair.key,
        kubelet_port=port,
        directory=directory,
        cluster_directory=directory,
    )
    pods = MadeUpPods(directory / "0.log")
    server = KubeletServer(settings, pods)
    await server.start()
    try:
        yield KubeletWorld(f"https://127.0.0.1:{port}", contexts, pods)
    finally:
        for process in pods.started:
            process.kill()
        await server.stop()


@dataclass
class Outcome:
    """What a session brought, by stream."""

    streams: dict[int, bytes] = field(default_factory=dict)

    def add(self, message: bytes) -> None:
        self.streams[message[0]] = self.streams.get(message[0], b"") + message[1:]


async def collect(socket_: ClientConnection) -> Outcome:
    """Everything until the server closes."""
    outcome = Outcome()
    async for message in socket_:
        outcome.add(message if isinstance(message, bytes) else message.encode())
    return outcome
