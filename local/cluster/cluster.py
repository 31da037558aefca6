"""One simulated EKS cluster: a control plane that follows the object in the account, and everything inside it."""

import asyncio
import base64
import contextlib
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster import devices
from local.cluster.access import Access
from local.cluster.addons import Addons
from local.cluster.cloud_facts import CLUSTER
from local.cluster.control_plane import ClusterSettings, ControlPlane
from local.cluster.front import Front, admitted
from local.cluster.informer import Informer
from local.cluster.kube import Kube, KubeError
from local.cluster.layout import nodes_of
from local.cluster.load_balancers import LoadBalancers, ServiceView, service_view
from local.cluster.managers.managers import Managers
from local.cluster.managers.releases import DeploymentView, deployment_view
from local.cluster.node_groups import ClusterView, NodeGroups
from local.cluster.ports import LOOPBACK, PortBook
from local.cluster.process_node import cgroup_bases
from local.cluster.process_nodes import ProcessNodes
from local.cluster.status import ClusterStatus
from local.cluster.views import NodeView, PodView, node_view, pod_view
from local.cluster.volumes import Volumes

_LOG = logging.getLogger(__name__)
_RESYNC_SECONDS = 2.0
_SETTLE_SECONDS = 0.05
_LONGEST_SETTLE_SECONDS = 1.0
_DEFAULT_SERVICE_CIDR = "172.20.0.0/16"
_DELETING = "DELETING"
_FAILED = "FAILED"
_START_SECONDS = 90.0


class Inside:
    """What reconciles within a running control plane; made anew whenever the control plane is."""

    def __init__(
        self, store: SqliteStore, cluster: str, plane: ControlPlane, kube: Kube, wake: Callable[[], None]
    ) -> None:
        self.kube = kube
        self.nodes: Informer[NodeView] = Informer(kube, "/api/v1/nodes", node_view, wake)
        self.pods: Informer[PodView] = Informer(kube, "/api/v1/pods", pod_view, wake)
        self.namespaces: Informer[str] = Informer(
            kube, "/api/v1/namespaces", lambda item: item["metadata"]["name"], wake
        )
        self.groups = NodeGroups(store, cluster, kube)
        self.addons = Addons(store, cluster, kube, plane.service_cidr)
        self.access = Access(store, cluster, kube)
        self.volumes = Volumes(store, kube)
        self.managers = Managers(plane, kube)
        self.deployments: Informer[DeploymentView] = Informer(kube, "/apis/apps/v1/deployments", deployment_view, wake)
        self.process_nodes = ProcessNodes(store, plane)
        self.services: Informer[ServiceView] = Informer(kube, "/api/v1/services", service_view, wake)
        self.load_balancers = LoadBalancers(store, cluster, kube)
        self._informers = (self.nodes, self.pods, self.namespaces, self.services, self.deployments)
        self._tasks = [asyncio.create_task(informer.run()) for informer in self._informers]
        self._access_lock = asyncio.Lock()

    async def reconcile(self) -> None:
        """One pass; nothing before the caches hold the whole cluster."""
        if not all(informer.synced.is_set() for informer in self._informers):
            return
        await self.sync_access()
        await self.addons.reconcile()
        await self.groups.reconcile(ClusterView(self.nodes.items, self.pods.items))
        await self.process_nodes.reconcile(self.nodes.items)
        await devices.reconcile(self.kube, self.nodes.items, self.pods.items, self.groups.machines)
        await self.volumes.reconcile(self.nodes.items, self.pods.items, self.groups.security_groups)
        await self.load_balancers.reconcile(self.services.items)
        await self.managers.reconcile(self.deployments.items.values(), self.pods.items.values())

    async def sync_access(self) -> None:
        """Bring the role bindings up to date; also before a token is accepted."""
        async with self._access_lock:
            await self.access.reconcile(self.namespaces.items)

    async def stop(self) -> None:
        """End the watches."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class SimulatedCluster:
    """Runs until its object is gone from the account."""

    def __init__(
        self,
        store: SqliteStore,
        name: str,
        directory: Path,
        executables: Mapping[str, Path],
        webhook_kubeconfig: Path,
    ) -> None:
        self.name = name
        self._store = store
        self._directory = directory
        self._executables = executables
        self._webhook = webhook_kubeconfig
        self._wake = asyncio.Event()
        self._front: Front | None = None
        self.plane: ControlPlane | None = None
        self.inside: Inside | None = None
        self._reason = "starting"

    def wake(self) -> None:
        """Look again soon."""
        self._wake.set()

    async def run(self) -> None:
        """Reconcile until the cluster is deleted, or the task is cancelled; ends with all processes stopped."""
        try:
            while (item := self._store.get(CLUSTER, self.name)) is not None:
                self._wake.clear()
                if item.body.get("status") == _DELETING:
                    await self._stop()
                    self._remove(item)
                    return
                began = time.monotonic()
                await self._step(item)
                took = time.monotonic() - began
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _RESYNC_SECONDS)
                # Changes come in bursts: look once at what a burst left behind, and spend half of the time at most.
                await asyncio.sleep(min(max(_SETTLE_SECONDS, took), _LONGEST_SETTLE_SECONDS))
        finally:
            await self._stop()

    def port_inside(self, port: int) -> int | None:
        """Where the endpoint published on ``port`` leads to for a client in the network; None: not ours, or off."""
        item = self._store.get(CLUSTER, self.name)
        private = bool(((item.body if item else {}).get("resourcesVpcConfig") or {}).get("endpointPrivateAccess"))
        front = self._front
        return front.target if private and front and front.port == port and front.target else None

    async def status(self) -> ClusterStatus:
        """For reports."""
        item = self._store.get(CLUSTER, self.name)
        nodes = self.inside.nodes.items.values() if self.inside else ()
        problems = await self.plane.problems() if self.plane else [self._reason]
        return ClusterStatus(
            name=self.name,
            status=str(item.body.get("status")) if item else "deleted",
            endpoint=str(item.body.get("endpoint") or "") if item else "",
            nodes=len(nodes),
            nodes_ready=sum(node.ready for node in nodes),
            reason="; ".join(problems) or self._reason,
        )

    async def _step(self, item: CloudObject) -> None:
        if item.body.get("status") == _FAILED:
            return
        try:
            plane = await self._running(item.body)
            self._reason = await plane.kube.healthy() if plane.kube else "stopped"
            if self._reason:
                return
            front = await self._sync_front(item.body, plane)
            self._publish(front, plane)
            if self.inside:
                await self.inside.reconcile()
        except TimeoutError as error:
            self._fail(str(error))
        except (KubeError, httpx2.HTTPError, OSError, sqlite3.Error) as error:
            # The next pass tries again: an API server that just died is the common case.
            self._reason = f"{type(error).__name__}: {error}"
            _LOG.warning("cluster %s: %s", self.name, self._reason)
        except Exception as error:  # noqa: BLE001 - an object nobody foresaw must not end the control plane; logged
            self._reason = f"{type(error).__name__}: {error}"
            _LOG.exception("cluster %s", self.name)

    async def _running(self, body: Mapping[str, Any]) -> ControlPlane:
        """The control plane, started when it is not.

        Raises:
            TimeoutError: its processes do not get ready; they are stopped again.
        """
        if self.plane is not None:
            return self.plane
        _LOG.info("cluster %s: starting the control plane", self.name)
        settings = ClusterSettings(
            name=self.name,
            service_cidr=(body.get("kubernetesNetworkConfig") or {}).get("serviceIpv4Cidr") or _DEFAULT_SERVICE_CIDR,
            issuer=((body.get("identity") or {}).get("oidc") or {}).get("issuer") or "https://kubernetes.default.svc",
        )
        plane = ControlPlane(settings, self._directory, self._executables, self._webhook, self.wake)
        self.plane = plane
        try:
            async with asyncio.timeout(_START_SECONDS):
                kube = await plane.start()
        except TimeoutError as error:
            problems = "; ".join(await plane.problems())
            await self._stop()
            raise TimeoutError(f"the control plane is not ready after {_START_SECONDS:g} s: {problems}") from error
        except BaseException:
            await self._stop()
            raise
        self.inside = Inside(self._store, self.name, plane, kube, self.wake)
        _LOG.info("cluster %s: the API server is ready", self.name)
        return plane

    def _fail(self, message: str) -> None:
        self._reason = message
        _LOG.error("cluster %s: %s", self.name, message)
        with self._store.transaction():
            item = self._store.get(CLUSTER, self.name)
            if item is not None and item.body.get("status") == "CREATING":
                item.body["status"] = _FAILED
                item.body["health"] = {"issues": [{"code": "InternalFailure", "message": message, "resourceIds": []}]}
                self._store.put(item)

    async def _sync_front(self, body: Mapping[str, Any], plane: ControlPlane) -> Front:
        if self._front is None:
            port = PortBook(self._directory / "front.json").reserve("front")["front"]
            self._front = Front(port)
        self._front.target = int(plane.server.rpartition(":")[2])
        await self._front.set_open(admitted(body.get("resourcesVpcConfig") or {}))
        return self._front

    def _publish(self, front: Front, plane: ControlPlane) -> None:
        endpoint = f"https://{LOOPBACK}:{front.port}"
        authority = base64.b64encode(plane.authority_pem.encode()).decode()
        with self._store.transaction():
            item = self._store.get(CLUSTER, self.name)
            if item is None or item.body.get("status") == _DELETING:
                return
            wanted = {"endpoint": endpoint, "certificateAuthority": {"data": authority}, "status": "ACTIVE"}
            if any(item.body.get(member) != value for member, value in wanted.items()):
                item.body.update(wanted)
                self._store.put(item)
                _LOG.info("cluster %s: ACTIVE at %s", self.name, endpoint)

    async def _stop(self) -> None:
        inside, self.inside = self.inside, None
        plane, self.plane = self.plane, None
        front, self._front = self._front, None
        if front:
            await front.set_open(False)
        if inside:
            await inside.stop()
        if plane:
            await plane.stop()

    def _remove(self, item: CloudObject) -> None:
        cgroup_bases.clear_all(nodes_of(self._directory))
        shutil.rmtree(self._directory, ignore_errors=True)
        self._store.remove(CLUSTER, item.id)
        _LOG.info("cluster %s: deleted", self.name)
