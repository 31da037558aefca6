"""Recipes before the real API server, CRDs, webhooks and controllers: accepted, queued, restarted as a gang."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from components.kubernetes.queue_objects import priority_class
from components.outputs import FabricProfile
from tests.simulation.test_training_controllers import Platform, controllers
from workloads.manifests.runs import manifests
from workloads.manifests.runtimes import cluster_runtimes
from workloads.recipes import RECIPES, Target, debug
from workloads.specs import ClaimMount, NodeShare, Runner, Topology, TrainingSpec

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

P5 = instance("p5.48xlarge")
GPU = fabric_profile(P5, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(P5))
ANYWHERE = replace(
    fabric_profile(instance("m7i.xlarge"), efa=False, node_selector={}, taints=()),
    # Pretended pods run for so long: the tests end them.
    pod_annotations={"simulation.slipway.dev/duration": "600s"},
)
TARGET = Target(
    namespace="team",
    pool="training",
    node=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
    mount=ClaimMount(claim="scratch", path="/shared"),
    queue="default",
)
SMALL = replace(TARGET, node=NodeShare(accelerators=0, accelerators_of_node=0, vcpus=4, memory_gib=16), mount=None)
TRAINER = "/apis/trainer.kubeflow.org/v1alpha1"
JOBSETS = "/apis/jobset.x-k8s.io/v1alpha2/namespaces/team/jobsets"
PATHS = {
    "TrainJob": f"{TRAINER}/namespaces/team/trainjobs",
    "TrainingRuntime": f"{TRAINER}/namespaces/team/trainingruntimes",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/team/networkpolicies",
    "Service": "/api/v1/namespaces/team/services",
    "Job": "/apis/batch/v1/namespaces/team/jobs",
}
KUEUE = "kueue.x-k8s.io/v1beta2"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Two simulated nodes, the controllers, the kit's runtimes and a team with a queue."""
    with controllers("recipes", tmp_path_factory) as made:
        _prepare(made)
        yield made


def _prepare(platform: Platform) -> None:
    for runtime in cluster_runtimes():
        platform.apply(f"{TRAINER}/clustertrainingruntimes", runtime)
    platform.apply("/api/v1/namespaces", {"metadata": {"name": "team", "labels": {"queues": "on"}}})
    flavor = {"apiVersion": KUEUE, "kind": "ResourceFlavor", "metadata": {"name": "training"}, "spec": {}}
    platform.apply(f"/apis/{KUEUE}/resourceflavors", flavor)
    resources = [{"name": "cpu", "nominalQuota": 100}, {"name": "memory", "nominalQuota": "1000Gi"}]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "training", "resources": resources}]}
    spec = {"namespaceSelector": {}, "resourceGroups": [group]}
    queue = {"apiVersion": KUEUE, "kind": "ClusterQueue", "metadata": {"name": "team"}, "spec": spec}
    platform.apply(f"/apis/{KUEUE}/clusterqueues", queue)
    local = {"metadata": {"name": "default"}, "spec": {"clusterQueue": "team"}}
    platform.apply(f"/apis/{KUEUE}/namespaces/team/localqueues", {"apiVersion": KUEUE, "kind": "LocalQueue", **local})
    platform.apply(f"/apis/{KUEUE}/workloadpriorityclasses", priority_class("urgent", 1000))


def _recipe(name: str, target: Target) -> TrainingSpec:
    extra = {"base": "/shared/team/base"} if name == "lora_finetune" else {}
    return RECIPES[name](target, **extra)


@pytest.mark.parametrize("name", sorted(RECIPES))
@pytest.mark.parametrize(("target", "profile"), [(TARGET, GPU), (SMALL, ANYWHERE)], ids=["GPUs", "processors"])
def test_every_object_of_every_recipe_is_accepted(
    platform: Platform, name: str, target: Target, profile: FabricProfile
) -> None:
    spec = _recipe(name, target)
    for variant in (spec, replace(spec, topology=Topology(level="kubernetes.io/hostname"))):
        for item in manifests(variant, profile).values():
            path = f"{PATHS[item['kind']]}?dryRun=All&fieldValidation=Strict"
            answer = platform.world.call(path, method="POST", body=item)
            assert answer.status_code == 201, f"{item['kind']}: {answer.text}"


def test_a_run_with_a_runtime_of_its_own_is_accepted_after_it(platform: Platform) -> None:
    objects = manifests(replace(debug(SMALL), max_restarts=9), ANYWHERE)
    platform.apply(PATHS["TrainingRuntime"], objects["runtime"])
    answer = platform.world.call(f"{PATHS['TrainJob']}?dryRun=All", method="POST", body=objects["job"])
    assert answer.status_code == 201, answer.text


def test_the_webhooks_are_really_asked(platform: Platform) -> None:
    job = manifests(debug(SMALL), ANYWHERE)["job"]
    job["spec"]["trainer"]["env"].append({"name": "PET_NNODES", "value": "1"})
    answer = platform.world.call(f"{PATHS['TrainJob']}?dryRun=All", method="POST", body=job)
    assert answer.status_code == 403
    assert "must not have reserved envs" in answer.json()["message"]


def test_the_pods_have_what_the_run_and_the_runtime_give_them(platform: Platform) -> None:
    spec = _running(platform, debug(SMALL, name="shape"))
    pod = _pods(platform, spec)[0]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "workloads.trainer.launch"], "it hands on the trainer's exit code"
    assert container["args"][0] == "workloads/trainer/main.py"
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert values["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] == "110", "its own 30 s would cut the last checkpoint short"
    assert (values["PET_NNODES"], values["PET_NPROC_PER_NODE"], values["SLIPWAY_RUN"]) == ("2", "2", spec.run)
    mounts = {item["mountPath"] for item in container["volumeMounts"]}
    assert {"/dev/shm", "/tmp"} <= mounts  # noqa: S108 -- the container's own
    sizes = {item["name"]: item.get("emptyDir", {}).get("sizeLimit") for item in pod["volumes"]}
    assert sizes["shm"] == "2Gi", "the run's patch, on the runtime's volume"
    patience = {item["key"]: item.get("tolerationSeconds") for item in pod["tolerations"]}
    assert patience["node.kubernetes.io/unreachable"] == 30, "Kueue's own patch did not replace it"
    assert (pod["securityContext"]["runAsUser"], pod["terminationGracePeriodSeconds"]) == (1000, 120)
    assert pod["subdomain"] == spec.run


@pytest.mark.parametrize("runner", list(Runner))
def test_a_priority_is_the_queues_for_each_runner_and_not_the_pods(platform: Platform, runner: Runner) -> None:
    spec = replace(debug(SMALL, name=f"urgent-{runner}"), runner=runner, priority_class="urgent")
    _running(platform, spec)
    made = platform.got(f"/apis/{KUEUE}/namespaces/team/workloads")["items"]
    (found,) = [item["spec"] for item in made if item["metadata"]["ownerReferences"][0]["name"] == spec.run]
    kueues = {"group": "kueue.x-k8s.io", "kind": "WorkloadPriorityClass", "name": "urgent"}
    assert (found["priority"], found["priorityClassRef"]) == (1000, kueues)
    assert {pod["spec"]["priority"] for pod in _pods(platform, spec)} == {0}


def test_the_gang_restarts_for_its_own_failures_a_counted_number_of_times(platform: Platform) -> None:
    spec = _running(platform, debug(SMALL, name="restarts"))
    _fail(platform, spec, exit_code=1)
    status = _restarted(platform, spec, 1)
    assert status["restartsCountTowardsMax"] == 1
    _fail(platform, spec, disrupted=True)
    status = _restarted(platform, spec, 2)
    assert status["restartsCountTowardsMax"] == 1, "a pod that the cluster took away does not count"
    assert len(_pods(platform, spec)) == 2, "the whole gang is there again"
    _fail(platform, spec, exit_code=143)
    status = _restarted(platform, spec, 3)
    assert status["restartsCountTowardsMax"] == 1, "nor does a peer that stopped with it"
    _fail(platform, spec, exit_code=78)
    platform.world.wait(lambda: _condition(platform, spec, "Failed") is not None, 60)
    assert (_condition(platform, spec, "Failed") or {})["reason"] == "FailJobSetFailurePolicyAction", (
        "the trainer refused to begin: every further attempt would end the same way"
    )


def test_an_elastic_run_replaces_the_pod_and_leaves_the_others(platform: Platform) -> None:
    mounted = replace(SMALL, mount=None)
    spec = replace(_recipe("elastic", mounted), nodes=2, min_nodes=1)
    _running(platform, spec)
    before = {pod["metadata"]["uid"] for pod in _pods(platform, spec)}
    _fail(platform, spec, disrupted=True)

    def one_replaced() -> bool:
        found = {pod["metadata"]["uid"] for pod in _pods(platform, spec)}
        return len(found) == 2 and len(found & before) == 1

    platform.world.wait(one_replaced, 60)
    assert platform.got(f"{JOBSETS}/{spec.run}")["status"]["restarts"] == 0


def _running(platform: Platform, spec: TrainingSpec) -> TrainingSpec:
    """Submit and wait until every pod runs."""
    for item in manifests(spec, ANYWHERE).values():
        platform.apply(PATHS[item["kind"]], item)
    platform.world.wait(lambda: len(_pods(platform, spec)) == spec.nodes, 60)
    return spec


def _pods(platform: Platform, spec: TrainingSpec) -> list[dict[str, Any]]:
    items = platform.got(f"/api/v1/namespaces/team/pods?labelSelector=slipway.dev/run={spec.run}")["items"]
    return [
        pod for pod in items if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]


def _fail(platform: Platform, spec: TrainingSpec, *, exit_code: int = 143, disrupted: bool = False) -> None:
    """The pod of node 0 ends, as a kubelet would tell it."""
    pod = _pods(platform, spec)[0]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ended = {"exitCode": exit_code, "reason": "Error", "startedAt": now, "finishedAt": now}
    container = {"name": "node", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {**pod["status"], "phase": "Failed", "containerStatuses": [{**container, "state": {"terminated": ended}}]}
    if disrupted:
        taken = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager", "message": "lost"}
        status["conditions"] = [*status.get("conditions", []), {**taken, "lastTransitionTime": now}]
    path = f"/api/v1/namespaces/team/pods/{pod['metadata']['name']}"
    current = platform.got(path)
    answer = platform.world.call(f"{path}/status", method="PUT", body={**current, "status": status})
    assert answer.is_success, answer.text


def _restarted(platform: Platform, spec: TrainingSpec, times: int) -> dict[str, Any]:
    """The JobSet's status once its gang runs for the ``times``-th time again."""

    def there() -> bool:
        status = platform.got(f"{JOBSETS}/{spec.run}")["status"]
        return int(status.get("restarts", 0)) >= times and len(_pods(platform, spec)) == spec.nodes

    platform.world.wait(there, 90)
    found: dict[str, Any] = platform.got(f"{JOBSETS}/{spec.run}")["status"]
    return found


def _condition(platform: Platform, spec: TrainingSpec, kind: str) -> dict[str, Any] | None:
    conditions = platform.got(f"{PATHS['TrainJob']}/{spec.run}").get("status", {}).get("conditions", ())
    return next((item for item in conditions if item["type"] == kind and item["status"] == "True"), None)
