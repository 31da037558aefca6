"""Managed node groups: instances in the account, nodes in the cluster, and a status that follows both."""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.accelerators import UnknownInstanceTypeError
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster import node_settings
from local.cluster.cloud_facts import CLUSTER, NODE_GROUP, LaunchError, NodeTemplate, node_template
from local.cluster.concurrency import for_each
from local.cluster.instances import instances_of, is_current, launch, terminate
from local.cluster.kube import Document, Kube, KubeError
from local.cluster.machines import Machine, machine
from local.cluster.node_settings import NodeSettings
from local.cluster.nodes import NodeFacts, node_object
from local.cluster.views import NodeView, PodView

_LOG = logging.getLogger(__name__)
_TOO_MANY_REQUESTS = 429
_EVICTION_SECONDS = 20.0
_EVICTION_POLL_SECONDS = 0.5
_FAILED = "CREATE_FAILED"
_NODES = "/api/v1/nodes"


@dataclass(frozen=True)
class ClusterView:
    """The cluster as it is known right now."""

    nodes: Mapping[str, NodeView]
    pods: Mapping[str, PodView]


class NodeGroups:
    """Reconciles the node groups of one cluster; every call looks at the whole state and does what is missing."""

    def __init__(self, store: SqliteStore, cluster: str, kube: Kube) -> None:
        self._store = store
        self._cluster = cluster
        self._kube = kube
        self.machines: dict[str, Machine] = {}
        """By node name; the device resources come from here."""
        self.security_groups: dict[str, tuple[str, ...]] = {}
        """By node name."""
        self._settings: dict[str, NodeSettings] = {}
        """By node group: what its nodes carry."""

    async def reconcile(self, view: ClusterView) -> None:
        """One pass over all node groups, and over nodes whose group is gone."""
        cluster = self._store.get(CLUSTER, self._cluster)
        groups = self._store.find(NODE_GROUP, clusterName=self._cluster)
        if cluster is None:
            return
        for group in groups:
            try:
                await self._reconcile_group(group, cluster, view)
            except LaunchError as error:
                self._fail(group, error.code, error.message)
            except UnknownInstanceTypeError as error:
                self._fail(group, "AsgInstanceLaunchFailures", f"Could not launch On-Demand Instances. {error}")

    async def _reconcile_group(self, group: CloudObject, cluster: CloudObject, view: ClusterView) -> None:
        name, status = group.body["nodegroupName"], group.body.get("status")
        instances = instances_of(self._store, self._cluster, name)
        mine = {node.name: node for node in view.nodes.values() if node.node_group == name}
        if status == "DELETING":
            await self._delete(group, instances, mine, view)
            return
        if status == _FAILED:
            return
        template = node_template(self._store, group.body, cluster.body)
        instances = await self._resize(group, template, instances, view)
        await self._sync_nodes(group, template, instances, mine, view)
        self._settle(group, template, instances, view)

    async def _resize(
        self, group: CloudObject, template: NodeTemplate, instances: list[CloudObject], view: ClusterView
    ) -> list[CloudObject]:
        """Terminate what is too many or too old, launch what is missing; returns the instances there are then."""
        name = group.body["nodegroupName"]
        desired = int((group.body.get("scalingConfig") or {}).get("desiredSize", 0))
        leaving = instances[desired:] or self._outdated(group, template, instances, view)
        if leaving:
            names = [item.body["PrivateDnsName"] for item in leaving]
            await self._remove_nodes([view.nodes[node] for node in names if node in view.nodes], view)
            terminate(self._store, leaving)
        missing = desired - (len(instances) - len(leaving))
        if missing > 0:
            subnets = group.body.get("subnets") or ()
            launch(self._store, template, cluster=self._cluster, group=name, subnets=subnets, count=missing)
        return instances_of(self._store, self._cluster, name) if leaving or missing > 0 else instances

    def _outdated(
        self, group: CloudObject, template: NodeTemplate, instances: Sequence[CloudObject], view: ClusterView
    ) -> list[CloudObject]:
        """Instances of an older launch template version, as many as may be away at once; none while nodes are away."""
        old = [item for item in instances if not is_current(item, template)]
        if not old or not self._all_ready(instances, view):
            return []
        update = group.body.get("updateConfig") or {}
        share = math.ceil(len(instances) * update.get("maxUnavailablePercentage", 0) / 100)
        return old[: max(1, update.get("maxUnavailable") or share)]

    async def _sync_nodes(
        self,
        group: CloudObject,
        template: NodeTemplate,
        instances: Sequence[CloudObject],
        mine: Mapping[str, NodeView],
        view: ClusterView,
    ) -> None:
        wanted = self._facts(group, template, instances)
        for facts in wanted:
            self.machines[facts.name] = facts.machine
            self.security_groups[facts.name] = tuple(template.security_groups)
        missing = [facts for facts in wanted if not _is_there(facts.name, facts.instance_id, view)]
        await for_each(missing, lambda facts: self._kube.create(_NODES, node_object(facts)))
        living = {facts.instance_id for facts in wanted}
        await self._remove_nodes([node for node in mine.values() if node.instance_id not in living], view)
        settings = NodeSettings(group.body.get("labels") or {}, group.body.get("taints") or ())
        before = self._settings.get(group.id, NodeSettings())
        if settings != before:
            await node_settings.apply(self._kube, mine, before, settings)
            self._settings[group.id] = settings

    def _facts(self, group: CloudObject, template: NodeTemplate, instances: Sequence[CloudObject]) -> list[NodeFacts]:
        made = machine(template.instance_type, efa_interfaces=template.efa_interfaces, disk_gib=template.disk_gib)
        body = group.body
        return [
            NodeFacts(
                cluster=self._cluster,
                node_group=body["nodegroupName"],
                instance_id=item.id,
                machine=made,
                private_ip=item.body["PrivateIpAddress"],
                region=item.region,
                zone=item.body["Placement"]["AvailabilityZone"],
                position=position,
                placement_group=template.placement_group,
                capacity_type=body.get("capacityType") or "ON_DEMAND",
                ami_type=body.get("amiType") or "CUSTOM",
                launch_template_id=template.launch_template_id,
                launch_template_version=template.launch_template_version,
                labels=body.get("labels") or {},
                taints=body.get("taints") or (),
            )
            for position, item in enumerate(instances)
        ]

    def _settle(
        self, group: CloudObject, template: NodeTemplate, instances: Sequence[CloudObject], view: ClusterView
    ) -> None:
        living = {item.id for item in instances}
        ready = self._all_ready(instances, view) and all(is_current(item, template) for item in instances)
        mine = (node for node in view.nodes.values() if node.node_group == group.body["nodegroupName"])
        # Also a group that could launch nothing for a while: it is healthy again once its nodes are there.
        if group.body.get("status") != "ACTIVE" and ready and all(node.instance_id in living for node in mine):
            _LOG.info("node group %s: %d x %s ready", group.id, len(instances), template.instance_type)
            self._set_status(group, "ACTIVE", [])

    @staticmethod
    def _all_ready(instances: Sequence[CloudObject], view: ClusterView) -> bool:
        names = [(item.body["PrivateDnsName"], item.id) for item in instances]
        return all(_is_there(name, instance, view) and view.nodes[name].ready for name, instance in names)

    async def _delete(
        self, group: CloudObject, instances: Sequence[CloudObject], mine: Mapping[str, NodeView], view: ClusterView
    ) -> None:
        await self._remove_nodes(list(mine.values()), view)
        terminate(self._store, instances)
        self._store.remove(NODE_GROUP, group.id)
        self._settings.pop(group.id, None)
        _LOG.info("node group %s: removed with %d nodes", group.id, len(mine))

    async def _remove_nodes(self, leaving: Sequence[NodeView], view: ClusterView) -> None:
        """Cordon, evict (disruption budgets are respected for a while), remove."""
        if not leaving:
            return
        names = {node.name for node in leaving}
        cordon = {"spec": {"unschedulable": True}}
        await for_each(leaving, lambda node: self._kube.patch(f"{_NODES}/{node.name}", _only(node, cordon)))
        pods = [pod for pod in view.pods.values() if pod.node in names]
        await for_each([pod for pod in pods if pod.owner_kind != "DaemonSet"], self._evict)
        # By uid: the address of a terminated instance, and with it the name, may belong to its successor by now.
        await for_each(leaving, lambda node: self._kube.delete(f"{_NODES}/{node.name}", uid=node.uid))
        # What a kubelet leaves behind on a terminated machine goes without a grace period.
        await for_each(pods, lambda pod: self._kube.delete(_pod_path(pod), uid=pod.uid, grace_seconds=0))

    async def _evict(self, pod: PodView) -> None:
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": pod.namespace},
        }
        deadline = asyncio.get_running_loop().time() + _EVICTION_SECONDS
        while True:
            try:
                await self._kube.request("POST", f"{_pod_path(pod)}/eviction", eviction)
            except KubeError as error:
                if error.status == _TOO_MANY_REQUESTS and asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(_EVICTION_POLL_SECONDS)
                    continue
            return

    def _fail(self, group: CloudObject, code: str, message: str) -> None:
        _LOG.warning("node group %s: %s: %s", group.id, code, message)
        creating = group.body.get("status") == "CREATING"
        issue: dict[str, object] = {"code": code, "message": message, "resourceIds": [group.body["nodegroupName"]]}
        self._set_status(group, _FAILED if creating else "DEGRADED", [issue])

    def _set_status(self, group: CloudObject, status: str, issues: list[dict[str, object]]) -> None:
        with self._store.transaction():
            current = self._store.get(NODE_GROUP, group.id)
            # A delete or an update that arrived meanwhile has the last word.
            if current is None or current.body.get("status") != group.body.get("status"):
                return
            if current.body.get("scalingConfig") != group.body.get("scalingConfig"):
                return
            if current.body["status"] == status and (current.body.get("health") or {}).get("issues", []) == issues:
                return
            current.body["status"] = status
            current.body["health"] = {"issues": issues}
            self._store.put(current)


def _only(node: NodeView, patch: Document) -> Document:
    """``patch`` for this very node: the API server refuses it when another one has the name."""
    return {**patch, "metadata": {"uid": node.uid}}


def _is_there(name: str, instance_id: str, view: ClusterView) -> bool:
    """Whether the node stands for this instance: addresses, and with them names, are used again."""
    return name in view.nodes and view.nodes[name].instance_id == instance_id


def _pod_path(pod: PodView) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
