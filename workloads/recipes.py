"""Complete runs as functions: take the one that is nearest, change an argument or the spec that it returns.

    target = Target(namespace="research", pool="training", node=NodeShare(...), mount=ClaimMount(...))
    spec = fsdp_4x8(target, steps=10_000)
    spec = replace(spec, environment={"NCCL_DEBUG": "INFO"})

Each is a ``TrainingSpec`` for this kit's trainer (``workloads/trainer/main.py``) and says why it is shaped as it is.
Where it goes is the caller's: a team's namespace, a pool, a file system. ``problems`` of ``workloads/validation.py``
says whether it fits there; ``slipway train submit --recipe`` does both.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from components import versions
from workloads.manifests.launching import KIT_TRAINER
from workloads.manifests.pods import SHUTDOWN_SECONDS
from workloads.parallelism import REST, Parallelism
from workloads.specs import ClaimMount, Launcher, NodeShare, Runner, TrainingSpec

METRICS_PORT: Final = 9400
HOUR: Final = 3600
KILL_MARGIN_SECONDS: Final = 5
"""Between the trainer's last write and the launcher's SIGKILL."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a run goes: a namespace, a pool and the whole of one of its nodes, and the team's file system."""

    namespace: str
    pool: str
    node: NodeShare
    image: str = versions.IMAGES["trainer"]
    mount: ClaimMount | None = None
    pull_secret: str | None = None
    queue: str | None = None
    priority_class: str | None = None
    runner: Runner = Runner.TRAINER

    @property
    def cpu(self) -> bool:
        """Whether its nodes have no accelerators."""
        return self.node.accelerators_of_node == 0


def debug(target: Target, *, name: str = "debug", nodes: int = 2, steps: int = 60) -> TrainingSpec:
    """A model of half a million parameters on real text: seconds on processors, to see that everything holds together.

    Two processes on each of two nodes, sharded, so that it has what large runs have: a rendezvous between pods,
    collectives, sharded checkpoints.
    """
    processes = 2 if target.cpu else target.node.accelerators
    return _run(
        target,
        name=name,
        nodes=nodes,
        args=(
            "--model=tiny",
            f"--steps={steps}",
            f"--checkpoint-every={max(1, steps // 3)}",
            _batch(3 * processes * nodes),
        ),
        processes=2 if target.cpu else None,
        parallelism=Parallelism(shards=REST),
        hours=1,
    )


def single_node(target: Target, *, name: str = "single-node", steps: int = 2_000, size: str = "base") -> TrainingSpec:
    """One node, sharded over its GPUs: the largest run that needs no network. On processors four processes."""
    return _run(
        target,
        name=name,
        nodes=1,
        args=(f"--model={size}", f"--steps={steps}", *_text(size), _batch(256), *_precision(target)),
        processes=4 if target.cpu else None,
        parallelism=Parallelism(shards=REST),
        hours=24,
    )


def fsdp_4x8(target: Target, *, name: str = "fsdp", steps: int = 20_000, size: str = "large") -> TrainingSpec:
    """FSDP2 over 4 nodes of 8 GPUs: weights, gradients and optimizer state cut into 32.

    The default for models that fit on a node when cut: no other kind of parallelism costs less to reason about.
    """
    return _run(
        target,
        name=name,
        nodes=4,
        args=(f"--model={size}", f"--steps={steps}", *_text(size), _batch(512), *_precision(target), "--compile"),
        parallelism=Parallelism(shards=32),
        hours=72,
    )


def tp_pp_dp_16x8(target: Target, *, name: str = "tp-pp-dp", steps: int = 50_000, size: str = "large") -> TrainingSpec:
    """Three dimensions over 16 nodes of 8 GPUs: tensor 8 inside each node, 4 pipeline stages, and 4 shards.

    For models whose layers no longer fit on one GPU, or whose global batch would be too large with 128 data-parallel
    ranks. Tensor parallelism exchanges activations in every layer and stays on NVLink; stages send one tensor at their
    border.
    """
    return _run(
        target,
        name=name,
        nodes=16,
        args=(
            f"--model={size}",
            f"--steps={steps}",
            *_text(size),
            _batch(1024),
            *_precision(target),
            "--recompute=all",
        ),
        parallelism=Parallelism(replicas=1, shards=4, tensor=8, pipeline=4),
        hours=24 * 14,
    )


def elastic(
    target: Target,
    *,
    name: str = "elastic",
    nodes: int = 4,
    min_nodes: int = 2,
    steps: int = 20_000,
    size: str = "base",
) -> TrainingSpec:
    """Goes on with fewer nodes when some are lost, from ``min_nodes`` to ``nodes``, and takes them back later.

    What that is, exactly: Trainer v2.3 knows no elastic TrainJob, so the run is admitted with all its ``nodes`` and
    always has that many pods; a lost one is replaced without the others. torchrun meanwhile forms a group of those that
    are there (``--nnodes=MIN:MAX``, c10d rendezvous), starts the processes again from the last checkpoint with that
    many ranks, and does so once more when a pod has come back. The loss of the first pod restarts all: it keeps the
    rendezvous. The batch of a step stays the same; it divides among every number of nodes in between.
    """
    processes = 2 if target.cpu else target.node.accelerators
    return _run(
        target,
        name=name,
        nodes=nodes,
        min_nodes=min_nodes,
        args=(
            f"--model={size}",
            f"--steps={steps}",
            *_text(size),
            _batch(processes * math.lcm(*range(min_nodes, nodes + 1))),
            *_precision(target),
        ),
        processes=2 if target.cpu else None,
        parallelism=Parallelism(shards=REST),
        hours=72,
    )


def lora_finetune(
    target: Target,
    *,
    base: str,
    name: str = "lora",
    nodes: int = 1,
    steps: int = 1_000,
    rank: int = 16,
    size: str = "large",
) -> TrainingSpec:
    """Fine-tunes low-rank adapters of a model; ``base`` is the directory of the run that trained it.

    That is where its checkpoints and its tokenizer.json are, for example /shared/TEAM/checkpoints/NAME.

    Adapters and their optimizer state are a percent of the model, so every GPU holds a whole copy (DDP) and only the
    adapters' gradients are exchanged.
    """
    return _run(
        target,
        name=name,
        nodes=nodes,
        args=(
            f"--model={size}",
            f"--steps={steps}",
            f"--start-from={base}",
            f"--tokenizer-file={base}/tokenizer.json",
            f"--lora-rank={rank}",
            _batch(16 * nodes * (2 if target.cpu else target.node.accelerators)),
            "--learning-rate=2e-4",
            *_precision(target),
        ),
        processes=2 if target.cpu else None,
        parallelism=Parallelism(replicas=REST, shards=1),
        hours=24,
    )


def mpi(target: Target, *, name: str = "mpi", nodes: int = 2, steps: int = 2_000, size: str = "base") -> TrainingSpec:
    """The same trainer, started by mpirun: for those whose scripts and habits begin with it.

    Trainer makes the key pair and the host file; the launcher's pod trains too. The image needs Open MPI and sshd
    besides (user 1000 with a home, sshd on port 2222). One lost rank ends all of them, and the gang starts again.
    """
    return _run(
        target,
        name=name,
        nodes=nodes,
        args=(
            f"--model={size}",
            f"--steps={steps}",
            *_text(size),
            _batch(16 * nodes * (2 if target.cpu else target.node.accelerators)),
            *_precision(target),
        ),
        processes=2 if target.cpu else None,
        parallelism=Parallelism(replicas=REST, shards=1),
        hours=24,
        launcher=Launcher.MPIRUN,
    )


RECIPES: Final[Mapping[str, Callable[..., TrainingSpec]]] = MappingProxyType(
    {made.__name__: made for made in (debug, single_node, fsdp_4x8, tp_pp_dp_16x8, elastic, lora_finetune, mpi)}
)
"""Every recipe by name."""


def _batch(sequences: int) -> str:
    """Sequences of one step in the whole run; the trainer accumulates gradients where they do not fit at once."""
    return f"--batch={sequences}"


def _text(size: str) -> tuple[str, ...]:
    """More text and a real vocabulary for models that can learn from them."""
    return () if size in ("tiny", "small") else ("--corpus=packages", "--vocabulary=32768", "--learning-rate=6e-4")


def _precision(target: Target) -> tuple[str, ...]:
    """bf16 where the hardware has it: processors emulate it, slowly."""
    return () if target.cpu else ("--precision=bf16",)


def _run(
    target: Target,
    *,
    name: str,
    nodes: int,
    args: tuple[str, ...],
    parallelism: Parallelism,
    hours: int,
    processes: int | None = None,
    min_nodes: int | None = None,
    launcher: Launcher = Launcher.TORCHRUN,
) -> TrainingSpec:
    return TrainingSpec(
        name=name,
        namespace=target.namespace,
        pool=target.pool,
        nodes=nodes,
        min_nodes=min_nodes,
        share=target.node,
        image=target.image,
        script=KIT_TRAINER,
        args=(*args, f"--metrics-port={METRICS_PORT}", f"--grace-seconds={SHUTDOWN_SECONDS - KILL_MARGIN_SECONDS}"),
        mount=target.mount,
        time_limit_seconds=hours * HOUR,
        pull_secret=target.pull_secret,
        queue=target.queue,
        priority_class=target.priority_class,
        runner=target.runner,
        launcher=launcher,
        processes_per_node=processes,
        parallelism=parallelism,
    )
