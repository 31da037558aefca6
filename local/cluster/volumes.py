"""Volumes of simulated pods: registered drivers, mounts, and the refusals that a kubelet would report."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.cloud.model import Account
from local.cluster.addon_manifests import FSX_DRIVER, FSX_NODE_APP
from local.cluster.concurrency import for_each
from local.cluster.kube import Document, Kube
from local.cluster.lustre import mount_problem
from local.cluster.pod_events import PodEvents
from local.cluster.stages import VOLUMES_ANNOTATION, VOLUMES_MOUNTED
from local.cluster.views import NodeView, PodView

_CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"


class Volumes:
    """Registers CSI drivers on nodes and lets pods with claims start once their volumes are mounted."""

    def __init__(self, account: Account, kube: Kube) -> None:
        self._account = account
        self._kube = kube
        self._registered: dict[str, frozenset[str]] | None = None
        self._events = PodEvents(kube)

    async def reconcile(
        self,
        nodes: Mapping[str, NodeView],
        pods: Mapping[str, PodView],
        security_groups: Mapping[str, Sequence[str]],
    ) -> None:
        """One pass over nodes and waiting pods."""
        await self._register(nodes, pods)
        waiting = [pod for pod in pods.values() if _waits(pod)]
        await for_each(waiting, lambda pod: self._mount(pod, security_groups.get(pod.node, ())))

    async def _register(self, nodes: Mapping[str, NodeView], pods: Mapping[str, PodView]) -> None:
        if self._registered is None:
            existing = await self._kube.list(_CSI_NODES)
            self._registered = {item["metadata"]["name"]: _drivers(item) for item in existing}
        running = {pod.node for pod in pods.values() if pod.app == FSX_NODE_APP and pod.ready and not pod.deleting}
        changes = {
            name: frozenset({FSX_DRIVER}) if name in running else frozenset[str]()
            for name in nodes
            if (name in running) != (FSX_DRIVER in self._registered.get(name, ()))
        }
        await for_each(changes.items(), lambda change: self._write_csi_node(*change))
        for name in [name for name in self._registered if name not in nodes]:
            await self._kube.delete(f"{_CSI_NODES}/{name}")
            del self._registered[name]

    async def _write_csi_node(self, node: str, drivers: frozenset[str]) -> None:
        entries = [{"name": driver, "nodeID": node, "topologyKeys": []} for driver in sorted(drivers)]
        document: Document = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSINode",
            "metadata": {"name": node},
            "spec": {"drivers": entries},
        }
        await self._kube.apply(document, manager="kubelet")
        if self._registered is not None:
            self._registered[node] = drivers

    async def _mount(self, pod: PodView, security_groups: Sequence[str]) -> None:
        for claim in pod.claims:
            volume = await self._volume_of(pod.namespace, claim)
            if volume is None:
                return
            problem = self._problem(volume, pod.node, security_groups)
            if problem:
                await self._events.warn(pod, "FailedMount", problem)
                return
        annotations = {"metadata": {"annotations": {VOLUMES_ANNOTATION: VOLUMES_MOUNTED}}}
        await self._kube.patch(f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}", annotations)

    async def _volume_of(self, namespace: str, claim: str) -> Document | None:
        found = await self._kube.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}")
        name = ((found or {}).get("spec") or {}).get("volumeName")
        return await self._kube.get(f"/api/v1/persistentvolumes/{name}") if name else None

    def _problem(self, volume: Document, node: str, security_groups: Sequence[str]) -> str:
        source: Mapping[str, Any] | None = volume["spec"].get("csi")
        if source is None:
            return ""
        failed = f'MountVolume.SetUp failed for volume "{volume["metadata"]["name"]}" : '
        driver = source["driver"]
        if driver not in (self._registered or {}).get(node, ()):
            return (
                f"{failed}kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name {driver} not found "
                "in the list of registered CSI drivers"
            )
        problem = mount_problem(self._account, source, security_groups)
        return f"{failed}rpc error: code = Internal desc = {problem}" if problem else ""


def _waits(pod: PodView) -> bool:
    return bool(pod.claims and pod.node and not pod.mounted and not pod.deleting and pod.phase in {"", "Pending"})


def _drivers(item: Document) -> frozenset[str]:
    return frozenset(driver["name"] for driver in item["spec"].get("drivers") or ())
