"""Kueue and the training operator as components: their values, their order, and what they refuse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from components import versions
from components.kubernetes.queue_objects import TeamShare
from components.kubernetes.queueing import Queueing, QueueingArgs, configuration, problems, values
from components.kubernetes.team_queue import TeamQueue, TeamQueueArgs
from components.kubernetes.training_operator import TrainingOperator, TrainingOperatorArgs, trainer_values
from components.kubernetes.training_operator import problems as operator_problems
from local.cloud.plan import record
from local.cloud.recording import Recording
from tests.unit.components.test_queue_objects import POOLS
from workloads.manifests.runtimes import cluster_runtimes

MIRROR = "https://charts.example.com"
KUEUE = "kubernetes:kueue.x-k8s.io/v1beta2"
ARGS = QueueingArgs(
    pools=POOLS,
    shares=[
        TeamShare(team="research", nodes={"training": 3}, borrowing={"training": 1}),
        TeamShare(team="chat", nodes={"loaders": 1}),
    ],
    unassigned={"training": 1},
    charts_mirror=MIRROR,
    priorities={"high": 1000, "low": -1000},
)
OPERATOR = TrainingOperatorArgs(charts_mirror=MIRROR, runtimes=cluster_runtimes())


def queueing(args: QueueingArgs = ARGS) -> Recording:
    def program() -> None:
        made = Queueing("queueing", args)
        TeamQueue("research-jobs", TeamQueueArgs(team="research", ready=[made.ready]))

    return record(program, packages={})


def operator(args: TrainingOperatorArgs = OPERATOR) -> Recording:
    return record(lambda: TrainingOperator("operator", args), packages={})


def test_a_run_that_waits_is_evicted_as_a_whole_after_the_stated_minutes() -> None:
    config = configuration(replace(ARGS, wait_minutes=90, recovery_minutes=5, requeues=3))
    assert config["waitForPodsReady"] == {
        "timeout": "1h30m0s",
        "recoveryTimeout": "5m0s",
        "blockAdmission": False,
        "requeuingStrategy": {
            "timestamp": "Eviction",
            "backoffLimitCount": 3,
            "backoffBaseSeconds": 60,
            "backoffMaxSeconds": 3600,
        },
    }


def test_only_jobs_of_teams_are_queued() -> None:
    config = configuration(ARGS)
    assert config["manageJobsWithoutQueueName"] is False
    assert config["managedJobsNamespaceSelector"] == {
        "matchExpressions": [{"key": "slipway.dev/team", "operator": "Exists"}]
    }
    assert config["integrations"]["frameworks"] == [
        "batch/job",
        "jobset.x-k8s.io/jobset",
        "trainer.kubeflow.org/trainjob",
    ], "model services are Deployments and pods, and must start when traffic comes"


def test_fair_sharing_is_there_or_not() -> None:
    assert "fairSharing" in configuration(ARGS)
    assert "fairSharing" not in configuration(replace(ARGS, fair_sharing=False))


def test_the_chart_gets_the_configuration_as_text_and_a_pinned_image() -> None:
    given = values(ARGS)
    assert yaml.safe_load(given["managerConfig"]["controllerManagerConfigYaml"]) == configuration(ARGS)
    manager = given["controllerManager"]["manager"]
    assert manager["image"] == {"tag": f"v{versions.KUEUE}", "pullPolicy": "IfNotPresent"}


def test_a_changed_configuration_starts_the_manager_again() -> None:
    def annotations(args: QueueingArgs) -> Mapping[str, Any]:
        found: Mapping[str, Any] = values(args)["controllerManager"]["manager"]["podAnnotations"]
        return found

    assert annotations(ARGS) == annotations(replace(ARGS, priorities={}))
    assert annotations(ARGS) != annotations(replace(ARGS, wait_minutes=21))


def test_flavors_need_their_topology_and_queues_their_flavors_and_all_of_them_the_manager() -> None:
    recording = queueing()
    manager = recording.get("kubernetes:helm.sh/v3:Release").urn
    flavor = recording.get(f"{KUEUE}:ResourceFlavor", "queueing-training-flavor")
    assert {manager, recording.get(f"{KUEUE}:Topology", "queueing-network-3").urn} <= set(flavor.dependencies)
    cohort = recording.get(f"{KUEUE}:Cohort")
    assert flavor.urn in cohort.dependencies
    queue = recording.get(f"{KUEUE}:ClusterQueue", "queueing-research-queue")
    assert {flavor.urn, cohort.urn} <= set(queue.dependencies)
    local = recording.get(f"{KUEUE}:LocalQueue")
    assert queue.urn in local.dependencies, "it goes first when the stack is destroyed"


def test_priorities_are_classes_with_a_value_beside_the_spec() -> None:
    found = {
        item.inputs["metadata"]["name"]: item.inputs["value"]
        for item in queueing().of_type(f"{KUEUE}:WorkloadPriorityClass")
    }
    assert found == {"high": 1000, "low": -1000}


def test_every_pool_has_a_flavor_and_pools_of_one_kind_share_a_topology() -> None:
    recording = queueing()
    assert len(recording.of_type(f"{KUEUE}:ResourceFlavor")) == 2
    assert {item.inputs["metadata"]["name"] for item in recording.of_type(f"{KUEUE}:Topology")} == {
        "hosts",
        "network-3",
    }


def test_without_a_cohort_there_is_none() -> None:
    recording = queueing(replace(ARGS, cohort=None))
    assert recording.of_type(f"{KUEUE}:Cohort") == []


def test_a_quota_of_an_unknown_pool_is_refused() -> None:
    (found,) = problems(replace(ARGS, shares=[TeamShare(team="research", nodes={"trainig": 1})]))
    assert found == "team research names the pool trainig, which is not queued for"


def test_a_release_without_v1beta2_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "KUEUE", "0.15.2")
    assert problems(ARGS) == ["Kueue 0.15.2 does not store kueue.x-k8s.io/v1beta2: 0.16 is the first that does"]


def test_trainer_comes_after_jobset_and_runtimes_after_trainer() -> None:
    recording = operator()
    trainer = recording.get("kubernetes:helm.sh/v3:Release", "operator-kubeflow-trainer")
    assert recording.get("kubernetes:helm.sh/v3:Release", "operator-jobset").urn in trainer.dependencies
    runtimes = recording.of_type("kubernetes:trainer.kubeflow.org/v1alpha1:ClusterTrainingRuntime")
    assert {item.inputs["metadata"]["name"] for item in runtimes} == {
        "slipway-torch",
        "slipway-torch-elastic",
        "slipway-mpi",
    }
    assert all(trainer.urn in item.dependencies for item in runtimes)


def test_a_cluster_that_has_jobset_gets_no_second_one() -> None:
    recording = operator(replace(OPERATOR, install_jobset=False))
    assert [item.name for item in recording.of_type("kubernetes:helm.sh/v3:Release")] == ["operator-kubeflow-trainer"]
    assert trainer_values(OPERATOR)["jobset"] == {"install": False}


def test_what_is_no_runtime_or_stands_twice_is_refused() -> None:
    (first, *_) = cluster_runtimes()
    wrong = {**first, "kind": "TrainingRuntime"}
    (kind,) = operator_problems(replace(OPERATOR, runtimes=[wrong]))
    assert "is a trainer.kubeflow.org/v1alpha1 TrainingRuntime" in kind
    (twice,) = operator_problems(replace(OPERATOR, runtimes=[first, first]))
    assert twice == "runtime 'slipway-torch' stands twice"


def test_a_trainer_without_runtime_patches_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "TRAINER", "2.1.0")
    (found,) = operator_problems(OPERATOR)
    assert found == "Kubeflow Trainer 2.1.0 has no runtimePatches: 2.2 is the first that does"


def test_arguments_are_refused_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="not queued for"):
        record(lambda: Queueing("queueing", replace(ARGS, shares=[TeamShare(team="x", nodes={"y": 1})])), packages={})
