"""The section of training runs."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from stacks.fields import (
    AbsolutePath,
    EnvironmentVariableName,
    Flag,
    GpuCount,
    ImageReference,
    Name,
    NamespaceName,
    NodeCount,
    Section,
    Whole,
)

Degree: TypeAlias = Annotated[int, Field(strict=True, ge=-1)]


class ParallelismSettings(Section):
    """How a run's processes share the work. The product of the degrees is nodes x processes per node."""

    replicas: Degree = 1
    """Copies that average their gradients (DDP, or HSDP where each copy is sharded); -1: as many as are left."""
    shards: Degree = -1
    """Processes over which FSDP2 cuts weights, gradients and optimizer state; -1: as many as are left."""
    tensor: Annotated[Whole, Field(ge=1)] = 1
    """Processes over which each matrix is cut; they share a node."""
    pipeline: Annotated[Whole, Field(ge=1)] = 1
    """Stages into which the layers are cut."""
    schedule: Literal["1F1B", "GPipe"] = "1F1B"
    """Order in which the stages work through the micro-batches of a step."""


class TopologySettings(Section):
    """How close the pods of a run stand; needs ``queueing``."""

    level: Annotated[str, Field(min_length=1, max_length=316)]
    """Node label of a level of the pool's network, for example topology.k8s.aws/network-node-layer-3 (the leaf)."""
    required: Flag = False
    """Wait until one domain of that level has room for the whole run; otherwise as few domains as possible."""


class Training(Section):
    """One distributed training run. A run is immutable: any change of it is a new run."""

    name: Name
    team: NamespaceName
    pool: Name
    nodes: NodeCount
    runner: Literal["job", "trainer"] = "job"
    """``job``: an Indexed Job, for which nothing has to be installed. ``trainer``: a TrainJob of Kubeflow Trainer
    (``trainingOperator``), whose whole gang restarts together."""
    launcher: Literal["torchrun", "mpirun"] = "torchrun"
    """What starts the processes. ``mpirun`` (Open MPI) needs the runner ``trainer`` and an image with sshd."""
    gpus_per_node: GpuCount | None = None
    """Unset: every GPU of a node."""
    processes_per_node: Annotated[Whole, Field(ge=1, le=1024)] | None = None
    """Needed on pools without GPUs. On pools with GPUs it is their number: one process for each."""
    min_nodes: NodeCount | None = None
    """An elastic run goes on with this many of its ``nodes`` when others are lost, and takes them back later. Its
    parallelism must have shards or replicas of -1."""
    parallelism: ParallelismSettings | None = None
    """Handed to the script as flags (--shards=8 …). Unset: the script decides by itself."""
    image: ImageReference
    script: Annotated[str, Field(min_length=1, max_length=256)]
    """Path of the Python file, inside the image, that every process runs."""
    args: tuple[str, ...] = ()
    environment: dict[EnvironmentVariableName, str] = Field(default_factory=dict)
    storage: Name | None = None
    """File system for data and checkpoints, mounted at ``mountPath``."""
    mount_path: AbsolutePath = "/shared"
    max_hours: Annotated[Whole, Field(ge=1, le=24 * 90)] = 24
    """The run is ended after this time, however far it is."""
    max_restarts: Annotated[Whole, Field(ge=0, le=100)] = 3
    """Attempts that it may lose by its own fault; lost nodes do not count."""
    queue: Name | None = None
    """Name of a queue that admits the run. Unset: the team's default queue, where the stack has ``queueing``."""
    priority: Name | None = None
    """One of ``queueing.priorities``: who of the queue goes first, and whom the run may put out. Unset: priority 0."""
    topology: TopologySettings | None = None
