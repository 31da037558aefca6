"""CloudWatch Logs: groups and their retention."""

from collections.abc import Mapping
from typing import Final

from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 50
_DAYS: Final = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Source: CloudWatch Logs API Reference, PutRetentionPolicy, ``retentionInDays``."""


@serves("logs", "DescribeLogGroups")
def describe_log_groups(asked: Asked) -> Mapping[str, Json]:
    """By prefix or part of the name."""
    prefix, part = asked.parameters.get("logGroupNamePrefix") or "", asked.parameters.get("logGroupNamePattern") or ""
    if prefix and part:
        raise ApiError("InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are exclusive")
    found = [item for item in asked.store.find("logs:LogGroup") if item.id.startswith(prefix) and part in item.id]
    token, size = asked.parameters.get("nextToken"), asked.parameters.get("limit")
    found.sort(key=lambda item: item.id)
    shown, following = page(found, token, size, default=_PAGE, invalid="InvalidParameterException")
    return {
        "logGroups": [asked.shaped("logGroups", item) for item in shown],
        **({"nextToken": following} if following else {}),
    }


def _group(asked: Asked) -> CloudObject:
    item = asked.store.get("logs:LogGroup", asked.parameters["logGroupName"])
    if item is None:
        raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
    return item


@serves("logs", "DeleteLogGroup")
def delete_log_group(asked: Asked) -> Mapping[str, Json]:
    """Deletes a group with all its streams."""
    asked.delete("logs:LogGroup", _group(asked).id)
    return {}


@serves("logs", "PutRetentionPolicy")
def put_retention_policy(asked: Asked) -> Mapping[str, Json]:
    """Sets after how many days events expire."""
    item, days = _group(asked), asked.parameters["retentionInDays"]
    if days not in _DAYS:
        raise ApiError("InvalidParameterException", f"retentionInDays must be one of {list(_DAYS)}, got {days}")

    def act() -> None:
        item.body["retentionInDays"] = days
        asked.store.put(item)

    asked.write(item, "PutRetentionPolicy", act)
    return {}
