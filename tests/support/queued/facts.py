"""What a watcher of queued jobs needs of the API server's objects: small facts, each at its place in one order.

All objects of a simulated cluster lie in one etcd, whose revision is every object's ``resourceVersion``; so facts about
pods, nodes and workloads have one order, and it is the order in which they came true.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias

from local.cluster.process_node.quantities import quantity

Document: TypeAlias = Mapping[str, Any]
Share: TypeAlias = tuple[str, str]
"""A flavor and a resource of it."""

ACCELERATOR: Final = "nvidia.com/gpu"
REQUIRED_TOPOLOGY: Final = "kueue.x-k8s.io/podset-required-topology"
INDEX: Final = "batch.kubernetes.io/job-completion-index"
STARTED: Final = frozenset({"Running", "Succeeded", "Failed"})
ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, kw_only=True)
class PodFact:
    """A pod of a gang, or any other pod (``gang`` is "")."""

    version: int
    uid: str
    name: str
    gang: str
    """The uid of its Job."""
    index: int = 0
    node: str = ""
    """"" until it is bound."""
    phase: str = "Pending"
    accelerators: int = 0
    level: str = ""
    """Node label that must be the same for the whole gang; "" when anything goes."""
    leaving: bool = False
    gone: bool = False
    received: float = 0.0
    """Seconds on the recorder's clock."""


@dataclass(frozen=True, kw_only=True)
class WorkloadFact:
    """What Kueue says about one gang."""

    version: int
    uid: str
    name: str
    gang: str
    """The uid of its Job."""
    pods: int
    """How many the gang has."""
    queue: str = ""
    """The ClusterQueue whose quota is reserved; "" while none is."""
    counted: int = 0
    """How many pods quota is reserved for."""
    done: int = 0
    """How many pods need no quota any more, because they have ended well (Kueue's ``reclaimablePods``)."""
    placed: int | None = None
    """How many pods nodes are chosen for; None: Kueue chose no nodes."""
    usage: Mapping[Share, Decimal] = field(default_factory=dict)
    admitted: bool = False
    evicted: bool = False
    finished: bool = False
    succeeded: bool = False
    gone: bool = False
    received: float = 0.0


@dataclass(frozen=True, kw_only=True)
class NodeFact:
    """A node and what it offers."""

    version: int
    name: str
    labels: Mapping[str, str]
    accelerators: int
    gone: bool = False


Fact: TypeAlias = PodFact | WorkloadFact | NodeFact


def pod(document: Document, *, gone: bool = False, received: float = 0.0) -> PodFact:
    """The fact that a Pod states."""
    meta, spec = document["metadata"], document["spec"]
    annotations = meta.get("annotations") or {}
    wanted = (container.get("resources", {}).get("requests") or {} for container in spec["containers"])
    return PodFact(
        version=int(meta["resourceVersion"]),
        uid=meta["uid"],
        name=meta["name"],
        gang=_controller(meta, "Job"),
        index=int(annotations.get(INDEX, 0)),
        node=spec.get("nodeName", ""),
        phase=document.get("status", {}).get("phase", "Pending"),
        accelerators=sum(int(requests.get(ACCELERATOR, 0)) for requests in wanted),
        level=annotations.get(REQUIRED_TOPOLOGY, ""),
        leaving="deletionTimestamp" in meta,
        gone=gone,
        received=received,
    )


def node(document: Document, *, gone: bool = False, received: float = 0.0) -> NodeFact:
    """The fact that a Node states."""
    meta = document["metadata"]
    offered = document.get("status", {}).get("allocatable") or {}
    return NodeFact(
        version=int(meta["resourceVersion"]),
        name=meta["name"],
        labels=meta.get("labels") or {},
        accelerators=int(offered.get(ACCELERATOR, 0)),
        gone=gone,
    )


def workload(document: Document, *, gone: bool = False, received: float = 0.0) -> WorkloadFact:
    """The fact that Kueue's Workload (v1beta2) states."""
    meta, status = document["metadata"], document.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or ()}
    holds = {kind for kind, item in conditions.items() if item["status"] == "True"}
    admission = (status.get("admission") or {}) if "QuotaReserved" in holds else {}
    assigned = admission.get("podSetAssignments") or ()
    sizes = {item["name"]: item.get("count", 1) for item in document["spec"]["podSets"]}
    done = {item["name"]: item["count"] for item in status.get("reclaimablePods") or ()}
    return WorkloadFact(
        version=int(meta["resourceVersion"]),
        uid=meta["uid"],
        name=meta["name"],
        gang=next((owner["uid"] for owner in meta.get("ownerReferences") or ()), ""),
        pods=sum(sizes.values()),
        queue=admission.get("clusterQueue", ""),
        counted=sum(item.get("count", 0) for item in assigned),
        done=sum(done.values()),
        placed=_placed(assigned),
        usage=_usage(assigned, {name: size - done.get(name, 0) for name, size in sizes.items()}),
        admitted="Admitted" in holds,
        evicted="Evicted" in holds,
        finished="Finished" in holds,
        succeeded="Finished" in holds and conditions["Finished"].get("reason") == "Succeeded",
        gone=gone,
        received=received,
    )


def _controller(meta: Document, kind: str) -> str:
    owners = meta.get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller") and owner["kind"] == kind), "")


def _usage(assigned: Iterable[Document], left: Mapping[str, int]) -> dict[Share, Decimal]:
    """Kueue counts only pods that have not ended well (``podSetsCountsAfterReclaim`` in ``pkg/workload``)."""
    found: dict[Share, Decimal] = {}
    for item in assigned:
        count = item.get("count", 0)
        part = Decimal(min(left[item["name"]], count)) / count if count else Decimal(0)
        for resource, flavor in (item.get("flavors") or {}).items():
            amount = quantity(item["resourceUsage"][resource]) * part
            found[flavor, resource] = found.get((flavor, resource), Decimal(0)) + amount
    return found


def _placed(assigned: Iterable[Document]) -> int | None:
    """Pods in the topology assignments, which Kueue packs into slices of domains (``workload_types.go``, v1beta2)."""
    places = [item["topologyAssignment"] for item in assigned if item.get("topologyAssignment")]
    if not places:
        return None
    return sum(_pods_of(part) for place in places for part in place["slices"])


def _pods_of(part: Document) -> int:
    counts = part["podCounts"]
    if "universal" in counts:
        return int(counts["universal"]) * int(part["domainCount"])
    return sum(counts.get("individual") or ())
