"""What a stack left at the cloud, by its tags and by its networks: nothing of this is in any state."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cli.inventory import Inventory
from cli.leftovers import Leftover
from cli.project import PROJECT
from local.cloud.model import CloudObject

_BY_NETWORK: Final = (
    ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", "ec2:NetworkInterface"),
    ("describe_security_groups", "SecurityGroups", "GroupId", "ec2:SecurityGroup"),
    ("describe_subnets", "Subnets", "SubnetId", "ec2:Subnet"),
    ("describe_instances", "Reservations", "", "ec2:Instance"),
)
"""EC2 calls that take the filter ``vpc-id``, their collection, the id's member, the kind."""


def by_tag(inventory: Inventory, stack: str) -> list[Leftover]:
    """What still carries the stack's tags."""
    owned = inventory.owned(PROJECT, stack)
    return [Leftover(kind=item.kind, id=item.id, why=f"carries the stack's tags ({item.name})") for item in owned]


def in_networks(objects: Sequence[CloudObject], networks: Sequence[str]) -> list[Leftover]:
    """What lies in one of the stack's networks, in a simulated account."""
    return [
        Leftover(kind=item.kind, id=item.id, why=f"is in {where}")
        for item in objects
        if (where := network_of(item.body)) in networks
    ]


def network_of(body: Mapping[str, Any]) -> str:
    """The VPC of an object, in the places where services say it."""
    nested = body.get("resourcesVpcConfig")
    return str(body.get("VpcId") or (nested.get("vpcId") if isinstance(nested, dict) else "") or "")


def in_real_networks(client: Any, networks: Sequence[str]) -> list[Leftover]:
    """What lies in one of the stack's networks, in a real account; ``client`` is boto3's for EC2."""
    if not networks:
        return []
    found: list[Leftover] = []
    filters = [{"Name": "vpc-id", "Values": list(networks)}]
    for operation, collection, member, kind in _BY_NETWORK:
        for page in client.get_paginator(operation).paginate(Filters=filters):
            for entry in page[collection]:
                rows = [(entry.get(member), entry)] if member else [(i["InstanceId"], i) for i in entry["Instances"]]
                found += [
                    Leftover(kind=kind, id=str(identifier), why=f"is in {row.get('VpcId', networks[0])}")
                    for identifier, row in rows
                ]
    return found


def merged(*lists: Sequence[Leftover]) -> list[Leftover]:
    """Each object once, with every reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in (item for items in lists for item in items):
        reasons = found.setdefault((item.kind, item.id), [])
        if item.why not in reasons:
            reasons.append(item.why)
    return [Leftover(kind=kind, id=identifier, why="; ".join(why)) for (kind, identifier), why in found.items()]
