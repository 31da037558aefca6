"""EC2: what carries a tag, what lies in a network, and what of a route table has no tags of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cli.inventory.kinds import HOLDS_DATA, TYPES, route_id
from cli.inventory.owned import NAME_TAG, STACK_TAG, Owned, pages, tags_of

_GONE: Final = frozenset({"deleted", "terminated", "expired", "cancelled"})
"""States in which EC2 still shows for an hour what is no more."""
_FAILED: Final = frozenset({"failed", "error"})
_DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """How EC2 lists one kind."""

    kind: str
    operation: str
    member: str
    id: str
    network: str = "vpc-id"
    """Filter by network; empty when the kind has none."""
    filters: str = "Filters"
    """Name of the parameter, which EC2 spells in two ways."""


def _listing(noun: str, operation: str, **more: str) -> Listing:
    given = {"member": f"{noun}s", "id": f"{noun}Id"} | more
    return Listing(kind=f"ec2:{noun}", operation=operation, **given)


LISTINGS: Final = (
    _listing("Vpc", "describe_vpcs"),
    _listing("Subnet", "describe_subnets"),
    _listing("RouteTable", "describe_route_tables"),
    _listing("InternetGateway", "describe_internet_gateways", network="attachment.vpc-id"),
    _listing("NatGateway", "describe_nat_gateways", filters="Filter"),
    _listing("VpcEndpoint", "describe_vpc_endpoints"),
    _listing("NetworkInterface", "describe_network_interfaces"),
    _listing("SecurityGroup", "describe_security_groups", id="GroupId"),
    _listing("SecurityGroupRule", "describe_security_group_rules", network=""),
    _listing("LaunchTemplate", "describe_launch_templates", network=""),
    _listing("CapacityReservation", "describe_capacity_reservations", network=""),
    _listing("PlacementGroup", "describe_placement_groups", id="GroupName", network=""),
    _listing("FlowLog", "describe_flow_logs", filters="Filter", network="resource-id"),
    _listing("Address", "describe_addresses", member="Addresses", id="AllocationId", network=""),
    _listing("Volume", "describe_volumes", network=""),
)
_INSTANCES: Final = Listing(
    kind="ec2:Instance", operation="describe_instances", member="Reservations", id="InstanceId", network="vpc-id"
)


def tagged(ec2: Any, stack: str) -> list[Owned]:
    """Everything of EC2 that carries the stack's tag, with the routes and associations of its route tables."""
    found: list[Owned] = []
    for listing in (*LISTINGS, _INSTANCES):
        for entry in _entries(ec2, listing, f"tag:{STACK_TAG}", [stack]):
            if not _default_group(listing, entry):
                found.append(_owned(listing, entry))
                found += _of_table(entry) if listing.kind == "ec2:RouteTable" else []
    return found


def in_networks(ec2: Any, networks: Sequence[str]) -> list[Owned]:
    """What lies in the networks, whatever its tags; their main tables and default groups go with them."""
    if not networks:
        return []
    found: list[Owned] = []
    for listing in (*LISTINGS, _INSTANCES):
        if listing.network:
            entries = _entries(ec2, listing, listing.network, networks)
            found += [_owned(listing, one) for one in entries if not _main(one) and not _default_group(listing, one)]
    return found


def matching(ec2: Any, kind: str, filters: Mapping[str, Sequence[str]]) -> list[tuple[Owned, Mapping[str, Any]]]:
    """Objects of a kind that pass EC2's own filters, each with all that EC2 tells of it."""
    listing = next(one for one in LISTINGS if one.kind == kind)
    query = [{"Name": name, "Values": list(values)} for name, values in filters.items()]
    shown = pages(ec2, listing.operation, listing.member, **{listing.filters: query})
    return [(_owned(listing, entry), entry) for entry in shown if _state(entry) not in _GONE]


def _entries(ec2: Any, listing: Listing, name: str, values: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    query = {listing.filters: [{"Name": name, "Values": list(values)}]}
    for entry in pages(ec2, listing.operation, listing.member, **query):
        for one in entry["Instances"] if listing is _INSTANCES else [entry]:
            if _state(one) not in _GONE:
                yield one


def _owned(listing: Listing, entry: Mapping[str, Any]) -> Owned:
    tags, state = tags_of(entry), _state(entry)
    more = (str(entry["GroupId"]), "egress" if entry["IsEgress"] else "ingress") if "IsEgress" in entry else ()
    item = Owned(
        kind=listing.kind,
        types=TYPES.get(listing.kind, ()),
        id=str(entry[listing.id]),
        name=tags.get(NAME_TAG, ""),
        holds_data=listing.kind in HOLDS_DATA,
        failed=state in _FAILED,
        status=state,
    )
    return replace(item, handle=(item.id, *more)) if more else item


def _state(entry: Mapping[str, Any]) -> str:
    found = entry.get("State") or entry.get("Status") or ""
    return str(found.get("Name", "") if isinstance(found, dict) else found).lower()


def _main(entry: Mapping[str, Any]) -> bool:
    return any(isinstance(one, dict) and one.get("Main") for one in entry.get("Associations") or [])


def _default_group(listing: Listing, entry: Mapping[str, Any]) -> bool:
    return listing.kind == "ec2:SecurityGroup" and entry["GroupName"] == "default"


def _of_table(table: Mapping[str, Any]) -> list[Owned]:
    """What was put into a route table: neither routes nor associations have tags."""
    identifier, whose = str(table["RouteTableId"]), f"of {tags_of(table).get(NAME_TAG, table['RouteTableId'])}"
    found: list[Owned] = []
    for route in table.get("Routes") or []:
        name = next((name for name in _DESTINATIONS if route.get(name)), "")
        # A route to a gateway endpoint is the endpoint's own.
        if route.get("Origin") == "CreateRoute" and name and not str(route.get("GatewayId", "")).startswith("vpce-"):
            destination = str(route[name])
            handle = (identifier, name, destination)
            found.append(_child("ec2:Route", route_id(identifier, destination), whose, handle))
    joined = [one["RouteTableAssociationId"] for one in table.get("Associations") or [] if not one.get("Main")]
    return [*found, *(_child("ec2:RouteTableAssociation", str(one), whose) for one in joined)]


def _child(kind: str, identifier: str, whose: str, handle: tuple[str, ...] = ()) -> Owned:
    return Owned(kind=kind, types=TYPES[kind], id=identifier, name=whose, holds_data=False, handle=handle)
