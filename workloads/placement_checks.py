"""Checks of a run against its pool and its team: size, processes, parallelism, controllers, limits."""

import re
from collections.abc import Callable
from typing import Final

from workloads import parallelism as shapes
from workloads.manifests.pods import cpus, memory_gib
from workloads.spec_problems import Found, Place, SpecProblem, problem
from workloads.specs import Launcher, Runner, TrainingSpec


def _size(spec: TrainingSpec, place: Place) -> Found:
    if not 1 <= spec.nodes <= place.nodes:
        few = "a run takes a node at least"
        many = f"the pool {place.pool} has {place.nodes} nodes, so the run would wait for ever"
        yield problem(
            "training-nodes",
            "nodes",
            value=spec.nodes,
            what=few if spec.nodes < 1 else many,
            allowed=f"1 to {place.nodes}",
            fix="ask for fewer nodes, or enlarge the pool" if spec.nodes > 0 else "ask for a node",
        )


def _devices(spec: TrainingSpec, place: Place) -> Found:
    wanted = spec.share.accelerators
    if wanted > place.devices:
        yield problem(
            "training-gpus",
            "gpusPerNode",
            value=wanted,
            what=f"{place.instance_type} has {place.devices} GPUs",
            allowed=f"1 to {place.devices}, or leave it out for all" if place.devices else "leave it out",
            fix="ask for fewer, or choose another pool",
        )
    elif wanted < place.devices and place.fabric:
        yield problem(
            "training-gpus",
            "gpusPerNode",
            value=wanted,
            what="a run over the fabric takes its nodes whole: interfaces and GPUs share their PCIe switches",
            allowed=f"{place.devices}, or leave it out for all",
            fix="take whole nodes, or use a pool with fabric: none",
        )


def _processes(spec: TrainingSpec, place: Place) -> Found:
    count, devices = spec.processes_per_node, spec.share.accelerators
    fix, allowed = "leave it out", f"{devices}, or leave it out"
    if place.devices == 0:
        allowed = f"1 to {place.vcpus}, the node's processors"
        if count is None:
            what = f"the nodes of the pool {place.pool} ({place.instance_type}) have no GPUs to count processes by"
            fix = "say how many processes a node runs, or choose a pool with GPUs"
        elif not 1 <= count <= place.vcpus:
            what, fix = f"a node has {place.vcpus} processors for its processes", "ask for fewer processes"
        else:
            return
    elif count is not None and count != devices:
        what = f"each process takes one of the {devices} GPUs that the run has on a node"
        fix = "leave it out, or set gpusPerNode"
    else:
        return
    yield problem("training-processes", "processesPerNode", value=count, what=what, allowed=allowed, fix=fix)


def _shape(spec: TrainingSpec, place: Place) -> Found:
    if spec.parallelism is None or spec.processes < 1 or spec.nodes < 1 or (place.devices and spec.processes_per_node):
        return
    for text in shapes.problems(spec.parallelism, spec.nodes, spec.processes):
        named = re.match(r"parallelism\.(\w+) ", text)
        degree = (named[1],) if named else ()
        yield problem(
            "training-parallelism",
            "parallelism",
            *degree,
            value=getattr(spec.parallelism, named[1]) if named else str(spec.parallelism),
            what=text.partition(": ")[0],
            allowed=f"degrees whose product is {spec.world_size}, with tensor inside a node of {spec.processes}",
            fix=text.partition(": ")[2] or "correct the degree",
        )


def _flags(spec: TrainingSpec, _place: Place) -> Found:
    if spec.parallelism is None:
        return
    known = {"replicas", "shards", "tensor", "pipeline", "schedule"}
    for number, word in enumerate(spec.args):
        name = word.removeprefix("--").partition("=")[0]
        if word.startswith("--") and name in known:
            yield problem(
                "training-parallelism",
                "args",
                number,
                value=word,
                what=f"the run's parallelism says it too, and would be handed over as --{name} a second time",
                allowed="one of the two",
                fix=f"write it as parallelism.{name}",
            )


def _elastic(spec: TrainingSpec, _place: Place) -> Found:
    least = spec.min_nodes
    if least is None:
        return
    if not 1 <= least < spec.nodes:
        yield _elastic_problem(
            least,
            f"an elastic run has fewer nodes at its least than its {spec.nodes} at most",
            f"1 to {spec.nodes - 1}" if spec.nodes > 1 else "leave it out",
            "lower it, or leave it out",
        )
    elif spec.launcher is Launcher.MPIRUN:
        yield _elastic_problem(
            least, "mpirun ends the run with its first lost rank", "launcher: torchrun", "leave minNodes out"
        )
    elif spec.mount is None:
        yield _elastic_problem(
            least,
            "every change of its nodes goes on from the last checkpoint, and the run has no file system",
            "a run with storage",
            "add storage",
        )
    elif spec.parallelism is not None:
        yield from _elastic_shape(spec, spec.parallelism, least)


def _elastic_shape(spec: TrainingSpec, parallelism: shapes.Parallelism, least: int) -> Found:
    wrong = [nodes for nodes in range(least, spec.nodes) if shapes.problems(parallelism, nodes, spec.processes)]
    if wrong:
        yield _elastic_problem(
            least,
            f"its parallelism ({parallelism}) does not fit {', '.join(map(str, wrong))} nodes of "
            f"{spec.processes} processes",
            "shards or replicas of -1, and tensor x pipeline a divisor of every such number of processes",
            "leave one degree open, or raise minNodes",
        )


def _elastic_problem(value: int, what: str, allowed: str, fix: str) -> SpecProblem:
    return problem("training-elastic", "minNodes", value=value, what=what, allowed=allowed, fix=fix)


def _launchers(spec: TrainingSpec, _place: Place) -> Found:
    if spec.launcher is not Launcher.MPIRUN:
        return
    if spec.runner is not Runner.TRAINER:
        yield problem(
            "training-launcher",
            "launcher",
            value=str(spec.launcher),
            what="mpirun's host file and keys come from Kubeflow Trainer",
            allowed="torchrun, or runner: trainer",
            fix="set runner: trainer",
        )
    elif spec.nodes == 1:
        yield problem(
            "training-launcher",
            "nodes",
            value=spec.nodes,
            what="Trainer makes two pods of it: the launcher's and a node's (plugins/mpi, max(numNodes - 1, 1))",
            allowed="2 or more with launcher: mpirun",
            fix="take two nodes, or use torchrun",
        )


def _controllers(spec: TrainingSpec, place: Place) -> Found:
    if spec.runner is Runner.TRAINER and not place.trainer:
        yield problem(
            "training-runner",
            "runner",
            value=str(spec.runner),
            what="Kubeflow Trainer is not installed there",
            allowed="job, or a stack with trainingOperator",
            fix="add the section trainingOperator, or set runner: job",
        )
    if place.queues:
        return
    level = spec.topology.level if spec.topology else None
    wants = {"queue": spec.queue, "priority": spec.priority_class, "topology": level}
    for key, value in wants.items():
        if value is not None:
            yield problem(
                "training-queue",
                key,
                value=value,
                what="nothing admits, orders or places runs by it: Kueue is not installed there",
                allowed="a stack with queueing",
                fix=f"add the section queueing, or leave {key} out",
            )


def _topology(spec: TrainingSpec, place: Place) -> Found:
    if spec.topology is not None and spec.topology.level not in place.levels and place.queues:
        yield problem(
            "training-topology",
            "topology",
            "level",
            value=spec.topology.level,
            what=f"the nodes of the pool {place.pool} have no such level",
            allowed=", ".join(place.levels) or "none",
            fix="name one of those, or leave topology out",
        )


def _quota(spec: TrainingSpec, place: Place) -> Found:
    demands = (
        ("gpus", spec.accelerators, place.gpus),
        ("cpus", spec.nodes * cpus(spec), place.cpus),
        ("memoryGib", spec.nodes * memory_gib(spec), place.memory_gib),
    )
    over = [(member, wanted, limit) for member, wanted, limit in demands if wanted > limit]
    if over:
        yield problem(
            "training-quota",
            "nodes",
            value=spec.nodes,
            what=f"the team {place.team} may not hold what the run takes, so its pods would never be made: "
            + ", ".join(f"{member} {wanted} of {limit}" for member, wanted, limit in over),
            allowed="what the team's limits leave",
            fix=f"ask for fewer nodes, or raise the team's {', '.join(member for member, _, _ in over)}",
        )


CHECKS: Final[tuple[Callable[[TrainingSpec, Place], Found], ...]] = (
    _size,
    _devices,
    _processes,
    _shape,
    _flags,
    _elastic,
    _launchers,
    _controllers,
    _topology,
    _quota,
)
