"""What the supervisor reads out of EKS and EC2 objects of the simulated account."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from local.cloud.model import Account, CloudObject

CLUSTER = "eks:Cluster"
NODE_GROUP = "eks:Nodegroup"
ADDON = "eks:Addon"
ACCESS_ENTRY = "eks:AccessEntry"
ACCESS_ASSOCIATION = "eks:AccessPolicyAssociation"
INSTANCE = "ec2:Instance"
INTERFACE = "ec2:NetworkInterface"
SUBNET = "ec2:Subnet"
LAUNCH_TEMPLATE = "ec2:LaunchTemplate"
LAUNCH_TEMPLATE_VERSION = "ec2:LaunchTemplateVersion"

Body: TypeAlias = Mapping[str, Any]
_DEFAULT_DISK_GIB = 20
_DEFAULT_INSTANCE_TYPE = "t3.medium"
_RESERVED_ADDRESSES = 4
"""AWS keeps the first four addresses of a subnet, and the last one."""


@dataclass(frozen=True, kw_only=True)
class NodeTemplate:
    """How a node group's instances are made: the group's settings with its launch template's laid over them."""

    instance_type: str
    efa_interfaces: int
    interfaces: Sequence[Body]
    """Launch template's NetworkInterfaces; one plain interface when it names none."""
    security_groups: Sequence[str]
    disk_gib: int
    placement_group: str
    launch_template_id: str = ""
    launch_template_version: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


class LaunchError(Exception):
    """Instances could not be launched; ``code`` and the message are those of EKS's node group health."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def node_template(account: Account, group: Body, cluster: Body) -> NodeTemplate:
    """The template of a node group.

    Security groups are the launch template's (of its first interface, else its own), else the cluster's.

    Raises:
        LaunchError: the launch template, or the version of it, is gone.
    """
    reference = group.get("launchTemplate") or {}
    data, template_id, version = _launch_template(account, reference)
    interfaces = data.get("NetworkInterfaces") or [{"NetworkCardIndex": 0, "DeviceIndex": 0}]
    disks = [disk.get("Ebs", {}).get("VolumeSize") for disk in data.get("BlockDeviceMappings") or ()]
    types = group.get("instanceTypes") or [_DEFAULT_INSTANCE_TYPE]
    own_groups = interfaces[0].get("Groups") or data.get("SecurityGroupIds") or ()
    cluster_group = (cluster.get("resourcesVpcConfig") or {}).get("clusterSecurityGroupId")
    return NodeTemplate(
        instance_type=str(data.get("InstanceType") or types[0]),
        efa_interfaces=sum(item.get("InterfaceType") in {"efa", "efa-only"} for item in interfaces),
        interfaces=interfaces,
        security_groups=tuple(own_groups or ([cluster_group] if cluster_group else [])),
        disk_gib=int(next((size for size in disks if size), None) or group.get("diskSize") or _DEFAULT_DISK_GIB),
        placement_group=str((data.get("Placement") or {}).get("GroupName") or ""),
        launch_template_id=template_id,
        launch_template_version=version,
        tags=_instance_tags(data),
    )


def _launch_template(account: Account, reference: Body) -> tuple[Body, str, str]:
    if not reference:
        return {}, "", ""
    template = _find_template(account, reference)
    version = str(reference.get("version") or "$Default")
    if template and version in {"$Latest", "$Default"}:
        member = "LatestVersionNumber" if version == "$Latest" else "DefaultVersionNumber"
        version = str(template.body[member])
    held = account.get(LAUNCH_TEMPLATE_VERSION, f"{template.id}:{version}") if template else None
    if template is None or held is None:
        name = reference.get("id") or reference.get("name")
        raise LaunchError("Ec2LaunchTemplateNotFound", f"Launch template {name} (version {version}) was not found")
    return held.body.get("LaunchTemplateData") or {}, template.id, version


def _find_template(account: Account, reference: Body) -> CloudObject | None:
    if reference.get("id"):
        return account.get(LAUNCH_TEMPLATE, str(reference["id"]))
    if reference.get("name"):
        return next(iter(account.find(LAUNCH_TEMPLATE, LaunchTemplateName=reference["name"])), None)
    return None


def _instance_tags(data: Body) -> dict[str, str]:
    specifications = data.get("TagSpecifications") or ()
    wanted = (item for item in specifications if item.get("ResourceType") == "instance")
    return {tag["Key"]: tag["Value"] for item in wanted for tag in item.get("Tags") or ()}


def free_addresses(cidr: str, used: set[str], count: int) -> list[str]:
    """The first ``count`` addresses of a subnet that AWS does not keep and nobody uses; fewer when it is full."""
    network = ipaddress.ip_network(cidr)
    found: list[str] = []
    for offset in range(_RESERVED_ADDRESSES, network.num_addresses - 1):
        if len(found) == count:
            break
        address = str(network[offset])
        if address not in used:
            found.append(address)
    return found
