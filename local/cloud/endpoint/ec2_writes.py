"""EC2: deletions, through the simulator wherever a resource type of the program has its rules.

Error codes: Amazon EC2 API Reference, "Error codes".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from local.cloud.endpoint.registry import CALLS, Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_DESTINATIONS: Final = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """One Delete call: which input names the object, and what it is when absent."""

    operation: str
    kind: str
    parameter: str
    missing: str
    answer: Mapping[str, str] = field(default_factory=dict)
    """Output member -> member of the object before."""


def _deletion(noun: str, missing: str, **more: str) -> Deletion:
    return Deletion(operation=f"Delete{noun}", kind=f"ec2:{noun}", parameter=f"{noun}Id", missing=missing, answer=more)


DELETIONS: Final = (
    _deletion("Vpc", "InvalidVpcID.NotFound"),
    _deletion("Subnet", "InvalidSubnetID.NotFound"),
    _deletion("RouteTable", "InvalidRouteTableID.NotFound"),
    _deletion("InternetGateway", "InvalidInternetGatewayID.NotFound"),
    _deletion("NatGateway", "NatGatewayNotFound", NatGatewayId="NatGatewayId"),
    _deletion("LaunchTemplate", "InvalidLaunchTemplateId.NotFound"),
    Deletion(
        operation="DeleteSecurityGroup", kind="ec2:SecurityGroup", parameter="GroupId", missing="InvalidGroup.NotFound"
    ),
    Deletion(
        operation="DeletePlacementGroup",
        kind="ec2:PlacementGroup",
        parameter="GroupName",
        missing="InvalidPlacementGroup.Unknown",
    ),
    Deletion(
        operation="ReleaseAddress", kind="ec2:Address", parameter="AllocationId", missing="InvalidAllocationID.NotFound"
    ),
    Deletion(
        operation="DisassociateRouteTable",
        kind="ec2:RouteTableAssociation",
        parameter="AssociationId",
        missing="InvalidAssociationID.NotFound",
    ),
)


def _existing(asked: Asked, kind: str, identifier: str, missing: str) -> CloudObject:
    item = asked.store.get(kind, identifier)
    if item is None:
        raise ApiError(missing, f"The {kind.partition(':')[2]} ID '{identifier}' does not exist")
    return item


def _delete(deletion: Deletion, asked: Asked) -> Mapping[str, Json]:
    identifier = str(asked.parameters.get(deletion.parameter) or "")
    if not identifier:
        raise ApiError("MissingParameter", f"The request must contain the parameter {deletion.parameter}")
    item = _existing(asked, deletion.kind, identifier, deletion.missing)
    if item.body.get("Attachments"):  # Pulumi's provider detaches on its own, the API does not
        raise ApiError(
            "DependencyViolation", f"The internetGateway '{identifier}' has dependencies and cannot be deleted."
        )
    asked.delete(deletion.kind, identifier)
    return {member: item.body[source] for member, source in deletion.answer.items()}


for _other in DELETIONS:
    CALLS["ec2", _other.operation] = partial(_delete, _other)


@serves("ec2", "DeleteVpcEndpoints", "DeleteFlowLogs")
def delete_several(asked: Asked) -> Mapping[str, Json]:
    """Those that go, go; the others are named in ``Unsuccessful``, as the service does it."""
    endpoints = asked.operation.name == "DeleteVpcEndpoints"
    kind, parameter = ("ec2:VpcEndpoint", "VpcEndpointIds") if endpoints else ("ec2:FlowLog", "FlowLogIds")
    missing = "InvalidVpcEndpoint.NotFound" if endpoints else "InvalidFlowLogId.NotFound"
    failed: list[Json] = []
    for identifier in asked.parameters[parameter]:
        try:
            _existing(asked, kind, identifier, missing)
            asked.delete(kind, identifier)
        except ApiError as error:
            failed.append({"ResourceId": identifier, "Error": {"Code": error.code, "Message": error.message}})
    return {"Unsuccessful": failed}


@serves("ec2", "CancelCapacityReservation")
def cancel_capacity_reservation(asked: Asked) -> Mapping[str, Json]:
    """Ends a reservation."""
    identifier = asked.parameters["CapacityReservationId"]
    _existing(asked, "ec2:CapacityReservation", identifier, "InvalidCapacityReservationId.NotFound")
    asked.delete("ec2:CapacityReservation", identifier)
    return {"Return": True}


@serves("ec2", "DeleteNetworkInterface")
def delete_network_interface(asked: Asked) -> Mapping[str, Json]:
    """Only an interface that nothing uses goes."""
    identifier = asked.parameters["NetworkInterfaceId"]
    item = _existing(asked, "ec2:NetworkInterface", identifier, "InvalidNetworkInterfaceID.NotFound")
    if item.body.get("Status") == "in-use":
        raise ApiError("InvalidParameterValue", f"Network interface '{identifier}' is currently in use.")
    asked.remove(item, "DeleteNetworkInterface")
    return {}


@serves("ec2", "DetachInternetGateway")
def detach_internet_gateway(asked: Asked) -> Mapping[str, Json]:
    """Takes the attachment off the gateway."""
    identifier, vpc = asked.parameters["InternetGatewayId"], asked.parameters["VpcId"]
    item = _existing(asked, "ec2:InternetGateway", identifier, "InvalidInternetGatewayID.NotFound")
    attached = item.body.get("Attachments") or []
    if not any(one.get("VpcId") == vpc for one in attached):
        raise ApiError("Gateway.NotAttached", f"resource {identifier} is not attached to network {vpc}")

    def act() -> None:
        item.body["Attachments"] = [one for one in attached if one.get("VpcId") != vpc]
        asked.store.put(item)

    asked.write(item, "DetachInternetGateway", act)
    return {}


@serves("ec2", "DeleteVolume")
def delete_volume(asked: Asked) -> Mapping[str, Json]:
    """Only a volume that no instance has goes."""
    identifier = asked.parameters["VolumeId"]
    item = _existing(asked, "ec2:Volume", identifier, "InvalidVolume.NotFound")
    if item.body.get("Attachments"):
        raise ApiError("VolumeInUse", f"Volume {identifier} is currently attached")
    asked.remove(item, "DeleteVolume")
    return {}


@serves("ec2", "DeleteRoute")
def delete_route(asked: Asked) -> Mapping[str, Json]:
    """By table and destination."""
    table = str(asked.parameters["RouteTableId"])
    _existing(asked, "ec2:RouteTable", table, "InvalidRouteTableID.NotFound")
    member, wanted = next(
        ((name, asked.parameters[name]) for name in _DESTINATIONS if asked.parameters.get(name)), ("", "")
    )
    found = asked.store.find("ec2:Route", RouteTableId=table, **{member: wanted}) if member else []
    if not found:
        raise ApiError("InvalidRoute.NotFound", f"no route with destination-cidr-block {wanted} in route table {table}")
    asked.delete("ec2:Route", found[0].id)
    return {}


@serves("ec2", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress")
def revoke_rules(asked: Asked) -> Mapping[str, Json]:
    """By rule ids only: by permission, it is refused rather than done in part."""
    group, wanted = asked.parameters.get("GroupId"), asked.parameters.get("SecurityGroupRuleIds") or []
    unread = asked.parameters.keys() - {"GroupId", "SecurityGroupRuleIds", "DryRun"}
    if not group or not wanted or unread:
        raise ApiError("InvalidParameterCombination", "the simulated account revokes by GroupId, SecurityGroupRuleIds")
    egress = asked.operation.name == "RevokeSecurityGroupEgress"
    missing = "InvalidSecurityGroupRuleId.NotFound"
    rules = [_existing(asked, "ec2:SecurityGroupRule", str(one), missing) for one in wanted]
    for rule in rules:
        if rule.body["GroupId"] != group or bool(rule.body.get("IsEgress")) is not egress:
            raise ApiError(missing, f"The security group rule ID '{rule.id}' does not exist")
    for rule in rules:
        asked.delete(rule.kind, rule.id, api=asked.operation.name)
    members = ("SecurityGroupRuleId", "GroupId", "IsEgress", "IpProtocol", "FromPort", "ToPort", "CidrIpv4", "CidrIpv6")
    revoked = [{name: one.body[name] for name in members if one.body.get(name) is not None} for one in rules]
    return {"Return": True, "RevokedSecurityGroupRules": revoked}
