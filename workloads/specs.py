"""What a job is, as plain data: no cloud, no Kubernetes, no Pulumi resource."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from components.outputs import Observables
from workloads.parallelism import Parallelism

HASH_CHARACTERS = 8
"""32 bits: two specs of one name collide once in about 65,000 changes."""

_NOT_HASHED = ("observables", "pull_secret")
"""How a run is watched and how its image is fetched do not change what it computes."""
_SINCE_FIRST = ("runner", "launcher", "processes_per_node", "parallelism", "min_nodes", "topology")


DEFAULT_RESTARTS = 3
"""Attempts that a run may lose to its own failures before it has failed for good."""


DEFAULT_QUEUE = "default"
"""LocalQueue of every team's namespace, where the stack has queues."""


class Runner(StrEnum):
    """Which controller turns a run into pods."""

    JOB = "job"
    """An Indexed Job: nothing has to be installed."""
    TRAINER = "trainer"
    """Kubeflow Trainer's TrainJob on a JobSet: the whole gang restarts, and Kueue admits it all or not at all."""


class Launcher(StrEnum):
    """What starts a run's processes."""

    TORCHRUN = "torchrun"
    MPIRUN = "mpirun"
    """Open MPI's, by Trainer's MPI policy."""


@dataclass(frozen=True, kw_only=True)
class Topology:
    """How close a run's pods must stand, for Kueue's topology-aware scheduling."""

    level: str
    """Node label of the level, one of the pool's ``topology_label_keys``."""
    required: bool = False
    """Wait until one domain of the level holds the whole run; otherwise spread over as few as possible."""


@dataclass(frozen=True, kw_only=True)
class ClaimMount:
    """A claim of the run's namespace, mounted at ``path``."""

    claim: str
    path: str


@dataclass(frozen=True, kw_only=True)
class NodeShare:
    """What one pod of a run takes of its node.

    ``accelerators`` of ``accelerators_of_node``; ``vcpus`` and ``memory_gib`` are the whole node's.
    """

    accelerators: int
    accelerators_of_node: int
    vcpus: int
    memory_gib: int

    @property
    def whole(self) -> bool:
        """Whether the pod has the node for itself; pods on nodes without accelerators always have."""
        return self.accelerators == self.accelerators_of_node

    @property
    def fraction(self) -> float:
        """Part of the node's processors and memory that is the pod's."""
        return self.accelerators / self.accelerators_of_node if self.accelerators_of_node else 1.0


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One distributed training run: ``nodes`` pods, one process for each accelerator or ``processes_per_node``.

    A run is immutable. Its name carries a hash of everything below that decides what is computed, so a changed spec is
    a new run beside the old one's name, never a change of a running job.
    """

    name: str
    """What people call it; runs of one name share their checkpoints."""
    namespace: str
    pool: str
    """Name of the pool whose nodes it takes."""
    nodes: int
    share: NodeShare
    image: str
    script: str
    """Path of the Python file in the image."""
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mount: ClaimMount | None = None
    time_limit_seconds: int = 24 * 3600
    max_restarts: int = DEFAULT_RESTARTS
    pull_secret: str | None = None
    queue: str | None = None
    """LocalQueue of the namespace that admits it; None: the namespace's default, where there is Kueue at all."""
    priority_class: str | None = None
    """Kueue's WorkloadPriorityClass, and never the pods' PriorityClass; None: priority 0."""
    observables: Observables = field(default_factory=Observables)
    runner: Runner = Runner.JOB
    launcher: Launcher = Launcher.TORCHRUN
    processes_per_node: int | None = None
    """Processes of one pod; None: one for each accelerator."""
    parallelism: Parallelism | None = None
    """How the processes share the work, handed to the script as flags; None: the script's own business."""
    min_nodes: int | None = None
    """The run goes on while at least so many of its nodes are there; None: with all of them or not at all."""
    topology: Topology | None = None

    @property
    def accelerators(self) -> int:
        """Accelerators of the whole run."""
        return self.nodes * self.share.accelerators

    @property
    def processes(self) -> int:
        """Processes of one pod."""
        return self.processes_per_node or self.share.accelerators

    @property
    def world_size(self) -> int:
        """Processes of the whole run."""
        return self.nodes * self.processes

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the script is called with: the run's own words, and its parallelism as flags."""
        return (*self.args, *parallelism_flags(self.parallelism))

    @property
    def content_hash(self) -> str:
        """Hash of the spec, stable over Python versions and key order.

        It covers the spec and not the manifests: a new release of the kit may write better manifests, and must not
        start finished runs again. For the same reason it leaves out what the catalogue of instance types says.
        """
        content = {
            key: value for key, value in asdict(self).items() if key not in _NOT_HASHED and key not in self._unset
        }
        if content["queue"] == DEFAULT_QUEUE:
            # What a run without a queue gets where there is Kueue: installing it must not start finished runs again.
            content["queue"] = None
        content["share"] = self.share.accelerators
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]

    @property
    def _unset(self) -> frozenset[str]:
        """Fields that came after the first release and are not used: they leave the hash of older specs as it was."""
        return frozenset(
            item.name for item in fields(self) if item.name in _SINCE_FIRST and getattr(self, item.name) == item.default
        )

    @property
    def run(self) -> str:
        """Name of the run and of its objects: at most 39 characters, so that pod host names stay under 63."""
        return f"{self.name}-{self.content_hash}"

    @property
    def checkpoint_directory(self) -> str | None:
        """Where the run keeps checkpoints, and finds those of earlier runs of its name.

        In the team's directory: the file system's root belongs to root, and runs do not run as root.
        """
        return f"{self.mount.path}/{self.namespace}/checkpoints/{self.name}" if self.mount else None


def parallelism_flags(parallelism: Parallelism | None) -> tuple[str, ...]:
    """The degrees that differ from the trainer's defaults, as its flags."""
    if parallelism is None:
        return ()
    default: dict[str, Any] = asdict(Parallelism())
    return tuple(f"--{name}={value}" for name, value in asdict(parallelism).items() if value != default[name])
