"""One mesh of processes and a model spread over it: DDP, FSDP2, tensor and pipeline parallel of one `Parallelism`."""

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from workloads.parallelism import Parallelism

if TYPE_CHECKING:
    from torch.distributed.fsdp import MixedPrecisionPolicy, OffloadPolicy
    from torch.distributed.tensor.parallel import ParallelStyle

    from workloads.trainer.model import Decoder

AXES = ("pipeline", "replica", "shard", "tensor")
"""Of the mesh, outermost first: what talks most is innermost, so that it stays inside a node."""


@dataclass(frozen=True, kw_only=True)
class World:
    """This process among all of the run."""

    rank: int
    size: int
    device: torch.device
    parallelism: Parallelism
    mesh: DeviceMesh

    @property
    def data_rank(self) -> int:
        """Which share of each batch this process reads; tensor ranks and stages of one copy read the same."""
        return self._place("replica") * self.parallelism.shards + self._place("shard")

    @property
    def stage(self) -> int:
        """Which stage of the pipeline this process is."""
        return self._place("pipeline")

    @property
    def last_stage(self) -> bool:
        """Whether this process sees the loss."""
        return self.stage == self.parallelism.pipeline - 1

    @property
    def sharded(self) -> bool:
        """Whether FSDP2 holds the parameters: always, but in one process and in plain DDP."""
        return self.parallelism.world_size > self.parallelism.replicas

    def layers(self, count: int) -> range:
        """Layers of this process's stage; the first stages take what does not divide evenly."""
        stages = self.parallelism.pipeline
        share, more = divmod(count, stages)
        start = self.stage * share + min(self.stage, more)
        return range(start, start + share + (self.stage < more))

    def total_loss(self, loss: Tensor) -> float:
        """The run's loss from each process's: summed in fp64, each part once. Waits for the device."""
        # One process per tensor group, in the last stage; the others hold the same number or none.
        counts = self.stage == self.parallelism.pipeline - 1 and self._place("tensor") == 0
        total = loss.detach().to(torch.float64) * counts
        if self.size > 1:
            dist.all_reduce(total)
        return total.item()

    def _place(self, axis: str) -> int:
        return self.mesh.get_local_rank(axis)


@contextmanager
def joined(parallelism: Parallelism, device: torch.device) -> Iterator[World]:
    """Meet the other processes that torchrun started, if it did; without it this process is the whole run.

    Raises:
        ValueError: the degrees do not make the number of processes.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    parallelism.resolved(size)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    store = None if "RANK" in os.environ else dist.HashStore()  # type: ignore[attr-defined]  # public, but not in __all__
    dist.init_process_group(backend, rank=rank, world_size=size, store=store)
    try:
        yield placed(parallelism, device)
    finally:
        dist.destroy_process_group()


def placed(parallelism: Parallelism, device: torch.device) -> World:
    """This process's place in the mesh that ``parallelism`` makes of all processes that have met."""
    rank, size = dist.get_rank(), dist.get_world_size()
    resolved = parallelism.resolved(size)
    shape = (resolved.pipeline, resolved.replicas, resolved.shards, resolved.tensor)
    mesh = init_device_mesh(device.type, shape, mesh_dim_names=AXES)
    return World(rank=rank, size=size, device=device, parallelism=resolved, mesh=mesh)


def spread(
    model: "Decoder", world: World, *, mixed: "MixedPrecisionPolicy", offload: "OffloadPolicy", compiled: bool
) -> nn.Module:
    """Put ``model`` (one stage of it, whole, on the CPU) onto this process's place in the mesh."""
    if world.parallelism.tensor > 1:
        _cut_matrices(model, world.mesh["tensor"])
    if compiled:
        for layer in model.layers.values():
            layer.compile()
    if world.sharded:
        _shard(model, world, mixed, offload)
        return model
    model.to(world.device)
    if world.parallelism.replicas == 1:
        return model
    device_ids = [world.device.index] if world.device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=device_ids, process_group=world.mesh.get_group("replica"))


def _shard(model: "Decoder", world: World, mixed: "MixedPrecisionPolicy", offload: "OffloadPolicy") -> None:
    from torch.distributed.fsdp import fully_shard  # noqa: PLC0415  (a second of imports that DDP does not need)

    # With replicas the mesh has two axes: FSDP2 shards over the inner one and averages over the outer one (HSDP).
    axes = ("replica", "shard") if world.parallelism.replicas > 1 else ("shard",)
    mesh = world.mesh[axes]
    # A pipeline runs many micro-batches per step: gathering a layer again for each would cost more than it saves.
    again = world.parallelism.pipeline == 1
    for layer in model.layers.values():
        fully_shard(layer, mesh=mesh, mp_policy=mixed, offload_policy=offload, reshard_after_forward=again)
    fully_shard(model, mesh=mesh, mp_policy=mixed, offload_policy=offload, reshard_after_forward=again)


def _cut_matrices(model: "Decoder", mesh: DeviceMesh) -> None:
    """Tensor parallel with sequence parallel: between matrices each process holds its part of the sequence.

    Column then row, one exchange before and one after each pair (Korthikanti et al., arXiv:2205.05198, figure 5); the
    logits stay cut by vocabulary, and `torch.distributed.tensor.parallel.loss_parallel` takes the loss from them.
    """
    from torch.distributed.tensor import Replicate, Shard  # noqa: PLC0415  (as above)
    from torch.distributed.tensor.parallel import (  # noqa: PLC0415
        ColwiseParallel,
        PrepareModuleInput,
        RowwiseParallel,
        SequenceParallel,
        parallelize_module,
    )

    whole = PrepareModuleInput(input_layouts=(Shard(1),), desired_input_layouts=(Replicate(),))
    layer_plan: dict[str, ParallelStyle] = {
        "attention_norm": SequenceParallel(),
        "attention": whole,
        "attention.query": ColwiseParallel(),
        "attention.key": ColwiseParallel(),
        "attention.value": ColwiseParallel(),
        "attention.output": RowwiseParallel(output_layouts=Shard(1)),
        "feed_forward_norm": SequenceParallel(),
        "feed_forward": whole,
        "feed_forward.gate": ColwiseParallel(),
        "feed_forward.up": ColwiseParallel(),
        "feed_forward.down": RowwiseParallel(output_layouts=Shard(1)),
    }
    for layer in model.layers.values():
        parallelize_module(layer, mesh, layer_plan)
    ends: dict[str, ParallelStyle] = {}
    if model.embedding is not None:
        ends["embedding"] = RowwiseParallel(input_layouts=Replicate(), output_layouts=Shard(1))
    if model.norm is not None:
        ends["norm"] = SequenceParallel()
        ends["head"] = ColwiseParallel(input_layouts=Shard(1), output_layouts=Shard(-1), use_local_output=False)
    parallelize_module(model, mesh, ends)


@torch.no_grad()
def clip(parameters: Iterable[nn.Parameter], world: World, limit: float) -> Tensor:
    """Scale gradients so that the norm over the whole model is at most ``limit`` (0: no limit); returns the norm.

    Every process adds up what it holds, weighed by how many others hold the same, and one sum over the run gives the
    norm of all shards, cut matrices and stages.
    """
    mine = [parameter for parameter in parameters if parameter.grad is not None]
    held: dict[int, list[Tensor]] = {}
    for parameter in mine:
        gradient = cast("Tensor", parameter.grad)
        holders = _holders(gradient, world)
        held.setdefault(holders, []).append(gradient.to_local() if isinstance(gradient, DTensor) else gradient)
    squared = torch.zeros((), device=world.device)
    for holders, gradients in held.items():
        squared += torch.nn.utils.get_total_norm(gradients).square().to(world.device) / holders
    if world.size > 1:
        dist.all_reduce(squared)
    norm = squared.sqrt()
    if limit > 0:
        torch.nn.utils.clip_grads_with_norm_(mine, limit, norm)
    return norm


def _holders(gradient: Tensor, world: World) -> int:
    """How many processes hold the same part of ``gradient``."""
    if not isinstance(gradient, DTensor):
        return world.parallelism.replicas
    sizes = zip(gradient.placements, gradient.device_mesh.shape, strict=True)
    return math.prod(size for placement, size in sizes if placement.is_replicate())
