"""Budgets and anomaly monitors: both services are global, and tell the tags of one object at a time."""

from typing import Any, Final

from cli.inventory.owned import NAME_TAG, STACK_TAG, Owned, pages, tags_of
from cli.inventory.services import made

_ANOMALIES: Final = (
    ("ce:AnomalyMonitor", "get_anomaly_monitors", "AnomalyMonitors", "MonitorArn"),
    ("ce:AnomalySubscription", "get_anomaly_subscriptions", "AnomalySubscriptions", "SubscriptionArn"),
)
"""Kind, call, its collection, the ARN's member."""


def budgets(client: Any, account: str, stack: str) -> list[Owned]:
    """The stack's budgets in the account."""
    found: list[Owned] = []
    for one in pages(client, "describe_budgets", "Budgets", AccountId=account):
        name = str(one["BudgetName"])
        arn = f"arn:{client.meta.partition}:budgets::{account}:budget/{name}"
        tags = tags_of(client.list_tags_for_resource(ResourceARN=arn))
        if tags.get(STACK_TAG) == stack:
            found.append(made("budgets:Budget", f"{account}:{name}", tags.get(NAME_TAG, ""), handle=(account, name)))
    return found


def anomalies(client: Any, stack: str) -> list[Owned]:
    """The stack's anomaly monitors and subscriptions."""
    found: list[Owned] = []
    for kind, operation, collection, member in _ANOMALIES:
        for one in pages(client, operation, collection):
            tags = tags_of(client.list_tags_for_resource(ResourceArn=one[member]))
            if tags.get(STACK_TAG) == stack:
                found.append(made(kind, str(one[member]), tags.get(NAME_TAG, "")))
    return found
