"""Elastic Load Balancing, both of its APIs: what controllers in a cluster made, to be found and deleted."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from local.cloud.aws.controllers import BALANCER, CLASSIC, TARGET_GROUP, remove_balancer
from local.cloud.endpoint.listing import page, tags_in
from local.cloud.endpoint.registry import READ_KINDS, Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 400
READ_KINDS.update(
    {
        ("elb", "DescribeLoadBalancers"): CLASSIC,
        ("elb", "DescribeTags"): CLASSIC,
        ("elbv2", "DescribeLoadBalancers"): BALANCER,
        ("elbv2", "DescribeTargetGroups"): TARGET_GROUP,
    }
)


def _wanted(found: Sequence[CloudObject], ids: Sequence[str], code: str) -> list[CloudObject]:
    absent = [one for one in ids if one not in {item.id for item in found}]
    if absent:
        raise ApiError(code, f"'{absent[0]}' not found")
    return [item for item in found if not ids or item.id in ids]


def _paged(asked: Asked, member: str, found: Sequence[CloudObject]) -> dict[str, Json]:
    token, size = asked.parameters.get("Marker"), asked.parameters.get("PageSize")
    shown, following = page(found, token, size, default=_PAGE, invalid="ValidationError")
    return {
        member: [asked.shaped(member, item) for item in shown],
        **({"NextMarker": following} if following else {}),
    }


def _tags(item: CloudObject) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in tags_in(item.body).items()]


@serves("elb", "DescribeLoadBalancers")
def describe_classic(asked: Asked) -> Mapping[str, Json]:
    """Classic load balancers, all or by name."""
    names = asked.parameters.get("LoadBalancerNames") or []
    found = _wanted(asked.store.find(CLASSIC), names, "LoadBalancerNotFound")
    return _paged(asked, "LoadBalancerDescriptions", found)


@serves("elb", "DescribeTags")
def describe_classic_tags(asked: Asked) -> Mapping[str, Json]:
    """Tags by name."""
    found = _wanted(asked.store.find(CLASSIC), asked.parameters["LoadBalancerNames"], "LoadBalancerNotFound")
    return {"TagDescriptions": [{"LoadBalancerName": item.id, "Tags": _tags(item)} for item in found]}


@serves("elb", "DeleteLoadBalancer")
def delete_classic(asked: Asked) -> Mapping[str, Json]:
    """Takes the interfaces along; one that is not there counts as deleted (API Reference, DeleteLoadBalancer)."""
    item = asked.store.get(CLASSIC, asked.parameters["LoadBalancerName"])
    _delete(asked, item)
    return {}


@serves("elbv2", "DescribeLoadBalancers")
def describe_balancers(asked: Asked) -> Mapping[str, Json]:
    """Application, network and gateway load balancers, all or by ARN."""
    arns = asked.parameters.get("LoadBalancerArns") or []
    if asked.parameters.get("Names"):
        raise ApiError("ValidationError", "Names is not simulated: ask by LoadBalancerArns")
    return _paged(asked, "LoadBalancers", _wanted(asked.store.find(BALANCER), arns, "LoadBalancerNotFound"))


@serves("elbv2", "DescribeTargetGroups")
def describe_target_groups(asked: Asked) -> Mapping[str, Json]:
    """All, by ARN, or of a load balancer."""
    if asked.parameters.get("Names"):
        raise ApiError("ValidationError", "Names is not simulated: ask by TargetGroupArns")
    arns, balancer = asked.parameters.get("TargetGroupArns") or [], asked.parameters.get("LoadBalancerArn")
    found = _wanted(asked.store.find(TARGET_GROUP), arns, "TargetGroupNotFound")
    mine = [item for item in found if not balancer or balancer in item.body["LoadBalancerArns"]]
    return _paged(asked, "TargetGroups", mine)


@serves("elbv2", "DescribeTags")
def describe_balancer_tags(asked: Asked) -> Mapping[str, Json]:
    """Tags by ARN, of load balancers and target groups."""
    known = [*asked.store.find(BALANCER), *asked.store.find(TARGET_GROUP)]
    found = _wanted(known, asked.parameters["ResourceArns"], "LoadBalancerNotFound")
    return {"TagDescriptions": [{"ResourceArn": item.id, "Tags": _tags(item)} for item in found]}


@serves("elbv2", "DeleteLoadBalancer")
def delete_balancer(asked: Asked) -> Mapping[str, Json]:
    """Takes listeners and interfaces along; target groups stay."""
    _delete(asked, asked.store.get(BALANCER, asked.parameters["LoadBalancerArn"]))
    return {}


@serves("elbv2", "DeleteTargetGroup")
def delete_target_group(asked: Asked) -> Mapping[str, Json]:
    """Only a group that no load balancer uses goes."""
    item = asked.store.get(TARGET_GROUP, asked.parameters["TargetGroupArn"])
    if item is None:
        return {}
    if item.body["LoadBalancerArns"]:
        raise ApiError("ResourceInUse", f"Target group '{item.id}' is currently in use by a listener or a rule")
    asked.remove(item, "DeleteTargetGroup")
    return {}


def _delete(asked: Asked, item: CloudObject | None) -> None:
    if item is None:
        return
    gone: Any = item

    def act() -> None:
        remove_balancer(asked.store, gone, entirely=False)
        for group in asked.store.find(TARGET_GROUP):
            if gone.id in group.body["LoadBalancerArns"]:
                group.body["LoadBalancerArns"] = [one for one in group.body["LoadBalancerArns"] if one != gone.id]
                asked.store.put(group)

    asked.write(item, "DeleteLoadBalancer", act)
