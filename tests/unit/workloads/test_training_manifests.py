"""The objects of a training run, value by value, each with the reason for it."""

from dataclasses import replace
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from components.outputs import FabricProfile
from workloads.manifests.launching import KIT_TRAINER
from workloads.manifests.training import manifests, rendezvous_endpoint
from workloads.specs import ClaimMount, NodeShare, TrainingSpec
from workloads.trainer.state import ExitCode

P5 = instance("p5.48xlarge")
PROFILE = fabric_profile(P5, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(P5))
SPEC = TrainingSpec(
    name="pretrain",
    namespace="research",
    pool="training",
    nodes=4,
    share=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
    image="slipway/trainer:0.1.0",
    script="train.py",
    args=("--steps=100",),
    mount=ClaimMount(claim="scratch", path="/shared"),
    time_limit_seconds=4 * 3600,
)


@pytest.fixture
def job() -> dict[str, Any]:
    return manifests(SPEC, PROFILE)["job"]


@pytest.fixture
def pod(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod["containers"]
    result: dict[str, Any] = only
    return result


def test_one_pod_for_each_node_with_a_stable_index(job: dict[str, Any]) -> None:
    spec = job["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 4, 4)


def test_a_pod_takes_every_gpu_and_every_interface_of_its_node(container: dict[str, Any]) -> None:
    limits = container["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "8"
    assert limits["vpc.amazonaws.com/efa"] == "32", "one interface for each of a p5's 32 network cards"
    assert limits["hugepages-2Mi"] == "5Gi", "5120Mi, what libfabric maps for EFA (EKS user guide, node-efa)"


def test_what_cannot_be_overcommitted_is_limited_to_what_is_requested(container: dict[str, Any]) -> None:
    resources = container["resources"]
    assert resources["limits"] == {key: value for key, value in resources["requests"].items() if key != "cpu"}
    assert "cpu" not in resources["limits"], "throttled data loaders starve GPUs"


def test_memory_leaves_room_for_the_node_and_for_huge_pages(container: dict[str, Any]) -> None:
    assert container["resources"]["requests"]["memory"] == "1735Gi", "85 % of 2048 GiB, less 5 GiB of huge pages"
    assert container["resources"]["requests"]["cpu"] == "163", "85 % of 192"


def test_shared_memory_is_eight_gib_for_each_process(pod: dict[str, Any], container: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    shared = volumes[mounts["/dev/shm"]]  # noqa: S108 -- the path that NCCL and PyTorch use
    assert shared["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Gi"}


def test_processes_meet_at_the_pod_of_index_zero(container: dict[str, Any]) -> None:
    command = container["command"]
    assert command[0] == "torchrun"
    assert f"--rdzv-endpoint={SPEC.run}-0.{SPEC.run}.research.svc.cluster.local:29400" in command
    assert {"--nnodes=4", "--nproc-per-node=8", "--rdzv-backend=c10d", f"--rdzv-id={SPEC.run}"} <= set(command)
    assert command[-2:] == ["train.py", "--steps=100"], "the script's own arguments come after the script"


def test_torchrun_waits_for_the_last_checkpoint_of_its_processes(container: dict[str, Any]) -> None:
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert values["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] == "110", "its own 30 s are a quarter of the pods' grace period"


def test_the_service_resolves_pods_that_are_not_ready() -> None:
    objects = manifests(SPEC, PROFILE)
    service, pod = objects["service"], objects["job"]["spec"]["template"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True, "readiness comes after the rendezvous"
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert pod["spec"]["subdomain"] == service["metadata"]["name"], "or the host names do not exist"


def test_only_pods_of_the_run_reach_each_other() -> None:
    spec = manifests(SPEC, PROFILE)["policy"]["spec"]
    own = {"matchLabels": {"slipway.dev/run": SPEC.run}}
    assert spec["podSelector"] == own
    assert spec["ingress"] == [{"from": [{"podSelector": own}]}]
    assert spec["egress"] == [{"to": [{"podSelector": own}]}]


def test_a_disruption_costs_no_attempt_and_a_wrong_configuration_costs_all(job: dict[str, Any]) -> None:
    ignore, fail = job["spec"]["podFailurePolicy"]["rules"]
    assert (ignore["action"], ignore["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert (fail["action"], fail["onExitCodes"]["containerName"]) == ("FailJob", "trainer")
    assert fail["onExitCodes"]["values"] == [2, ExitCode.DIVERGED, ExitCode.REFUSED], (
        "argparse's code, and what the kit's trainer says when a restart would do the same again"
    )


def decision(policy: dict[str, Any], code: int, *, disrupted: bool = False) -> str:
    """What the Job controller does with one failed pod: matchPodFailurePolicy, pkg/controller/job, Kubernetes v1.36."""
    for rule in policy["rules"]:
        if code in rule.get("onExitCodes", {}).get("values", ()) or (disrupted and "onPodConditions" in rule):
            return str(rule["action"])
    return "Count"


@pytest.mark.parametrize("telling", [ExitCode.DIVERGED, ExitCode.REFUSED])
def test_one_pod_that_says_why_ends_a_gang_whose_other_pods_only_lost_a_peer(
    job: dict[str, Any], telling: ExitCode
) -> None:
    policy = job["spec"]["podFailurePolicy"]
    gang = [decision(policy, code) for code in (1, 143, telling, 137)]
    assert gang == ["Count", "Count", "FailJob", "Count"], "the controller looks for one FailJob among failed pods"
    assert job["spec"]["backoffLimit"] > len(gang) - 1, "what the others cost does not end the Job before it is asked"
    assert decision(policy, ExitCode.HUNG) == "Count", "a restart may help"
    assert decision(policy, telling, disrupted=True) == "Ignore", "its replacement says it again"


def test_the_kits_trainer_hands_on_its_exit_code_in_a_job_too() -> None:
    job = manifests(replace(SPEC, script=KIT_TRAINER), PROFILE)["job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][:4] == ["python", "-m", "workloads.trainer.launch", "--nnodes=4"]
    assert container["command"][-2:] == [KIT_TRAINER, "--steps=100"]


def test_an_attempt_may_cost_every_pod(job: dict[str, Any]) -> None:
    spec = job["spec"]
    assert spec["backoffLimit"] == 3 * 4
    assert spec["podReplacementPolicy"] == "Failed", "the old pod still holds the devices"
    assert spec["activeDeadlineSeconds"] == 14400


def test_the_job_stays_when_it_is_finished(job: dict[str, Any]) -> None:
    assert "ttlSecondsAfterFinished" not in job["spec"], "a job that vanishes looks like one to start again"
    assert job["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_pod_tolerates_its_pool_and_no_dead_node(pod: dict[str, Any]) -> None:
    assert pod["tolerations"][0] == {
        "key": "nvidia.com/gpu",
        "operator": "Equal",
        "value": "present",
        "effect": "NoSchedule",
    }
    seconds = {item["key"]: item.get("tolerationSeconds") for item in pod["tolerations"][1:]}
    assert seconds == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}, "the default is 300"
    assert pod["nodeSelector"] == {"slipway.dev/pool": "training"}


def test_pods_wish_to_stand_close_most_of_all_under_one_leaf(pod: dict[str, Any]) -> None:
    terms = pod["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    weights = {term["podAffinityTerm"]["topologyKey"]: term["weight"] for term in terms}
    layers = {1: 33, 2: 66, 3: 100}
    assert weights == {f"topology.k8s.aws/network-node-layer-{layer}": weight for layer, weight in layers.items()}


def test_the_pod_passes_pod_security_restricted(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {kind for volume in pod["volumes"] for kind in volume} <= {"name", "emptyDir", "persistentVolumeClaim"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["automountServiceAccountToken"] is False


def test_ownership_of_a_shared_file_system_is_not_changed_at_every_start(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_checkpoints_are_kept_by_name_so_that_the_next_run_finds_them(container: dict[str, Any]) -> None:
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert values["SLIPWAY_CHECKPOINTS"] == "/shared/research/checkpoints/pretrain", (
        "only the team's directory is writable"
    )
    assert values["SLIPWAY_RUN"] == SPEC.run
    assert values["FI_PROVIDER"] == "efa", "from the pool's fabric profile"
    assert values["OMP_NUM_THREADS"] == "20", "163 processors for 8 processes"


def test_the_runs_own_environment_wins(pod: dict[str, Any]) -> None:
    spec = replace(SPEC, environment={"FI_PROVIDER": "tcp"})
    env = manifests(spec, PROFILE)["job"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {item["name"]: item.get("value") for item in env}["FI_PROVIDER"] == "tcp"


def test_a_part_of_a_node_gets_its_share_and_no_fabric() -> None:
    half = replace(SPEC, nodes=1, share=replace(SPEC.share, accelerators=4))
    limits = manifests(half, PROFILE)["job"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"memory": "870Gi", "nvidia.com/gpu": "4"}


def test_a_pull_secret_is_a_reference() -> None:
    pod = manifests(replace(SPEC, pull_secret="registry"), PROFILE)["job"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_queue_and_priority_are_labels_of_the_job_and_nothing_of_its_pods() -> None:
    job = manifests(replace(SPEC, queue="research", priority_class="high"), PROFILE)["job"]
    kueues = {key: value for key, value in job["metadata"]["labels"].items() if "kueue" in key}
    assert kueues == {"kueue.x-k8s.io/queue-name": "research", "kueue.x-k8s.io/priority-class": "high"}
    template = job["spec"]["template"]
    assert "priorityClassName" not in template["spec"], "admission refuses pods of a PriorityClass that nobody made"
    assert not [key for key in template["metadata"]["labels"] if "kueue" in key]
    quiet = manifests(replace(SPEC, queue=None, priority_class=None), PROFILE)["job"]["metadata"]["labels"]
    assert not [key for key in quiet if "kueue" in key]


# --- identity of a run ---------------------------------------------------------------------------------------------
def test_the_hash_is_the_same_in_every_release_of_the_kit() -> None:
    assert SPEC.content_hash == HASH, "a changed hash starts every finished run of every user again"


@pytest.mark.parametrize(
    "change",
    [{"args": ("--steps=101",)}, {"nodes": 3}, {"image": "a/b:0.1.1"}, {"environment": {"A": "1"}}, {"pool": "other"}],
    ids=["argument", "nodes", "image", "environment", "pool"],
)
def test_a_changed_spec_is_a_new_run(change: dict[str, Any]) -> None:
    assert replace(SPEC, **change).run != SPEC.run


def test_what_changes_no_result_starts_no_run() -> None:
    corrected = replace(SPEC, share=replace(SPEC.share, memory_gib=2000), pull_secret="registry")
    assert corrected.run == SPEC.run, "a corrected catalogue and a new pull secret compute nothing new"
    assert replace(SPEC, environment={"A": "1", "B": "2"}).run == replace(SPEC, environment={"B": "2", "A": "1"}).run


def test_the_longest_name_still_makes_host_names() -> None:
    spec = replace(SPEC, name="a" * 30, nodes=450)
    host = f"{spec.run}-{spec.nodes - 1}"
    assert len(host) <= 63, "a host name is a DNS label"
    assert rendezvous_endpoint(spec).startswith(f"{spec.run}-0.{spec.run}.")


def test_a_pool_without_fabric_and_accelerators_still_makes_a_pod() -> None:
    from components.outputs import AcceleratorKind

    plain = FabricProfile(
        accelerator=AcceleratorKind.NONE, accelerator_model="", accelerators_per_node=0, accelerator_resource=None
    )
    spec = replace(SPEC, share=NodeShare(accelerators=1, accelerators_of_node=1, vcpus=8, memory_gib=32))
    pod = manifests(spec, plain)["job"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"] == {"memory": "27Gi"}
    assert "affinity" not in pod, "without topology there is nothing to be close by"


HASH = "49af6152"


def test_early_pods_wait_for_the_store_and_caches_have_a_writable_home(container: dict[str, Any]) -> None:
    rendezvous = next(word for word in container["command"] if word.startswith("--rdzv-conf="))
    assert "read_timeout=600" in rendezvous, "torchrun's own 60 s would cost each early pod an attempt"
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert (values["HOME"], values["USER"]) == ("/tmp", "trainer")  # noqa: S108 -- the container's own
