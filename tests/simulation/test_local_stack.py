"""The checked-in stack `local`, from nothing to nothing, as a newcomer sees it. The tests run in their order."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.cluster.nodes import NODE_LABEL, PROCESS
from tests.support.graphs import Comparison, Row, as_the_engine_keeps_it
from tests.support.processes import gone_within
from tests.support.sandbox import Answer, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

GROUP, LOG_GROUP = "aws:ec2/securityGroup:SecurityGroup", "aws:cloudwatch/logGroup:LogGroup"


@dataclass(frozen=True)
class Up:
    """The environment, and what the first `up` said."""

    sandbox: Sandbox
    answer: Answer


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("local"))
    answer = sandbox.expect("up", "local", "--yes")
    yield Up(sandbox, answer)
    sandbox.close()


@pytest.fixture
def local(first: Up) -> Sandbox:
    return first.sandbox


def status(sandbox: Sandbox) -> Any:
    return sandbox.expect("status", "local", "--json").json


def test_up_ends_with_a_summary_and_three_commands_to_try(first: Up) -> None:
    assert "local: ready (simulated: no cloud, no GPU, no bill)" in first.answer.text
    assert "training p5.48xlarge 4/4 32/32 H100 128/128 ready" in first.answer.text
    assert "scratch lustre 4,800 GiB research/scratch Bound ready" in first.answer.text
    _, _, steps = first.answer.output.partition("Try next:")
    assert [line.split()[0] for line in steps.strip().splitlines()] == ["slipway"] * 3


def test_status_counts_32_gpus_and_128_interfaces_and_the_run_is_complete(local: Sandbox) -> None:
    told = status(local)
    assert (told["environment"], told["simulated"], told["ready"]) == ("local", True, True)
    (cluster,) = told["clusters"]
    assert (cluster["name"], cluster["ready"], cluster["nodes_ready"]) == ("main", True, 10)
    (training,) = [pool for pool in cluster["pools"] if pool["name"] == "training"]
    assert (training["nodes_ready"], training["gpus"], training["efa_interfaces"]) == (4, 32, 128)
    (storage,) = told["storage"]
    assert (storage["kind"], storage["capacity_gib"], storage["ready"]) == ("lustre", 4800, True)
    runs = {run["name"]: (run["phase"], run["nodes"], run["gpus"]) for run in told["training"]}
    assert runs == {"pretrain-demo": ("Complete", 4, 32), "docs-demo": ("Complete", 2, 0)}


def test_a_run_of_two_pods_and_four_processes_learned_real_text_and_left_checkpoints_on_lustre(local: Sandbox) -> None:
    (workload,) = _workloads(local, "docs-demo")
    (gang,) = workload["status"]["admission"]["podSetAssignments"]
    assert (gang["count"], set(gang["flavors"].values())) == (2, {"cpu"}), "queued and admitted by Kueue as a whole"
    (directory,) = (local.state / "local").rglob("research/checkpoints/docs-demo")
    events = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    losses = {event["step"]: event["loss"] for event in events if event["event"] == "step"}
    assert sorted(losses) == list(range(1, 41)), "every step once: the run was not disturbed"
    early, late = (sum(losses[step] for step in steps) / 5 for steps in (range(1, 6), range(36, 41)))
    assert late < 0.9 * early, "a model that learns nothing stays at the logarithm of its vocabulary"
    assert sorted(path.name for path in directory.glob("step-*")) == ["step-00000020", "step-00000040"]


def test_kubectl_reads_the_run_and_works_in_a_pod_of_a_process_node(local: Sandbox) -> None:
    def kubectl(*words: str, status: int = 0) -> Answer:
        return local.expect("local", "kubectl", *words, status=status)

    nodes = kubectl("get", "nodes", "--selector", f"{NODE_LABEL}={PROCESS}", "--output", "name").output.split()
    assert len(nodes) == 2
    pods = kubectl("get", "pods", "-n", "research", "--output", "name").output.split()
    (rank_0,) = [name for name in pods if "docs-demo" in name and "-node-0-0-" in name]
    assert "40/40" in kubectl("logs", "-n", "research", "--follow", rank_0).text, "the log outlives the container"

    shell = local.directory / "shell.json"
    shell.write_text(json.dumps(_shell("shell", nodes[0].removeprefix("node/"))))
    kubectl("apply", "--filename", str(shell))
    kubectl("wait", "-n", "research", "--for=condition=Ready", "pod/shell", "--timeout=300s")
    assert kubectl("logs", "-n", "research", "--previous", "shell").output == "first\n"
    assert kubectl("logs", "-n", "research", "shell").output == "again\n"
    seen = kubectl("exec", "-n", "research", "shell", "--", "sh", "-c", "cat /scratch/note; exit 4", status=4)
    assert seen.output == "kept\n", "exec sees the pod's own mounts and ends with the command's exit code"
    kubectl("delete", "-n", "research", "pod", "shell")


def _shell(name: str, node: str) -> dict[str, Any]:
    """A pod that fails once and then stays."""
    again = "echo again; touch /scratch/ready; exec sleep 3600"
    script = f"if test -e /scratch/note; then {again}; fi; echo kept > /scratch/note; echo first; exit 1"
    main = {
        "name": "main",
        "image": "busybox:1.37.0",
        "command": ["sh", "-c", script],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/scratch/ready"]}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "nodeName": node,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [main],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": "research"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def test_every_queue_admits_and_the_run_was_admitted_whole_onto_its_pool(local: Sandbox) -> None:
    queues = {item["team"]: (item["phase"], item["waiting"], item["nodes"]) for item in status(local)["queues"]}
    assert queues["research"][:2] == queues["chat"][:2] == ("Active", 0)
    assert (queues["research"][2]["training"], queues["chat"][2]["training"]) == (4, 0)
    (workload,) = _workloads(local, "pretrain-demo")
    (gang,) = workload["status"]["admission"]["podSetAssignments"]
    assert set(gang["flavors"].values()) == {"training"}
    used = {name: gang["resourceUsage"][name] for name in ("nvidia.com/gpu", "vpc.amazonaws.com/efa", "hugepages-2Mi")}
    assert used == {"nvidia.com/gpu": "32", "vpc.amazonaws.com/efa": "128", "hugepages-2Mi": "20Gi"}
    assert gang["topologyAssignment"]["levels"] == ["kubernetes.io/hostname"], (
        "placed node by node before a pod was made"
    )


def test_a_gang_that_names_no_queue_waits_for_the_one_before_it_and_starts_whole(local: Sandbox) -> None:
    api = local.kubernetes()
    for name in ("gang-1", "gang-2"):
        made = api.create("/apis/batch/v1/namespaces/research/jobs", _gang(name))
        assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "default"
        assert made["spec"]["suspend"], "Kueue starts it, not the Job controller"
    assert eventually(lambda: all(_since(local, name, "Finished") for name in ("gang-1", "gang-2")))
    assert _since(local, "gang-2", "Admitted") >= _since(local, "gang-1", "Finished"), "32 of 32 GPUs were taken"
    for name in ("gang-1", "gang-2"):
        job = api.get(f"/apis/batch/v1/namespaces/research/jobs/{name}")
        assert job is not None
        assert job["status"]["succeeded"] == 4
        api.delete(f"/apis/batch/v1/namespaces/research/jobs/{name}")
    assert eventually(lambda: not _workloads(local, "gang-"))


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true while nothing has gone wrong; the test's own time limit ends a wait in vain."""
    while not condition():
        time.sleep(0.5)
    return True


def _workloads(sandbox: Sandbox, prefix: str) -> list[Any]:
    found = sandbox.kubernetes().list("/apis/kueue.x-k8s.io/v1beta2/namespaces/research/workloads")
    return [item for item in found if item["metadata"]["ownerReferences"][0]["name"].startswith(prefix)]


def _since(sandbox: Sandbox, job: str, condition: str) -> str:
    """When a condition of a job's Workload became true; empty when it is not."""
    conditions = [item for work in _workloads(sandbox, job) for item in work.get("status", {}).get("conditions", [])]
    found = [
        item["lastTransitionTime"] for item in conditions if item["type"] == condition and item["status"] == "True"
    ]
    return str(found[0]) if found else ""


def _gang(name: str) -> dict[str, Any]:
    """Four pods of eight GPUs: all that there are."""
    devices = {"nvidia.com/gpu": "8"}
    main = {
        "name": "main",
        "image": "slipway/trainer:0.1.0",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi", **devices}, "limits": {"memory": "1Gi", **devices}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [main],
    }
    spec = {"parallelism": 4, "completions": 4, "completionMode": "Indexed", "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def test_the_model_service_answers_under_the_real_kserve_manager(local: Sandbox) -> None:
    (service,) = status(local)["inference"]
    assert service == {
        "name": "assistant",
        "namespace": "chat",
        "ready": True,
        "phase": "Ready",
        "replicas": 2,
        "min": 2,
        "max": 4,
        "accelerators": 4,
        "url": "http://assistant-predictor.chat.svc.cluster.local",
    }


def test_plan_and_engine_agree_on_every_resource_and_every_input(local: Sandbox) -> None:
    plan = local.expect("plan", "local", "--json").json["resources"]
    exported = local.pulumi("stack", "export")
    assert exported.status == 0, exported.errors
    kept = [item for item in exported.json["deployment"]["resources"] if item["custom"]]
    engine = [_row(item) for item in kept if not item["type"].startswith("pulumi:")]
    comparison = Comparison()
    comparison.resources([as_the_engine_keeps_it(_row(item)) for item in plan], engine)
    assert comparison.differences == []
    assert len(engine) == len(plan) > 100


def _row(item: dict[str, Any]) -> Row:
    row = Row(item["type"], item["urn"].rpartition("::")[2], item["urn"], item["parent"], item["inputs"])
    return as_the_engine_keeps_it(row)


def test_a_second_up_changes_nothing(local: Sandbox) -> None:
    told = local.expect("up", "local", "--yes").errors
    (summary,) = [line.strip() for line in told.splitlines() if " unchanged" in line and " in 0:" in line]
    assert summary.split(" in ")[0].split(", ") == [summary.split(" in ")[0]], f"more than unchanged: {summary}"


def test_refresh_finds_no_drift(local: Sandbox) -> None:
    assert "no drift: the account is as the state says" in local.expect("refresh", "local").text


def test_drift_is_reported_by_the_name_of_the_property_and_repaired_by_up_with_refresh(local: Sandbox) -> None:
    with local.store() as store:
        (pool,) = [item.id for item in store.find("eks:Nodegroup") if "training" in item.id]
        (group,) = [item.id for item in store.find("logs:LogGroup") if item.id.endswith("/cluster")]
    local.expect("local", "drift", "set", "eks:Nodegroup", pool, "scalingConfig.desiredSize", "3")
    local.expect("local", "drift", "set", "logs:LogGroup", group, "retentionInDays", "1")
    told = local.expect("refresh", "local", status=3).text
    assert "scalingConfig.desiredSize: 4" in told
    assert "retentionInDays: 7" in told
    local.expect("up", "local", "--yes", "--refresh")
    (cluster,) = status(local)["clusters"]
    assert cluster["gpus"] == 40
    assert "no drift" in local.expect("refresh", "local").text


def test_what_somebody_else_made_outlives_the_stack_and_is_named(local: Sandbox) -> None:
    with local.another_caller() as cloud:
        vpc = cloud.create("aws:ec2/vpc:Vpc", "office", {"cidrBlock": "10.200.0.0/16"}).id
        group = cloud.create(GROUP, "by-hand", {"vpcId": vpc, "name": "by-hand", "description": "by hand"}).id
        log = cloud.create(LOG_GROUP, "by-hand", {"name": "/made/by/hand"}).id
    run = _submitted(local)
    told = local.expect("destroy", "local", "--yes", status=3).text
    assert f"destroying: 1 submitted run: {run}" in told, (
        "or the claim that its pods hold would stay, and the engine wait"
    )
    for kind, identifier in (("ec2:Vpc", vpc), ("ec2:SecurityGroup", group), ("logs:LogGroup", log)):
        assert f"{kind} {identifier}" in told
    assert f"ec2:SecurityGroup {group}" in local.expect("local", "down", status=3).text
    with local.another_caller() as cloud:
        cloud.delete(LOG_GROUP, log)
        cloud.delete(GROUP, group)
        cloud.delete("aws:ec2/vpc:Vpc", vpc)


def _submitted(sandbox: Sandbox) -> str:
    """A person's run that runs, and would for long."""
    who = ("--recipe", "debug", "--team", "research", "--pool", "cpu", "--name", "mine", "--steps", "4000")
    run = sandbox.expect("train", "submit", *who, "--json").json["run"]
    until = time.monotonic() + 120
    while (run, "Running") not in {
        (item["run"], item["phase"]) for item in sandbox.expect("train", "list", "--json").json["runs"]
    }:
        assert time.monotonic() < until, "two minutes are enough for a start"
        time.sleep(1)
    return str(run)


def test_after_destroy_the_account_is_empty(local: Sandbox) -> None:
    assert "the simulated account is empty" in local.expect("destroy", "local", "--yes").text
    assert local.remaining() == []


def test_after_down_no_process_and_no_file_is_left(local: Sandbox) -> None:
    assert [process for process in local.processes() if "supervisor" in process.command], "the supervisor ran until now"
    local.expect("local", "down")
    assert gone_within(2.0, local.processes) == []
    assert not (local.state / "local").exists()
