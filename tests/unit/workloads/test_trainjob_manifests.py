"""A run as a TrainJob, value by value, each with the reason for it."""

import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from components.outputs import FabricProfile
from tests.support.crd_schemas import complaints, trainer_schemas
from workloads.manifests.runs import manifests
from workloads.manifests.runtimes import cluster_runtimes
from workloads.mpi_rank import keeps_store, rank_variables
from workloads.parallelism import Parallelism
from workloads.recipes import RECIPES, Target
from workloads.specs import ClaimMount, Launcher, NodeShare, Runner, Topology, TrainingSpec

P5, M7I = instance("p5.48xlarge"), instance("m7i.xlarge")
GPU = fabric_profile(P5, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(P5))
CPU = fabric_profile(M7I, efa=False, node_selector={"slipway.dev/pool": "cpu"}, taints=())
MOUNT = ClaimMount(claim="scratch", path="/shared")
GPU_TARGET = Target(
    namespace="research",
    pool="training",
    node=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
    mount=MOUNT,
)
CPU_TARGET = Target(
    namespace="research",
    pool="cpu",
    node=NodeShare(accelerators=0, accelerators_of_node=0, vcpus=4, memory_gib=16),
    mount=MOUNT,
)
SPEC = TrainingSpec(
    name="pretrain",
    namespace="research",
    pool="training",
    nodes=4,
    share=GPU_TARGET.node,
    image="slipway/trainer:0.1.0",
    script="train.py",
    args=("--steps=100",),
    mount=MOUNT,
    runner=Runner.TRAINER,
    parallelism=Parallelism(shards=8, replicas=4),
    queue="urgent",
    priority_class="high",
)


def trainjob(spec: TrainingSpec, profile: FabricProfile = GPU) -> dict[str, Any]:
    return manifests(spec, profile)["job"]


def patch(spec: TrainingSpec, number: int = 0) -> dict[str, Any]:
    """The pod patch of one replicated job."""
    template = trainjob(spec)["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]
    found: dict[str, Any] = template["spec"]["replicatedJobs"][number]["template"]["spec"]["template"]
    return found


def jobset(name: str) -> dict[str, Any]:
    """The JobSet template of one of the kit's runtimes."""
    made = {item["metadata"]["name"]: item for item in cluster_runtimes()}
    found: dict[str, Any] = made[name]["spec"]["template"]["spec"]
    return found


def test_trainer_is_told_the_size_and_the_script() -> None:
    trainer = trainjob(SPEC)["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 8)
    assert (trainer["command"], trainer["args"]) == (
        ["torchrun"],
        ["train.py", "--steps=100", "--replicas=4", "--shards=8"],
    )
    assert trainjob(recipe("fsdp_4x8", GPU_TARGET))["spec"]["trainer"]["command"][-1] == "workloads.trainer.launch", (
        "it hands on the exit code of the kit's trainer"
    )
    assert trainer["resourcesPerNode"]["limits"]["vpc.amazonaws.com/efa"] == "32"


def test_variables_go_through_the_trainer_and_not_through_the_patch() -> None:
    names = {item["name"] for item in trainjob(SPEC)["spec"]["trainer"]["env"]}
    assert {"SLIPWAY_RUN", "SLIPWAY_CHECKPOINTS", "FI_PROVIDER", "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"} <= names
    assert not {name for name in names if name.startswith("PET_")}, "Trainer's webhook refuses them"
    assert all("env" not in item for item in patch(SPEC)["spec"]["containers"]), "its webhook refuses these too"


def test_queue_and_priority_are_labels_of_the_trainjob() -> None:
    labels = trainjob(SPEC)["metadata"]["labels"]
    assert labels["kueue.x-k8s.io/queue-name"] == "urgent"
    assert labels["kueue.x-k8s.io/priority-class"] == "high"
    quiet = trainjob(replace(SPEC, queue=None, priority_class=None))["metadata"]["labels"]
    assert not [name for name in quiet if "kueue" in name], "the namespace's default queue takes it"


def test_a_required_level_replaces_the_wish_to_stand_close() -> None:
    leaf = "topology.k8s.aws/network-node-layer-3"
    asked = patch(replace(SPEC, topology=Topology(level=leaf, required=True)))
    assert asked["metadata"]["annotations"]["kueue.x-k8s.io/podset-required-topology"] == leaf
    assert "affinity" not in asked["spec"], "Kueue places the pods; a second opinion only delays them"
    assert "affinity" in patch(SPEC)["spec"]


def test_pods_carry_the_labels_that_their_network_policy_selects() -> None:
    selector = manifests(SPEC, GPU)["policy"]["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= patch(SPEC)["metadata"]["labels"].items()


def test_another_number_of_restarts_brings_a_runtime_of_its_own() -> None:
    assert "runtime" not in manifests(SPEC, GPU), "3 is what the kit's runtimes have"
    own = manifests(replace(SPEC, max_restarts=10), GPU)
    assert own["runtime"]["kind"] == "TrainingRuntime"
    assert own["runtime"]["spec"]["template"]["spec"]["failurePolicy"]["maxRestarts"] == 10
    reference = own["job"]["spec"]["runtimeRef"]
    assert (reference["kind"], reference["name"]) == ("TrainingRuntime", own["runtime"]["metadata"]["name"])
    assert list(own)[-1] == "job", "what it needs is made before it"


# --- runtimes ------------------------------------------------------------------------------------------------------
def test_the_whole_gang_restarts_after_its_last_pod_is_gone() -> None:
    policy = jobset("slipway-torch")["failurePolicy"]
    assert (policy["restartStrategy"], policy["maxRestarts"]) == ("BlockingRecreate", 3)
    job = jobset("slipway-torch")["replicatedJobs"][0]["template"]["spec"]
    assert job["backoffLimit"] == 0, "a rank that comes back alone finds the rendezvous closed"


@pytest.mark.parametrize(
    ("message", "action"),
    [
        # Messages of pkg/controller/job/pod_failure_policy.go, Kubernetes v1.36.3.
        (
            "Container node for pod research/x failed with exit code 2 matching FailJob rule at index 2",
            "FailJobSet",
        ),
        (
            "Container node for pod research/x failed with exit code 143 matching FailJob rule at index 1",
            "RestartJobSetAndIgnoreMaxRestarts",
        ),
        (
            "Pod research/x has condition DisruptionTarget matching FailJob rule at index 0",
            "RestartJobSetAndIgnoreMaxRestarts",
        ),
    ],
    ids=["wrong arguments", "drained peer", "lost node"],
)
def test_a_lost_node_is_not_counted_and_wrong_arguments_end_the_run(message: str, action: str) -> None:
    rules = jobset("slipway-torch")["failurePolicy"]["rules"]
    matching = [rule for rule in rules if any(re.search(text, message) for text in rule["onJobFailureMessagePatterns"])]
    assert [rule["action"] for rule in matching] == [action]
    assert all(rule["onJobFailureReasons"] == ["PodFailurePolicy"] for rule in rules)


def test_an_elastic_run_replaces_pods_one_by_one_and_forms_smaller_groups() -> None:
    spec = replace(SPEC, min_nodes=2, parallelism=Parallelism())
    made = trainjob(spec)["spec"]
    assert made["runtimeRef"]["name"] == "slipway-torch-elastic"
    assert made["trainer"]["numNodes"] == 4, "Trainer v2.3 has one number: the most"
    assert made["trainer"]["args"][:2] == ["--nnodes=2:4", "--rdzv-backend=c10d"], "arguments win over PET_NNODES"
    assert f"--rdzv-endpoint={spec.run}-node-0-0.{spec.run}.research.svc.cluster.local:29400" in made["trainer"]["args"]
    job = jobset("slipway-torch-elastic")["replicatedJobs"][0]["template"]["spec"]
    assert job["backoffLimit"] > 100
    assert job["podFailurePolicy"]["rules"][0]["action"] == "Ignore", "the Job replaces a lost pod, the others stay"


def test_mpirun_has_a_launcher_that_waits_for_the_other_nodes() -> None:
    node, launcher = jobset("slipway-mpi")["replicatedJobs"]
    assert launcher["dependsOn"] == [{"name": "node", "status": "Ready"}]
    assert "readinessProbe" in node["template"]["spec"]["template"]["spec"]["containers"][0], "ready is: sshd answers"
    assert jobset("slipway-mpi")["successPolicy"]["targetReplicatedJobs"] == ["launcher"]
    spec = replace(SPEC, launcher=Launcher.MPIRUN)
    words = trainjob(spec)["spec"]["trainer"]["args"]
    assert words[:4] == ["-np", "32", "--map-by", "ppr:8:node"]
    assert words[words.index("python") :][:3] == ["python", "workloads/mpi_rank.py", "train.py"]
    assert f"MASTER_ADDR={spec.run}-launcher-0-0.{spec.run}.research.svc.cluster.local" in words
    assert patch(spec, 1)["spec"]["volumes"] == patch(spec, 0)["spec"]["volumes"], "the launcher trains too"
    handed_on = {words[number + 1] for number, word in enumerate(words) if word == "-x"}
    assert {"PATH", "HOME", "FI_PROVIDER", "SLIPWAY_CHECKPOINTS"} <= handed_on, "sshd hands no variable on"
    assert "POD_IP" not in handed_on, "each pod's own"


def test_every_pod_with_ranks_of_mpirun_tells_them_before_its_first_process_is_stopped() -> None:
    stop = {"preStop": {"exec": {"command": ["python", "workloads/mpi_rank.py", "--stop"]}}}
    assert [hook_of(job) for job in jobset("slipway-mpi")["replicatedJobs"]] == [stop, stop], (
        "mpirun kills its ranks within two seconds, and sshd takes them with it"
    )
    assert [hook_of(job) for job in jobset("slipway-torch")["replicatedJobs"]] == [None], "torchrun waits for its own"


def hook_of(job: dict[str, Any]) -> object:
    """The lifecycle of the pod's container."""
    (only,) = job["template"]["spec"]["template"]["spec"]["containers"]
    return only.get("lifecycle")


def test_the_pods_of_every_runtime_pass_pod_security_restricted() -> None:
    for runtime in cluster_runtimes():
        for job in runtime["spec"]["template"]["spec"]["replicatedJobs"]:
            pod = job["template"]["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            (only,) = pod["containers"]
            assert (only["name"], only["securityContext"]["capabilities"]) == ("node", {"drop": ["ALL"]})
            assert pod["terminationGracePeriodSeconds"] == 120


# --- recipes -------------------------------------------------------------------------------------------------------
def recipe(name: str, target: Target) -> TrainingSpec:
    extra: dict[str, Any] = {"base": "/shared/research/models/base"} if name == "lora_finetune" else {}
    return RECIPES[name](target, **extra)


def test_there_is_every_recipe_that_was_promised() -> None:
    assert set(RECIPES) == {
        "debug",
        "single_node",
        "fsdp_4x8",
        "tp_pp_dp_16x8",
        "elastic",
        "lora_finetune",
        "mpi",
    }


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize(("target", "profile"), [(GPU_TARGET, GPU), (CPU_TARGET, CPU)], ids=["GPUs", "processors"])
@pytest.mark.skipif(not trainer_schemas(), reason="the sources of Kubeflow Trainer are not on this machine")
def test_the_crds_know_every_field_of_every_recipe(name: str, target: Target, profile: FabricProfile) -> None:
    spec = recipe(name, target)
    for runner_spec in (spec, replace(spec, max_restarts=9, topology=Topology(level="kubernetes.io/hostname"))):
        objects = manifests(runner_spec, profile)
        for role in objects.keys() & {"job", "runtime"}:
            assert list(complaints(objects[role], trainer_schemas()[objects[role]["kind"]])) == []


@pytest.mark.skipif(not trainer_schemas(), reason="the sources of Kubeflow Trainer are not on this machine")
def test_the_crds_know_every_field_of_the_runtimes_and_no_other() -> None:
    schema = trainer_schemas()["ClusterTrainingRuntime"]
    assert [found for runtime in cluster_runtimes() for found in complaints(runtime, schema)] == []
    broken = cluster_runtimes()[0]
    broken["spec"]["template"]["spec"]["failurePolcy"] = {}
    assert list(complaints(broken, schema)) == [".spec.template.spec.failurePolcy: unknown field"]


def test_a_recipe_writes_its_last_checkpoint_before_the_launcher_kills_it() -> None:
    for runner in Runner:
        made = recipe("debug", replace(CPU_TARGET, runner=runner))
        assert "--grace-seconds=105" in made.args, "torchrun waits for 110 s in both, the kubelet for 120"


def test_the_size_of_a_recipe_is_in_its_name() -> None:
    assert recipe("fsdp_4x8", GPU_TARGET).world_size == 32
    shape = recipe("tp_pp_dp_16x8", GPU_TARGET)
    assert (shape.world_size, shape.parallelism) == (128, Parallelism(shards=4, tensor=8, pipeline=4))
    small = recipe("debug", CPU_TARGET)
    assert (small.nodes, small.processes, small.accelerators) == (2, 2, 0)


def test_a_pod_on_processors_has_its_node_for_itself() -> None:
    limits = trainjob(recipe("debug", CPU_TARGET), CPU)["spec"]["trainer"]["resourcesPerNode"]
    assert limits == {"requests": {"cpu": "3", "memory": "13Gi"}, "limits": {"memory": "13Gi"}}, "85 % of 4 and 16"
    values = {
        item["name"]: item.get("value") for item in trainjob(recipe("debug", CPU_TARGET), CPU)["spec"]["trainer"]["env"]
    }
    assert values["OMP_NUM_THREADS"] == "1", "3 processors for 2 processes"


# --- ranks of mpirun -----------------------------------------------------------------------------------------------
MPI = {
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
}


def test_torch_is_told_what_mpirun_said() -> None:
    found = rank_variables(MPI)
    assert {name: found[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")} == {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
    }


def test_the_first_rank_of_the_named_host_keeps_the_store_whatever_its_number() -> None:
    here = {"LOCAL_RANK": "0", "MASTER_ADDR": "run-launcher-0-0.run.research.svc.cluster.local"}
    assert keeps_store(here, "run-launcher-0-0")
    assert not keeps_store(here, "run-node-0-0")
    assert not keeps_store({**here, "LOCAL_RANK": "1"}, "run-launcher-0-0")


def test_the_hook_stops_every_rank_of_a_pod_and_waits_until_they_have_saved(tmp_path: Path) -> None:
    script = tmp_path / "saves.py"
    script.write_text(
        "import os, pathlib, signal, sys, time\n"
        "told = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.append(True))\n"
        f"rank = pathlib.Path({str(tmp_path)!r}) / os.environ['RANK']\n"
        "rank.with_suffix('.ready').touch()\n"
        "while not told: time.sleep(0.01)\n"
        "rank.with_suffix('.told').touch()\n"
        "while not rank.with_name('disk').exists(): time.sleep(0.01)\n"
        "sys.exit(143)\n"
    )
    start = "import sys, pathlib; from workloads.mpi_rank import main; main(sys.argv[2:], pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", start, str(tmp_path)]
    # Not the first of its host: that one keeps torch's store, and needs torch.
    ranks = [
        subprocess.Popen([*command, str(script)], env={**MPI, "OMPI_COMM_WORLD_RANK": str(rank), "PYTHONPATH": "."})
        for rank in (1, 2)
    ]
    killed = tmp_path / "mpi-rank-4194305"  # Linux gives no process this number
    killed.touch()
    wait_for(2, "*.ready", tmp_path)
    hook = subprocess.Popen([*command, "--stop"], env={"PYTHONPATH": "."})
    wait_for(2, "*.told", tmp_path)
    assert hook.poll() is None, "the pod's first process would be stopped now, and the ranks with it"
    (tmp_path / "disk").touch()
    assert [rank.wait(60) for rank in ranks] == [143, 143], "the code of a run that was told to stop"
    assert hook.wait(60) == 0
    assert list(tmp_path.glob("mpi-rank-*")) == [killed], "who ends takes itself off the list"


def wait_for(count: int, pattern: str, folder: Path) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < count:
        assert time.monotonic() < deadline, f"no {count} of {pattern}"
        time.sleep(0.02)


def test_without_mpirun_it_says_so_and_ends_as_wrong_arguments_do() -> None:
    done = subprocess.run(
        [sys.executable, "workloads/mpi_rank.py", "x.py"], capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, "OMPI_COMM_WORLD_RANK" in done.stderr) == (2, True)
