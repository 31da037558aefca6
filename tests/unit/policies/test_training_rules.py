"""Rules of training runs on the manifests that the kit writes, beside the examples that the rules carry."""

from datetime import date
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from policies.evaluate import evaluate
from policies.examples_kubernetes import resource
from policies.graph import Resource, ResourceGraph
from policies.rules import BY_ID
from workloads.manifests.runs import manifests
from workloads.recipes import Target, fsdp_4x8
from workloads.specs import NodeShare, Runner

P5 = instance("p5.48xlarge")
PROFILE = fabric_profile(P5, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(P5))
NODE = NodeShare(accelerators=8, accelerators_of_node=8, vcpus=P5.vcpus, memory_gib=P5.memory_gib)
EVERYTHING = ("cpu", "memory", "hugepages-2Mi", "nvidia.com/gpu", "vpc.amazonaws.com/efa")
KUEUE = "kubernetes:kueue.x-k8s.io/v1beta2"


def run(runner: Runner) -> Resource:
    target = Target(namespace="research", pool="training", node=NODE, queue="default", runner=runner)
    made = list(manifests(fsdp_4x8(target), PROFILE).values())[-1]
    return resource(f"kubernetes:{made['apiVersion']}:{made['kind']}", "run", made)


def queue(*covered: str) -> tuple[Resource, ...]:
    spec: dict[str, Any] = {"resourceGroups": [{"coveredResources": list(covered), "flavors": []}]}
    local = {"metadata": {"name": "default", "namespace": "research"}, "spec": {"clusterQueue": "research"}}
    return (
        resource(f"{KUEUE}:ClusterQueue", "research", {"metadata": {"name": "research"}, "spec": spec}),
        resource(f"{KUEUE}:LocalQueue", "research-queue", local),
    )


@pytest.mark.parametrize("runner", Runner)
@pytest.mark.parametrize("forgotten", EVERYTHING)
def test_a_run_that_asks_for_what_its_queue_does_not_cover_is_found(runner: Runner, forgotten: str) -> None:
    covered = [name for name in EVERYTHING if name != forgotten]
    graph = ResourceGraph(resources=(run(runner), *queue(*covered)), stack="test", preview=True)
    found = evaluate(graph, [BY_ID["training-queue-covers"]], today=date(2026, 11, 21))
    assert found.faults == (), "the rule broke"
    assert [(item.resource.name, forgotten in item.violation.message) for item in found.violations] == [("run", True)]


@pytest.mark.parametrize("runner", Runner)
def test_a_run_whose_queue_covers_everything_is_not_told(runner: Runner) -> None:
    graph = ResourceGraph(resources=(run(runner), *queue(*EVERYTHING)), stack="test", preview=True)
    found = evaluate(graph, [BY_ID["training-queue-covers"]], today=date(2026, 11, 21))
    assert (found.faults, found.violations, found.undecided) == ((), (), ())


@pytest.mark.parametrize("launcher", [["torchrun"], ["python", "-m", "workloads.trainer.launch"]], ids=["any", "own"])
def test_a_job_whose_launcher_starts_fewer_processes_than_it_has_gpus_is_found(launcher: list[str]) -> None:
    target = Target(namespace="research", pool="training", node=NODE, runner=Runner.JOB)
    made = manifests(fsdp_4x8(target), PROFILE)["job"]
    made["spec"]["template"]["spec"]["containers"][0]["command"] = [
        *launcher,
        "--nnodes=4",
        "--nproc-per-node=4",
        "x.py",
    ]
    graph = ResourceGraph(resources=(resource("kubernetes:batch/v1:Job", "run", made),), stack="test", preview=True)
    found = evaluate(graph, [BY_ID["training-parallelism-equals-gpus"]], today=date(2026, 11, 21))
    assert [item.violation.message for item in found.violations] == [
        "torchrun starts 4 processes beside 8 accelerators"
    ]
