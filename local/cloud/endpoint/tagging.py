"""Resource Groups Tagging API over everything in the account that has tags and an ARN.

What it does not know at AWS is left out here too. IAM roles are tagged and never listed
(https://github.com/aws/aws-sdk/issues/581); of other IAM types it lists too few to rely on, so here it lists none.
"""

from collections.abc import Mapping
from typing import Any, Final

from local.cloud.endpoint.listing import page, tags_in
from local.cloud.endpoint.registry import Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.store import SqliteStore
from local.cloud.values import Json

_ARN_MEMBERS: Final = {
    "eks:Cluster": "arn",
    "eks:Nodegroup": "nodegroupArn",
    "eks:Addon": "addonArn",
    "eks:AccessEntry": "accessEntryArn",
    "eks:PodIdentityAssociation": "associationArn",
    "fsx:FileSystem": "ResourceARN",
    "fsx:DataRepositoryAssociation": "ResourceARN",
    "kms:Key": "Arn",
    "logs:LogGroup": "logGroupArn",
    "s3:Bucket": "BucketArn",
}
_EC2: Final = {
    "ec2:Address": "elastic-ip",
    "ec2:CapacityReservation": "capacity-reservation",
    "ec2:FlowLog": "vpc-flow-log",
    "ec2:Instance": "instance",
    "ec2:InternetGateway": "internet-gateway",
    "ec2:LaunchTemplate": "launch-template",
    "ec2:NatGateway": "natgateway",
    "ec2:NetworkInterface": "network-interface",
    "ec2:PlacementGroup": "placement-group",
    "ec2:RouteTable": "route-table",
    "ec2:SecurityGroup": "security-group",
    "ec2:SecurityGroupRule": "security-group-rule",
    "ec2:Subnet": "subnet",
    "ec2:Volume": "volume",
    "ec2:Vpc": "vpc",
    "ec2:VpcEndpoint": "vpc-endpoint",
}
_TYPES: Final = {
    **_EC2,
    "eks:Cluster": "cluster",
    "eks:Nodegroup": "nodegroup",
    "eks:Addon": "addon",
    "eks:AccessEntry": "access-entry",
    "eks:PodIdentityAssociation": "podidentityassociation",
    "fsx:FileSystem": "file-system",
    "fsx:DataRepositoryAssociation": "association",
    "kms:Key": "key",
    "logs:LogGroup": "log-group",
    "s3:Bucket": "",
}
_PAGE: Final = 100


def arn_of(item: CloudObject, store: SqliteStore) -> str | None:
    """The ARN by which the tagging API names an object, or None for one that it never lists."""
    if item.kind in _EC2:
        return f"arn:aws:ec2:{item.region}:{store.account_id}:{_EC2[item.kind]}/{item.id}"
    member = _ARN_MEMBERS.get(item.kind)
    found = item.body.get(member) if member else None
    return str(found) if found else None


@serves("tagging", "GetResources")
def get_resources(asked: Asked) -> Mapping[str, Json]:
    """Tagged objects whose tags pass every filter."""
    parameters = asked.parameters
    found: list[dict[str, Json]] = []
    for item in asked.store.objects():
        tags, arn = tags_in(item.body), arn_of(item, asked.store)
        if not tags or arn is None or not _of_type(item, parameters.get("ResourceTypeFilters") or []):
            continue
        if all(_passes(tags, one) for one in parameters.get("TagFilters") or []):
            listed: list[Json] = [{"Key": key, "Value": value} for key, value in tags.items()]
            found.append({"ResourceARN": arn, "Tags": listed})
    wanted = parameters.get("ResourceARNList")
    found = [one for one in found if not wanted or one["ResourceARN"] in wanted]
    size = parameters.get("ResourcesPerPage")
    if size is not None and not 1 <= size <= _PAGE:
        raise ApiError("InvalidParameterException", f"ResourcesPerPage must be 1 to {_PAGE}, got {size}")
    token = parameters.get("PaginationToken")
    shown, following = page(found, token, size, default=_PAGE, invalid="PaginationTokenExpiredException")
    return {"ResourceTagMappingList": shown, "PaginationToken": following or ""}


def _passes(tags: Mapping[str, str], one: Mapping[str, Any]) -> bool:
    return one["Key"] in tags and (not one.get("Values") or tags[one["Key"]] in one["Values"])


def _of_type(item: CloudObject, wanted: list[str]) -> bool:
    service = item.kind.partition(":")[0]
    kind = _TYPES.get(item.kind, "")
    return not wanted or service in wanted or bool(kind and f"{service}:{kind}" in wanted)
