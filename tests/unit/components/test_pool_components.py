from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pulumi
import pytest
from pulumi_aws import ec2

from components.aws.block_schedule import BlockPeriod
from components.aws.capacity import CapacityType, ScalingOwner
from components.aws.gpu_nodes import GpuNodePool, GpuNodePoolArgs
from components.aws.node_pool import NodePool, NodePoolArgs
from components.aws.outputs import AwsClusterOutputs
from components.outputs import AcceleratorKind, NetworkOutputs, PoolOutputs, Taint
from local.cloud.aws.ec2_capacity import OFFERINGS_SETTING
from local.cloud.plan import record
from local.cloud.recording import RecordedResource, Recording
from local.cloud.store import SqliteStore
from tests.support.aws_components import TRAINING_ZONE, ZONES, network_and_cluster, stand_ins, training_args

GROUP = "aws:eks/nodeGroup:NodeGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
SCHEDULE = "aws:autoscaling/schedule:Schedule"
RESERVATION = "cr-0123456789abcdef0"
OFFERING = {
    "CapacityBlockOfferingId": "cb-0123456789abcdef0",
    "InstanceType": "p5.48xlarge",
    "AvailabilityZone": TRAINING_ZONE,
    "InstanceCount": 4,
    "StartDate": "2026-11-01T11:30:00Z",
    "EndDate": "2036-11-01T11:30:00Z",
}
GpuChange = Callable[[GpuNodePoolArgs], GpuNodePoolArgs]


def peers() -> tuple[NetworkOutputs, AwsClusterOutputs]:
    network, cluster = network_and_cluster()
    return network.outputs, cluster.outputs


def gpu_pool(change: GpuChange = lambda args: args, store: SqliteStore | None = None) -> tuple[Recording, PoolOutputs]:
    pools: list[PoolOutputs] = []

    def program() -> None:
        pools.append(GpuNodePool("training", change(training_args(*peers()))).outputs)

    return record(program, store=store), pools[0]


def cpu_pool(change: Callable[[NodePoolArgs], NodePoolArgs] = lambda args: args) -> tuple[Recording, PoolOutputs]:
    pools: list[PoolOutputs] = []

    def program() -> None:
        network, cluster = peers()
        args = NodePoolArgs(cluster=cluster, network=network)
        pools.append(NodePool("system", change(args)).outputs)

    return record(program), pools[0]


@cache
def training() -> tuple[Recording, PoolOutputs]:
    return gpu_pool()


@cache
def system() -> tuple[Recording, PoolOutputs]:
    return cpu_pool()


def template() -> RecordedResource:
    return training()[0].get(TEMPLATE)


def test_four_p5_nodes_show_32_gpus_and_128_efa_interfaces() -> None:
    pool = training()[1]
    assert (pool.nodes, pool.accelerators, pool.fabric_interfaces) == (4, 32, 128)
    assert pool.profile.accelerator is AcceleratorKind.NVIDIA
    assert pool.profile.accelerator_resource == "nvidia.com/gpu"
    assert pool.profile.fabric_resources == {"vpc.amazonaws.com/efa": 32}
    assert pool.profile.hugepages_2mi == 5120
    assert pool.profile.environment["FI_PROVIDER"] == "efa"
    assert (pool.vcpus_per_node, pool.memory_gib_per_node) == (192, 2048)


def test_a_p5_node_has_one_address_and_32_efa_only_interfaces() -> None:
    interfaces = template().inputs["networkInterfaces"]
    primary, *fabric = interfaces
    assert (primary["networkCardIndex"], primary["deviceIndex"], primary.get("interfaceType")) == (0, 0, None)
    assert [item["interfaceType"] for item in fabric] == ["efa-only"] * 32
    assert sorted(item["networkCardIndex"] for item in fabric) == list(range(32))


def test_only_the_primary_interface_is_in_the_cluster_security_group() -> None:
    recording = training()[0]
    fabric_group = recording.get("aws:ec2/securityGroup:SecurityGroup", "training-fabric").id
    cluster_group = recording.get("aws:eks/cluster:Cluster").outputs["vpcConfig"]["clusterSecurityGroupId"]
    primary, *fabric = template().inputs["networkInterfaces"]
    assert sorted(primary["securityGroups"]) == sorted([cluster_group, fabric_group])
    assert all(item["securityGroups"] == [fabric_group] for item in fabric)


def test_the_fabric_group_lets_everything_through_to_and_from_itself_before_nodes_start() -> None:
    recording = training()[0]
    group = recording.get("aws:ec2/securityGroup:SecurityGroup", "training-fabric")
    nodes = recording.get(GROUP)
    for direction in ("Ingress", "Egress"):
        (rule,) = [
            item
            for item in recording.of_type(f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule")
            if item.name.startswith("training-fabric")
        ]
        assert rule.inputs["ipProtocol"] == "-1"
        assert rule.inputs["securityGroupId"] == rule.inputs["referencedSecurityGroupId"] == group.id
        assert rule.urn in nodes.dependencies


def test_metadata_needs_a_token_and_stays_one_hop_away() -> None:
    for recording, _ in (training(), system()):
        assert recording.get(TEMPLATE).inputs["metadataOptions"] == {
            "httpEndpoint": "enabled",
            "httpTokens": "required",
            "httpPutResponseHopLimit": 1,
        }


def test_root_volumes_are_encrypted() -> None:
    for (recording, _), size in ((training(), 200), (system(), 100)):
        (mapping,) = recording.get(TEMPLATE).inputs["blockDeviceMappings"]
        assert (mapping["ebs"]["encrypted"], mapping["ebs"]["volumeType"]) == ("true", "gp3")
        assert mapping["ebs"]["volumeSize"] == size


def test_a_fabric_pool_lives_in_its_one_zone() -> None:
    recording, pool = training()
    subnet = recording.get("aws:ec2/subnet:Subnet", f"main-private-{TRAINING_ZONE}")
    assert recording.get(GROUP).inputs["subnetIds"] == [subnet.id]
    assert pool.zones == (TRAINING_ZONE,)


def test_gpu_nodes_are_repaired_replaced_one_by_one_tainted_and_labelled() -> None:
    inputs = training()[0].get(GROUP).inputs
    assert inputs["nodeRepairConfig"] == {"enabled": True}
    assert inputs["updateConfig"] == {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}
    assert inputs["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    assert inputs["labels"] == {
        "slipway.dev/pool": "training",
        "slipway.dev/accelerator": "H100",
        "nvidia.com/gpu.present": "true",
    }
    assert (inputs["amiType"], inputs["version"]) == ("AL2023_x86_64_NVIDIA", "1.36")


def test_on_demand_fabric_nodes_share_a_cluster_placement_group() -> None:
    group = training()[0].get("aws:ec2/placementGroup:PlacementGroup")
    assert group.inputs["strategy"] == "cluster"
    assert template().inputs["placement"] == {"groupName": group.outputs["name"]}


def reserved(args: GpuNodePoolArgs, identifier: str = RESERVATION) -> GpuNodePoolArgs:
    return replace(args, capacity=CapacityType.RESERVATION, capacity_reservation_id=identifier)


def account_with(buy: Callable[[], pulumi.Output[str]], **settings: object) -> tuple[SqliteStore, str]:
    """An account in which ``buy`` was done before, and the id of the reservation."""
    store = SqliteStore(":memory:")
    for name, value in settings.items():
        store.set_setting(name, value)
    return store, record(buy, store=store).result


def buy_reservation() -> pulumi.Output[str]:
    return ec2.CapacityReservation(
        "bought",
        availability_zone=TRAINING_ZONE,
        instance_count=4,
        instance_platform="Linux/UNIX",
        instance_type="p5.48xlarge",
        instance_match_criteria="targeted",
    ).id


def buy_block() -> pulumi.Output[str]:
    return ec2.CapacityBlockReservation(
        "bought", capacity_block_offering_id="cb-0123456789abcdef0", instance_platform="Linux/UNIX"
    ).id


def test_reserved_machines_are_targeted_without_a_placement_group_of_our_own() -> None:
    store, identifier = account_with(buy_reservation)
    recording, pool = gpu_pool(lambda args: reserved(args, identifier), store)
    inputs = recording.get(TEMPLATE).inputs
    assert inputs["capacityReservationSpecification"] == {
        "capacityReservationTarget": {"capacityReservationId": identifier}
    }
    assert "placement" not in inputs
    assert recording.of_type("aws:ec2/placementGroup:PlacementGroup") == []
    assert pool.fabric_interfaces == 128


def test_a_group_of_reserved_machines_is_deleted_before_its_replacement_asks_for_them() -> None:
    store, identifier = account_with(buy_reservation)
    recording, _ = gpu_pool(lambda args: reserved(args, identifier), store)
    assert recording.get(GROUP).options["deleteBeforeReplace"] is True


def test_accelerated_nodes_go_before_their_replacements_unless_the_settings_have_room_for_both() -> None:
    assert training()[0].get(GROUP).options["deleteBeforeReplace"] is True, "quota and zone seldom hold a pool twice"
    both, _ = gpu_pool(lambda args: replace(args, delete_before_replace=False))
    assert "deleteBeforeReplace" not in both.get(GROUP).options
    assert "deleteBeforeReplace" not in system()[0].get(GROUP).options, "the cluster's own pods move over"


def block_pool(starts: datetime, ends: datetime) -> Recording:
    store, identifier = account_with(buy_block, **{OFFERINGS_SETTING: [OFFERING]})
    block = BlockPeriod(reservation_id=identifier, starts=starts, ends=ends)

    def change(args: GpuNodePoolArgs) -> GpuNodePoolArgs:
        args = replace(reserved(args, identifier), capacity=CapacityType.CAPACITY_BLOCK, confirm_capacity_block=True)
        return replace(args, block=block, nodes=0, min_nodes=0, max_nodes=4)

    return gpu_pool(change, store)[0]


def test_a_pinned_image_is_asked_for_and_an_unpinned_one_left_to_eks() -> None:
    pinned, _ = cpu_pool(lambda args: replace(args, ami_release="1.36.1-20261105"))
    assert pinned.get(GROUP).inputs["releaseVersion"] == "1.36.1-20261105"
    assert "releaseVersion" not in system()[0].get(GROUP).inputs


def test_a_block_that_is_to_come_gets_an_action_that_starts_every_node_of_the_pool() -> None:
    begin = datetime.now(tz=UTC).replace(minute=30, second=0, microsecond=0) + timedelta(days=3)
    made = block_pool(begin, begin + timedelta(days=14))
    action = made.get(SCHEDULE)
    assert action.inputs["desiredCapacity"] == 4
    assert (action.inputs["minSize"], action.inputs["maxSize"]) == (-1, -1), "the bounds are the settings'"
    (resources,) = made.get(GROUP).outputs["resources"]
    assert action.inputs["autoscalingGroupName"] == resources["autoscalingGroups"][0]["name"]
    assert action.inputs["startTime"] == (begin + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert action.options["deleteBeforeReplace"] is True
    assert action.options["replaceOnChanges"] == ["*"]


def test_a_block_that_is_over_has_no_action_and_one_that_runs_has_no_beginning() -> None:
    today = datetime.now(tz=UTC)
    assert block_pool(today - timedelta(days=9), today - timedelta(days=2)).of_type(SCHEDULE) == []
    running = block_pool(today - timedelta(days=2), today + timedelta(days=2)).get(SCHEDULE)
    assert "startTime" not in running.inputs, "Auto Scaling refuses a time in the past"


def test_a_capacity_block_is_bought_for_the_pool_by_market_type_and_left_at_the_size_eks_gives_it() -> None:
    store, identifier = account_with(buy_block, **{OFFERINGS_SETTING: [OFFERING]})
    recording, _ = gpu_pool(
        lambda args: replace(
            reserved(args, identifier), capacity=CapacityType.CAPACITY_BLOCK, confirm_capacity_block=True
        ),
        store,
    )
    assert recording.get(TEMPLATE).inputs["instanceMarketOptions"] == {"marketType": "capacity-block"}
    group = recording.get(GROUP)
    assert (group.inputs["capacityType"], group.options["ignoreChanges"]) == (
        "CAPACITY_BLOCK",
        ["scalingConfig.desiredSize"],
    )
    assert "instanceTypes" not in group.inputs


def test_arguments_of_the_interfaces_follow_the_type() -> None:
    recording, pool = gpu_pool(lambda args: replace(args, instance_type="p4d.24xlarge", nodes=2))
    cards = [item["networkCardIndex"] for item in recording.get(TEMPLATE).inputs["networkInterfaces"]]
    assert cards == [0, 0, 1, 2, 3]
    assert (pool.accelerators, pool.fabric_interfaces) == (16, 8)


@pytest.mark.parametrize(
    ("name", "efa"),
    [
        ("p5en.48xlarge", 16),
        ("p6-b200.48xlarge", 8),
        ("p6-b300.48xlarge", 16),
        ("g6e.48xlarge", 4),
        ("trn1.32xlarge", 8),
    ],
)
def test_ec2_takes_the_interfaces_of_every_family(name: str, efa: int) -> None:
    _, pool = gpu_pool(lambda args: replace(args, instance_type=name, nodes=1, zones=ZONES[:1]))
    assert pool.fabric_interfaces == efa


def test_neuron_nodes_offer_neuron_devices_and_no_gpu() -> None:
    recording, pool = gpu_pool(lambda args: replace(args, instance_type="trn1.32xlarge", nodes=1, zones=ZONES[:1]))
    inputs = recording.get(GROUP).inputs
    assert (pool.profile.accelerator_resource, pool.accelerators) == ("aws.amazon.com/neuron", 16)
    assert inputs["amiType"] == "AL2023_x86_64_NEURON"
    assert inputs["taints"][0]["key"] == "aws.amazon.com/neuron"
    assert "nvidia.com/gpu.present" not in inputs["labels"]


def test_without_efa_the_pool_has_no_fabric_and_every_zone() -> None:
    recording, pool = gpu_pool(lambda args: replace(args, instance_type="g6.12xlarge", efa=False, zones=()))
    inputs = recording.get(TEMPLATE).inputs
    assert {"networkInterfaces", "placement"} & set(inputs) == set()
    assert (pool.zones, pool.fabric_interfaces, pool.profile.hugepages_2mi) == (ZONES, 0, 0)
    assert recording.of_type("aws:ec2/placementGroup:PlacementGroup") == []


def test_a_pool_that_an_autoscaler_owns_is_left_at_its_size() -> None:
    recording, _ = cpu_pool(lambda args: replace(args, scaling_owner=ScalingOwner.AUTOSCALER, max_nodes=6))
    assert recording.get(GROUP).options["ignoreChanges"] == ["scalingConfig.desiredSize"]
    assert "ignoreChanges" not in system()[0].get(GROUP).options


def test_a_cpu_pool_spans_the_network_and_offers_no_accelerator() -> None:
    recording, pool = system()
    inputs = recording.get(GROUP).inputs
    assert inputs["scalingConfig"] == {"desiredSize": 2, "minSize": 2, "maxSize": 2}
    assert (inputs["instanceTypes"], inputs["amiType"]) == (["m7i.2xlarge"], "AL2023_x86_64_STANDARD")
    assert len(inputs["subnetIds"]) == len(ZONES)
    assert (pool.accelerators, pool.profile.accelerator_resource, pool.profile.taints) == (0, None, ())


def test_machines_and_volumes_carry_the_stacks_tags_too() -> None:
    recording, _ = cpu_pool(lambda args: replace(args, tags={"owner": "ml"}))
    found = {item["resourceType"]: item["tags"] for item in recording.get(TEMPLATE).inputs["tagSpecifications"]}
    assert set(found) == {"instance", "volume", "network-interface"}
    assert all(tags["owner"] == "ml" and tags["slipway:resource"] == "system" for tags in found.values())


def test_nodes_may_pull_images_and_join_and_nothing_more() -> None:
    policies = {
        item.inputs["policyArn"].rsplit("/", 1)[-1]
        for item in system()[0].of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if item.name.startswith("system")
    }
    assert policies == {"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"}


def test_a_dedicated_pool_repels_whoever_does_not_name_it_and_tells_its_own_pods_so() -> None:
    own = {"key": "slipway.dev/pool", "value": "system", "effect": "NO_SCHEDULE"}
    recording, pool = cpu_pool(lambda args: replace(args, dedicated=True, labels={"example.com/rack": "r7"}))
    assert recording.get(GROUP).inputs["taints"] == [own]
    assert recording.get(GROUP).inputs["labels"] == {"slipway.dev/pool": "system", "example.com/rack": "r7"}
    assert pool.profile.taints == (Taint(key="slipway.dev/pool", value="system", effect="NoSchedule"),)
    assert pool.profile.node_selector == {"slipway.dev/pool": "system"}, "a toleration alone chooses no node"


def test_a_dedicated_gpu_pool_also_keeps_off_pods_without_a_gpu() -> None:
    recording, pool = gpu_pool(lambda args: replace(args, dedicated=True))
    assert [item["key"] for item in recording.get(GROUP).inputs["taints"]] == ["nvidia.com/gpu", "slipway.dev/pool"]
    assert [taint.key for taint in pool.profile.taints] == ["nvidia.com/gpu", "slipway.dev/pool"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda args: replace(args, instance_type="p5.48xl"), "not in the catalogue"),
        (lambda args: replace(args, instance_type="m7i.2xlarge"), "has no accelerator"),
        (lambda args: replace(args, instance_type="g6.xlarge"), "no Elastic Fabric Adapter"),
        (lambda args: replace(args, zones=()), "one zone only"),
        (lambda args: replace(args, zones=ZONES), "one zone only"),
        (lambda args: replace(reserved(args), placement_group=True), "exclude each other"),
        (lambda args: replace(reserved(args), delete_before_replace=False), "exist once"),
        (lambda args: replace(args, max_nodes=2), "4 nodes are outside"),
        (lambda args: replace(args, root_volume_gib=5), "root_volume_gib 5 is out of range"),
        (lambda args: replace(args, labels={"eks.amazonaws.com/x": "y"}), "EKS writes these itself"),
        (lambda args: replace(args, taints=(Taint(key="a", value="", effect="Never"),)), "effect 'Never'"),
    ],
)
def test_a_gpu_pool_that_cannot_work_is_refused(change: GpuChange, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        record(lambda: GpuNodePool("training", change(training_args(*stand_ins()))), packages={})


def test_accelerated_types_are_not_cpu_pools() -> None:
    def program() -> None:
        network, cluster = stand_ins()
        NodePool("system", NodePoolArgs(cluster=cluster, network=network, instance_type="g6.xlarge"))

    with pytest.raises(ValueError, match="use a GpuNodePool"):
        record(program, packages={})
