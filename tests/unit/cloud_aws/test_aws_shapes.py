"""Bodies in the store have the members of the API's own Describe shapes."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import botocore
import pytest

from local.cloud.aws import scenarios as on

SHAPES = {
    "ec2:Vpc": "Vpc",
    "ec2:Subnet": "Subnet",
    "ec2:InternetGateway": "InternetGateway",
    "ec2:Address": "Address",
    "ec2:NatGateway": "NatGateway",
    "ec2:RouteTable": "RouteTable",
    "ec2:Route": "Route",
    "ec2:RouteTableAssociation": "RouteTableAssociation",
    "ec2:SecurityGroup": "SecurityGroup",
    "ec2:SecurityGroupRule": "SecurityGroupRule",
    "ec2:NetworkInterface": "NetworkInterface",
    "ec2:NetworkAcl": "NetworkAcl",
    "ec2:VpcEndpoint": "VpcEndpoint",
    "ec2:FlowLog": "FlowLog",
    "ec2:LaunchTemplate": "LaunchTemplate",
    "ec2:LaunchTemplateVersion": "LaunchTemplateVersion",
    "ec2:PlacementGroup": "PlacementGroup",
    "ec2:CapacityReservation": "CapacityReservation",
    "eks:Cluster": "Cluster",
    "eks:Nodegroup": "Nodegroup",
    "eks:Addon": "Addon",
    "eks:AccessEntry": "AccessEntry",
    "eks:PodIdentityAssociation": "PodIdentityAssociation",
    "autoscaling:ScheduledUpdateGroupAction": "ScheduledUpdateGroupAction",
    "iam:Role": "Role",
    "iam:Policy": "Policy",
    "kms:Key": "KeyMetadata",
    "kms:Alias": "AliasListEntry",
    "logs:LogGroup": "LogGroup",
    "fsx:FileSystem": "FileSystem",
    "fsx:DataRepositoryAssociation": "DataRepositoryAssociation",
    "s3:Bucket": "Bucket",
}
BESIDES = {
    # answered by DescribeVpcAttribute
    "ec2:Vpc": {
        "EnableDnsSupport",
        "EnableDnsHostnames",
        "EnableNetworkAddressUsageMetrics",
        "AssignGeneratedIpv6CidrBlock",
    },
    # objects of their own here, members of the route table there; the id is the provider's
    "ec2:Route": {"RouteTableId", "RouteId"},
    # the data of the newest version, which DescribeLaunchTemplateVersions shows
    "ec2:LaunchTemplate": {"LaunchTemplateData", "VersionDescription"},
    "ec2:SecurityGroup": {"IpPermissions.Description"},
    "ec2:CapacityReservation": {"CapacityBlockOfferingId"},
    # answered by ListTagsForResource, GetKeyPolicy, GetKeyRotationStatus
    "kms:Key": {"Tags", "Policy", "KeyRotationEnabled", "RotationPeriodInDays"},
    "logs:LogGroup": {"tags"},
    "s3:Bucket": {"Tags", "ObjectLockEnabled"},
    # answered by GetPolicyVersion
    "iam:Policy": {"PolicyDocument"},
    # what was asked for: DescribeAddon shows the ARNs of the associations, which are objects here too
    "eks:Addon": {"podIdentityAssociations[]"},
    # DescribeFileSystems leaves them to the interfaces
    "fsx:FileSystem": {"SecurityGroupIds"},
}


@cache
def _model(service: str) -> dict[str, Any]:
    folder = max((Path(botocore.__file__).parent / "data" / service).iterdir())
    return dict(json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes())))


def _strangers(value: Any, shape: str, service: str, path: str = "") -> list[str]:
    description = _model(service)["shapes"][shape]
    kind = description["type"]
    if kind == "structure":
        if not isinstance(value, dict):
            return [f"{path}[]"]
        found: list[str] = []
        for name, item in value.items():
            at = f"{path}.{name}" if path else name
            member = description["members"].get(name)
            found += [at] if member is None else _strangers(item, member["shape"], service, at)
        return found
    if kind == "list":
        return [text for item in value for text in _strangers(item, description["member"]["shape"], service, path)]
    expected: dict[str, Any] = {
        "string": str,
        "integer": int,
        "long": int,
        "boolean": bool,
        "double": (int, float),
        "map": dict,
        "timestamp": (str, int, float),
    }
    return [] if isinstance(value, expected[kind]) else [f"{path}[]"]


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_a_stored_body_has_only_members_that_the_api_describes(everything: Any, kind: str) -> None:
    service, shape = kind.split(":", maxsplit=1)[0], SHAPES[kind]
    items = everything.store.find(kind)

    assert items, f"the platform has no {kind}"
    for item in items:
        strangers = set(_strangers(item.body, shape, service)) - BESIDES.get(kind, set())
        assert strangers == set(), f"{kind} {item.id}: {sorted(strangers)}"


def test_a_launch_template_version_is_addressed_by_template_and_number(world: Any) -> None:
    made = world.create(on.TEMPLATE_TOKEN, "lt", {"name": "pool", "instanceType": "m7i.2xlarge"})
    checked = world.simulator.check(
        on.TEMPLATE_TOKEN, "lt", {"name": "pool", "instanceType": "p5.48xlarge", "updateDefaultVersion": True}
    )
    state = world.simulator.update(on.TEMPLATE_TOKEN, made.id, made.inputs, checked.inputs, olds=made.state)

    first = world.store.get("ec2:LaunchTemplateVersion", f"{made.id}:1")
    second = world.store.get("ec2:LaunchTemplateVersion", f"{made.id}:2")
    assert (state["latestVersion"], state["defaultVersion"]) == (2, 2)
    assert first.body["LaunchTemplateData"] == {"InstanceType": "m7i.2xlarge"}
    assert second.body["LaunchTemplateData"] == {"InstanceType": "p5.48xlarge"}
