from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from components.aws.network import Network, NetworkArgs
from local.cloud.plan import record
from local.cloud.recording import Recording
from tests.support.aws_components import REGION, ZONES, network_args


def built(args: NetworkArgs) -> Recording:
    def program() -> dict[str, object]:
        network = Network("main", args)
        return {"private": dict(network.outputs.private_subnet_ids), "public": dict(network.outputs.public_subnet_ids)}

    return record(program)


@cache
def network() -> Recording:
    return built(network_args())


def test_every_zone_has_a_private_and_a_public_subnet_of_the_plan() -> None:
    plan = Network.address_plan(network_args())
    subnets = {
        (item.name, item.inputs["availabilityZone"], item.inputs["cidrBlock"])
        for item in network().of_type("aws:ec2/subnet:Subnet")
    }
    expected = {(f"main-private-{zone}", zone, block) for zone, block in plan.private.items()}
    expected |= {(f"main-public-{zone}", zone, block) for zone, block in plan.public.items()}
    assert subnets == expected


def test_no_subnet_gives_machines_public_addresses() -> None:
    assert {item.inputs["mapPublicIpOnLaunch"] for item in network().of_type("aws:ec2/subnet:Subnet")} == {False}


def test_each_zone_leaves_by_its_own_nat_gateway() -> None:
    gateways = {item.name: item.id for item in network().of_type("aws:ec2/natGateway:NatGateway")}
    assert sorted(gateways) == [f"main-nat-{zone}" for zone in ZONES]
    for zone in ZONES:
        route = network().get("aws:ec2/route:Route", f"main-private-{zone}-default-route")
        assert route.inputs["natGatewayId"] == gateways[f"main-nat-{zone}"]


def test_one_shared_nat_gateway_serves_every_zone() -> None:
    shared = built(replace(network_args(), nat_per_zone=False))
    (gateway,) = shared.of_type("aws:ec2/natGateway:NatGateway")
    routes = [item for item in shared.of_type("aws:ec2/route:Route") if item.inputs.get("natGatewayId")]
    assert [route.inputs["natGatewayId"] for route in routes] == [gateway.id] * len(ZONES)
    assert len(shared.of_type("aws:ec2/eip:Eip")) == 1


def test_private_subnet_ids_are_handed_on_only_after_their_way_out_exists() -> None:
    association = network().get(
        "aws:ec2/routeTableAssociation:RouteTableAssociation", "main-private-us-east-1a-association"
    )
    route = network().get("aws:ec2/route:Route", "main-private-us-east-1a-default-route")
    subnet = network().get("aws:ec2/subnet:Subnet", "main-private-us-east-1a")
    assert route.urn in association.dependencies
    assert network().result["private"]["us-east-1a"] == subnet.id == association.outputs["subnetId"]


def test_s3_is_reached_by_route_and_other_services_by_interface_in_every_zone() -> None:
    endpoints = {item.name: item for item in network().of_type("aws:ec2/vpcEndpoint:VpcEndpoint")}
    s3 = endpoints.pop("main-endpoint-s3").inputs
    assert (s3["vpcEndpointType"], len(s3["routeTableIds"])) == ("Gateway", len(ZONES))
    assert {item.inputs["serviceName"].removeprefix(f"com.amazonaws.{REGION}.") for item in endpoints.values()} >= {
        "ecr.api",
        "ecr.dkr",
        "eks",
        "eks-auth",
        "sts",
        "logs",
        "fsx",
    }
    private = sorted(network().result["private"].values())
    assert all(sorted(item.inputs["subnetIds"]) == private for item in endpoints.values())
    assert all(item.inputs["privateDnsEnabled"] for item in endpoints.values())


def test_without_interface_endpoints_there_is_no_security_group_for_them() -> None:
    bare = built(replace(network_args(), interface_endpoints=()))
    assert [item.name for item in bare.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")] == ["main-endpoint-s3"]
    assert bare.of_type("aws:ec2/securityGroup:SecurityGroup") == []


def test_the_default_security_group_lets_nothing_through() -> None:
    group = network().get("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").inputs
    assert (group.get("ingress") or [], group.get("egress") or []) == ([], [])


def test_all_traffic_is_logged_to_an_encrypted_group_with_an_end() -> None:
    group = network().get("aws:cloudwatch/logGroup:LogGroup")
    log = network().get("aws:ec2/flowLog:FlowLog")
    key = network().get("aws:kms/key:Key")
    assert (log.inputs["trafficType"], log.inputs["logDestination"]) == ("ALL", group.outputs["arn"])
    assert group.inputs["name"] == "/aws/vpc/slipway-test-main-flow-logs"
    assert (group.inputs["kmsKeyId"], group.inputs["retentionInDays"]) == (key.outputs["arn"], 90)
    assert group.inputs["name"] in key.inputs["policy"]
    assert key.inputs["enableKeyRotation"] is True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda args: replace(args, zones=("us-east-1a",)), "2 to 6"),
        (lambda args: replace(args, zones=("eu-west-1a", "eu-west-1b")), "is not a zone of us-east-1"),
        (lambda args: replace(args, cidr="10.0.0.0/24"), "EC2|too few"),
        (lambda args: replace(args, account_id="1"), "is not an AWS account"),
        (lambda args: replace(args, flow_log_retention_days=10), "retention_days 10 is not offered"),
        (lambda args: replace(args, interface_endpoints=("sts", "sts")), "'sts' is listed twice"),
        (lambda args: replace(args, interface_endpoints=("com.amazonaws.us-east-1.sts",)), "short name"),
        (lambda args: replace(args, interface_endpoints=("s3",)), "gateway endpoint"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_made(
    change: Callable[[NetworkArgs], NetworkArgs], says: str
) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Network("main", change(network_args()))
    assert str(caught.value).startswith("Network 'main': ")


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"account_id .*region .*2 to 6"):
        Network("main", NetworkArgs(account_id="", region="mars", zones=()))
