"""Kueue's objects from pools and shares, to the last figure."""

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from components.kubernetes import queue_objects as objects
from components.kubernetes.quantities import decimal
from components.kubernetes.queue_objects import Preemption, TeamShare
from components.outputs import AcceleratorKind, FabricProfile, PoolOutputs, Taint
from tests.support.outputs import known

P5 = instance("p5.48xlarge")
READY = known("ready")


def pool(name: str, profile: FabricProfile, *, vcpus: int, memory_gib: int) -> PoolOutputs:
    return PoolOutputs(
        name=name,
        instance_type="x",
        nodes=4,
        profile=profile,
        zones=["us-east-1a"],
        vcpus_per_node=vcpus,
        memory_gib_per_node=memory_gib,
        ready=READY,
    )


TRAINING = pool(
    "training",
    fabric_profile(P5, efa=True, node_selector={"slipway.dev/pool": "training"}, taints=default_taints(P5)),
    vcpus=192,
    memory_gib=2048,
)
LOADERS = pool(
    "loaders",
    FabricProfile(
        accelerator=AcceleratorKind.NONE,
        accelerator_model="",
        accelerators_per_node=0,
        accelerator_resource=None,
        node_selector={"slipway.dev/pool": "loaders"},
        taints=[Taint(key="slipway.dev/pool", value="loaders", effect="NoSchedule")],
    ),
    vcpus=8,
    memory_gib=32,
)
POOLS = [TRAINING, LOADERS]
COVERED = ["cpu", "memory", "hugepages-2Mi", "nvidia.com/gpu", "vpc.amazonaws.com/efa"]


def queue(share: TeamShare, *, cohort: str | None = "teams") -> dict[str, object]:
    made = objects.cluster_queue(share, POOLS, cohort=cohort, strategy="StrictFIFO", preemption=Preemption())
    spec: dict[str, object] = made["spec"]
    return spec


def quotas(share: TeamShare, *, cohort: str | None = "teams") -> dict[str, dict[str, dict[str, str]]]:
    """Quotas by flavor and resource."""
    (group,) = objects.resource_groups(POOLS, share, cohort=cohort is not None)
    return {flavor["name"]: {row.pop("name"): row for row in flavor["resources"]} for flavor in group["flavors"]}


def test_three_p5_nodes_are_24_gpus_96_interfaces_and_their_memory() -> None:
    found = quotas(TeamShare(team="research", nodes={"training": 3}, borrowing={"training": 1}))["training"]
    assert {name: row["nominalQuota"] for name, row in found.items()} == {
        "cpu": "576",
        "memory": "6Ti",
        "hugepages-2Mi": "15Gi",
        "nvidia.com/gpu": "24",
        "vpc.amazonaws.com/efa": "96",
    }
    assert found["nvidia.com/gpu"]["borrowingLimit"] == "8"
    assert found["memory"]["borrowingLimit"] == "2Ti"


def test_every_flavor_lists_every_covered_resource_in_the_same_order() -> None:
    share = TeamShare(team="research", nodes={"training": 1, "loaders": 2})
    (group,) = objects.resource_groups(POOLS, share, cohort=True)
    assert sorted(group["coveredResources"]) == sorted(COVERED)
    for flavor in group["flavors"]:
        assert [row["name"] for row in flavor["resources"]] == group["coveredResources"], "Kueue refuses another order"
    assert quotas(share)["loaders"]["nvidia.com/gpu"]["nominalQuota"] == "0"


def test_pools_without_accelerators_are_tried_first() -> None:
    share = TeamShare(team="research", nodes={"training": 1, "loaders": 1})
    assert list(quotas(share)) == ["loaders", "training"], "what needs no GPU must not take a GPU node's processors"


def test_a_team_that_neither_has_nor_borrows_a_pool_does_not_see_it() -> None:
    assert list(quotas(TeamShare(team="chat", nodes={"training": 0, "loaders": 1}))) == ["loaders"]
    assert queue(TeamShare(team="chat", nodes={"training": 0}))["resourceGroups"] == []


def test_nothing_is_lent_or_borrowed_without_a_cohort() -> None:
    share = TeamShare(team="research", nodes={"training": 1}, borrowing={"training": 3}, lending={"training": 1})
    assert quotas(share, cohort=None)["training"]["cpu"] == {"nominalQuota": "192"}
    spec = queue(share, cohort=None)
    assert "cohortName" not in spec
    assert spec["preemption"] == {"reclaimWithinCohort": "Never", "withinClusterQueue": "LowerPriority"}


def test_what_is_lent_is_never_more_than_ones_own() -> None:
    share = TeamShare(team="research", nodes={"training": 1}, lending={"training": 5})
    assert quotas(share)["training"]["nvidia.com/gpu"]["lendingLimit"] == "8"


def test_a_queue_takes_jobs_of_its_own_namespace_only() -> None:
    spec = queue(TeamShare(team="research", nodes={"training": 1}, weight=3))
    assert spec["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "research"}}
    assert (spec["cohortName"], spec["queueingStrategy"], spec["fairSharing"]) == (
        "teams",
        "StrictFIFO",
        {"weight": "3"},
    )


def test_nodes_of_nobody_belong_to_the_cohort() -> None:
    (group,) = objects.cohort("teams", POOLS, {"training": 2})["spec"]["resourceGroups"]
    rows = {row["name"]: row for row in group["flavors"][0]["resources"]}
    assert rows["nvidia.com/gpu"] == {"name": "nvidia.com/gpu", "nominalQuota": "16"}, (
        "a cohort without parent has no limits"
    )
    assert objects.cohort("teams", POOLS, {})["spec"] == {}


def test_a_flavor_is_its_pools_nodes_and_what_must_be_tolerated_there() -> None:
    made = objects.flavor(TRAINING)
    assert made["metadata"]["name"] == "training"
    assert made["spec"] == {
        "nodeLabels": {"slipway.dev/pool": "training"},
        "nodeTaints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}],
        "topologyName": "network-3",
    }
    assert objects.flavor(LOADERS)["spec"]["topologyName"] == "hosts", "every flavor has one, or none is used unasked"


def test_levels_go_from_the_spine_to_the_single_node() -> None:
    assert [level["nodeLabel"] for level in objects.topology(TRAINING.profile)["spec"]["levels"]] == [
        "topology.k8s.aws/network-node-layer-1",
        "topology.k8s.aws/network-node-layer-2",
        "topology.k8s.aws/network-node-layer-3",
        "kubernetes.io/hostname",
    ]
    assert objects.topology(LOADERS.profile)["spec"]["levels"] == [{"nodeLabel": "kubernetes.io/hostname"}]


def test_queues_are_waited_for_until_they_admit() -> None:
    made = objects.local_queue("research")
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("default", "research")
    assert made["metadata"]["annotations"] == {"pulumi.com/waitFor": "condition=Active"}
    assert made["spec"] == {"clusterQueue": "research"}


def test_counts_are_spelled_as_the_server_stores_them() -> None:
    assert [decimal(count) for count in (0, 8, 1536, 1000, 96_000, 2_000_000)] == ["0", "8", "1536", "1k", "96k", "2M"]
