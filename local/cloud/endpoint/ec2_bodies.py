"""What EC2 shows of an object besides its own record: routes, associations and rules are kept by themselves."""

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cloud.values import Json

_ASSOCIATION = ("RouteTableAssociationId", "RouteTableId", "SubnetId", "GatewayId", "Main", "AssociationState")
_RULE = ("IpProtocol", "FromPort", "ToPort")


def complete(item: CloudObject, store: SqliteStore) -> dict[str, Json]:
    """The body as the Describe call returns it."""
    body = dict(item.body)
    if item.kind == "ec2:RouteTable":
        associations = [one.body for one in store.find("ec2:RouteTableAssociation", RouteTableId=item.id)]
        routes = [one.body for one in store.find("ec2:Route", RouteTableId=item.id)]
        body["Associations"] = [*_of(body.get("Associations")), *(_only(one, _ASSOCIATION) for one in associations)]
        hidden = {"RouteTableId", "RouteId", "InstanceOwnerId"}
        body["Routes"] = [
            *_of(body.get("Routes")),
            *({name: value for name, value in one.items() if name not in hidden} for one in routes),
        ]
    if item.kind == "ec2:SecurityGroup":
        for member in ("IpPermissions", "IpPermissionsEgress"):
            body[member] = [_described(dict(one)) for one in _of(body.get(member))]
        for rule in store.find("ec2:SecurityGroupRule", GroupId=item.id):
            member = "IpPermissionsEgress" if rule.body.get("IsEgress") else "IpPermissions"
            body[member] = [*_of(body.get(member)), _permission(rule.body, str(body.get("OwnerId")))]
    return body


def _described(permission: dict[str, Json]) -> dict[str, Json]:
    """The store keeps one description per permission, the API one per source."""
    words = permission.pop("Description", None)
    for member in ("UserIdGroupPairs", "IpRanges", "Ipv6Ranges", "PrefixListIds"):
        if words and permission.get(member):
            permission[member] = [{"Description": words, **one} for one in permission[member]]
    return permission


def _of(value: Json) -> list[Json]:
    return list(value or [])


def _only(body: dict[str, Json], names: tuple[str, ...]) -> dict[str, Json]:
    return {name: body[name] for name in names if body.get(name) is not None}


def _permission(rule: dict[str, Json], owner: str) -> dict[str, Json]:
    """A rule in the older form, in which DescribeSecurityGroups shows it."""
    words = {"Description": rule["Description"]} if rule.get("Description") else {}
    made = {name: rule[name] for name in _RULE if rule.get(name) is not None}
    group = (rule.get("ReferencedGroupInfo") or {}).get("GroupId")
    if group:
        made["UserIdGroupPairs"] = [{"GroupId": group, "UserId": owner, **words}]
    if rule.get("CidrIpv4"):
        made["IpRanges"] = [{"CidrIp": rule["CidrIpv4"], **words}]
    if rule.get("CidrIpv6"):
        made["Ipv6Ranges"] = [{"CidrIpv6": rule["CidrIpv6"], **words}]
    if rule.get("PrefixListId"):
        made["PrefixListIds"] = [{"PrefixListId": rule["PrefixListId"], **words}]
    return made
