"""A real control plane with the holder of its pods' network, and pods that the test makes by hand: no agent."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.cluster.certificates import Authority
from local.cluster.children import Child
from local.cluster.control_plane import ClusterSettings, ControlPlane
from local.cluster.executables import executables
from local.cluster.files import write_private
from local.cluster.kube import Document, Kube
from local.cluster.process_node import network
from local.cluster.process_node.network.namespaces import run_inside
from local.cluster.process_node.network.supervise import holder_spec
from local.cluster.process_node.seams import Attachment, NodeSettings, PodRef

SERVICES, PODS = "172.20.0.0/16", "100.100.0.0/16"
DNS = "172.20.0.10"
_SECONDS = 60.0


@dataclass
class ProcessNetwork:
    """The control plane, and the network as the agents of two nodes have it."""

    plane: ControlPlane
    kube: Kube
    holder: Child
    nodes: dict[str, Any] = field(default_factory=dict)
    opened: list[asyncio.AbstractServer] = field(default_factory=list)

    def settings(self, node: str, kubelet_port: int = 0) -> NodeSettings:
        authority = Authority(self.plane.directory / "pki", "")
        pair = authority.server(f"node-{node}", ("127.0.0.1",))
        return NodeSettings(
            node=node,
            cluster=self.plane.name,
            server=self.plane.server,
            authority=authority.pair.certificate,
            certificate=pair.certificate,
            key=pair.key,
            kubelet_port=kubelet_port,
            directory=self.plane.directory / "nodes" / node,
            cluster_directory=self.plane.directory,
        )

    async def join(self, node: str, kubelet_port: int = 0) -> None:
        """A node with a network, and its object, which says where its kubelet is and what it can."""
        document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}
        await self.kube.request("POST", "/api/v1/nodes", document)
        addresses = [("InternalIP", "10.0.0.9"), ("ExternalIP", "127.0.0.1")]
        status = {
            "addresses": [{"type": kind, "address": address} for kind, address in addresses],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet_port}},
            "declaredFeatures": ["ExtendWebSocketsToKubelet"],
        }
        await self.kube.patch(f"/api/v1/nodes/{node}/status", {"status": status})
        self.nodes[node] = await network.connect(self.settings(node))
        await self.until(lambda: self._no_problem(node))

    async def pod(self, node: str, name: str, labels: dict[str, str], *, ready: bool = True, **spec: Any) -> Attachment:
        """A pod object that runs nothing but has a network."""
        container = {"name": "main", "image": "none", "ports": [{"name": "web", "containerPort": 8080}]}
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "labels": labels},
            "spec": {"nodeName": node, "containers": [container], "automountServiceAccountToken": False, **spec},
        }
        made = await self.kube.request("POST", "/api/v1/namespaces/default/pods", document)
        ref = PodRef(namespace="default", name=name, uid=made["metadata"]["uid"])
        attachment: Attachment = await self.nodes[node].attach(ref)
        conditions = [{"type": "Ready", "status": str(ready)}]
        status = {
            "phase": "Running",
            "podIP": attachment.ip,
            "podIPs": [{"ip": attachment.ip}],
            "conditions": conditions,
        }
        await self.kube.patch(f"/api/v1/namespaces/default/pods/{name}/status", {"status": status})
        return attachment

    async def service(self, name: str, namespace: str = "default", **spec: Any) -> None:
        document: Document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        await self.kube.request("POST", f"/api/v1/namespaces/{namespace}/services", document)

    async def serve(self, pod: Attachment, port: int) -> None:
        """A server in the pod that answers each line with the pod's address."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.readline():
                writer.write(f"{pod.ip}\n".encode())
                await writer.drain()
            writer.close()

        def listen() -> socket.socket:
            made = socket.create_server(("0.0.0.0", port))  # noqa: S104 - in the pod's own namespace
            made.setblocking(False)
            return made

        self.opened.append(await asyncio.start_server(answer, sock=await inside(pod, listen)))

    def admin(self) -> ssl.SSLContext:
        """TLS of a cluster administrator."""
        files = self.plane.directory / "pki"
        context = ssl.create_default_context(cafile=str(files / "ca.crt"))
        context.load_cert_chain(str(files / "supervisor.crt"), str(files / "supervisor.key"))
        return context

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_SECONDS):
            while not await condition():  # noqa: ASYNC110 - other processes set no event here
                await asyncio.sleep(0.05)

    async def _no_problem(self, node: str) -> bool:
        return not await self.nodes[node].problem()


async def inside(pod: Attachment, function: Callable[[], Any]) -> Any:
    """Call ``function`` in the pod's network."""

    def enter() -> Any:
        with pod.netns.open("rb") as namespace:
            return run_inside(namespace.fileno(), function)

    return await asyncio.to_thread(enter)


def ask(address: str, port: int, timeout: float = 5.0) -> str:
    """One line of a server's answer, or how the connection fails."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as asked:
            asked.sendall(b"who\n")
            return asked.makefile().readline().strip()
    except OSError as error:
        return error.strerror or type(error).__name__


def resolve(name: str, kind: str = "A") -> list[str]:
    """What the cluster's DNS says about a full name."""
    import dns.resolver

    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = [DNS]
    try:
        return sorted(str(item) for item in resolver.resolve(name, kind))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.LifetimeTimeout) as error:
        return [type(error).__name__]


@contextlib.asynccontextmanager
async def process_network(directory: Path) -> AsyncIterator[ProcessNetwork]:
    """Control plane and holder; both end with the block."""
    webhook = directory / "webhook.json"
    # Nobody here shows a token: the file only has to be there.
    cluster = {"name": "w", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "w", "context": {"cluster": "w", "user": "w"}}
    write_private(
        webhook,
        str({"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [{"name": "w", "user": {}}],
             "contexts": [context], "current-context": "w"}),
    )  # fmt: skip
    settings = ClusterSettings(name="net", service_cidr=SERVICES, issuer="https://kubernetes.default.svc")
    plane = ControlPlane(settings, directory / "net", executables(), webhook, lambda: None)
    made = None
    try:
        kube = await plane.start()
        holder = plane.run_controller(holder_spec(plane, service_cidr=SERVICES, pod_cidr=PODS))
        made = ProcessNetwork(plane, kube, holder)
        await made.until(lambda: _is_ready(holder))
        await made.until(lambda: _there(kube, "/api/v1/namespaces/default/serviceaccounts/default"))
        yield made
    finally:
        if made:
            for server in made.opened:
                server.close()
            for node in made.nodes.values():
                await node.close()
        await plane.stop()


async def _is_ready(child: Child) -> bool:
    return not await child.ready()


async def _there(kube: Kube, path: str) -> bool:
    return await kube.get(path) is not None
