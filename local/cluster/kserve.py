"""The real KServe manager of a simulated cluster: there exactly while the program's KServe release is.

The release's Deployment is a stand-in; its pod becomes ready once the manager answers here and its webhooks are
registered, so that whoever waits for the release (Helm does) finds a working KServe.
"""

import asyncio
import base64
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import httpx2
import yaml

from local.cluster.certificates import Authority
from local.cluster.children import Child, ChildSpec
from local.cluster.control_plane import ControlPlane
from local.cluster.files import private_directory, write_private
from local.cluster.kserve_charts import MANAGER, NAMESPACE
from local.cluster.kube import Document, Kube, object_path
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.stages import HOLD_ANNOTATION
from local.cluster.views import PodView
from local.toolchain.pins import KSERVE_MODULE
from local.toolchain.sources import module_sources
from local.toolchain.toolchain import Toolchain

_LOG = logging.getLogger(__name__)
EXECUTABLE = "kserve-manager"
_PORTS = ("kserve-metrics", "kserve-webhook", "kserve-probe")
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{MANAGER}"
_WEBHOOKS = Path("config/webhook/manifests.yaml")
_CERTIFICATES = Path("k8s-webhook-server/serving-certs")
"""Where controller-runtime looks for its certificate below the temporary directory."""
_API_GROUP = "/apis/admissionregistration.k8s.io/v1"


def kserve_sources() -> Path:
    """The sources of the pinned KServe, if its manager is there too; see ``local.toolchain.sources``.

    The chart mirror asks for them when a KServe chart is fetched, which so fails at once: without the manager nothing
    would ever make the release ready, and Helm would wait for it in vain.

    Raises:
        local.toolchain.errors.ToolchainError: one of them is missing.
    """
    Toolchain.load([EXECUTABLE])
    return module_sources("kserve", KSERVE_MODULE)


class KServe:
    """Runs the manager of one cluster."""

    def __init__(self, plane: ControlPlane, kube: Kube) -> None:
        self._plane = plane
        self._kube = kube
        self._child: Child | None = None
        self._ports: dict[str, int] = {}
        self._registered: bool | None = None
        """Whether our webhooks are there; None: a former supervisor may have left some."""

    async def reconcile(self, namespaces: Collection[str], pods: Iterable[PodView]) -> None:
        """One pass.

        Raises:
            local.toolchain.errors.ToolchainError: the manager is not in the toolchain.
        """
        if not await self._is_wanted(namespaces):
            await self._end()
            return
        if self._child is None:
            spec = await asyncio.to_thread(self._prepare)
            self._child = self._plane.run_controller(spec)
            _LOG.info("cluster %s: the KServe manager starts", self._plane.name)
        if await self._child.ready():
            return
        if not self._registered:
            await self._register()
        for pod in pods:
            if pod.namespace == NAMESPACE and pod.app_name == MANAGER and pod.node and not pod.ready:
                released = {"metadata": {"annotations": {HOLD_ANNOTATION: None}}}
                await self._kube.patch(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}", released)

    async def _is_wanted(self, namespaces: Collection[str]) -> bool:
        if NAMESPACE not in namespaces:
            return False
        found = await self._kube.get(_DEPLOYMENT)
        return found is not None and "deletionTimestamp" not in found["metadata"]

    async def _end(self) -> None:
        child, self._child = self._child, None
        if self._registered is not False:
            # Before the manager goes: a webhook that nobody answers refuses every pod of a model service.
            for kind in ("mutating", "validating"):
                for item in await self._kube.list(f"{_API_GROUP}/{kind}webhookconfigurations"):
                    if item["metadata"]["name"].endswith(".serving.kserve.io"):
                        await self._kube.delete(f"{_API_GROUP}/{kind}webhookconfigurations/{item['metadata']['name']}")
            self._registered = False
        if child is not None:
            await self._plane.end_controller(child)
            _LOG.info("cluster %s: the KServe manager is gone", self._plane.name)

    def _prepare(self) -> ChildSpec:
        plane = self._plane
        executable = Toolchain.load([EXECUTABLE]).path(EXECUTABLE)
        self._ports = PortBook(plane.directory / "ports.json").reserve(*_PORTS)
        temporary = private_directory(plane.directory / "kserve")
        pair = Authority(plane.directory / "pki", plane.name).server("kserve-webhook", (LOOPBACK, "localhost"))
        write_private(temporary / _CERTIFICATES / "tls.crt", pair.certificate.read_text())
        write_private(temporary / _CERTIFICATES / "tls.key", pair.key.read_text())
        arguments = [
            str(executable),
            f"--metrics-addr={LOOPBACK}:{self._ports['kserve-metrics']}",
            f"--webhook-port={self._ports['kserve-webhook']}",
            f"--health-probe-addr={LOOPBACK}:{self._ports['kserve-probe']}",
        ]
        return ChildSpec(
            name=EXECUTABLE,
            cluster=plane.name,
            arguments=arguments,
            log=plane.directory / "logs" / f"{EXECUTABLE}.log",
            ports=self._ports,
            healthy=self._health,
            environment={
                "HOME": str(temporary),
                # controller-runtime looks for the webhooks' certificate below it.
                "TMPDIR": str(temporary),
                "PATH": "/usr/bin:/bin",
                "KUBECONFIG": str(plane.directory / "admin.kubeconfig"),
                "POD_NAMESPACE": NAMESPACE,
            },
        )

    async def _health(self) -> str:
        url = f"http://{LOOPBACK}:{self._ports['kserve-probe']}/readyz"
        try:
            async with httpx2.AsyncClient(trust_env=False, timeout=3.0) as client:
                answer = await client.get(url)
        except httpx2.TransportError as error:
            return f"does not answer: {error or type(error).__name__}"
        return "" if answer.is_success else f"not healthy: {answer.text[:120]}"

    async def _register(self) -> None:
        authority = base64.b64encode(self._plane.authority_pem.encode()).decode()
        sources = await asyncio.to_thread(kserve_sources)
        for document in webhooks(sources / _WEBHOOKS, self._ports["kserve-webhook"], authority):
            await self._kube.delete(object_path(document))
            await self._kube.create(object_path(document).rpartition("/")[0], document)
        self._registered = True


def webhooks(path: Path, port: int, authority: str) -> list[Document]:
    """KServe's own webhook configurations, answered by a process on loopback instead of a Service.

    ``authority`` is the certificate that signed the process's own, in base64.
    """
    documents: list[Document] = [item for item in yaml.safe_load_all(path.read_text()) if item]
    for document in documents:
        document["metadata"] = {"name": document["metadata"]["name"]}
        for webhook in document["webhooks"]:
            service: dict[str, Any] = webhook["clientConfig"]["service"]
            url = f"https://{LOOPBACK}:{port}{service['path']}"
            webhook["clientConfig"] = {"url": url, "caBundle": authority}
            # Asked in the form that the API server and the manager both know.
            webhook["admissionReviewVersions"] = ["v1"] if "v1" in webhook["admissionReviewVersions"] else ["v1beta1"]
    return documents
