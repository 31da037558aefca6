"""Data sources answer from AWS's tables and the account; nothing else is made up. Real accounts are refused."""

from typing import Any

import pytest

from local.cloud.aws import facts
from local.cloud.aws.eks_facts import default_addon_version
from local.cloud.aws.package import PACKAGE
from local.cloud.failures import CloudError


def test_the_caller_is_the_simulated_deployer(world: Any) -> None:
    answer = world.simulator.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})

    assert answer["accountId"] == "000000000000"
    assert answer["arn"] == "arn:aws:sts::000000000000:assumed-role/slipway-deployer/simulated"


def test_zones_have_names_and_ids_in_the_same_order(world: Any) -> None:
    answer = world.simulator.invoke(
        "aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available", "excludeZoneIds": ["use1-az3"]}
    )

    assert answer["names"] == ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"]
    assert answer["zoneIds"] == ["use1-az6", "use1-az1", "use1-az2", "use1-az4", "use1-az5"]


def test_an_unknown_filter_is_an_error_and_not_ignored(world: Any) -> None:
    with pytest.raises(CloudError, match="The filter 'colour' is invalid"):
        world.simulator.invoke(
            "aws:index/getAvailabilityZones:getAvailabilityZones", {"filters": [{"name": "colour", "values": ["red"]}]}
        )


def test_offerings_are_those_of_the_zone(world: Any) -> None:
    answer = world.simulator.invoke(
        "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings",
        {
            "locationType": "availability-zone",
            "filters": [{"name": "instance-type", "values": ["p5en.48xlarge", "p6-b200.48xlarge"]}],
        },
    )

    assert list(zip(answer["instanceTypes"], answer["locations"], strict=True)) == [
        ("p5en.48xlarge", "us-east-1a"),
        ("p5en.48xlarge", "us-east-1c"),
        ("p6-b200.48xlarge", "us-east-1a"),
    ]


def test_an_instance_type_shows_its_gpus_and_interfaces(world: Any) -> None:
    answer = world.simulator.invoke("aws:ec2/getInstanceType:getInstanceType", {"instanceType": "p5.48xlarge"})

    assert (answer["defaultVcpus"], answer["efaMaximumInterfaces"], answer["maximumNetworkCards"]) == (192, 32, 32)
    assert [(gpu["name"], gpu["count"]) for gpu in answer["gpuses"]] == [("H100", 8)]


def test_there_is_no_capacity_block_offering_until_somebody_plants_one(world: Any) -> None:
    wanted = {"instanceType": "p5.48xlarge", "instanceCount": 4, "capacityDurationHours": 24}
    with pytest.raises(CloudError, match="no matching EC2 Capacity Block Offering found"):
        world.simulator.invoke("aws:ec2/getCapacityBlockOffering:getCapacityBlockOffering", wanted)


def test_a_data_source_that_is_not_modelled_fails_by_name(world: Any) -> None:
    with pytest.raises(CloudError, match="aws:ec2/getAmi:getAmi is not modelled by the simulator"):
        world.simulator.invoke("aws:ec2/getAmi:getAmi", {"mostRecent": True})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"allowedAccountIds": []},
        {"allowedAccountIds": ["123456789012"]},
        {"allowedAccountIds": ["000000000000", "123456789012"]},
        {"allowedAccountIds": "000000000000"},
    ],
)
def test_a_provider_that_is_not_marked_as_simulated_is_refused(world: Any, config: dict[str, Any]) -> None:
    with pytest.raises(CloudError, match=r'allowedAccountIds must be exactly \["000000000000"\]'):
        world.simulator.configure(config)


def test_a_provider_that_is_marked_is_taken_with_its_default_tags(world: Any) -> None:
    world.simulator.configure(
        {"region": "us-east-1", "allowedAccountIds": ["000000000000"], "defaultTags": {"tags": {"owner": "a"}}}
    )
    made = world.create("aws:s3/bucket:Bucket", "bucket", {"bucket": "slipway-data"})

    assert made.state["tagsAll"] == {"owner": "a"}


def test_facts_come_from_the_tables_of_the_vendor() -> None:
    assert facts.zone_id("us-east-1", "us-east-1a") == "use1-az6"
    assert facts.zones("mars-north-1") == ()
    assert [zone.name for zone in facts.zones("us-east-2")] == ["us-east-2a", "us-east-2b", "us-east-2c"]
    assert all(len(facts.zones(region)) >= 2 for region in facts.regions()), "EKS needs two zones"
    assert facts.offered_zone_ids("us-east-1", "p5en.48xlarge") == {"use1-az2", "use1-az6"}
    b300 = facts.instance("p6-b300.48xlarge")
    assert b300 is not None
    assert b300.cards[0].interface_types == {"interface"}
    assert b300.max_efa_interfaces == 16
    assert facts.instance("p5.47xlarge") is None


def test_kube_proxy_follows_the_cluster() -> None:
    assert default_addon_version("kube-proxy", "1.36") == "v1.36.3-eksbuild.1"
    assert default_addon_version("vpc-cni", "1.36").endswith("-eksbuild.1")


def test_services_are_spelled_as_the_provider_does() -> None:
    kinds = {binding.kind.split(":")[0] for binding in PACKAGE.bindings.values()}

    assert kinds == set(PACKAGE.service_names)
