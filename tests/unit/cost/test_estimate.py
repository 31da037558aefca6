from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from policies.cost.catalogue import Catalogue
from policies.cost.estimate import Block, Category, Estimate, Line, estimate
from policies.graph import UNKNOWN, Operation, Resource
from stacks.governance import Usage
from tests.support.priced import graph, launch_template, node_group, resource

CATALOGUE = Catalogue.load()
BLOCK_ID = "cr-0a1b2c3d4e5f6a7bb"
_TARGET = {"capacityReservationTarget": {"capacityReservationId": BLOCK_ID}}


def priced(*resources: Resource, region: str = "us-east-1", **more: Any) -> Estimate:
    return estimate(graph(*resources, region=region), catalogue=CATALOGUE, **more)


def line(found: Estimate, name: str) -> Line:
    return next(item for item in found.lines if item.name == name)


def amounts(item: Line) -> dict[str, Decimal]:
    return {part.name: part.range.expected for part in item.components}


def test_nodes_cost_their_price_their_hours_and_their_disks() -> None:
    found = line(priced(node_group(sizes=(1, 2, 4)), launch_template()), "gpu")
    assert amounts(found) == {
        "p5.48xlarge on demand": Decimal("55.04") * 730 * 2,
        "volume /dev/xvda, gp3": Decimal("0.08") * 200 * 2,
    }
    assert (found.low, found.high) == (found.expected / 2, found.expected * 2), "1 and 4 nodes are half and twice of 2"
    assert found.category is Category.ACCELERATORS
    assert found.gpu_hours.expected == 8 * 2 * 730
    assert (found.pool, found.cluster, found.region) == ("gpu", "main", "us-east-1")


def test_the_dearest_of_several_types_is_taken() -> None:
    found = line(priced(node_group(instanceTypes=["g6.xlarge", "g6e.xlarge"]), launch_template()), "gpu")
    machine = found.components[0]
    assert machine.name == "g6e.xlarge on demand"
    assert machine.assumption == "dearest of g6.xlarge, g6e.xlarge"


def test_one_unpriced_type_among_several_makes_the_pool_unpriced() -> None:
    found = priced(node_group(instanceTypes=["g6.xlarge", "p5e.48xlarge"]), launch_template())
    gap = found.unpriced[0]
    assert (gap.name, gap.what, gap.concerns_gpu_or_storage) == ("gpu", "p5e.48xlarge on demand", True)
    assert found.total.expected == Decimal("0.08") * 200 * 2, "only the disks count; the machines are named"


def test_spot_has_prices_of_its_own() -> None:
    machine = line(priced(node_group(capacityType="SPOT"), launch_template()), "gpu").components[0]
    assert machine.unit_price is not None
    assert (machine.unit_price.usd, machine.name) == (Decimal("18.7089"), "p5.48xlarge spot")
    assert "moves daily" in machine.assumption


def test_a_reservation_is_billed_at_its_full_size_whatever_runs() -> None:
    template = launch_template(capacityReservationSpecification=_TARGET)
    found = line(priced(node_group(sizes=(0, 1, 8)), template), "gpu")
    machine, disk = found.components
    assert machine.range.low == machine.range.expected == machine.range.high == Decimal("55.04") * 730 * 8
    assert [disk.least, disk.quantity, disk.most] == [Decimal(0), Decimal(200), Decimal(1600)], (
        "disks are billed only for nodes that run"
    )
    assert found.gpu_hours.expected == 8 * 8 * 730, "hours that are paid for, not used"


def test_a_reservation_of_the_stack_is_billed_once() -> None:
    reservation = resource(
        "aws:ec2/capacityReservation:CapacityReservation",
        "reserved",
        {"instanceType": "p5.48xlarge", "instanceCount": 8, "instancePlatform": "Linux/UNIX"},
        id=BLOCK_ID,
    )
    template = launch_template(capacityReservationSpecification=_TARGET)
    found = priced(reservation, node_group(sizes=(0, 8, 8)), template)
    assert line(found, "reserved").expected == Decimal("55.04") * 730 * 8
    assert line(found, "gpu").components[0].range.high == 0
    assert found.gpu_hours.expected == 8 * 8 * 730


def block_pool(**more: Any) -> Estimate:
    template = launch_template(capacityReservationSpecification=_TARGET)
    return priced(node_group(capacityType="CAPACITY_BLOCK", sizes=(0, 0, 4)), template, **more)


def test_a_capacity_block_is_a_fee_paid_at_once_and_spread_over_its_time() -> None:
    block = Block(starts=datetime(2027, 1, 11, 11, 30, tzinfo=UTC), ends=datetime(2027, 1, 25, 11, 30, tzinfo=UTC))
    found = block_pool(blocks={BLOCK_ID: block})
    machine = line(found, "gpu").components[0]
    assert machine.quantity == 4 * 14 * 24, "four machines for fourteen days, although none is desired now"
    assert machine.upfront == machine.monthly == Decimal("47.76") * 4 * 336
    assert found.upfront == ((line(found, "gpu"), machine),)


def test_a_long_block_bills_a_month_of_its_fee() -> None:
    block = Block(starts=datetime(2027, 1, 1, tzinfo=UTC), ends=datetime(2027, 4, 1, tzinfo=UTC))
    machine = line(block_pool(blocks={BLOCK_ID: block}), "gpu").components[0]
    assert machine.quantity == 4 * 730
    assert machine.upfront == Decimal("47.76") * 4 * 90 * 24


def test_what_was_paid_for_a_block_goes_before_the_list_price() -> None:
    block = Block(starts=datetime(2027, 1, 1, tzinfo=UTC), ends=datetime(2027, 1, 2, tzinfo=UTC))
    usage = Usage.model_validate({"capacityBlockFees": {BLOCK_ID: 9600}})
    machine = line(block_pool(blocks={BLOCK_ID: block}, usage=usage), "gpu").components[0]
    assert machine.upfront == machine.monthly == 9600
    assert machine.unit_price is not None
    assert (machine.unit_price.usd, machine.unit_price.as_of) == (Decimal(100), "settings")


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"deploymentType": "SCRATCH_2", "storageCapacity": 1200}, "168"),
        ({"deploymentType": "PERSISTENT_2", "storageCapacity": 38400, "perUnitStorageThroughput": 500}, "13056"),
        (
            {
                "deploymentType": "PERSISTENT_2",
                "storageCapacity": 4800,
                "perUnitStorageThroughput": 125,
                "automaticBackupRetentionDays": 35,
            },
            "816",
        ),
        (
            {
                "deploymentType": "PERSISTENT_2",
                "storageCapacity": 1200,
                "perUnitStorageThroughput": 1000,
                "metadataConfiguration": {"mode": "USER_PROVISIONED", "iops": 12000},
            },
            "1380",
        ),
    ],
)
def test_lustre_is_billed_by_type_tier_backups_and_metadata(properties: dict[str, Any], expected: str) -> None:
    found = priced(resource("aws:fsx/lustreFileSystem:LustreFileSystem", "fs", properties))
    assert line(found, "fs").expected == Decimal(expected)
    assert found.unpriced == ()


def test_dimensions_without_a_price_are_named_and_concern_storage() -> None:
    tiering = {"storageType": "INTELLIGENT_TIERING", "deploymentType": "PERSISTENT_2", "throughputCapacity": 4000}
    found = priced(resource("aws:fsx/lustreFileSystem:LustreFileSystem", "fs", tiering))
    assert amounts(line(found, "fs"))["throughput capacity"] == Decimal("0.52") * 4000
    assert [item.what for item in found.unpriced] == ["frequent tier", "requests"]
    assert all(item.concerns_gpu_or_storage for item in found.unpriced)


def test_endpoints_cost_by_zone_and_gateway_endpoints_nothing() -> None:
    interface = {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN, UNKNOWN, UNKNOWN]}
    found = priced(
        resource("aws:ec2/vpcEndpoint:VpcEndpoint", "ecr", interface),
        resource("aws:ec2/vpcEndpoint:VpcEndpoint", "s3", {"vpcEndpointType": "Gateway"}),
    )
    assert line(found, "ecr").expected == Decimal("0.01") * 730 * 3 + Decimal("0.01") * 10, "subnets need no ids"
    assert [item.name for item in found.free] == ["s3"]


def test_a_pod_costs_nothing_and_its_claim_what_the_class_makes() -> None:
    claims = "kubernetes:core/v1:PersistentVolumeClaim"
    size = {"resources": {"requests": {"storage": "100Gi"}}}
    found = priced(
        resource("kubernetes:batch/v1:Job", "run", {"spec": {"parallelism": 8}}),
        resource(claims, "cache", {"spec": {**size, "storageClassName": "gp3"}}),
        resource(claims, "home", {"spec": {**size, "storageClassName": "", "volumeName": "home-volume"}}),
        resource(claims, "odd", {"spec": {**size, "storageClassName": "netapp"}}),
    )
    assert line(found, "cache").expected == 8
    assert {item.name for item in found.free} == {"run", "home"}, "a static volume is its file system's"
    assert [(item.name, item.concerns_gpu_or_storage) for item in found.unpriced] == [("odd", True)]


def test_a_service_of_type_load_balancer_is_a_load_balancer() -> None:
    subnets = [
        resource("aws:ec2/subnet:Subnet", zone, {"availabilityZone": zone}) for zone in ("us-east-1a", "us-east-1b")
    ]
    service = resource("kubernetes:core/v1:Service", "front", {"spec": {"type": "LoadBalancer"}})
    inside = resource("kubernetes:core/v1:Service", "inside", {"spec": {"type": "ClusterIP"}})
    found = priced(service, inside, *subnets)
    assert amounts(line(found, "front")) == {
        "network load balancer": Decimal("0.0225") * 730,
        "capacity units": Decimal("0.006") * 730,
        "public IPv4 addresses": Decimal("0.005") * 730 * 2,
    }


def test_an_unknown_type_is_unpriced_and_never_nothing() -> None:
    found = priced(resource("aws:sagemaker/endpoint:Endpoint", "endpoint"), resource("aws:sqs/queue:Queue", "queue"))
    assert {(item.name, item.concerns_gpu_or_storage) for item in found.unpriced} == {
        ("endpoint", True),
        ("queue", False),
    }
    assert found.total.high == 0


def test_what_only_the_update_knows_is_unpriced_until_then() -> None:
    found = priced(node_group(scalingConfig=UNKNOWN), launch_template())
    assert [(item.name, item.why) for item in found.unpriced] == [
        ("gpu", "scalingConfig.minSize is only known at the update")
    ]


def test_what_is_about_to_be_deleted_costs_nothing_any_more() -> None:
    assert priced(resource("aws:ec2/eip:Eip", "old", operation=Operation.DELETE)).lines == ()


def test_another_region_is_derived_and_says_so() -> None:
    found = priced(resource("aws:ec2/natGateway:NatGateway", "nat"), region="eu-west-1")
    hours = line(found, "nat").components[0]
    assert hours.unit_price is not None
    assert hours.unit_price.usd == Decimal("0.045") * Decimal("1.1146")
    assert hours.unit_price.derived == "us-east-1 price x 1.1146, the ratio of m7i on demand in eu-west-1"
    assert [item.name for _, item in found.derived] == ["NAT gateway", "data through it"]


def test_a_region_that_nobody_priced_is_unpriced() -> None:
    found = priced(node_group(), launch_template(), region="ap-east-2")
    assert found.total.expected == 0
    assert {item.what for item in found.unpriced} == {"p5.48xlarge on demand", "volume /dev/xvda, gp3"}


def test_without_any_region_nothing_is_guessed() -> None:
    lonely = Resource(type="aws:ec2/eip:Eip", name="ip", urn="urn:ip")
    found = estimate(graph().__class__(resources=(lonely,)), catalogue=CATALOGUE)
    assert [item.why for item in found.unpriced] == ["nothing says in which region it lies"]


@pytest.mark.parametrize(
    ("version", "support", "hourly"),
    [("1.36", "EXTENDED", "0.10"), ("1.31", "EXTENDED", "0.60"), ("1.31", "STANDARD", "0.10")],
)
def test_extended_support_costs_six_times_as_much(version: str, support: str, hourly: str) -> None:
    properties = {"version": version, "upgradePolicy": {"supportType": support}}
    found = line(priced(resource("aws:eks/cluster:Cluster", "main", properties)), "main")
    assert found.expected == Decimal(hourly) * 730


def test_a_provisioned_control_plane_is_billed_on_top() -> None:
    properties = {"version": "1.36", "controlPlaneScalingConfig": {"tier": "tier-2xl"}}
    found = line(priced(resource("aws:eks/cluster:Cluster", "main", properties)), "main")
    assert found.expected == (Decimal("0.10") + Decimal("3.40")) * 730


def test_junk_sizes_are_undecided_instead_of_absurd() -> None:
    for size in ("1e400", "NaN", -5, [1], {"a": 1}, 10**40):
        found = priced(resource("aws:fsx/lustreFileSystem:LustreFileSystem", "fs", {"storageCapacity": size}))
        assert [item.name for item in found.unpriced] == ["fs"], size
