"""Runs that cannot work, each refused before it is submitted: where, what was received, what is allowed, what to do."""

from dataclasses import replace
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import EFA_ENVIRONMENT, fabric_profile
from workloads.manifests.runs import manifests
from workloads.parallelism import Parallelism
from workloads.recipes import RECIPES, Target
from workloads.specs import ClaimMount, Launcher, NodeShare, Runner, Topology, TrainingSpec
from workloads.validation import Place, problems

GPU_NODE = NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048)
CPU_NODE = NodeShare(accelerators=0, accelerators_of_node=0, vcpus=4, memory_gib=16)
PLACE = Place(
    pool="training",
    nodes=16,
    instance_type="p5.48xlarge",
    devices=8,
    vcpus=192,
    fabric=True,
    levels=("topology.k8s.aws/network-node-layer-3",),
    team="research",
    claims=("scratch",),
    gpus=256,
    cpus=4096,
    memory_gib=65536,
)
EFA_PLACE = replace(PLACE, fabric_variables=EFA_ENVIRONMENT)
CPU_PLACE = replace(PLACE, pool="cpu", nodes=4, instance_type="m7i.xlarge", devices=0, vcpus=4, fabric=False, levels=())
SPEC = TrainingSpec(
    name="pretrain",
    namespace="research",
    pool="training",
    nodes=4,
    share=GPU_NODE,
    image="slipway/trainer:0.1.0",
    script="workloads/trainer/main.py",
    mount=ClaimMount(claim="scratch", path="/shared"),
    runner=Runner.TRAINER,
)
CPU_SPEC = replace(SPEC, pool="cpu", nodes=2, share=CPU_NODE, processes_per_node=2)


def words(count: int) -> tuple[str, ...]:
    return tuple(f"--a{number}" for number in range(count))


BESIDE_MPIRUN = {"args": words(90), "launcher": Launcher.MPIRUN}
VARIABLES = {"environment": {f"A{number}": "1" for number in range(120)}}


def part(accelerators: int) -> NodeShare:
    return replace(GPU_NODE, accelerators=accelerators)


INVALID: list[tuple[str, dict[str, Any], Place, str, str, str, str, str]] = [
    # (what, change, place, path, rule, value, allowed, fix): the last three as they begin
    ("no node", {"nodes": 0}, PLACE, "nodes", "training-nodes", "0", "1 to 16", "ask for a node"),
    ("too many nodes", {"nodes": 17}, PLACE, "nodes", "training-nodes", "17", "1 to 16", "ask for fewer"),
    ("too many GPUs", {"share": part(9)}, PLACE, "gpusPerNode", "training-gpus", "9", "1 to 8", "ask for fewer"),
    ("half a node of a fabric", {"share": part(4)}, PLACE, "gpusPerNode", "training-gpus", "4", "8, or", "take whole"),
    (
        "processes beside GPUs",
        {"processes_per_node": 4},
        PLACE,
        "processesPerNode",
        "training-processes",
        "4",
        "8,",
        "l",
    ),
    (
        "nothing to count processes by",
        {"share": CPU_NODE},
        CPU_PLACE,
        "processesPerNode",
        "training-processes",
        "None",
        "1 to 4",
        "say how many",
    ),
    (
        "more processes than processors",
        {"share": CPU_NODE, "processes_per_node": 9},
        CPU_PLACE,
        "processesPerNode",
        "training-processes",
        "9",
        "1 to 4",
        "ask for fewer",
    ),
    (
        "a product that is not the world",
        {"parallelism": Parallelism(shards=16)},
        PLACE,
        "parallelism",
        "training-parallelism",
        "shards 16",
        "degrees whose product is 32",
        "change a degree, or write -1",
    ),
    (
        "degrees that leave a rest",
        {"parallelism": Parallelism(pipeline=3)},
        PLACE,
        "parallelism",
        "training-parallelism",
        "shards rest x pipeline 3",
        "degrees whose product is 32",
        "change a degree or the number",
    ),
    (
        "tensor parallel across nodes",
        {"parallelism": Parallelism(tensor=16)},
        PLACE,
        "parallelism.tensor",
        "training-parallelism",
        "16",
        "degrees whose product is 32, with tensor inside a node of 8",
        "choose a divisor of 8",
    ),
    (
        "two open degrees",
        {"parallelism": Parallelism(replicas=-1, shards=-1)},
        PLACE,
        "parallelism.replicas",
        "training-parallelism",
        "-1",
        "degrees whose product",
        "set one of them",
    ),
    (
        "no stage",
        {"parallelism": Parallelism(pipeline=0)},
        PLACE,
        "parallelism.pipeline",
        "training-parallelism",
        "0",
        "degrees whose product",
        "correct",
    ),
    (
        "parallelism twice",
        {"parallelism": Parallelism(), "args": ("--steps=1", "--tensor=2")},
        PLACE,
        "args.1",
        "training-parallelism",
        "--tensor=2",
        "one of the two",
        "write it as parallelism.tensor",
    ),
    ("elastic upwards", {"min_nodes": 4}, PLACE, "minNodes", "training-elastic", "4", "1 to 3", "lower it"),
    ("elastic to none", {"min_nodes": 0}, PLACE, "minNodes", "training-elastic", "0", "1 to 3", "lower it"),
    (
        "elastic without checkpoints",
        {"min_nodes": 2, "mount": None},
        PLACE,
        "minNodes",
        "training-elastic",
        "2",
        "a run with storage",
        "add storage",
    ),
    (
        "elastic with a fixed product",
        {"min_nodes": 2, "parallelism": Parallelism(shards=32)},
        PLACE,
        "minNodes",
        "training-elastic",
        "2",
        "shards or replicas of -1",
        "leave one degree open",
    ),
    (
        "elastic under mpirun",
        {"min_nodes": 2, "launcher": Launcher.MPIRUN},
        PLACE,
        "minNodes",
        "training-elastic",
        "2",
        "launcher: torchrun",
        "leave minNodes out",
    ),
    (
        "mpirun from a Job",
        {"launcher": Launcher.MPIRUN, "runner": Runner.JOB},
        PLACE,
        "launcher",
        "training-launcher",
        "mpirun",
        "torchrun, or runner: trainer",
        "set runner",
    ),
    (
        "mpirun on one node",
        {"launcher": Launcher.MPIRUN, "nodes": 1},
        PLACE,
        "nodes",
        "training-launcher",
        "1",
        "2 or more",
        "take two nodes",
    ),
    (
        "no Trainer",
        {},
        replace(PLACE, trainer=False),
        "runner",
        "training-runner",
        "trainer",
        "job, or a stack with trainingOperator",
        "add the section",
    ),
    (
        "a queue without Kueue",
        {"queue": "urgent"},
        replace(PLACE, queues=False),
        "queue",
        "training-queue",
        "urgent",
        "a stack with queueing",
        "add the section queueing",
    ),
    (
        "a priority without Kueue",
        {"priority_class": "high", "runner": Runner.JOB},
        replace(PLACE, queues=False),
        "priority",
        "training-queue",
        "high",
        "a stack with queueing",
        "add the section queueing",
    ),
    (
        "closeness without Kueue",
        {"topology": Topology(level="rack")},
        replace(PLACE, queues=False),
        "topology",
        "training-queue",
        "rack",
        "a stack with queueing",
        "add the section queueing",
    ),
    (
        "a level that no node has",
        {"topology": Topology(level="rack")},
        PLACE,
        "topology.level",
        "training-topology",
        "rack",
        "topology.k8s.aws/network-node-layer-3",
        "name one of those",
    ),
    (
        "a floating image",
        {"image": "slipway/trainer:latest"},
        PLACE,
        "image",
        "image-pinned",
        "slipway/trainer:latest",
        "repository:version",
        "pin the image",
    ),
    ("no tag", {"image": "host:5000/trainer"}, PLACE, "image", "image-pinned", "host", "repository:version", "pin"),
    ("no script", {"script": ""}, PLACE, "script", "training-script", "", "the path of a .py file", "name the file"),
    ("a shell", {"script": "train.sh"}, PLACE, "script", "training-script", "train.sh", "the path of", "name the file"),
    ("too many arguments", {"args": words(128)}, PLACE, "args", "training-arguments", "128", "127 at most", "put them"),
    ("90 beside mpirun's", BESIDE_MPIRUN, EFA_PLACE, "args", "training-arguments", "90", "89 at most", "put them, or"),
    ("120 variables", VARIABLES, PLACE, "environment", "training-variable", "120", "118 at most", "put them into"),
    (
        "a variable of torchrun's",
        {"environment": {"PET_NNODES": "1"}},
        PLACE,
        "environment.PET_NNODES",
        "training-variable",
        "1",
        "names of your own",
        "leave it out",
    ),
    ("a rank", {"environment": {"RANK": "0"}}, PLACE, "environment.RANK", "training-variable", "0", "names", "leave"),
    ("no name", {"environment": {"A-B": "x"}}, PLACE, "environment.A-B", "training-variable", "x", "letter", "rename"),
    (
        "somebody else's file system",
        {"mount": ClaimMount(claim="archive", path="/shared")},
        PLACE,
        "storage",
        "training-storage",
        "archive",
        "scratch",
        "add it",
    ),
    (
        "a mount over the image",
        {"mount": ClaimMount(claim="scratch", path="/opt/slipway")},
        PLACE,
        "mountPath",
        "training-mount",
        "/opt/slipway",
        "an absolute path",
        "mount it somewhere else",
    ),
    (
        "a relative mount",
        {"mount": ClaimMount(claim="scratch", path="shared")},
        PLACE,
        "mountPath",
        "training-mount",
        "shared",
        "an absolute path",
        "mount it somewhere else",
    ),
    ("no time", {"time_limit_seconds": 0}, PLACE, "maxHours", "training-time", "0", "1 to 2160", "choose how long"),
    ("a year", {"time_limit_seconds": 365 * 86400}, PLACE, "maxHours", "training-time", "8760", "1 to 2160", "choose"),
    ("minus one restart", {"max_restarts": -1}, PLACE, "maxRestarts", "training-restarts", "-1", "0 or more", "0 ends"),
    ("a digit first", {"name": "4x8"}, PLACE, "name", "training-name", "4x8", "a lower-case letter", "choose a"),
    ("a name of 40", {"name": "a" * 40}, PLACE, "name", "training-name", "aaa", "a lower-case letter", "choose a"),
    (
        "more GPUs than the team may hold",
        {},
        replace(PLACE, gpus=16),
        "nodes",
        "training-quota",
        "4",
        "what the team's limits leave",
        "ask for fewer nodes, or raise the team's gpus",
    ),
    (
        "more memory than the team may hold",
        {},
        replace(PLACE, memory_gib=1000),
        "nodes",
        "training-quota",
        "4",
        "what the team's limits leave",
        "ask for fewer nodes, or raise the team's memoryGib",
    ),
]


@pytest.mark.parametrize(
    ("change", "place", "told"), [(*case[1:3], case[3:]) for case in INVALID], ids=[case[0] for case in INVALID]
)
def test_an_invalid_spec_gets_one_clear_error(change: dict[str, Any], place: Place, told: tuple[str, ...]) -> None:
    path, rule, value, allowed, fix = told
    (found,) = problems(replace(SPEC, **change), place)
    assert ".".join(map(str, found.path)) == path
    assert found.rule == rule
    assert str(found.value).startswith(value)
    assert found.allowed.startswith(allowed)
    assert found.fix.startswith(fix)
    assert len(found.what) > 10, "it says what would happen"


def test_there_are_at_least_thirty_of_them() -> None:
    assert len(INVALID) >= 30


def test_what_is_right_has_no_problem() -> None:
    assert problems(SPEC, PLACE) == []
    assert problems(CPU_SPEC, CPU_PLACE) == []
    elastic = replace(SPEC, min_nodes=2, parallelism=Parallelism(tensor=8), topology=Topology(level=PLACE.levels[0]))
    assert problems(elastic, PLACE) == []
    assert problems(replace(SPEC, image="host:5000/t@sha256:" + "0a" * 32), PLACE) == []


@pytest.mark.parametrize("launcher", Launcher)
def test_the_most_arguments_that_are_allowed_fill_a_trainjob(launcher: Launcher) -> None:
    (refused,) = problems(replace(SPEC, launcher=launcher, args=words(128)), EFA_PLACE)
    most = replace(SPEC, launcher=launcher, args=words(int(refused.allowed.split()[0])))
    assert problems(most, EFA_PLACE) == []
    profile = fabric_profile(instance("p5.48xlarge"), efa=True, node_selector={}, taints=())
    assert len(manifests(most, profile)["job"]["spec"]["trainer"]["args"]) == 128, "maxItems of Trainer's CRD"
    job = replace(SPEC, args=words(500), runner=Runner.JOB)
    assert problems(job, EFA_PLACE) == [], "Kubernetes sets a Job's arguments no limit"


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_fits_a_place_of_its_size(name: str) -> None:
    target = Target(
        namespace="research", pool="training", node=GPU_NODE, mount=ClaimMount(claim="scratch", path="/shared")
    )
    extra = {"base": "/shared/research/base"} if name == "lora_finetune" else {}
    assert problems(RECIPES[name](target, **extra), PLACE) == []
    cpu = replace(target, pool="cpu", node=CPU_NODE)
    if name not in ("fsdp_4x8", "tp_pp_dp_16x8"):
        assert problems(RECIPES[name](cpu, **extra), CPU_PLACE) == [], "all but the two that are made for GPUs"
