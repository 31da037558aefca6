"""Jobs of mixed sizes, as the kit writes its training runs, for teams that share a pool."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.accelerators import instance
from components.aws.fabric import TOPOLOGY_LABELS, fabric_profile
from components.aws.node_group import POOL_LABEL
from local.cluster.stages import DURATION_ANNOTATION
from workloads.manifests.training import job
from workloads.manifests.trainjob import topology
from workloads.specs import DEFAULT_QUEUE, NodeShare, Topology, TrainingSpec

INSTANCE = "p5.48xlarge"
"""8 GPUs."""
POOL = "training"
LEAF = TOPOLOGY_LABELS[-1]
NODES_OF_A_LEAF = 16
"""As many as the simulated network has below one leaf (``local/cluster/nodes.py``)."""
SPINE = TOPOLOGY_LABELS[0]
_PARTS = (2, 4)
"""Accelerators of jobs that take a part of a node."""
_SECONDS = (2, 6)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How many jobs of which size; ``weights`` maps nodes of a job to its share of all jobs."""

    jobs: int
    weights: Mapping[int, float]
    parts: float = 0.3
    """Share of the jobs of one node that take a part of it only."""
    required: float = 0.7
    """Share of the jobs of several nodes that must stand under one leaf, where they fit under one."""
    seed: int = 6

    def specs(self, teams: Sequence[str]) -> list[TrainingSpec]:
        """The jobs, in turns over the teams, in a random order of sizes that the seed decides."""
        chance = random.Random(self.seed)
        total = sum(self.weights.values())
        sizes = [size for size, weight in self.weights.items() for _ in range(round(self.jobs * weight / total))]
        sizes = (sizes + [min(self.weights)] * self.jobs)[: self.jobs]
        chance.shuffle(sizes)
        return [self._spec(number, size, teams[number % len(teams)], chance) for number, size in enumerate(sizes)]

    def _spec(self, number: int, nodes: int, team: str, chance: random.Random) -> TrainingSpec:
        machine = instance(INSTANCE)
        part = nodes == 1 and chance.random() < self.parts
        near = None
        if nodes > 1 and chance.random() < self.required:
            near = Topology(level=LEAF if nodes <= NODES_OF_A_LEAF else SPINE, required=True)
        return TrainingSpec(
            name=f"job-{number:04d}",
            namespace=team,
            pool=POOL,
            nodes=nodes,
            share=NodeShare(
                accelerators=chance.choice(_PARTS) if part else machine.devices,
                accelerators_of_node=machine.devices,
                vcpus=machine.vcpus,
                memory_gib=machine.memory_gib,
            ),
            image="slipway.invalid/simulated/trainer:none",
            script="train.py",
            environment={"SECONDS": str(chance.randint(*_SECONDS))},
            queue=DEFAULT_QUEUE,
            topology=near,
        )


def manifest(spec: TrainingSpec) -> dict[str, Any]:
    """The run's Job, with its wish for closeness and how long its pods pretend to work."""
    profile = fabric_profile(instance(INSTANCE), efa=False, node_selector={POOL_LABEL: POOL}, taints=())
    document = job(spec, profile)
    seconds = {DURATION_ANNOTATION: f"{spec.environment['SECONDS']}s"}
    document["spec"]["template"]["metadata"]["annotations"] |= {**seconds, **topology(spec)}
    return document
