"""Instances and network interfaces that the service makes for a node group, in the simulated account."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from local.cloud.faults import FaultType, Target
from local.cloud.model import CloudObject, Maker
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import INSTANCE, INTERFACE, SUBNET, LaunchError, NodeTemplate, free_addresses
from local.cluster.nodes import node_name

_CLUSTER_TAG = "eks:cluster-name"
_GROUP_TAG = "eks:nodegroup-name"
_TEMPLATE_TAG = "aws:ec2launchtemplate:id"
_VERSION_TAG = "aws:ec2launchtemplate:version"
ZONE = "zone"
"""Parameter of a fault on launches: only this zone takes no new instances."""
_BATCH = 50
"""Instances per write transaction: other writers wait for milliseconds, not for a thousand instances."""


def instances_of(store: SqliteStore, cluster: str, group: str) -> list[CloudObject]:
    """The living instances of a node group, oldest first."""
    return [item for item in store.mentioning(INSTANCE, group) if _belongs(item, cluster, group)]


def is_current(item: CloudObject, template: NodeTemplate) -> bool:
    """Whether the instance was launched from this very version of the template."""
    version = _tags(item).get(_VERSION_TAG, "")
    return version == template.launch_template_version and item.body["InstanceType"] == template.instance_type


def launch(
    store: SqliteStore, template: NodeTemplate, *, cluster: str, group: str, subnets: Sequence[str], count: int
) -> None:
    """Launch ``count`` instances, spread over those of ``subnets`` whose zones take new ones, as a group does.

    Raises:
        LaunchError: no capacity (a planted fault), no such subnet, or no addresses left; nothing was launched.
    """
    lost = _refused_by_fault(store, template, group)
    usable = [item for item in subnets if _zone(store, item) not in lost]
    if subnets and not usable:
        raise LaunchError("AsgInstanceLaunchFailures", _capacity_message({}, template))
    places = _places(store, template, usable, count)
    for first in range(0, count, _BATCH):
        with store.transaction():
            for subnet, addresses in places[first : first + _BATCH]:
                _launch_one(store, template, (cluster, group), subnet, addresses)


def terminate(store: SqliteStore, instances: Iterable[CloudObject]) -> None:
    """Remove instances together with their network interfaces."""
    doomed = list(instances)
    for first in range(0, len(doomed), _BATCH):
        with store.transaction():
            for item in doomed[first : first + _BATCH]:
                for attached in item.body.get("NetworkInterfaces") or ():
                    store.remove(INTERFACE, attached["NetworkInterfaceId"])
                store.remove(INSTANCE, item.id)


def _refused_by_fault(store: SqliteStore, template: NodeTemplate, group: str) -> set[str]:
    """The zones that planted faults have lost; a fault that names no zone refuses the whole launch."""
    target = Target(
        operation="create",
        api="RunInstances",
        kind=INSTANCE,
        token="aws:ec2/instance:Instance",  # noqa: S106 - a Pulumi type token, no secret
        identifier=template.instance_type,
        name=group,
    )
    lost: set[str] = set()
    for fault in store.take_faults(target):
        if fault.type not in {FaultType.CAPACITY, FaultType.ERROR}:
            continue
        if ZONE not in fault.parameters:
            raise LaunchError("AsgInstanceLaunchFailures", _capacity_message(fault.parameters, template))
        lost.add(str(fault.parameters[ZONE]))
    return lost


def _zone(store: SqliteStore, subnet: str) -> str:
    found = store.get(SUBNET, subnet)
    return str(found.body.get("AvailabilityZone", "")) if found else ""


def _capacity_message(parameters: Mapping[str, Any], template: NodeTemplate) -> str:
    code = parameters.get("code", "InsufficientInstanceCapacity")
    default = (
        f"We currently do not have sufficient {template.instance_type} capacity in the Availability Zone you "
        f"requested. Launching EC2 instance failed. ({code})"
    )
    return f"Could not launch On-Demand Instances. {code} - {parameters.get('message', default)}"


def _places(
    store: SqliteStore, template: NodeTemplate, subnets: Sequence[str], count: int
) -> list[tuple[CloudObject, list[str]]]:
    """Subnet and addresses of each new instance, in turn over the subnets."""
    per_node = sum(item.get("InterfaceType") != "efa-only" for item in template.interfaces)
    queues: list[list[tuple[CloudObject, list[str]]]] = []
    for index, subnet_id in enumerate(subnets):
        subnet = store.get(SUBNET, subnet_id)
        if subnet is None:
            raise LaunchError("Ec2SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
        nodes = len(range(index, count, len(subnets)))
        used = {item.body.get("PrivateIpAddress", "") for item in store.find(INTERFACE, SubnetId=subnet_id)}
        free = free_addresses(subnet.body["CidrBlock"], used, nodes * per_node)
        if len(free) < nodes * per_node:
            raise LaunchError(
                "InsufficientFreeAddresses",
                "One or more of the subnets associated with your managed node group do not have enough available IP "
                f"addresses for new nodes: {subnet_id} has {len(free)} of {nodes * per_node}",
            )
        queues.append([(subnet, free[slot * per_node : (slot + 1) * per_node]) for slot in range(nodes)])
    return [queues[position % len(queues)][position // len(queues)] for position in range(count)]


def _launch_one(
    store: SqliteStore, template: NodeTemplate, owner: tuple[str, str], subnet: CloudObject, addresses: list[str]
) -> None:
    cluster, group = owner
    identifier = store.new_id("i-")
    zone, vpc = subnet.body.get("AvailabilityZone", ""), subnet.body.get("VpcId", "")
    remaining = iter(addresses)
    attached = []
    for item in template.interfaces:
        address = None if item.get("InterfaceType") == "efa-only" else next(remaining)
        interface = _interface(
            store.new_id("eni-"), {"Groups": template.security_groups, **item}, subnet, identifier, address
        )
        store.put(interface)
        attached.append({"NetworkInterfaceId": interface.id, "InterfaceType": interface.body["InterfaceType"]})
    tags = {_CLUSTER_TAG: cluster, _GROUP_TAG: group, f"kubernetes.io/cluster/{cluster}": "owned", **template.tags}
    if template.launch_template_id:
        tags |= {_TEMPLATE_TAG: template.launch_template_id, _VERSION_TAG: template.launch_template_version}
    body = {
        "InstanceId": identifier,
        "InstanceType": template.instance_type,
        "State": {"Code": 16, "Name": "running"},
        "PrivateIpAddress": addresses[0],
        "PrivateDnsName": node_name(addresses[0], subnet.region),
        "SubnetId": subnet.id,
        "VpcId": vpc,
        "Placement": {"AvailabilityZone": zone, "GroupName": template.placement_group, "Tenancy": "default"},
        "SecurityGroups": [{"GroupId": security_group} for security_group in template.security_groups],
        "NetworkInterfaces": attached,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    store.put(CloudObject(kind=INSTANCE, id=identifier, region=subnet.region, body=body, maker=Maker.SERVICE))


def _interface(
    identifier: str,
    item: Mapping[str, Any],
    subnet: CloudObject,
    instance: str,
    address: str | None,
) -> CloudObject:
    body: dict[str, Any] = {
        "NetworkInterfaceId": identifier,
        "InterfaceType": item.get("InterfaceType") or "interface",
        "Description": "",
        "SubnetId": subnet.id,
        "VpcId": subnet.body.get("VpcId", ""),
        "AvailabilityZone": subnet.body.get("AvailabilityZone", ""),
        "Groups": [{"GroupId": group} for group in item["Groups"]],
        "Status": "in-use",
        "Attachment": {
            "InstanceId": instance,
            "DeviceIndex": item.get("DeviceIndex", 0),
            "NetworkCardIndex": item.get("NetworkCardIndex", 0),
            "Status": "attached",
            "DeleteOnTermination": True,
        },
    }
    if address:
        body["PrivateIpAddress"] = address
    return CloudObject(kind=INTERFACE, id=identifier, region=subnet.region, body=body, maker=Maker.SERVICE)


def _belongs(item: CloudObject, cluster: str, group: str) -> bool:
    tags = _tags(item)
    return tags.get(_CLUSTER_TAG) == cluster and tags.get(_GROUP_TAG) == group


def _tags(item: CloudObject) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.body.get("Tags") or ()}
