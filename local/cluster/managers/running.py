"""One manager of one cluster: started, configured, given its webhooks, and ended, as its release comes and goes.

The release's Deployment is a stand-in; its pods become ready once the manager answers here and its webhooks are
registered, so that whoever waits for the release (Helm does) finds a controller that works.
"""

import asyncio
import base64
import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import httpx2
import yaml

from local.cluster.certificates import Authority, Pair
from local.cluster.children import Child, ChildSpec
from local.cluster.control_plane import ControlPlane
from local.cluster.files import private_directory, write_private
from local.cluster.kube import Kube
from local.cluster.managers import webhooks
from local.cluster.managers.declaration import (
    CONFIGURATION_FILE,
    CertificateSecret,
    ConfigurationError,
    Manager,
    Release,
    Site,
)
from local.cluster.managers.releases import DeploymentView, read, wanted
from local.cluster.pod_events import PodEvents
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.stages import HOLD_ANNOTATION
from local.cluster.views import PodView
from local.toolchain.toolchain import Toolchain

_LOG = logging.getLogger(__name__)
_PORTS = ("metrics", "webhook", "probe")
_HOSTS = (LOOPBACK, "localhost")
_API_POLL_SECONDS = 0.5


class RunningManager:
    """Runs ``manager`` for one cluster."""

    def __init__(self, manager: Manager, plane: ControlPlane, kube: Kube) -> None:
        self._manager = manager
        self._plane = plane
        self._kube = kube
        self._child: Child | None = None
        self._deployment: DeploymentView | None = None
        self._release: Release | None = None
        """What the child was started for."""
        self._registered: tuple[object, ...] | None = None
        """Release and port that the webhooks are those of, () for none; None: an earlier supervisor's may be there."""
        self._ports: Mapping[str, int] = {}
        self._events = PodEvents(kube)

    async def reconcile(self, deployments: Collection[DeploymentView], pods: Iterable[PodView]) -> None:
        """One pass.

        Raises:
            local.toolchain.errors.ToolchainError: the manager is not in the toolchain.
        """
        deployment = wanted(self._manager, deployments)
        if deployment is None:
            await self._end()
            return
        held = [pod for pod in pods if pod.waits_for == self._manager.executable and pod.node and not pod.deleting]
        if self._child is None or held or deployment != self._deployment:
            try:
                await self._follow(deployment)
            except ConfigurationError as error:
                # A pod of it would crash and start again until somebody mends the release.
                await self._tell(held, str(error))
                return
        if self._child is None:
            return
        waits_for = await self._child.ready()
        if waits_for:
            await self._tell(held, f"{self._manager.executable}: {waits_for}")
            return
        await self._register()
        for pod in held:
            released = {"metadata": {"annotations": {HOLD_ANNOTATION: None}}}
            await self._kube.patch(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", released)

    async def _follow(self, deployment: DeploymentView) -> None:
        """Starts the manager, or starts it anew when its release has changed."""
        release = await read(self._manager, deployment, self._kube)
        self._deployment = deployment
        if self._child is not None and release == self._release:
            return
        spec = await asyncio.to_thread(self._prepare, release)
        if self._child is not None:
            await self._plane.end_controller(self._child)
            self._child = None
        self._release = release
        if self._manager.secret is not None:
            # It hands its certificate to its webhooks before it answers anything.
            await self._publish(self._manager.secret(release))
            await self._register()
        self._child = self._plane.run_controller(spec)
        _LOG.info("cluster %s: %s starts", self._plane.name, self._manager.executable)

    async def _end(self) -> None:
        if self._registered != ():
            # First: should the API server fail now, the next pass finds everything as it was.
            await webhooks.remove(self._kube, self._manager.executable)
            self._registered = ()
        child, self._child = self._child, None
        self._release = self._deployment = None
        if child is not None:
            await self._plane.end_controller(child)
            _LOG.info("cluster %s: %s is gone", self._plane.name, self._manager.executable)

    async def _tell(self, held: Iterable[PodView], problem: str) -> None:
        """Says why the release does not get ready where people look first: in the events of its pods."""
        for pod in held:
            await self._events.warn(pod, "Unhealthy", f"Readiness probe failed: {problem} (simulated)")

    def _site(self) -> Site:
        short = self._manager.short
        if self._child is None:
            # Those of a living manager are not free, and its successor gets them.
            book = PortBook(self._plane.directory / "ports.json")
            reserved = book.reserve(*(f"{short}-{port}" for port in _PORTS))
            self._ports = {port: reserved[f"{short}-{port}"] for port in _PORTS}
        return Site(directory=private_directory(self._plane.directory / short), ports=self._ports)

    def _certificate(self, release: Release) -> tuple[Authority, Pair]:
        """What the webhooks' server shows, and who signed it."""
        directory, file_name = self._plane.directory / "pki", f"{self._manager.short}-webhook"
        if self._manager.secret is None:
            authority = Authority(directory, self._plane.name)
            return authority, authority.server(file_name, _HOSTS)
        secret = self._manager.secret(release)
        # Its key goes into a Secret: it must not be the one that signs certificates of users.
        authority = Authority(directory / f"{file_name}-{secret.host}", secret.authority, rotated=True)
        return authority, authority.server(file_name, (*_HOSTS, secret.host))

    def _prepare(self, release: Release) -> ChildSpec:
        manager, plane = self._manager, self._plane
        executable = Toolchain.load([manager.executable]).path(manager.executable)
        site = self._site()
        _, pair = self._certificate(release)
        write_private(site.certificates / "tls.crt", pair.certificate.read_text())
        write_private(site.certificates / "tls.key", pair.key.read_text())
        launch = manager.launch(release, site)
        arguments = [str(executable), *launch.arguments]
        if launch.configuration is not None:
            file = site.directory / CONFIGURATION_FILE
            write_private(file, yaml.safe_dump(launch.configuration, sort_keys=False))
            arguments.append(f"--config={file}")
        return ChildSpec(
            name=manager.executable,
            cluster=plane.name,
            arguments=arguments,
            log=plane.directory / "logs" / f"{manager.executable}.log",
            ports={f"{manager.short}-{port}": number for port, number in site.ports.items()},
            healthy=lambda: _health(f"http://{site.address('probe')}/readyz"),
            alive=lambda: _health(f"http://{site.address('probe')}/healthz"),
            prepare=self._api_server_answers,
            environment={
                "HOME": str(site.directory),
                "TMPDIR": str(site.directory),
                "PATH": "/usr/bin:/bin",
                "KUBECONFIG": str(self._kubeconfig(release, site)),
                "POD_NAMESPACE": release.namespace,
            },
        )

    async def _api_server_answers(self) -> None:
        """A manager that begins without an API server is lost: Kueue 0.19.2 then waits for its certificate for ever.

        (``BootstrapCerts`` in its ``pkg/util/cert/cert.go``: the manager inside ends, and nobody looks.)
        """
        # Readiness is asked of another process, which sets no event here.
        while await self._kube.healthy():  # noqa: ASYNC110
            await asyncio.sleep(_API_POLL_SECONDS)

    def _kubeconfig(self, release: Release, site: Site) -> Path:
        """Who the manager is: its service account, so that the roles of its chart decide what it may do.

        By impersonation: a certificate cannot hold the names of all service accounts, a token would have to be renewed.
        """
        admin = self._plane.directory / "admin.kubeconfig"
        if not release.account:
            return admin
        account = f"system:serviceaccount:{release.namespace}:{release.account}"
        document = json.loads(admin.read_text())
        document["users"][0]["user"]["as"] = account
        file = site.directory / "kubeconfig"
        write_private(file, json.dumps(document, indent=2))
        return file

    async def _publish(self, secret: CertificateSecret) -> None:
        release = self._release
        if release is None:
            return
        authority, pair = await asyncio.to_thread(self._certificate, release)
        files = {
            "ca.crt": authority.pair.certificate, "ca.key": authority.pair.key,
            "tls.crt": pair.certificate, "tls.key": pair.key,
        }  # fmt: skip
        data = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files.items()}
        path = f"/api/v1/namespaces/{release.namespace}/secrets"
        if await self._kube.patch(f"{path}/{secret.name}", {"data": data}) is None:
            document = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret.name}, "data": data}
            await self._kube.create(path, document)

    async def _register(self) -> None:
        release, manager, port = self._release, self._manager, self._ports["webhook"]
        if release is None or self._registered == (release, port):
            return
        text = release.webhooks
        if manager.webhook_manifests is not None:
            sources = await asyncio.to_thread(manager.sources)
            text = (sources / manager.webhook_manifests).read_text()
        authority, _ = await asyncio.to_thread(self._certificate, release)
        bundle = base64.b64encode(authority.pem.encode()).decode()
        for name, path in release.conversions:
            patch = webhooks.conversion(path, port, bundle, manager.executable)
            await webhooks.convert(self._kube, name, patch)
        await webhooks.register(self._kube, manager.executable, webhooks.configurations(text, port, bundle))
        self._registered = (release, port)


async def _health(url: str) -> str:
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=3.0) as client:
            answer = await client.get(url)
    except httpx2.TransportError as error:
        return f"does not answer: {error or type(error).__name__}"
    return "" if answer.is_success else f"not healthy: {answer.text[:120]}"
