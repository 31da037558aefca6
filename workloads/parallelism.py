"""How a run's processes share the work: one spec for the trainer, the recipes, the settings and the command line.

Plain data and arithmetic: no torch, no Kubernetes, so that a wrong shape is refused before anything is submitted.
Context parallelism is not offered: torch 2.15 has no sharded attention on CPU, and nobody proved it here on GPUs.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

REST = -1
"""Stands for "as many as are left" in one of ``replicas`` and ``shards``."""


class Schedule(StrEnum):
    """Order in which a pipeline works through the micro-batches of a step."""

    ONE_F_ONE_B = "1F1B"
    """One forward, one backward: each stage holds at most as many activations as there are stages."""
    GPIPE = "GPipe"
    """All forwards, then all backwards: the simplest, with the activations of every micro-batch in memory."""


@dataclass(frozen=True, kw_only=True)
class Parallelism:
    """Degrees whose product is the number of processes; -1 in one of the first two takes what is left.

    Neighbours in rank are, from the innermost: ``tensor``, ``shards``, ``replicas``, ``pipeline``. The innermost talk
    most and are therefore on one node.
    """

    replicas: int = 1
    """Copies that average their gradients: DDP, or HSDP where each copy is itself sharded."""
    shards: int = REST
    """Processes over which FSDP2 cuts one copy's weights, gradients and optimizer state; 1: not cut."""
    tensor: int = 1
    """Processes over which each matrix is cut, with the sequence between them (tensor and sequence parallel)."""
    pipeline: int = 1
    """Stages into which the layers are cut."""
    schedule: Schedule = Schedule.ONE_F_ONE_B
    """Only of meaning with more than one stage."""

    @property
    def data(self) -> int:
        """Processes that read different data; only of a resolved spec."""
        return self.replicas * self.shards

    @property
    def world_size(self) -> int:
        """Processes of the whole run; only of a resolved spec."""
        return self.data * self.tensor * self.pipeline

    def resolved(self, processes: int) -> "Parallelism":
        """The same with -1 replaced by what ``processes`` leave.

        Raises:
            ValueError: the degrees do not make ``processes``; the message says which and what would.
        """
        found = problems(self, 1, processes)
        if found:
            raise ValueError("; ".join(found))
        return self._filled(processes)

    def _filled(self, processes: int) -> "Parallelism":
        fixed = self.tensor * self.pipeline
        if self.replicas == REST:
            return replace(self, replicas=processes // (fixed * self.shards))
        if self.shards == REST:
            return replace(self, shards=processes // (fixed * self.replicas))
        return self

    def __str__(self) -> str:
        named = {"replicas": self.replicas, "shards": self.shards, "tensor": self.tensor, "pipeline": self.pipeline}
        shown = " x ".join(f"{name} {'rest' if size == REST else size}" for name, size in named.items() if size != 1)
        return shown or "one process"


def problems(parallelism: Parallelism, nodes: int, processes_per_node: int) -> list[str]:
    """What is wrong with ``parallelism`` on ``nodes`` of ``processes_per_node``, one sentence each; empty when nothing.

    The rules are arithmetic, but for one: tensor parallelism exchanges activations in every layer and is kept inside a
    node, where the fast links are (takeaway 1 of Narayanan et al., arXiv:2104.04473).
    """
    found = [
        f"parallelism.{name} is {value}, must be {'-1 or ' if name in _OPEN else ''}at least 1"
        for name in ("replicas", "shards", "tensor", "pipeline")
        if (value := getattr(parallelism, name)) < 1 and not (name in _OPEN and value == REST)
    ]
    if nodes < 1:
        found.append(f"nodes is {nodes}, must be at least 1")
    if processes_per_node < 1:
        found.append(f"processes per node is {processes_per_node}, must be at least 1")
    if parallelism.replicas == REST and parallelism.shards == REST:
        found.append("parallelism.replicas and parallelism.shards are both -1 (what is left): set one of them")
    if not found:
        found += filter(
            None, (_product(parallelism, nodes, processes_per_node), _tensor(parallelism, processes_per_node))
        )
    return found


_OPEN = ("replicas", "shards")


def _product(parallelism: Parallelism, nodes: int, processes_per_node: int) -> str | None:
    processes = nodes * processes_per_node
    place = f"{nodes} nodes x {processes_per_node} processes = {processes}"
    sizes = {name: getattr(parallelism, name) for name in ("replicas", "shards", "tensor", "pipeline")}
    fixed = {name: size for name, size in sizes.items() if size != REST}
    product = math.prod(fixed.values())
    spelled = " x ".join(f"{name} {size}" for name, size in fixed.items())
    if fixed != sizes and processes % product:
        return (
            f"parallelism {spelled} = {product} does not divide {place}, so -1 cannot take the rest: "
            f"change a degree or the number of nodes"
        )
    if fixed == sizes and processes != product:
        return (
            f"parallelism {spelled} = {product}, but there are {place}: change a degree, or write -1 for replicas or "
            f"shards to take what is left"
        )
    return None


def _tensor(parallelism: Parallelism, processes_per_node: int) -> str | None:
    tensor = parallelism.tensor
    if processes_per_node % tensor == 0:
        return None
    return (
        f"parallelism.tensor is {tensor} with {processes_per_node} processes per node. Tensor parallelism stays inside "
        f"a node: choose a divisor of {processes_per_node}, and shards or pipeline across nodes"
    )
