"""A reference to what is not there is refused, and what is referred to cannot be deleted, with the service's codes."""

from collections.abc import Mapping
from typing import Any

import pytest

from local.cloud.aws import scenarios as on
from local.cloud.failures import CloudError

_VPC_ID = "vpc-0123456789abcdef0"
DANGLING: list[tuple[str, tuple[on.Step, ...], str, Mapping[str, Any]]] = [
    ("InvalidVpcID.NotFound", (), on.SUBNET_TOKEN, {"vpcId": _VPC_ID, "cidrBlock": "10.0.0.0/24"}),
    ("InvalidVpcID.NotFound", (), on.GROUP_TOKEN, {"vpcId": _VPC_ID, "description": "x"}),
    (
        "InvalidAllocationID.NotFound",
        (on.VPC, on.SUBNET_A, on.GATEWAY),
        on.NAT_TOKEN,
        {"subnetId": "${a}", "allocationId": "eipalloc-0123456789abcdef0"},
    ),
    (
        "InvalidRouteTableID.NotFound",
        (),
        on.ROUTE_TOKEN,
        {"routeTableId": "rtb-0123456789abcdef0", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-0"},
    ),
    (
        "InvalidNatGatewayID.NotFound",
        (on.VPC, on.TABLE),
        on.ROUTE_TOKEN,
        {"routeTableId": "${rtb}", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "nat-0123456789abcdef0"},
    ),
    (
        "InvalidGroup.NotFound",
        (),
        on.INGRESS_TOKEN,
        {"securityGroupId": "sg-0123456789abcdef0", "ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8"},
    ),
    (
        "InvalidGroup.NotFound",
        (on.VPC, on.GROUP),
        on.INGRESS_TOKEN,
        {"securityGroupId": "${sg}", "ipProtocol": "-1", "referencedSecurityGroupId": "sg-0123456789abcdef0"},
    ),
    ("NoSuchEntity", (), on.ATTACHMENT_TOKEN, {"role": "nobody", "policyArn": on.CNI_POLICY}),
    (
        "NoSuchEntity",
        (on.NODE_ROLE,),
        on.ATTACHMENT_TOKEN,
        {"role": "${nrole.name}", "policyArn": "arn:aws:iam::aws:policy/AmazonEKSGpuPolicy"},
    ),
    ("NotFoundException", (), on.ALIAS_TOKEN, {"name": "alias/x", "targetKeyId": "0000"}),
    ("ResourceNotFoundException", (), on.ADDON_TOKEN, {"clusterName": "nowhere", "addonName": "vpc-cni"}),
    (
        "InvalidNetworkSettings",
        (),
        on.LUSTRE_TOKEN,
        {**on.LUSTRE_INPUTS, "subnetIds": "subnet-0123456789abcdef0"},
    ),
    (
        "FileSystemNotFound",
        ((on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data"}),),
        on.DATA_LINK_TOKEN,
        {
            "fileSystemId": "fs-0123456789abcdef0",
            "fileSystemPath": "/data",
            "dataRepositoryPath": "s3://slipway-data",
        },
    ),
    (
        "NoSuchBucket",
        (),
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "slipway-none", "versioningConfiguration": {"status": "Enabled"}},
    ),
]


@pytest.mark.parametrize(("code", "given", "token", "inputs"), DANGLING)
def test_a_dangling_reference_is_refused(
    world: Any, code: str, given: tuple[on.Step, ...], token: str, inputs: Mapping[str, Any]
) -> None:
    world.build(given)
    with pytest.raises(CloudError) as refusal:
        world.create(token, "subject", inputs)

    assert refusal.value.code == code
    assert refusal.value.request_id


HOLDING: list[tuple[str, str, tuple[on.Step, ...]]] = [
    ("vpc", "DependencyViolation", (on.VPC, on.SUBNET_A)),
    ("vpc", "DependencyViolation", (on.VPC, on.GATEWAY)),
    ("vpc", "DependencyViolation", (on.VPC, on.GROUP)),
    (
        "eip",
        "InvalidIPAddress.InUse",
        (
            on.VPC,
            on.SUBNET_A,
            on.GATEWAY,
            on.EIP,
            (on.NAT_TOKEN, "nat", {"allocationId": "${eip}", "subnetId": "${a}"}),
        ),
    ),
    (
        "rtb",
        "DependencyViolation",
        (on.VPC, on.SUBNET_A, on.TABLE, (on.ASSOCIATION_TOKEN, "join", {"routeTableId": "${rtb}", "subnetId": "${a}"})),
    ),
    ("nrole", "DeleteConflict", (on.NODE_ROLE, on.NODE_POLICIES[0])),
    (
        "nrole",
        "DeleteConflict",
        (
            on.NODE_ROLE,
            (on.ROLE_POLICY_TOKEN, "inline", {"role": "${nrole.name}", "name": "more", "policy": on.permissions()}),
        ),
    ),
    ("cluster", "ResourceInUseException", (*on.BEFORE_NODES, (on.NODE_GROUP_TOKEN, "pool", on.NODE_INPUTS))),
]


@pytest.mark.parametrize(("name", "code", "given"), HOLDING)
def test_what_is_in_use_cannot_be_deleted(world: Any, name: str, code: str, given: tuple[on.Step, ...]) -> None:
    world.build(given)
    with pytest.raises(CloudError) as refusal:
        world.delete(name)

    assert refusal.value.code == code


def test_a_refused_delete_leaves_everything_as_it_was(world: Any) -> None:
    world.build((*on.BEFORE_NODES, (on.NODE_GROUP_TOKEN, "pool", on.NODE_INPUTS)))
    before = {(item.kind, item.id) for item in world.store.objects()}
    with pytest.raises(CloudError, match="Cluster has nodegroups attached"):
        world.delete("cluster")

    assert {(item.kind, item.id) for item in world.store.objects()} == before
