"""The node's own status: conditions, addresses, heartbeat lease."""

import asyncio
import datetime as dt
import logging
import platform

import httpx2

from local.cluster.kube import Document, Kube, KubeError
from local.cluster.process_node.events import Events
from local.cluster.process_node.records import stamp
from local.cluster.process_node.seams import NodeSettings, PodNetwork

_LOG = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 10.0
_STATUS_SECONDS = 60.0
LEASE_SECONDS = 40
"""A kubelet's ``nodeLeaseDurationSeconds``; renewed four times as often."""
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_STRATEGIC = "application/strategic-merge-patch+json"
_LOOPBACK = "127.0.0.1"
_RETRY_SECONDS = 1.0
_NOT_FOUND = 404


class NodeStatus:
    """Posts what a kubelet posts about its node."""

    def __init__(self, settings: NodeSettings, kube: Kube, events: Events, network: PodNetwork) -> None:
        self._settings = settings
        self._kube = kube
        self._events = events
        self._network = network
        self._ready: bool | None = None
        self._problem = ""
        self._since = dt.datetime.now(dt.UTC)

    async def run(self, problem: str) -> None:
        """Until cancelled; ``problem``: why no pod can run here at all, "" when pods can."""
        beat = 0.0
        loop = asyncio.get_running_loop()
        while True:
            reason = problem or await self._network.problem()
            now = loop.time()
            delay = _HEARTBEAT_SECONDS
            try:
                if (not reason) != self._ready or reason != self._problem or now - beat > _STATUS_SECONDS:
                    await self._post(reason)
                    beat = now
                await self._renew()
            except (KubeError, httpx2.HTTPError, ValueError) as error:
                _LOG.info("the node's status is not posted: %s", error)
                delay = _RETRY_SECONDS
            if reason and not problem:
                delay = _RETRY_SECONDS
            await asyncio.sleep(delay)

    async def _post(self, reason: str) -> None:
        now = dt.datetime.now(dt.UTC)
        ready = not reason
        if ready != self._ready:
            self._since = now
            self._events.node(
                "NodeReady" if ready else "NodeNotReady",
                f"Node {self._settings.node} status is now: " + ("NodeReady" if ready else "NodeNotReady"),
            )
        path = f"/api/v1/nodes/{self._settings.node}/status"
        await self._kube.request("PATCH", path, {"status": self._status(reason, now)}, _STRATEGIC)
        self._ready, self._problem = ready, reason

    def _status(self, reason: str, now: dt.datetime) -> Document:
        def condition(kind: str, *, value: bool, why: str, message: str) -> Document:
            return {
                "type": kind,
                "status": str(value),
                "reason": why,
                "message": message,
                "lastHeartbeatTime": stamp(now),
                "lastTransitionTime": stamp(self._since),
            }

        pressures = [
            condition(f"{what}Pressure", value=False, why=f"KubeletHas{word}{what}", message=f"kubelet has {text}")
            for what, word, text in (
                ("Memory", "Sufficient", "sufficient memory available"),
                ("Disk", "No", "no disk pressure"),
                ("PID", "Sufficient", "sufficient PID available"),
            )
        ]
        ready = condition(
            "Ready",
            value=not reason,
            why="KubeletNotReady" if reason else "KubeletReady",
            message=reason or "process node of a simulated environment is ready",
        )
        settings = self._settings
        return {
            "conditions": [*pressures, ready],
            # The API server asks the kubelet at the external address: everything here is on this machine.
            "addresses": [
                {"type": "InternalIP", "address": settings.address},
                {"type": "InternalDNS", "address": settings.node},
                {"type": "Hostname", "address": settings.node},
                {"type": "ExternalIP", "address": _LOOPBACK},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": settings.kubelet_port}},
            "declaredFeatures": ["ExtendWebSocketsToKubelet"],
            "nodeInfo": {
                "containerRuntimeVersion": "process://simulated",
                "osImage": "process node (simulated)",
                "kernelVersion": platform.release(),
            },
        }

    async def _renew(self) -> None:
        name = self._settings.node
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        renewed: Document = {"spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}}
        if await self._kube.patch(f"{_LEASES}/{name}", renewed) is None:
            node = await self._kube.get(f"/api/v1/nodes/{name}")
            if node is None:
                return
            # As a kubelet's, so that it goes with its node.
            owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
            meta = {"name": name, "namespace": "kube-node-lease", "ownerReferences": [owner]}
            await self._kube.create(
                _LEASES, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, **renewed}
            )
