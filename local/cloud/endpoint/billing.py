"""AWS Budgets and Cost Anomaly Detection: what there is, its tags, and its end. Both services are global."""

from collections.abc import Mapping
from typing import Final

from local.cloud.aws.billing import BUDGET_KIND, MONITOR_KIND, SUBSCRIPTION_KIND, budget_arn
from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import READ_KINDS, Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 100
_CE: Final = {
    MONITOR_KIND: ("AnomalyMonitors", "MonitorArn", "UnknownMonitorException"),
    SUBSCRIPTION_KIND: ("AnomalySubscriptions", "SubscriptionArn", "UnknownSubscriptionException"),
}
"""Kind -> collection, the ARN's member, the code of what is not there."""
READ_KINDS["budgets", "DescribeBudgets"] = READ_KINDS["budgets", "ListTagsForResource"] = BUDGET_KIND
READ_KINDS["ce", "GetAnomalyMonitors"] = READ_KINDS["ce", "ListTagsForResource"] = MONITOR_KIND
READ_KINDS["ce", "GetAnomalySubscriptions"] = SUBSCRIPTION_KIND


@serves("budgets", "DescribeBudgets")
def describe_budgets(asked: Asked) -> Mapping[str, Json]:
    """All of the account."""
    found = [item for item in asked.store.find(BUDGET_KIND) if item.body["AccountId"] == asked.parameters["AccountId"]]
    token, size = asked.parameters.get("NextToken"), asked.parameters.get("MaxResults")
    shown, following = page(found, token, size, default=_PAGE, invalid="InvalidNextTokenException")
    budgets = [asked.shaped("Budgets", item) for item in shown]
    return {"Budgets": budgets, **({"NextToken": following} if following else {})}


@serves("budgets", "DeleteBudget")
def delete_budget(asked: Asked) -> Mapping[str, Json]:
    """By account and name."""
    identifier = f"{asked.parameters['AccountId']}:{asked.parameters['BudgetName']}"
    if asked.store.get(BUDGET_KIND, identifier) is None:
        raise ApiError("NotFoundException", f"Unable to get budget: {asked.parameters['BudgetName']} - does not exist")
    asked.delete(BUDGET_KIND, identifier)
    return {}


@serves("budgets", "ListTagsForResource")
def budget_tags(asked: Asked) -> Mapping[str, Json]:
    """By ARN."""
    wanted = asked.parameters["ResourceARN"]
    item = next((one for one in asked.store.find(BUDGET_KIND) if budget_arn(one.body, asked.store) == wanted), None)
    if item is None:
        raise ApiError("NotFoundException", f"{wanted} does not exist")
    return {"ResourceTags": item.body.get("ResourceTags") or []}


def _listed(asked: Asked, kind: str) -> Mapping[str, Json]:
    collection, member, _ = _CE[kind]
    wanted = asked.parameters.get(f"{member}List") or []
    found = [item for item in asked.store.find(kind) if not wanted or item.id in wanted]
    if asked.parameters.get("MonitorArn"):
        raise ApiError("ValidationException", "MonitorArn is not simulated")
    token, size = asked.parameters.get("NextPageToken"), asked.parameters.get("MaxResults")
    shown, following = page(found, token, size, default=_PAGE, invalid="InvalidNextTokenException")
    items = [asked.shaped(collection, item) for item in shown]
    return {collection: items, **({"NextPageToken": following} if following else {})}


@serves("ce", "GetAnomalyMonitors")
def get_anomaly_monitors(asked: Asked) -> Mapping[str, Json]:
    """All, or those of a list of ARNs."""
    return _listed(asked, MONITOR_KIND)


@serves("ce", "GetAnomalySubscriptions")
def get_anomaly_subscriptions(asked: Asked) -> Mapping[str, Json]:
    """All, or those of a list of ARNs."""
    return _listed(asked, SUBSCRIPTION_KIND)


def _there(asked: Asked, kind: str, arn: str) -> CloudObject:
    item = asked.store.get(kind, arn)
    if item is None:
        raise ApiError(_CE[kind][2], f"{arn} does not exist for the account.")
    return item


@serves("ce", "DeleteAnomalyMonitor")
def delete_anomaly_monitor(asked: Asked) -> Mapping[str, Json]:
    """By ARN."""
    asked.delete(MONITOR_KIND, _there(asked, MONITOR_KIND, asked.parameters["MonitorArn"]).id)
    return {}


@serves("ce", "DeleteAnomalySubscription")
def delete_anomaly_subscription(asked: Asked) -> Mapping[str, Json]:
    """By ARN."""
    asked.delete(SUBSCRIPTION_KIND, _there(asked, SUBSCRIPTION_KIND, asked.parameters["SubscriptionArn"]).id)
    return {}


@serves("ce", "ListTagsForResource")
def anomaly_tags(asked: Asked) -> Mapping[str, Json]:
    """Of a monitor or a subscription, by ARN."""
    arn = asked.parameters["ResourceArn"]
    item = asked.store.get(MONITOR_KIND, arn) or asked.store.get(SUBSCRIPTION_KIND, arn)
    if item is None:
        raise ApiError("ResourceNotFoundException", f"{arn} does not exist")
    return {"ResourceTags": item.body.get("ResourceTags") or []}
