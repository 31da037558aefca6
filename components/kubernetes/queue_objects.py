"""Kueue's objects (v1beta2) from a platform's pools and its teams' shares: pure functions to manifests.

One ResourceFlavor per pool, all with a topology: where all flavors of a ClusterQueue have one, Kueue looks at what is
free on each node before it admits a workload, also one that asks for no topology. Where only some have one, a workload
without the annotations cannot use those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components import versions
from components.kubernetes.quantities import decimal, gibibytes, mebibytes
from components.outputs import FabricProfile, PoolOutputs

Manifest = dict[str, Any]

API_VERSION = versions.KUEUE_API
LOCAL_QUEUE = "default"
"""Kueue gives every job of a namespace that names no queue the LocalQueue of this name (LocalQueueDefaulting)."""
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
HOSTNAME = "kubernetes.io/hostname"
HOSTS = "hosts"
"""Topology of pools whose place in the network nobody tells: single nodes."""
MANAGED = {"app.kubernetes.io/managed-by": "slipway"}
WAIT_ACTIVE = {"pulumi.com/waitFor": "condition=Active"}
"""An update ends when Kueue says that the queue admits, and fails when it does not."""


@dataclass(frozen=True, kw_only=True)
class TeamShare:
    """What one team may count on, in whole nodes by pool."""

    team: str
    """Also the namespace, and the name of the ClusterQueue."""
    nodes: Mapping[str, int]
    """Nominal quota: the team's own."""
    borrowing: Mapping[str, int] = field(default_factory=dict)
    """The most that it may borrow; a pool that is not named here: nothing."""
    lending: Mapping[str, int] = field(default_factory=dict)
    """The most of its own that it lends while it does not need it; a pool that is not named here: all."""
    weight: int = 1
    """Claim on what is left over, against the other teams'."""


@dataclass(frozen=True, kw_only=True)
class Preemption:
    """Who gives way, in Kueue's words (ClusterQueue ``spec.preemption``)."""

    reclaim_within_cohort: str = "Any"
    within_cluster_queue: str = "LowerPriority"


def topology_name(profile: FabricProfile) -> str:
    """The Topology of a pool: named after its levels, so that pools of one kind share one."""
    levels = len(profile.topology_label_keys)
    return f"network-{levels}" if levels else HOSTS


def topology(profile: FabricProfile) -> Manifest:
    """Levels from the widest part of the network to the single node, which is always the last."""
    keys = [*profile.topology_label_keys, HOSTNAME]
    return _object("Topology", topology_name(profile), {"levels": [{"nodeLabel": key} for key in keys]})


def flavor(pool: PoolOutputs) -> Manifest:
    """The pool as something to have quota of.

    Its taints are declared and not tolerated here: a workload that does not tolerate them itself stays off
    accelerated and dedicated nodes, as it would without a queue. (Kueue also writes a flavor's tolerations over those
    of a TrainJob's pods instead of adding them.)
    """
    taints = [{"key": item.key, "value": item.value, "effect": item.effect} for item in pool.profile.taints]
    spec = {
        "nodeLabels": dict(pool.profile.node_selector),
        **({"nodeTaints": taints} if taints else {}),
        "topologyName": topology_name(pool.profile),
    }
    return _object("ResourceFlavor", pool.name, spec)


def priority_class(name: str, value: int) -> Manifest:
    """A WorkloadPriorityClass: a place in the queue, without the pods' scheduling priority."""
    description = f"Workloads of priority {value}; without a class it is 0."
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkloadPriorityClass",
        "metadata": {"name": name, "labels": dict(MANAGED)},
        "value": value,
        "description": description,
    }


def node_resources(pool: PoolOutputs) -> dict[str, tuple[int, str]]:
    """(amount, unit) of every resource that one node of the pool offers to runs.

    Capacity, not what the kubelet leaves of it: before it admits, Kueue also looks at what the nodes really have free.
    """
    profile = pool.profile
    found = {"cpu": (pool.vcpus_per_node, ""), "memory": (pool.memory_gib_per_node, "Gi")}
    if profile.hugepages_2mi:
        found["hugepages-2Mi"] = (profile.hugepages_2mi, "Mi")
    if profile.accelerator_resource is not None:
        found[profile.accelerator_resource] = (profile.accelerators_per_node, "")
    return {**found, **{name: (count, "") for name, count in profile.fabric_resources.items()}}


def covered_resources(pools: Sequence[PoolOutputs]) -> list[str]:
    """Every resource that any pool offers: a workload that asks for one not covered is never admitted."""
    found = dict.fromkeys(name for pool in pools for name in node_resources(pool))
    return list(found)


def quantity(amount: int, unit: str) -> str:
    """``amount`` as Kubernetes writes it."""
    return {"Gi": gibibytes, "Mi": mebibytes}.get(unit, decimal)(amount)


def in_order(pools: Sequence[PoolOutputs]) -> list[PoolOutputs]:
    """Pools without accelerators first: what needs none is tried there first. Otherwise as the settings list them."""
    return sorted(pools, key=lambda pool: pool.profile.accelerators_per_node > 0)


def resource_groups(pools: Sequence[PoolOutputs], share: TeamShare, *, cohort: bool) -> list[Manifest]:
    """One group, since a flavor belongs to one only: every flavor that the team may use, with all covered resources."""
    usable = [pool for pool in in_order(pools) if share.nodes.get(pool.name, 0) or share.borrowing.get(pool.name, 0)]
    if not usable:
        return []
    covered = covered_resources(usable)
    flavors = [{"name": pool.name, "resources": _quotas(pool, covered, share, cohort=cohort)} for pool in usable]
    return [{"coveredResources": covered, "flavors": flavors}]


def _quotas(pool: PoolOutputs, covered: Sequence[str], share: TeamShare, *, cohort: bool) -> list[Manifest]:
    own = node_resources(pool)
    nodes = share.nodes.get(pool.name, 0)
    limits = {}
    if cohort:
        limits["borrowingLimit"] = share.borrowing.get(pool.name, 0)
        if pool.name in share.lending:
            limits["lendingLimit"] = min(share.lending[pool.name], nodes)
    rows = []
    for name in covered:
        amount, unit = own.get(name, (0, ""))
        row = {"name": name, "nominalQuota": quantity(nodes * amount, unit)}
        rows.append(row | {key: quantity(limit * amount, unit) for key, limit in limits.items()})
    return rows


def cluster_queue(
    share: TeamShare, pools: Sequence[PoolOutputs], *, cohort: str | None, strategy: str, preemption: Preemption
) -> Manifest:
    """The team's queue: its own nodes, what it may borrow, and who gives way."""
    reclaim = preemption.reclaim_within_cohort if cohort else "Never"
    spec: Manifest = {
        **({"cohortName": cohort} if cohort else {}),
        "resourceGroups": resource_groups(pools, share, cohort=cohort is not None),
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": share.team}},
        "queueingStrategy": strategy,
        "preemption": {"reclaimWithinCohort": reclaim, "withinClusterQueue": preemption.within_cluster_queue},
        # Another pool of one's own before somebody else's nodes, and before somebody is put out.
        "flavorFungibility": {"whenCanBorrow": "TryNextFlavor", "whenCanPreempt": "TryNextFlavor"},
        "fairSharing": {"weight": str(share.weight)},
    }
    return _object("ClusterQueue", share.team, spec, annotations=WAIT_ACTIVE)


def cohort(name: str, pools: Sequence[PoolOutputs], unassigned: Mapping[str, int]) -> Manifest:
    """The teams' common ground: nodes that are nobody's own can be borrowed by everybody."""
    share = TeamShare(team=name, nodes=unassigned)
    groups = resource_groups(pools, share, cohort=False)
    return _object("Cohort", name, {"resourceGroups": groups} if groups else {})


def local_queue(team: str) -> Manifest:
    """The queue of the team's namespace."""
    spec = {"clusterQueue": team}
    return {
        "apiVersion": API_VERSION,
        "kind": "LocalQueue",
        "metadata": {
            "name": LOCAL_QUEUE,
            "namespace": team,
            "labels": dict(MANAGED),
            "annotations": dict(WAIT_ACTIVE),
        },
        "spec": spec,
    }


def _object(kind: str, name: str, spec: Manifest, annotations: Mapping[str, str] | None = None) -> Manifest:
    metadata: Manifest = {"name": name, "labels": dict(MANAGED)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
