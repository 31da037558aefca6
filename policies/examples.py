"""Small passing resources of AWS, from which the examples of rules are made."""

from typing import Any, Final

from policies.aws_types import (
    ADDON,
    BUCKET,
    CLUSTER,
    DATA_REPOSITORY,
    EGRESS_RULE,
    INGRESS_RULE,
    LAUNCH_TEMPLATE,
    LUSTRE,
    NODE_GROUP,
    SECURITY_GROUP,
    SUBNET,
    VPC,
)
from policies.graph import Resource

ACCOUNT: Final = "111122223333"
REGION: Final = "us-east-1"
TAGS: Final = {"owner": "platform-team", "cost-center": "1000", "slipway:environment": "prod"}
RESERVATION: Final = "cr-0a1b2c3d4e5f6a7ba"


def made(
    type_: str,
    name: str,
    /,
    *,
    resource_id: str = "",
    protect: bool = False,
    ignore_changes: tuple[str, ...] = (),
    **properties: Any,
) -> Resource:
    """A resource of an example."""
    return Resource(
        type=type_,
        name=name,
        urn=f"urn:pulumi:prod::example::{type_}::{name}",
        id=resource_id,
        protect=protect,
        ignore_changes=ignore_changes,
        properties=properties,
    )


def vpc(name: str = "network", **properties: Any) -> Resource:
    """A network."""
    return made(VPC, name, resource_id="vpc-1", **{"cidrBlock": "10.0.0.0/16", **properties})


def subnet(name: str = "nodes", **properties: Any) -> Resource:
    """A private subnet; its id is its name."""
    known = {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/19", "availabilityZone": "us-east-1a"}
    return made(SUBNET, name, resource_id=name, **{**known, **properties})


def cluster(name: str = "main", **properties: Any) -> Resource:
    """A private cluster."""
    known = {
        "name": name,
        "version": "1.36",
        "vpcConfig": {"endpointPublicAccess": False, "endpointPrivateAccess": True, "subnetIds": ["nodes", "spare"]},
    }
    return made(CLUSTER, name, resource_id=name, **{**known, **properties})


def template(name: str = "template", **properties: Any) -> Resource:
    """The template of machines with one H100 and one EFA; its id is its name."""
    known = {
        "instanceType": "p5.4xlarge",
        "networkInterfaces": [
            {"networkCardIndex": 0, "deviceIndex": 0, "securityGroups": ["fabric"]},
            {"networkCardIndex": 0, "deviceIndex": 1, "interfaceType": "efa-only", "securityGroups": ["fabric"]},
        ],
    }
    return made(LAUNCH_TEMPLATE, name, resource_id=name, **{**known, **properties})


def pool(name: str = "training", **properties: Any) -> Resource:
    """A node group of two machines of ``template``."""
    known = {
        "clusterName": "main",
        "subnetIds": ["nodes"],
        "amiType": "AL2023_x86_64_NVIDIA",
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": 2, "desiredSize": 2, "maxSize": 2},
        "launchTemplate": {"id": "template", "version": "1"},
    }
    return made(NODE_GROUP, name, resource_id=f"main:{name}", **{**known, **properties})


def fabric_group() -> tuple[Resource, ...]:
    """The security group of a fabric: everything from itself and to itself."""
    peers: dict[str, Any] = {"securityGroupId": "fabric", "referencedSecurityGroupId": "fabric", "ipProtocol": "-1"}
    return (
        made(SECURITY_GROUP, "fabric", resource_id="fabric", vpcId="vpc-1"),
        made(INGRESS_RULE, "fabric-in", **peers),
        made(EGRESS_RULE, "fabric-out", **peers),
    )


def addon(name: str, **properties: Any) -> Resource:
    """An add-on of ``cluster``."""
    return made(ADDON, name, **{"clusterName": "main", "addonName": name, **properties})


def lustre(name: str = "scratch", *, protect: bool = False, **properties: Any) -> Resource:
    """A persistent file system; its id is its name."""
    known = {
        "deploymentType": "PERSISTENT_2",
        "storageType": "SSD",
        "storageCapacity": 4800,
        "perUnitStorageThroughput": 250,
        "metadataConfiguration": {"mode": "AUTOMATIC"},
        "fileSystemTypeVersion": "2.15",
        "subnetIds": "nodes",
    }
    return made(LUSTRE, name, resource_id=name, protect=protect, **{**known, **properties})


def repository(name: str = "datasets", **properties: Any) -> Resource:
    """A link of the file system ``scratch`` to a prefix of the lake."""
    known = {"fileSystemId": "scratch", "fileSystemPath": "/datasets", "dataRepositoryPath": "s3://lake/datasets"}
    return made(DATA_REPOSITORY, name, **{**known, **properties})


def bucket(name: str = "lake", *, protect: bool = False, **properties: Any) -> Resource:
    """A bucket; its physical name is its logical one."""
    return made(BUCKET, name, resource_id=name, protect=protect, **{"bucket": name, **properties})
