"""EC2: describe, by table.

Filters and error codes: Amazon EC2 API Reference, each Describe action and "Error codes"; other filters are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from local.cloud.aws.facts import offered_types, offered_zone_ids, zone_name, zones
from local.cloud.endpoint.ec2_bodies import complete
from local.cloud.endpoint.listing import page, select
from local.cloud.endpoint.registry import CALLS, READ_KINDS, Asked, serves
from local.cloud.endpoint.shapes import project
from local.cloud.model import ApiError
from local.cloud.values import Json

_PAGE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One Describe call over one kind."""

    kind: str
    operation: str
    result: str
    """Output member with the items."""
    id: str
    """Member that identifies an item."""
    ids: str = ""
    """Input member with wanted ids; empty when the call has none."""
    missing: str = ""
    """Error code for a wanted id that is not there."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Filter name -> path in the body."""


def _listing(noun: str, prefix: str, missing: str, **filters: str) -> Listing:
    """The usual spelling: DescribeVpcs, Vpcs, VpcIds, VpcId."""
    named = {name.replace("_", "-"): path for name, path in filters.items()}
    return Listing(
        kind=f"ec2:{noun}",
        operation=f"Describe{noun}s",
        result=f"{noun}s",
        id=f"{noun}Id",
        ids=f"{noun}Ids",
        missing=missing,
        filters={f"{prefix}-id": f"{noun}Id", **named},
    )


LISTINGS: Final = (
    _listing("Vpc", "vpc", "InvalidVpcID.NotFound", cidr="CidrBlock", state="State", is_default="IsDefault"),
    _listing(
        "Subnet",
        "subnet",
        "InvalidSubnetID.NotFound",
        vpc_id="VpcId",
        availability_zone="AvailabilityZone",
        cidr_block="CidrBlock",
        state="State",
    ),
    _listing(
        "RouteTable",
        "route-table",
        "InvalidRouteTableID.NotFound",
        vpc_id="VpcId",
        **{"association.main": "Associations[].Main", "association.subnet-id": "Associations[].SubnetId"},
    ),
    _listing(
        "InternetGateway",
        "internet-gateway",
        "InvalidInternetGatewayID.NotFound",
        **{"attachment.vpc-id": "Attachments[].VpcId"},
    ),
    _listing("NatGateway", "nat-gateway", "NatGatewayNotFound", vpc_id="VpcId", subnet_id="SubnetId", state="State"),
    _listing(
        "VpcEndpoint",
        "vpc-endpoint",
        "InvalidVpcEndpointId.NotFound",
        vpc_id="VpcId",
        service_name="ServiceName",
        vpc_endpoint_state="State",
    ),
    _listing(
        "NetworkInterface",
        "network-interface",
        "InvalidNetworkInterfaceID.NotFound",
        vpc_id="VpcId",
        subnet_id="SubnetId",
        status="Status",
        group_id="Groups[].GroupId",
        interface_type="InterfaceType",
        description="Description",
        **{"attachment.instance-id": "Attachment.InstanceId"},
    ),
    _listing(
        "Volume",
        "volume",
        "InvalidVolume.NotFound",
        status="State",
        availability_zone="AvailabilityZone",
        volume_type="VolumeType",
        **{"attachment.instance-id": "Attachments[].InstanceId"},
    ),
    _listing(
        "LaunchTemplate",
        "launch-template",
        "InvalidLaunchTemplateId.NotFound",
        launch_template_name="LaunchTemplateName",
    ),
    _listing(
        "CapacityReservation",
        "capacity-reservation",
        "InvalidCapacityReservationId.NotFound",
        instance_type="InstanceType",
        availability_zone="AvailabilityZone",
        state="State",
    ),
    _listing(
        "SecurityGroupRule",
        "security-group-rule",
        "InvalidSecurityGroupRuleId.NotFound",
        group_id="GroupId",
    ),
    Listing(
        kind="ec2:SecurityGroup",
        operation="DescribeSecurityGroups",
        result="SecurityGroups",
        id="GroupId",
        ids="GroupIds",
        missing="InvalidGroup.NotFound",
        filters={
            "vpc-id": "VpcId",
            "group-id": "GroupId",
            "group-name": "GroupName",
            "ip-permission.group-id": "IpPermissions[].UserIdGroupPairs[].GroupId",
            "egress.ip-permission.group-id": "IpPermissionsEgress[].UserIdGroupPairs[].GroupId",
        },
    ),
    Listing(
        kind="ec2:Address",
        operation="DescribeAddresses",
        result="Addresses",
        id="AllocationId",
        ids="AllocationIds",
        missing="InvalidAllocationID.NotFound",
        filters={
            "allocation-id": "AllocationId",
            "association-id": "AssociationId",
            "public-ip": "PublicIp",
            "network-interface-id": "NetworkInterfaceId",
        },
    ),
    Listing(
        kind="ec2:FlowLog",
        operation="DescribeFlowLogs",
        result="FlowLogs",
        id="FlowLogId",
        ids="FlowLogIds",
        missing="InvalidFlowLogId.NotFound",
        filters={"flow-log-id": "FlowLogId", "resource-id": "ResourceId", "log-group-name": "LogGroupName"},
    ),
    Listing(
        kind="ec2:PlacementGroup",
        operation="DescribePlacementGroups",
        result="PlacementGroups",
        id="GroupName",
        ids="GroupNames",
        missing="InvalidPlacementGroup.Unknown",
        filters={"group-name": "GroupName", "state": "State", "strategy": "Strategy"},
    ),
)
_INSTANCES: Final = Listing(
    kind="ec2:Instance",
    operation="DescribeInstances",
    result="Reservations",
    id="InstanceId",
    ids="InstanceIds",
    missing="InvalidInstanceID.NotFound",
    filters={
        "instance-id": "InstanceId",
        "instance-state-name": "State.Name",
        "instance-type": "InstanceType",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
)


def _found(asked: Asked, listing: Listing) -> list[dict[str, Json]]:
    """Bodies by ids and filters, oldest first."""
    bodies = [complete(item, asked.store) for item in asked.store.find(listing.kind)]
    wanted: Sequence[str] = asked.parameters.get(listing.ids) or []
    known = {str(body.get(listing.id)) for body in bodies}
    absent = [one for one in wanted if one not in known]
    if absent:
        noun = listing.kind.partition(":")[2]
        raise ApiError(listing.missing, f"The {noun} ID '{absent[0]}' does not exist")
    bodies = [body for body in bodies if not wanted or body.get(listing.id) in wanted]
    filters = asked.parameters.get("Filters") or asked.parameters.get("Filter") or []
    return select(bodies, filters, listing.filters)


def _page(asked: Asked, items: Sequence[dict[str, Json]]) -> tuple[list[dict[str, Json]], dict[str, Json]]:
    token, size = asked.parameters.get("NextToken"), asked.parameters.get("MaxResults")
    shown, following = page(items, token, size, default=_PAGE, invalid="InvalidNextToken")
    return shown, {"NextToken": following} if following else {}


def _describe(listing: Listing, asked: Asked) -> Mapping[str, Json]:
    shown, more = _page(asked, _found(asked, listing))
    shape = asked.items(listing.result)
    return {listing.result: [project(body, shape) for body in shown], **more}


for _one in LISTINGS:
    CALLS["ec2", _one.operation] = partial(_describe, _one)
    READ_KINDS["ec2", _one.operation] = _one.kind


@serves("ec2", "DescribeInstances")
def describe_instances(asked: Asked) -> Mapping[str, Json]:
    """Each in a reservation of its own, as an Auto Scaling group launches them."""
    shown, more = _page(asked, _found(asked, _INSTANCES))
    shape = asked.items("Reservations").members["Instances"].member
    reserved = [
        {"ReservationId": str(body["InstanceId"]).replace("i-", "r-", 1), "Instances": [project(body, shape)]}
        for body in shown
    ]
    return {"Reservations": reserved, **more}


@serves("ec2", "DescribeAvailabilityZones")
def describe_availability_zones(asked: Asked) -> Mapping[str, Json]:
    """The region's zones, all available."""
    region = asked.store.region
    bodies: list[dict[str, Json]] = [
        {"ZoneName": zone.name, "ZoneId": zone.zone_id, "RegionName": region, "State": "available"}
        for zone in zones(region)
    ]
    wanted = asked.parameters.get("ZoneNames") or []
    paths = {"zone-name": "ZoneName", "zone-id": "ZoneId", "state": "State", "region-name": "RegionName"}
    bodies = [body for body in bodies if not wanted or body["ZoneName"] in wanted]
    return {"AvailabilityZones": select(bodies, asked.parameters.get("Filters") or [], paths)}


@serves("ec2", "DescribeInstanceTypeOfferings")
def describe_instance_type_offerings(asked: Asked) -> Mapping[str, Json]:
    """Which types which places offer, from the dated tables of the data sources."""
    region, kind = asked.store.region, str(asked.parameters.get("LocationType") or "region")
    bodies: list[dict[str, Json]] = []
    for name in offered_types(region):
        ids = sorted(offered_zone_ids(region, name))
        names = sorted(found for one in ids if (found := zone_name(region, one)))
        places = {"region": [region], "availability-zone": names, "availability-zone-id": ids}.get(kind)
        if places is None:
            raise ApiError("InvalidParameterValue", f"Location type {kind} is not simulated")
        bodies += [{"InstanceType": name, "LocationType": kind, "Location": place} for place in places]
    paths = {"instance-type": "InstanceType", "location": "Location"}
    shown, more = _page(asked, select(bodies, asked.parameters.get("Filters") or [], paths))
    return {"InstanceTypeOfferings": shown, **more}
