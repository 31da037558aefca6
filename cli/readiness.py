"""Is it ready, and if not, why: pure functions from what a stack exports and what its API server shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.inference import InferenceState, inference_state
from cli.kube_objects import events_of, find
from cli.outputs import ClusterExport, PoolExport, StackOutputs, StorageExport
from cli.queues import QueueState, queue_state
from cli.terminal import counted
from cli.training import RunView, TrainingState, submitted_runs, training_state

Json = Mapping[str, Any]
_EFA: Final = "vpc.amazonaws.com/efa"
_PLUGINS: Final = {
    "nvidia.com/gpu": "the NVIDIA device plugin",
    "aws.amazon.com/neuron": "the Neuron device plugin",
    _EFA: "the EFA device plugin",
}


@dataclass(frozen=True, kw_only=True)
class ClusterView:
    """What one API server shows; ``problem`` says why nothing could be read."""

    nodes: Sequence[Json] = ()
    claims: Sequence[Json] = ()
    jobs: Sequence[Json] = ()
    trainjobs: Sequence[Json] = ()
    workloads: Sequence[Json] = ()
    services: Sequence[Json] = ()
    queues: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    events: Sequence[Json] = ()
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    problem: str = ""

    @property
    def runs(self) -> RunView:
        """What training runs are judged by."""
        return RunView(
            jobs=self.jobs,
            trainjobs=self.trainjobs,
            workloads=self.workloads,
            pods=self.pods,
            events=self.events,
            logs=self.logs,
            problem=self.problem,
        )


@dataclass(frozen=True, kw_only=True)
class PoolState:
    """Nodes and devices of a pool: as they are, and as they must be."""

    name: str
    instance_type: str
    accelerator: str
    nodes_ready: int
    nodes: int
    gpus: int
    gpus_wanted: int
    efa_interfaces: int
    efa_wanted: int
    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        """Exactly what was asked for, and nothing to add."""
        return (self.nodes_ready, self.gpus, self.efa_interfaces) == (self.nodes, self.gpus_wanted, self.efa_wanted)


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """A cluster with its pools."""

    name: str
    cluster_name: str
    version: str
    endpoint: str
    pools: Sequence[PoolState]
    problem: str = ""

    @property
    def ready(self) -> bool:
        """Reachable, and every pool complete."""
        return not self.problem and all(pool.ready for pool in self.pools)


@dataclass(frozen=True, kw_only=True)
class StorageState:
    """A file system and its claim."""

    name: str
    kind: str
    id: str
    capacity_gib: int
    claim: str
    phase: str
    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        """Bound, or not meant for a claim at all."""
        return self.phase in {"Bound", "Available"}


@dataclass(frozen=True, kw_only=True)
class EnvironmentState:
    """Everything that ``status`` tells."""

    environment: str
    simulated: bool
    clusters: Sequence[ClusterState] = ()
    storage: Sequence[StorageState] = ()
    queues: Sequence[QueueState] = ()
    training: Sequence[TrainingState] = ()
    inference: Sequence[InferenceState] = ()

    @property
    def ready(self) -> bool:
        """Whether nothing is missing."""
        parts: list[bool] = [item.ready for item in self.clusters]
        parts += [item.ready for item in self.storage]
        parts += [item.ready for item in self.queues]
        parts += [item.ready for item in self.inference]
        return all([*parts, *(item.ready for item in self.stack_runs)])

    @property
    def stack_runs(self) -> list[TrainingState]:
        """The runs that the settings name; a person's own runs decide nothing about the environment."""
        return [item for item in self.training if not item.submitted]

    @property
    def reasons(self) -> list[str]:
        """Why not, in the order in which things depend on each other."""
        told = [f"cluster {item.name}: {item.problem}" for item in self.clusters if item.problem]
        told += [
            f"pool {pool.name}: {reason}" for item in self.clusters for pool in item.pools for reason in pool.reasons
        ]
        told += [f"storage {item.name}: {reason}" for item in self.storage for reason in item.reasons]
        told += [f"queue {item.team}: {reason}" for item in self.queues for reason in item.reasons]
        told += [f"training {item.name}: {reason}" for item in self.stack_runs for reason in item.reasons]
        return told + [f"inference {item.name}: {reason}" for item in self.inference for reason in item.reasons]


def assess(outputs: StackOutputs, views: Mapping[str, ClusterView], *, simulated: bool) -> EnvironmentState:
    """The state of an environment; ``views`` by the settings' name of the cluster."""
    clusters = [_cluster(item, views.get(item.name, ClusterView(problem="not read"))) for item in outputs.clusters]
    # One cluster per stack: its volumes and runs are the stack's.
    view = next(iter(views.values()), ClusterView(problem="the stack has no cluster"))
    return EnvironmentState(
        environment=outputs.environment,
        simulated=simulated,
        clusters=clusters,
        storage=[_storage(item, view) for item in outputs.storage],
        queues=[queue_state(item, view.queues, view.problem) for item in outputs.queues],
        training=[
            *(training_state(item, view.runs) for item in outputs.training),
            *(training_state(item, view.runs, submitted=True) for item in submitted_runs(view.runs)),
        ],
        inference=[inference_state(item, view.services, view.pods, view.problem) for item in outputs.inference],
    )


def _cluster(export: ClusterExport, view: ClusterView) -> ClusterState:
    return ClusterState(
        name=export.name,
        cluster_name=export.cluster_name,
        version=export.version,
        endpoint=export.endpoint,
        pools=[pool_state(pool, view) for pool in export.pools],
        problem=view.problem,
    )


def pool_state(pool: PoolExport, view: ClusterView) -> PoolState:
    """Counts the Ready nodes of a pool and what they can give to pods."""
    members = [node for node in view.nodes if _has_labels(node, pool.node_selector)]
    ready = [node for node in members if node_ready(node)]
    gpus = sum(_allocatable(node, pool.gpu_resource) for node in ready) if pool.gpu_resource else 0
    efa = sum(_allocatable(node, _EFA) for node in ready)
    reasons: list[str] = []
    if not view.problem:
        if len(members) != pool.nodes:
            reasons.append(f"{len(members)} of {pool.nodes} nodes have joined")
        if len(ready) < len(members):
            reasons.append(f"{counted(len(members) - len(ready), 'node')} not Ready: {_names(members, ready)}")
        wanted = {pool.gpu_resource or "": pool.gpus_per_node, _EFA: pool.efa_per_node}
        reasons += [text for name, count in wanted.items() if name and (text := _device_reason(name, count, ready))]
    return PoolState(
        name=pool.name,
        instance_type=pool.instance_type,
        accelerator=pool.accelerator_model or "",
        nodes_ready=len(ready),
        nodes=pool.nodes,
        gpus=gpus,
        gpus_wanted=pool.gpus,
        efa_interfaces=efa,
        efa_wanted=pool.efa_interfaces,
        reasons=reasons,
    )


def _device_reason(resource: str, per_node: int, nodes: Sequence[Json]) -> str:
    """Why a resource is short: no plugin when a node offers none at all, otherwise a wrong count."""
    without = [node for node in nodes if _allocatable(node, resource) == 0]
    short = [node for node in nodes if 0 < _allocatable(node, resource) != per_node]
    if per_node and without:
        plugin = _PLUGINS.get(resource, "its device plugin")
        return f"no {resource} on {counted(len(without), 'node')}: {plugin} is not running there"
    if short:
        return f"{counted(len(short), 'node')} with another number of {resource} than {per_node}: {_names(short, ())}"
    return ""


def _storage(export: StorageExport, view: ClusterView) -> StorageState:
    if export.claim is None:
        return _storage_state(export, "Available", ())
    if view.problem:
        return _storage_state(export, "Unknown", ())
    claim = find(view.claims, export.namespace, export.claim)
    if claim is None:
        return _storage_state(export, "Missing", (f"claim {export.namespace}/{export.claim} does not exist",))
    phase = str(claim.get("status", {}).get("phase", "Pending"))
    if phase == "Bound":
        return _storage_state(export, phase, ())
    told = events_of(view.events, "PersistentVolumeClaim", export.namespace, export.claim)
    return _storage_state(export, phase, (f"claim {export.claim} is {phase}", *told))


def _storage_state(export: StorageExport, phase: str, reasons: Sequence[str]) -> StorageState:
    return StorageState(
        name=export.name,
        kind=export.kind,
        id=export.id,
        capacity_gib=export.capacity_gib,
        claim=f"{export.namespace}/{export.claim}" if export.claim else "",
        phase=phase,
        reasons=reasons,
    )


def node_ready(node: Json) -> bool:
    """Whether the node's Ready condition is true."""
    conditions = node.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item.get("status") == "True" for item in conditions)


def _allocatable(node: Json, resource: str) -> int:
    # Extended resources are whole numbers, without a suffix (Kubernetes API conventions).
    return int(node.get("status", {}).get("allocatable", {}).get(resource, 0))


def _has_labels(node: Json, wanted: Mapping[str, str]) -> bool:
    labels = node["metadata"].get("labels", {})
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _names(nodes: Sequence[Json], without: Sequence[Json]) -> str:
    names = [str(node["metadata"]["name"]) for node in nodes if node not in without]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 (a line's worth)
