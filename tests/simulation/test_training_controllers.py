"""Kueue, JobSet and Trainer on simulated nodes: they come, work together, survive, and leave. In this order."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.versions import CHARTS
from tests.support.cluster_world import CLUSTER, World

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

PROGRAM = Path(__file__).parent / "programs" / "controllers"
REPOSITORY = Path(__file__).resolve().parents[2]
KUEUE_CONFIGURATION = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "leaderElection": {"leaderElect": True, "resourceName": "kueue"},
    "integrations": {"frameworks": ["batch/job", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob"]},
    "managedJobsNamespaceSelector": {"matchLabels": {"queues": "on"}},
    "waitForPodsReady": {"timeout": "2m", "blockAdmission": True},
    "fairSharing": {"preemptionStrategies": ["LessThanOrEqualToFinalShare"]},
}
VALUES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "jobset": ("jobset-system", {"controller": {"clientConnection": {"qps": 321}}}),
    "kubeflow-trainer": (
        "kubeflow-system",
        {"jobset": {"install": False}, "manager": {"config": {"clientConnection": {"qps": 77}}}},
    ),
    "kueue": (
        "kueue-system",
        {
            "managerConfig": {"controllerManagerConfigYaml": yaml.safe_dump(KUEUE_CONFIGURATION)},
            "mutatingWebhook": {"reinvocationPolicy": "IfNeeded"},
        },
    ),
}
MANAGERS = ("jobset-manager", "trainer-manager", "kueue-manager")
JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/team/trainjobs"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/workloads"
HOOKS = "/apis/admissionregistration.k8s.io/v1"


class Platform:
    """A cluster, and a program that installs controllers on it."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        (directory / "Pulumi.yaml").write_text("name: controllers\nruntime: python\nmain: program/\n")
        (directory / "program").mkdir()
        (directory / "program" / "__main__.py").write_text((PROGRAM / "__main__.py").read_text())
        self.stack("init", "test")

    @property
    def cluster(self) -> Path:
        return self.world.environment.paths.clusters / CLUSTER

    def pulumi(self, *arguments: str, charts: Mapping[str, Any] | None = None) -> str:
        variables = self.world.environment.variables()
        given = {
            "kubeconfig": str(self.cluster / "admin.kubeconfig"),
            "mirror": variables["SLIPWAY_CHARTS_MIRROR"],
            "charts": dict(charts or {}),
        }
        environment = {**os.environ, **variables, "PYTHONPATH": str(REPOSITORY), "CONTROLLERS": json.dumps(given)}
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        done = subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False, timeout=280
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stack(self, *arguments: str) -> None:
        self.pulumi("stack", *arguments)

    def up(self, charts: Mapping[str, Any]) -> None:
        self.pulumi("up", "--yes", "--skip-preview", "--stack", "test", charts=charts)

    def apply(self, path: str, document: Mapping[str, Any]) -> None:
        answer = self.world.call(path, method="POST", body=document)
        assert answer.status_code == 201, answer.text

    def got(self, path: str) -> Any:
        answer = self.world.call(path)
        assert answer.is_success, answer.text
        return answer.json()

    def process(self, executable: str) -> int:
        """The process id of a manager; 0 while there is none that works."""
        found = [item for item in self.world.environment.status().processes if item.name == executable]
        return found[0].pid or 0 if found and found[0].ready else 0

    def running_configuration(self, short: str) -> dict[str, Any]:
        """What the manager was really started with."""
        document: dict[str, Any] = yaml.safe_load((self.cluster / short / "controller_manager_config.yaml").read_text())
        return document


@contextmanager
def controllers(name: str, folders: pytest.TempPathFactory) -> Iterator[Platform]:
    """A cluster with two p5 nodes and the three controllers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(folders.mktemp("state")))
        world = World(name)
        try:
            world.cluster(vpcId="vpc-1", subnetIds=["subnet-1"], clusterSecurityGroupId="sg-cluster")
            world.node_group("training", 2, efa=1)
            world.wait_for_node_group("training")
            made = Platform(world, folders.mktemp("program"))
            made.up(VALUES)
            yield made
        finally:
            world.store.close()
            world.environment.down(world.console)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with controllers("training", tmp_path_factory) as made:
        yield made


def test_each_chart_received_what_the_program_gave_it(platform: Platform) -> None:
    for chart, (namespace, values) in VALUES.items():
        record = platform.got(f"/api/v1/namespaces/{namespace}/configmaps/{chart}-received-values")["data"]
        assert record["chart"] == f"{chart}-{CHARTS[chart].version}"
        assert _within(values, json.loads(record["values"]))


def test_the_managers_run_with_the_configuration_of_their_charts_but_for_addresses(platform: Platform) -> None:
    kueue = platform.running_configuration("kueue")
    for section in ("integrations", "managedJobsNamespaceSelector", "waitForPodsReady", "fairSharing"):
        assert kueue[section] == KUEUE_CONFIGURATION[section], section
    assert kueue["leaderElection"] == {"leaderElect": False, "resourceName": "kueue"}, (
        "a single process needs no leader"
    )
    assert kueue["webhook"]["host"] == "127.0.0.1", "never on another address of the machine"
    assert platform.running_configuration("jobset")["clientConnection"]["qps"] == 321
    assert platform.running_configuration("trainer")["clientConnection"]["qps"] == 77


def test_the_managers_have_no_more_rights_than_the_roles_of_their_charts(platform: Platform) -> None:
    accounts = {
        "kueue": "system:serviceaccount:kueue-system:kueue-controller-manager",
        "jobset": "system:serviceaccount:jobset-system:jobset-controller",
        "trainer": "system:serviceaccount:kubeflow-system:kubeflow-trainer-controller-manager",
    }
    for short, account in accounts.items():
        (user,) = json.loads((platform.cluster / short / "kubeconfig").read_text())["users"]
        assert user["user"]["as"] == account
    logs = [(platform.cluster / "logs" / f"{name}.log").read_text() for name in MANAGERS]
    assert [line for log in logs for line in log.splitlines() if "is forbidden" in line] == []


def test_webhooks_are_those_that_the_charts_render_and_lead_to_loopback(platform: Platform) -> None:
    found = {item["metadata"]["name"]: item for item in _hooks(platform)}
    assert sorted(found) == [
        "defaulter.trainer.kubeflow.org",
        "jobset-mutating-webhook-configuration",
        "jobset-validating-webhook-configuration",
        "kueue-mutating-webhook-configuration",
        "kueue-validating-webhook-configuration",
        "validator.trainer.kubeflow.org",
    ]
    clients = [hook["clientConfig"] for item in found.values() for hook in item["webhooks"]]
    assert {client["url"].rpartition(":")[0] for client in clients} == {"https://127.0.0.1"}
    jobs = next(
        hook for hook in found["kueue-mutating-webhook-configuration"]["webhooks"] if hook["name"] == "mjob.kb.io"
    )
    assert jobs["namespaceSelector"] == KUEUE_CONFIGURATION["managedJobsNamespaceSelector"], "as the values say"
    assert jobs["reinvocationPolicy"] == "IfNeeded"


def test_objects_of_an_older_version_are_converted_by_the_manager(platform: Platform) -> None:
    spec = {"namespaceSelector": {}, "cohort": "everyone", "resourceGroups": []}
    document = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "ClusterQueue",
        "metadata": {"name": "old"},
        "spec": spec,
    }
    platform.apply("/apis/kueue.x-k8s.io/v1beta1/clusterqueues", document)
    shown = platform.got("/apis/kueue.x-k8s.io/v1beta2/clusterqueues/old")
    assert shown["spec"]["cohortName"] == "everyone", "v1beta2 calls it so"
    assert platform.world.call("/apis/kueue.x-k8s.io/v1beta2/clusterqueues/old", method="DELETE").is_success


def test_an_invalid_object_is_refused_by_the_manager_itself(platform: Platform) -> None:
    spec = {"replicatedJobs": [{"name": "a", "template": {"spec": {}}}, {"name": "a", "template": {"spec": {}}}]}
    document = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": "x"}, "spec": spec}
    answer = platform.world.call(
        "/apis/jobset.x-k8s.io/v1alpha2/namespaces/default/jobsets", method="POST", body=document
    )
    assert answer.is_error
    runtime = _train_job("nowhere", runtime="missing")
    answer = platform.world.call(JOBS.replace("team", "default"), method="POST", body=runtime)
    assert answer.status_code == 403
    assert "missing" in answer.json()["message"], answer.text


def test_a_train_job_waits_for_quota_becomes_pods_and_completes(platform: Platform) -> None:
    _queues(platform, gpus=0)
    platform.apply(JOBS, _train_job("run"))
    platform.world.wait(lambda: len(platform.got(WORKLOADS)["items"]) == 1)
    assert platform.got(f"{JOBS}/run")["spec"]["suspend"] is True, "Kueue holds what it has not admitted"
    assert platform.got("/api/v1/namespaces/team/pods")["items"] == []

    _patch_quota(platform, gpus=16)
    platform.world.wait(lambda: len(platform.got("/api/v1/namespaces/team/pods")["items"]) == 2, 40)
    pods = platform.got("/api/v1/namespaces/team/pods")["items"]
    assert sorted(pod["metadata"]["name"].rpartition("-")[0] for pod in pods) == ["run-node-0-0", "run-node-0-1"]
    assert {pod["spec"]["subdomain"] for pod in pods} == {"run"}, "names of pods resolve below it"
    given = {item["name"]: item.get("value") for item in pods[0]["spec"]["containers"][0]["env"]}
    assert given["PET_NNODES"] == "2"
    assert given["PET_MASTER_ADDR"] == "run-node-0-0.run"
    assert platform.got("/apis/jobset.x-k8s.io/v1alpha2/namespaces/team/jobsets/run")["spec"]["suspend"] is False
    platform.world.wait(lambda: _condition(platform, "run", "Complete"), 60)


def test_a_manager_that_was_killed_comes_back_and_works(platform: Platform) -> None:
    before = {name: platform.process(name) for name in MANAGERS}
    assert 0 not in before.values(), before
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    platform.world.wait(lambda: all(platform.process(name) not in (0, before[name]) for name in MANAGERS), 60)
    platform.apply(JOBS, _train_job("again"))
    platform.world.wait(lambda: _condition(platform, "again", "Complete"), 60)


def test_a_changed_value_reaches_the_running_manager(platform: Platform) -> None:
    before = platform.process("jobset-manager")
    platform.up({**VALUES, "jobset": ("jobset-system", {"controller": {"clientConnection": {"qps": 123}}})})
    assert platform.running_configuration("jobset")["clientConnection"]["qps"] == 123
    assert platform.process("jobset-manager") not in (0, before)


def test_removed_releases_take_their_managers_and_webhooks_along(platform: Platform) -> None:
    for name in ("run", "again"):
        assert platform.world.call(f"{JOBS}/{name}", method="DELETE").is_success
    platform.world.wait(lambda: platform.got(WORKLOADS)["items"] == [], 40)
    for kind in ("clusterqueues/team", "resourceflavors/training"):
        assert platform.world.call(f"/apis/kueue.x-k8s.io/v1beta2/{kind}", method="DELETE").is_success
    platform.world.wait(lambda: platform.got("/apis/kueue.x-k8s.io/v1beta2/resourceflavors")["items"] == [])
    platform.up({})
    assert _hooks(platform) == []
    names = {item.name for item in platform.world.environment.status().processes}
    assert names.isdisjoint(MANAGERS)
    made = platform.world.call("/api/v1/namespaces/team/pods", method="POST", body=_pod())
    assert made.status_code == 201, "nobody is asked about pods any more"


def test_pods_of_a_release_without_a_configuration_tell_why_they_wait(platform: Platform) -> None:
    labels = {"app": "jobset"}
    template = {
        "metadata": {"labels": labels, "annotations": {"simulation.slipway.dev/waits-for": "jobset-manager"}},
        "spec": _pod()["spec"],
    }
    spec = {"selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "jobset"}, "spec": spec}
    platform.apply("/apis/apps/v1/namespaces/team/deployments", deployment)
    path = "/api/v1/namespaces/team/events?fieldSelector=reason=Unhealthy"
    platform.world.wait(lambda: platform.got(path)["items"] != [])
    (event,) = platform.got(path)["items"]
    assert "jobset-manager: controller_manager_config.yaml in namespace team is empty" in event["message"]
    assert event["involvedObject"]["name"].startswith("jobset-")


def _within(promised: Any, received: Any) -> bool:
    """Whether ``received`` has everything of ``promised``; Helm adds the chart's own defaults."""
    if isinstance(promised, dict):
        return all(key in received and _within(item, received[key]) for key, item in promised.items())
    return bool(promised == received)


def _hooks(platform: Platform) -> list[Any]:
    kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
    return [item for kind in kinds for item in platform.got(f"{HOOKS}/{kind}")["items"]]


def _condition(platform: Platform, name: str, kind: str) -> bool:
    conditions = platform.got(f"{JOBS}/{name}").get("status", {}).get("conditions", ())
    return any(item["type"] == kind and item["status"] == "True" for item in conditions)


def _pod() -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": spec}


def _quota(gpus: int) -> list[Any]:
    resources = [{"name": "cpu", "nominalQuota": gpus}]
    return [{"coveredResources": ["cpu"], "flavors": [{"name": "training", "resources": resources}]}]


def _queues(platform: Platform, gpus: int) -> None:
    """A team with a queue, on a runtime that pretends to train."""
    kueue = "kueue.x-k8s.io/v1beta2"
    labels = {"queues": "on"}
    platform.apply("/api/v1/namespaces", {"metadata": {"name": "team", "labels": labels}})
    flavor = {"apiVersion": kueue, "kind": "ResourceFlavor", "metadata": {"name": "training"}, "spec": {}}
    platform.apply(f"/apis/{kueue}/resourceflavors", flavor)
    spec = {"namespaceSelector": {}, "resourceGroups": _quota(gpus)}
    queue = {"apiVersion": kueue, "kind": "ClusterQueue", "metadata": {"name": "team"}, "spec": spec}
    platform.apply(f"/apis/{kueue}/clusterqueues", queue)
    local = {
        "apiVersion": kueue,
        "kind": "LocalQueue",
        "metadata": {"name": "default"},
        "spec": {"clusterQueue": "team"},
    }
    platform.apply(f"/apis/{kueue}/namespaces/team/localqueues", local)
    platform.apply("/apis/trainer.kubeflow.org/v1alpha1/clustertrainingruntimes", _runtime())


def _patch_quota(platform: Platform, gpus: int) -> None:
    path = "/apis/kueue.x-k8s.io/v1beta2/clusterqueues/team"
    queue = platform.got(path)
    queue["spec"]["resourceGroups"] = _quota(gpus)
    answer = platform.world.call(path, method="PUT", body=queue)
    assert answer.is_success, answer.text


def _runtime() -> dict[str, Any]:
    pod = {
        "metadata": {"annotations": {"simulation.slipway.dev/duration": "1s"}},
        "spec": {"containers": [{"name": "node", "image": "none"}]},
    }
    job = {
        "name": "node",
        "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"template": pod},
        },
    }
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "pretended", "labels": {"trainer.kubeflow.org/framework": "torch"}},
        "spec": {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": {"replicatedJobs": [job]}}},
    }


def _train_job(name: str, runtime: str = "pretended") -> dict[str, Any]:
    resources = {"requests": {"cpu": "8"}}
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": {"kueue.x-k8s.io/queue-name": "default"}},
        "spec": {
            "runtimeRef": {"name": runtime},
            "trainer": {"numNodes": 2, "numProcPerNode": 8, "resourcesPerNode": resources},
        },
    }
