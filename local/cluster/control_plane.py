"""The control plane of one simulated cluster: five real processes with their own certificates, ports and logs."""

import asyncio
import ipaddress
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from local.cluster import commands
from local.cluster.certificates import Authority, service_account_keys
from local.cluster.children import Child, ChildSpec
from local.cluster.commands import ControlPlaneSettings, Credentials
from local.cluster.files import private_directory, write_private
from local.cluster.identity import ProcessIdentity, stop
from local.cluster.kube import Kube, KubeError
from local.cluster.kubeconfigs import write_certificate_kubeconfig
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.stages import configuration
from local.cluster.status import ProcessStatus

_PORTS = ("etcd", "etcd-peer", "api", "scheduler", "controller-manager", "kwok")
_SERVER_HOSTS = (
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
"""The user that the API server is to kubelets; the name is kubeadm's."""
_MASTERS = ("system:masters",)
_POLL_SECONDS = 0.1
_TUNING = {"GOGC": "200"}
"""Half the garbage collections for some more memory: on two cores they compete with the work."""
_CLIENT = "supervisor"
_NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """What a control plane takes from the cluster's description at the cloud."""

    name: str
    service_cidr: str
    issuer: str


class ControlPlane:
    """Starts, watches and stops the processes of one cluster under ``directory``."""

    def __init__(
        self,
        settings: ClusterSettings,
        directory: Path,
        executables: Mapping[str, Path],
        webhook_kubeconfig: Path,
        changed: Callable[[], None],
    ) -> None:
        self.name = settings.name
        self.directory = private_directory(directory)
        self._settings = settings
        self._executables = executables
        self._webhook = webhook_kubeconfig
        self._changed = changed
        self._children: list[Child] = []
        self.kube: Kube | None = None
        self.authority_pem = ""
        self.server = ""

    @property
    def service_cidr(self) -> str:
        """Addresses of Services."""
        return self._settings.service_cidr

    @property
    def _record(self) -> Path:
        return self.directory / "processes.json"

    async def start(self) -> Kube:
        """Start the processes in their order and return once the API server is ready; resumes from former data."""
        await asyncio.to_thread(stop, recorded(self._record), grace_seconds=3.0)
        # Key generation and probing ports take a moment: the loop must go on serving tokens and status meanwhile.
        settings, kube = await asyncio.to_thread(self._prepare)
        self.kube = kube
        etcd = self._child("etcd", commands.etcd(settings), settings, self._etcd_health(settings))
        await _until_ready(etcd)
        api = self._child("kube-apiserver", commands.api_server(settings), settings, self._api_health)
        await _until_ready(api)
        for name, arguments, port, scheme in (
            ("kube-controller-manager", commands.controller_manager(settings), "controller-manager", "https"),
            ("kube-scheduler", commands.scheduler(settings), "scheduler", "https"),
            ("kwok", commands.kwok(settings), "kwok", "http"),
        ):
            url = f"{scheme}://{LOOPBACK}:{settings.ports[port]}/healthz"
            prepare = self._free_nodes if name == "kwok" else None
            self._child(name, arguments, settings, self._url_health(settings, url), prepare=prepare)
        return kube

    async def stop(self) -> None:
        """End all processes, the API server's clients first; the data stays."""
        children, self._children = self._children, []
        # etcd last: the others would fill their logs with its absence.
        await asyncio.gather(*(child.stop() for child in children[1:]))
        await asyncio.gather(*(child.stop() for child in children[:1]))
        kube, self.kube = self.kube, None
        if kube:
            await kube.close()

    async def problems(self) -> list[str]:
        """What is not ready, one sentence each."""
        statuses = await self.processes()
        return [f"{status.name}: {status.reason}" for status in statuses if not status.ready]

    async def processes(self) -> Sequence[ProcessStatus]:
        """The state of every process."""
        return await asyncio.gather(*(child.status() for child in self._children))

    @property
    def _service_address(self) -> str:
        """ClusterIP of the Service ``kubernetes``: the API server takes the first of the range."""
        return str(ipaddress.ip_network(self._settings.service_cidr)[1])

    def write_record(self) -> None:
        """Write down who runs, for whoever has to clean up after a killed supervisor."""
        living = [child.identity.to_json() for child in self._children if child.identity]
        write_private(self._record, json.dumps(living))

    async def _free_nodes(self) -> None:
        """Take its nodes from a dead kwok.

        Each kwok calls itself by a new random name (``Identity`` in its ``pkg/kwok/controllers/controller.go``) and
        leaves a node, with the pods on it, alone until the lease of the former one has run out.
        """
        try:
            if self.kube:
                await self.kube.request("DELETE", _NODE_LEASES)
        except (KubeError, httpx2.HTTPError) as error:
            _LOG.warning("cluster %s: node leases stay until they run out: %s", self.name, error)

    def _child(
        self,
        name: str,
        arguments: list[str],
        settings: ControlPlaneSettings,
        healthy: Callable[[], Awaitable[str]],
        *,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Child:
        ports = {port: number for port, number in settings.ports.items() if port in _ports_of(name)}
        spec = ChildSpec(
            name=name,
            cluster=self.name,
            arguments=[str(self._executables[name]), *arguments],
            log=self.directory / "logs" / f"{name}.log",
            ports=ports,
            healthy=healthy,
            prepare=prepare,
            # No HOME, no KUBECONFIG, no proxies: nothing outside the state directory is read or written.
            environment={
                "HOME": str(self.directory),
                "TMPDIR": str(self.directory),
                "PATH": "/usr/bin:/bin",
                **_TUNING,
            },
        )
        child = Child(spec, self._child_changed)
        self._children.append(child)
        child.start()
        return child

    def run_controller(self, spec: ChildSpec) -> Child:
        """Start a process that works on this cluster beside its control plane; it stops before etcd does."""
        child = Child(spec, self._child_changed)
        self._children.append(child)
        child.start()
        return child

    async def end_controller(self, child: Child) -> None:
        """Stop what ``run_controller`` started."""
        self._children.remove(child)
        await child.stop()
        self._child_changed()

    def _child_changed(self) -> None:
        self.write_record()
        self._changed()

    def _prepare(self) -> tuple[ControlPlaneSettings, Kube]:
        files = self.directory / "pki"
        authority = Authority(files, f"{self.name} simulated cluster CA")
        ports = PortBook(self.directory / "ports.json").reserve(*_PORTS)
        self.server = f"https://{LOOPBACK}:{ports['api']}"
        self.authority_pem = authority.pem
        write_private(self.directory / "kwok.yaml", configuration())
        supervisor = authority.client(_CLIENT, "slipway:supervisor", _MASTERS)
        kube = Kube(self.server, authority.pair.certificate, supervisor.certificate, supervisor.key)
        self._kubeconfig(authority, "admin", "slipway:supervisor", _CLIENT, _MASTERS)
        credentials = Credentials(
            authority=authority.pair.certificate,
            front_proxy_authority=Authority(files / "front-proxy", "front-proxy CA").pair.certificate,
            server=authority.server("server", (*_SERVER_HOSTS, self._service_address)),
            etcd_client=authority.client("etcd-client", "kube-apiserver"),
            service_accounts=service_account_keys(files),
            kubelet_client=authority.client("kubelet-client", KUBELET_CLIENT),
            webhook=self._webhook,
            scheduler=self._kubeconfig(authority, "scheduler", "system:kube-scheduler", "scheduler"),
            controller_manager=self._kubeconfig(
                authority, "controller-manager", "system:kube-controller-manager", "controller-manager"
            ),
            kwok=self._kubeconfig(authority, "kwok", "slipway:kwok", "kwok", _MASTERS),
        )
        settings = ControlPlaneSettings(
            directory=self.directory,
            ports=ports,
            credentials=credentials,
            service_cidr=self._settings.service_cidr,
            issuer=self._settings.issuer,
        )
        return settings, kube

    def _kubeconfig(self, authority: Authority, name: str, user: str, file: str, groups: Sequence[str] = ()) -> Path:
        pair = authority.client(file, user, groups)
        path = self.directory / f"{name}.kubeconfig"
        return write_certificate_kubeconfig(path, self.server, authority.pem, pair)

    async def _api_health(self) -> str:
        return await self.kube.healthy() if self.kube else "stopped"

    def _etcd_health(self, settings: ControlPlaneSettings) -> Callable[[], Awaitable[str]]:
        return self._url_health(settings, f"https://{LOOPBACK}:{settings.ports['etcd']}/health")

    def _url_health(self, settings: ControlPlaneSettings, url: str) -> Callable[[], Awaitable[str]]:
        files = settings.credentials
        context = ssl.create_default_context(cafile=str(files.authority))
        context.load_cert_chain(str(files.etcd_client.certificate), str(files.etcd_client.key))

        async def ask() -> str:
            try:
                async with httpx2.AsyncClient(verify=context, trust_env=False, timeout=3.0) as client:
                    answer = await client.get(url)
            except httpx2.TransportError as error:
                return f"does not answer: {error or type(error).__name__}"
            return "" if answer.is_success else f"not healthy: {answer.text[:120]}"

        return ask


def recorded(path: Path) -> list[ProcessIdentity]:
    """The processes that a supervisor wrote down, dead or alive."""
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    found = [ProcessIdentity.from_json(entry) for entry in entries] if isinstance(entries, list) else []
    return [identity for identity in found if identity]


async def _until_ready(child: Child) -> None:
    # Readiness is asked of another process, which sets no event here.
    while await child.ready():  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)


def _ports_of(name: str) -> tuple[str, ...]:
    short = name.removeprefix("kube-")
    return ("etcd", "etcd-peer") if name == "etcd" else ("api",) if name == "kube-apiserver" else (short,)
