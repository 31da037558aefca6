"""EC2 Auto Scaling: the scheduled actions of node groups' groups."""

from collections.abc import Mapping
from typing import Final

from local.cloud.aws.autoscaling import INVALID, KIND
from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import READ_KINDS, Asked, serves
from local.cloud.model import ApiError
from local.cloud.values import Json

_PAGE: Final = 50
READ_KINDS["autoscaling", "DescribeScheduledActions"] = KIND


@serves("autoscaling", "DescribeScheduledActions")
def describe_scheduled_actions(asked: Asked) -> Mapping[str, Json]:
    """All, or those of a group."""
    for name in ("StartTime", "EndTime"):
        if asked.parameters.get(name):
            raise ApiError(INVALID, f"{name} is not simulated")
    group, names = asked.parameters.get("AutoScalingGroupName"), asked.parameters.get("ScheduledActionNames") or []
    found = [
        item
        for item in asked.store.find(KIND)
        if (not group or item.body["AutoScalingGroupName"] == group)
        and (not names or item.body["ScheduledActionName"] in names)
    ]
    token, size = asked.parameters.get("NextToken"), asked.parameters.get("MaxRecords")
    shown, following = page(found, token, size, default=_PAGE, invalid="InvalidNextToken")
    member = "ScheduledUpdateGroupActions"
    return {member: [asked.shaped(member, item) for item in shown], **({"NextToken": following} if following else {})}


@serves("autoscaling", "DeleteScheduledAction")
def delete_scheduled_action(asked: Asked) -> Mapping[str, Json]:
    """By group and name."""
    group, name = asked.parameters["AutoScalingGroupName"], asked.parameters["ScheduledActionName"]
    found = asked.store.find(KIND, AutoScalingGroupName=group, ScheduledActionName=name)
    if not found:
        raise ApiError(INVALID, f"Scheduled action name not found - {name}")
    asked.delete(KIND, found[0].id)
    return {}
