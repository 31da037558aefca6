"""Readiness: exact counts, and the reason in the words of whoever refuses."""

from typing import Any

import pytest

from cli.outputs import StackOutputs, parse_exports, parse_outputs
from cli.readiness import ClusterView, assess, pool_state
from cli.status_view import print_state, to_json
from cli.terminal import output
from cli.training import RunView, last_checkpoint, phase_of, progress_in, submitted_runs, training_state

EFA = "vpc.amazonaws.com/efa"


def exports(**more: Any) -> dict[str, Any]:
    pool = {
        "name": "training",
        "instanceType": "p5.48xlarge",
        "nodes": 2,
        "acceleratorModel": "H100",
        "gpusPerNode": 8,
        "efaPerNode": 32,
        "gpuResource": "nvidia.com/gpu",
        "fabricResources": {EFA: 32},
        "nodeSelector": {"slipway.dev/pool": "training"},
    }
    cluster = {
        "name": "main",
        "clusterName": "slipway-local-main",
        "endpoint": "https://127.0.0.1:1",
        "version": "1.36",
        "kubeconfig": "{}",
        "access": {"kind": "public"},
        "pools": [pool],
    }
    volume = {"name": "scratch", "kind": "lustre", "id": "fs-1", "capacityGib": 4800, "namespace": "research"}
    run = {"name": "demo", "run": "demo-1", "namespace": "research", "job": "demo-1", "nodes": 2, "gpus": 16}
    return {
        "environment": "local",
        "account": "000000000000",
        "region": "us-east-1",
        "clusters": [cluster],
        "storage": [{**volume, "claim": "scratch", "zone": "us-east-1a"}],
        "training": [{**run, "queue": None}],
        "inference": [],
        "dataLake": None,
    } | more


def outputs() -> StackOutputs:
    return parse_exports(exports(), stack="local")


def node(name: str, *, gpus: int = 8, efa: int = 32, ready: str = "True", pool: str = "training") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"slipway.dev/pool": pool}},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"cpu": "192", "nvidia.com/gpu": str(gpus), EFA: str(efa)},
        },
    }


def claim(phase: str = "Bound") -> dict[str, Any]:
    return {"metadata": {"name": "scratch", "namespace": "research"}, "status": {"phase": phase}}


def job(*conditions: str, ready: int = 0) -> dict[str, Any]:
    listed = [{"type": name, "status": "True", "reason": "R", "message": "m"} for name in conditions]
    return {"metadata": {"name": "demo-1", "namespace": "research"}, "status": {"conditions": listed, "ready": ready}}


def view(**more: Any) -> ClusterView:
    given: dict[str, Any] = {"nodes": [node("a"), node("b")], "claims": [claim()], "jobs": [job("Complete")]}
    return ClusterView(**(given | more))


def reasons(seen: ClusterView) -> list[str]:
    return assess(outputs(), {"main": seen}, simulated=True).reasons


def test_everything_in_place_is_ready_without_reasons() -> None:
    state = assess(outputs(), {"main": view()}, simulated=True)
    assert state.ready
    assert state.reasons == []


def test_the_status_document_holds_what_the_contract_promises() -> None:
    document = to_json(assess(outputs(), {"main": view()}, simulated=True))
    assert (document["environment"], document["simulated"], document["ready"]) == ("local", True, True)
    (cluster,) = document["clusters"]
    wanted = {"name": "main", "ready": True, "nodes_ready": 2, "gpus": 16, "efa_interfaces": 64}
    assert {key: cluster[key] for key in wanted} == wanted
    (volume,) = document["storage"]
    assert {key: volume[key] for key in ("name", "kind", "capacity_gib", "ready")} == {
        "name": "scratch",
        "kind": "lustre",
        "capacity_gib": 4800,
        "ready": True,
    }
    (run,) = document["training"]
    assert {key: run[key] for key in ("name", "phase", "nodes", "gpus")} == {
        "name": "demo",
        "phase": "Complete",
        "nodes": 2,
        "gpus": 16,
    }
    assert document["inference"] == []


def test_nodes_without_a_device_plugin_are_told_so() -> None:
    seen = view(nodes=[node("a", gpus=0), node("b", gpus=0)])
    assert reasons(seen) == [
        "pool training: no nvidia.com/gpu on 2 nodes: the NVIDIA device plugin is not running there"
    ]


def test_a_node_too_few_and_a_node_not_ready_are_two_reasons() -> None:
    pool = outputs().clusters[0].pools[0]
    assert pool_state(pool, view(nodes=[node("a")])).reasons == ["1 of 2 nodes have joined"]
    late = pool_state(pool, view(nodes=[node("a"), node("b", ready="Unknown")]))
    assert late.reasons == ["1 node not Ready: b"]
    assert (late.gpus, late.gpus_wanted, late.ready) == (8, 16, False)


def test_more_devices_than_promised_are_not_ready_either() -> None:
    pool = outputs().clusters[0].pools[0]
    state = pool_state(pool, view(nodes=[node("a"), node("b", gpus=16)]))
    assert not state.ready
    assert state.reasons == ["1 node with another number of nvidia.com/gpu than 8: b"]


def test_nodes_of_other_pools_do_not_count() -> None:
    pool = outputs().clusters[0].pools[0]
    assert pool_state(pool, view(nodes=[node("a"), node("b"), node("c", pool="system")])).nodes_ready == 2


def test_a_pending_claim_comes_with_its_event() -> None:
    event = {
        "type": "Warning",
        "reason": "FailedBinding",
        "message": "no persistent volumes available",
        "metadata": {"namespace": "research"},
        "involvedObject": {"kind": "PersistentVolumeClaim", "name": "scratch"},
    }
    assert reasons(view(claims=[claim("Pending")], events=[event])) == [
        "storage scratch: claim scratch is Pending",
        "storage scratch: FailedBinding: no persistent volumes available",
    ]


def test_waiting_pods_are_explained_by_their_events_each_once() -> None:
    pods = [
        {
            "metadata": {
                "name": f"demo-1-{number}",
                "namespace": "research",
                "labels": {"batch.kubernetes.io/job-name": "demo-1"},
            },
            "status": {"phase": "Pending"},
        }
        for number in range(2)
    ]
    events = [
        {
            "type": "Warning",
            "reason": "FailedScheduling",
            "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
            "metadata": {"namespace": "research"},
            "involvedObject": {"kind": "Pod", "name": f"demo-1-{number}"},
        }
        for number in range(2)
    ]
    assert reasons(view(jobs=[job()], pods=pods, events=events)) == [
        "training demo: 0 of 2 pods run",
        "training demo: 2 pods: FailedScheduling: 0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
    ]


@pytest.mark.parametrize(
    ("found", "phase"),
    [
        (None, "Missing"),
        (job(), "Pending"),
        (job(ready=1), "Pending"),
        (job(ready=2), "Running"),
        (job("Suspended"), "Suspended"),
        (job("FailureTarget", "Failed"), "Failed"),
        (job("SuccessCriteriaMet", "Complete"), "Complete"),
    ],
)
def test_the_phase_of_a_run_comes_from_its_job(found: dict[str, Any] | None, phase: str) -> None:
    (export,) = outputs().training
    assert phase_of(export, found, RunView()) == phase


# --- TrainJobs -----------------------------------------------------------------------------------------------------
TRAINER_RUN = {
    "name": "demo",
    "run": "demo-2",
    "namespace": "research",
    "job": "demo-2",
    "nodes": 2,
    "gpus": 0,
    "processes": 4,
    "runner": "trainer",
}


def trainjob(
    *conditions: str, ready: int = 0, suspend: bool = False, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    listed = [{"type": name, "status": "True", "reason": "R", "message": "m"} for name in conditions]
    jobs = [{"name": "node", "ready": ready, "succeeded": 0, "active": 1}]
    trainer = {"numNodes": 2, "numProcPerNode": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "2"}}}
    return {
        "metadata": {"name": "demo-2", "namespace": "research", "uid": "u-2", "labels": labels or {}},
        "spec": {"suspend": suspend, "runtimeRef": {"name": "slipway-torch"}, "trainer": trainer},
        "status": {"conditions": listed, "jobsStatus": jobs},
    }


def workload(message: str, *, active: bool = True) -> dict[str, Any]:
    condition = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": message}
    return {
        "metadata": {"name": "w", "namespace": "research", "ownerReferences": [{"uid": "u-2", "name": "demo-2"}]},
        "spec": {"active": active},
        "status": {"conditions": [condition]},
    }


@pytest.mark.parametrize(
    ("found", "workloads", "phase"),
    [
        ([], [], "Missing"),
        ([trainjob("Complete")], [], "Complete"),
        ([trainjob("Failed")], [], "Failed"),
        ([trainjob(ready=1)], [], "Running"),
        ([trainjob()], [], "Pending"),
        ([trainjob("Suspended", suspend=True)], [], "Suspended"),
        ([trainjob("Suspended", suspend=True)], [workload("no quota")], "Queued"),
        ([trainjob(suspend=True)], [workload("", active=False)], "Stopped"),
    ],
)
def test_the_phase_of_a_trainjob_comes_from_it_and_from_its_workload(
    found: list[Any], workloads: list[Any], phase: str
) -> None:
    export = parse_exports(exports(training=[TRAINER_RUN]), stack="local").training[0]
    assert training_state(export, RunView(trainjobs=found, workloads=workloads)).phase == phase


def test_a_queued_run_says_what_kueue_waits_for() -> None:
    outputs_ = parse_exports(exports(training=[TRAINER_RUN]), stack="local")
    message = "couldn't assign flavors to pod set node: insufficient unused quota for cpu in flavor cpu, 3 more needed"
    seen = view(trainjobs=[trainjob(suspend=True)], workloads=[workload(message)])
    assert assess(outputs_, {"main": seen}, simulated=True).reasons == [f"training demo: queued by Kueue: {message}"]


def test_progress_is_read_from_the_log_of_the_first_process() -> None:
    log = "step 1/60  loss 5.1234  900 tok/s  ETA 0:01:00\nstep 20/60  loss 3.2500  950 tok/s  ETA 0:00:40\nother\n"
    found = progress_in(log)
    assert found is not None
    assert (found.step, found.steps, found.loss, found.text) == (20, 60, 3.25, "20/60, loss 3.250")
    assert progress_in("starting\n") is None
    assert last_checkpoint("saved step-00000020 in 0.1 s\nsaved step-00000040 in 0.1 s") == 40


def test_a_submitted_run_is_shown_and_decides_nothing() -> None:
    mine = trainjob("Failed", labels={"slipway.dev/origin": "submitted", "app.kubernetes.io/name": "mine"})
    (run,) = submitted_runs(RunView(trainjobs=[mine]))
    assert (run.name, run.nodes, run.gpus, run.processes, run.runner) == ("mine", 2, 4, 4, "trainer")
    state = assess(outputs(), {"main": view(trainjobs=[mine])}, simulated=True)
    assert [(item.run, item.phase, item.submitted) for item in state.training][1:] == [("demo-2", "Failed", True)]
    assert (state.ready, state.reasons) == (True, [])


def test_a_failed_run_says_why() -> None:
    assert reasons(view(jobs=[job("Failed")])) == ["training demo: R: m"]


def test_an_api_server_that_does_not_answer_is_the_one_reason() -> None:
    state = assess(outputs(), {"main": ClusterView(problem="the Kubernetes API does not answer")}, simulated=True)
    assert state.reasons == ["cluster main: the Kubernetes API does not answer"]
    assert not state.ready
    assert [run.phase for run in state.training] == ["Unknown"]


def test_people_see_the_same_state_with_its_mark(capsys: pytest.CaptureFixture[str]) -> None:
    print_state(assess(outputs(), {"main": view(nodes=[node("a")])}, simulated=True), output())
    said = capsys.readouterr().out
    assert "local: not ready (simulated: no cloud, no GPU, no bill)" in said
    assert "1/2" in said
    assert "8/16 H100" in said
    assert "not ready: pool training: 1 of 2 nodes have joined" in said


def test_a_stack_that_is_not_up_has_no_outputs_and_says_so() -> None:
    from cli.errors import UserError

    with pytest.raises(UserError, match="no outputs") as caught:
        parse_outputs("{}", stack="local")
    assert (caught.value.fix, caught.value.status) == ("run `slipway up local`", 3)


def test_exports_of_another_shape_are_named_by_their_place() -> None:
    from cli.errors import UserError

    broken = exports()
    del broken["clusters"][0]["version"]
    with pytest.raises(UserError) as caught:
        parse_exports(broken, stack="local")
    assert caught.value.where == "clusters.0.version"
