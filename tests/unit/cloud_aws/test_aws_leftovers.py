"""What AWS makes behind the program's back, what it takes away again, and what stays as residue."""

from typing import Any

import pytest

from local.cloud.aws import scenarios as on
from local.cloud.aws.residue import residue
from local.cloud.failures import CloudError
from local.cloud.model import Maker
from tests.support.aws_platform import SETTINGS, STEPS

_LOGGING = {**on.CLUSTER_INPUTS, "enabledClusterLogTypes": ["api"]}
_LOG_NAME = "/aws/eks/demo/cluster"


def _service_made(world: Any, kind: str) -> list[str]:
    return [item.id for item in world.store.objects(maker=Maker.SERVICE) if item.kind == kind]


def test_an_empty_account_has_no_residue(world: Any) -> None:
    assert residue(world.store) == []
    assert world.store.get("iam:Policy", on.CNI_POLICY).body["PolicyName"] == "AmazonEKS_CNI_Policy"


def test_destroying_everything_in_reverse_leaves_an_empty_account(world: Any) -> None:
    for name, value in SETTINGS.items():
        world.store.set_setting(name, value)
    world.build(STEPS)
    for _, name, _ in reversed(STEPS):
        world.delete(name)

    assert [(item.kind, item.id) for item in residue(world.store)] == []


def test_a_vpc_comes_with_its_group_table_and_acl_and_takes_them_along(world: Any) -> None:
    vpc = world.create(*on.VPC)

    assert _service_made(world, "ec2:SecurityGroup") == [vpc.state["defaultSecurityGroupId"]]
    assert _service_made(world, "ec2:RouteTable") == [vpc.state["mainRouteTableId"]]
    assert _service_made(world, "ec2:NetworkAcl") == [vpc.state["defaultNetworkAclId"]]
    world.delete("vpc")
    assert residue(world.store) == []


def test_taking_over_the_default_group_empties_it_and_letting_go_leaves_it(world: Any) -> None:
    vpc = world.create(*on.VPC)
    group = vpc.state["defaultSecurityGroupId"]
    world.create("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "closed", {"vpcId": vpc.id})

    assert world.made["closed"].id == group
    assert world.store.get("ec2:SecurityGroup", group).body["IpPermissions"] == []
    assert world.store.get("ec2:SecurityGroup", group).body["IpPermissionsEgress"] == []
    world.delete("closed")
    assert world.store.get("ec2:SecurityGroup", group).body["GroupName"] == "default"


def test_a_nat_gateway_holds_an_interface_and_its_address_until_it_is_deleted(world: Any) -> None:
    world.build((on.VPC, on.SUBNET_A, on.GATEWAY, on.EIP))
    nat = world.create(on.NAT_TOKEN, "nat", {"allocationId": "${eip}", "subnetId": "${a}"})

    interface = world.store.get("ec2:NetworkInterface", nat.state["networkInterfaceId"])
    assert interface.body["InterfaceType"] == "nat_gateway"
    assert world.store.get("ec2:Address", world.made["eip"].id).body["NetworkInterfaceId"] == interface.id
    world.delete("nat")
    assert _service_made(world, "ec2:NetworkInterface") == []
    assert "AssociationId" not in world.store.get("ec2:Address", world.made["eip"].id).body


def test_a_cluster_brings_interfaces_and_a_group_and_takes_them_along(world: Any) -> None:
    world.build(on.CLUSTER)
    group = world.made["cluster"].state["vpcConfig"]["clusterSecurityGroupId"]

    assert len(_service_made(world, "ec2:NetworkInterface")) == 2
    assert group in _service_made(world, "ec2:SecurityGroup")
    with pytest.raises(CloudError, match="DependencyViolation"):
        world.delete("a")
    world.made["a"] = world.made["b"]
    world.delete("cluster")
    assert _service_made(world, "ec2:NetworkInterface") == []
    assert group not in _service_made(world, "ec2:SecurityGroup")


def test_a_control_plane_whose_log_group_went_first_makes_it_anew(world: Any) -> None:
    world.build(on.BEFORE_CLUSTER)
    world.create(on.LOG_GROUP_TOKEN, "logs", {"name": _LOG_NAME})
    world.create(on.CLUSTER_TOKEN, "cluster", _LOGGING)
    world.delete("logs")
    world.delete("cluster")

    assert [item.id for item in residue(world.store) if item.kind == "logs:LogGroup"] == [_LOG_NAME]


def test_a_log_group_that_outlives_its_cluster_is_no_leftover(world: Any) -> None:
    world.build(on.BEFORE_CLUSTER)
    world.create(on.LOG_GROUP_TOKEN, "logs", {"name": _LOG_NAME})
    world.create(on.CLUSTER_TOKEN, "cluster", _LOGGING)
    world.delete("cluster")
    world.delete("logs")

    assert [item.id for item in residue(world.store) if item.kind == "logs:LogGroup"] == []


def test_a_cluster_group_that_another_rule_names_stays_behind(world: Any) -> None:
    world.build((*on.CLUSTER, on.GROUP))
    group = world.made["cluster"].state["vpcConfig"]["clusterSecurityGroupId"]
    world.create(
        on.INGRESS_TOKEN, "in", {"securityGroupId": "${sg}", "referencedSecurityGroupId": group, "ipProtocol": "-1"}
    )
    world.delete("cluster")

    assert group in _service_made(world, "ec2:SecurityGroup")
    for name in ("in", "sg", "a", "b"):
        world.delete(name)
    with pytest.raises(CloudError, match="DependencyViolation"):
        world.delete("vpc")


def test_node_roles_get_an_access_entry_that_goes_with_the_last_pool(world: Any) -> None:
    world.build((*on.BEFORE_NODES, (on.NODE_GROUP_TOKEN, "pool", on.NODE_INPUTS)))
    entry = f"demo:{world.made['nrole'].state['arn']}"

    assert world.store.get("eks:AccessEntry", entry).body["type"] == "EC2_LINUX"
    world.delete("pool")
    assert world.store.get("eks:AccessEntry", entry) is None


def test_a_file_system_keeps_its_subnet_while_it_lives(world: Any) -> None:
    world.build((*on.NETWORK, (on.LUSTRE_TOKEN, "fs", on.LUSTRE_INPUTS)))

    subnet = world.made["a"]
    with pytest.raises(CloudError, match="DependencyViolation"):
        world.simulator.delete(subnet.token, subnet.id, inputs=subnet.inputs)
    world.delete("fs")
    world.delete("a")
    assert _service_made(world, "ec2:NetworkInterface") == []


def test_something_planted_behind_the_programs_back_is_residue(world: Any) -> None:
    made = world.create(on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data"})

    assert [(item.kind, item.id) for item in residue(world.store)] == [("s3:Bucket", made.id)]
