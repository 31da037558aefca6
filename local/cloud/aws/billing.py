"""AWS Budgets and Cost Anomaly Detection, and the rules about them. No money moves here, so no alarm ever rings."""

import json

from local.cloud.aws import scenarios as on
from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import PARTITION, get, refuse, unmodelled
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Account, Autoname, CloudObject, Context, Request
from local.cloud.values import Json, is_unknown

RULES = RuleBook()
BUDGET_KIND = "budgets:Budget"
MONITOR_KIND = "ce:AnomalyMonitor"
SUBSCRIPTION_KIND = "ce:AnomalySubscription"
INVALID = "InvalidParameterException"
VALIDATION = "ValidationException"
MAX_EMAILS = 10
MAX_TOPICS = 1


def _global_arn(service: str, resource: str, account: Account) -> str:
    """Both services are global: their ARNs name no region."""
    return f"arn:{PARTITION}:{service}::{account.account_id}:{resource}"


def budget_arn(body: dict[str, Json], account: Account) -> str:
    """ARN of a budget."""
    return _global_arn("budgets", f"budget/{body['BudgetName']}", account)


def _budget_body(inputs: dict[str, Json], context: Context) -> dict[str, Json]:
    filters = {item["name"]: item["values"] for item in inputs.get("costFilters") or []}
    notifications = [
        {
            "Notification": {
                "NotificationType": item["notificationType"],
                "ComparisonOperator": item["comparisonOperator"],
                "Threshold": item["threshold"],
                "ThresholdType": item["thresholdType"],
            },
            "Subscribers": [
                *({"SubscriptionType": "EMAIL", "Address": at} for at in item.get("subscriberEmailAddresses") or []),
                *({"SubscriptionType": "SNS", "Address": at} for at in item.get("subscriberSnsTopicArns") or []),
            ],
        }
        for item in inputs.get("notifications") or []
    ]
    return {
        "AccountId": inputs.get("accountId") or context.account.account_id,
        "BudgetName": inputs.get("name"),
        "BudgetType": inputs["budgetType"],
        "TimeUnit": inputs["timeUnit"],
        "BudgetLimit": {"Amount": inputs.get("limitAmount"), "Unit": inputs.get("limitUnit")},
        "CostFilters": filters or None,
        "NotificationsWithSubscribers": notifications,
    }


def _budget_state(item: CloudObject, account: Account) -> dict[str, Json]:
    body = item.body
    return {
        "accountId": body["AccountId"],
        "arn": budget_arn(body, account),
        "name": body["BudgetName"],
        "limitAmount": body["BudgetLimit"]["Amount"],
        "limitUnit": body["BudgetLimit"]["Unit"],
        "costFilters": [{"name": name, "values": values} for name, values in (body.get("CostFilters") or {}).items()],
        "notifications": [_notification_state(entry) for entry in body["NotificationsWithSubscribers"]],
    }


def _notification_state(entry: dict[str, Json]) -> dict[str, Json]:
    given = entry["Notification"]
    return {
        "notificationType": given["NotificationType"],
        "comparisonOperator": given["ComparisonOperator"],
        "threshold": given["Threshold"],
        "thresholdType": given["ThresholdType"],
        "subscriberEmailAddresses": [
            one["Address"] for one in entry["Subscribers"] if one["SubscriptionType"] == "EMAIL"
        ],
        "subscriberSnsTopicArns": [one["Address"] for one in entry["Subscribers"] if one["SubscriptionType"] == "SNS"],
    }


BUDGET = bind(
    on.BUDGET_TOKEN,
    BUDGET_KIND,
    calls("CreateBudget", "DeleteBudget", "UpdateBudget"),
    identity="{AccountId}:{BudgetName}",
    create_only=("accountId", "name", "namePrefix"),
    autoname=Autoname(property="name", max_length=100),
    tags="ResourceTags",
    regional=False,
    to_body=_budget_body,
    to_state=_budget_state,
)


def _monitor_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    text = inputs.get("monitorSpecification")
    return {
        "MonitorName": inputs.get("name"),
        "MonitorType": inputs["monitorType"],
        "MonitorDimension": inputs.get("monitorDimension"),
        "MonitorSpecification": json.loads(text) if isinstance(text, str) else text,
    }


def _anomaly_arn(kind: str, account: Account) -> str:
    """A new one: Cost Explorer names its objects by chance."""
    return _global_arn("ce", f"{kind}/{account.new_id('', length=32)}", account)


def _compute_monitor(body: dict[str, Json], context: Context) -> None:
    body["MonitorArn"] = _anomaly_arn("anomalymonitor", context.account)


def _monitor_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    given = item.body.get("MonitorSpecification")
    return {
        "arn": item.body["MonitorArn"],
        "name": item.body["MonitorName"],
        "monitorSpecification": None if given is None else json.dumps(given),
    }


MONITOR = bind(
    on.MONITOR_TOKEN,
    MONITOR_KIND,
    calls("CreateAnomalyMonitor", "DeleteAnomalyMonitor", "UpdateAnomalyMonitor"),
    identity="{MonitorArn}",
    create_only=("monitorType", "monitorDimension", "monitorSpecification"),
    autoname=Autoname(property="name", max_length=1024),
    tags="ResourceTags",
    regional=False,
    to_body=_monitor_body,
    compute=_compute_monitor,
    to_state=_monitor_state,
)


def _subscription_body(inputs: dict[str, Json], context: Context) -> dict[str, Json]:
    return {
        "AccountId": inputs.get("accountId") or context.account.account_id,
        "SubscriptionName": inputs.get("name"),
        "Frequency": inputs["frequency"],
        "MonitorArnList": inputs["monitorArnLists"],
        "Subscribers": [{"Address": item["address"], "Type": item["type"]} for item in inputs["subscribers"]],
        "ThresholdExpression": _expression(inputs.get("thresholdExpression")),
    }


_EXPRESSION = {"dimension": "Dimensions", "tags": "Tags", "costCategory": "CostCategories"}
"""How the provider calls the members of an expression."""


def _expression(given: Json) -> Json:
    if not isinstance(given, dict):
        return None
    unmodelled(given, "ands", "ors", "not", instead="set one of dimension, tags and costCategory")
    return {
        _EXPRESSION[name]: {"Key": part.get("key"), "MatchOptions": part.get("matchOptions"), "Values": part["values"]}
        for name, part in given.items()
        if name in _EXPRESSION and part is not None
    }


def _expression_state(given: Json) -> Json:
    if not isinstance(given, dict):
        return None
    return {
        name: {"key": part["Key"], "matchOptions": part["MatchOptions"], "values": part["Values"]}
        for name, member in _EXPRESSION.items()
        if (part := given.get(member)) is not None
    }


def _compute_subscription(body: dict[str, Json], context: Context) -> None:
    body["SubscriptionArn"] = _anomaly_arn("anomalysubscription", context.account)


def _subscription_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    return {
        "accountId": body["AccountId"],
        "arn": body["SubscriptionArn"],
        "name": body["SubscriptionName"],
        "frequency": body["Frequency"],
        "monitorArnLists": body["MonitorArnList"],
        "subscribers": [{"address": item["Address"], "type": item["Type"]} for item in body["Subscribers"]],
        "thresholdExpression": _expression_state(body.get("ThresholdExpression")),
    }


SUBSCRIPTION = bind(
    on.SUBSCRIPTION_TOKEN,
    SUBSCRIPTION_KIND,
    calls("CreateAnomalySubscription", "DeleteAnomalySubscription", "UpdateAnomalySubscription"),
    identity="{SubscriptionArn}",
    create_only=("accountId", "name"),
    autoname=Autoname(property="name", max_length=1024),
    tags="ResourceTags",
    regional=False,
    to_body=_subscription_body,
    compute=_compute_subscription,
    to_state=_subscription_state,
)
BINDINGS = (BUDGET, MONITOR, SUBSCRIPTION)

_ALARM: dict[str, Json] = {
    "comparisonOperator": "GREATER_THAN",
    "notificationType": "ACTUAL",
    "threshold": 80,
    "thresholdType": "PERCENTAGE",
    "subscriberEmailAddresses": ["costs@example.com"],
}
_BUDGET: dict[str, Json] = {
    "name": "costs",
    "budgetType": "COST",
    "limitAmount": "1000",
    "limitUnit": "USD",
    "timeUnit": "MONTHLY",
    "notifications": [_ALARM],
}
_MONITOR: dict[str, Json] = {
    "name": "anomalies",
    "monitorType": "CUSTOM",
    "monitorSpecification": '{"Tags": {"Key": "slipway:stack", "Values": ["slipway/test"]}}',
}
_WATCHED = (on.MONITOR_TOKEN, "monitor", _MONITOR)
_MAIL: dict[str, Json] = {
    "name": "mail",
    "frequency": "DAILY",
    "monitorArnLists": ["${monitor.arn}"],
    "subscribers": [{"type": "EMAIL", "address": "costs@example.com"}],
}


@RULES.rule(
    "budgets-name-once",
    on.BUDGET_TOKEN,
    CREATE,
    "DuplicateRecordException",
    source="botocore budgets CreateBudget: DuplicateRecordException, the budget name already exists",
    accepts=on.creation(_BUDGET, (on.BUDGET_TOKEN, "first", {**_BUDGET, "name": "other"})),
    refuses=on.creation(_BUDGET, (on.BUDGET_TOKEN, "first", _BUDGET)),
)
def _budget_once(request: Request) -> None:
    if request.account.find(BUDGET_KIND, BudgetName=get(request.body, "BudgetName")):
        refuse("DuplicateRecordException", f"Error creating budget: {get(request.body, 'BudgetName')} already exists")


@RULES.rule(
    "budgets-subscribers",
    on.BUDGET_TOKEN,
    WRITE,
    INVALID,
    source="botocore budgets NotificationWithSubscribers: one SNS subscriber and up to 10 email subscribers",
    accepts=on.creation(_BUDGET),
    refuses=on.creation(
        {
            **_BUDGET,
            "notifications": [
                {**_ALARM, "subscriberEmailAddresses": [f"{number}@example.com" for number in range(11)]}
            ],
        }
    ),
)
def _subscribers(request: Request) -> None:
    for item in get(request.body, "NotificationsWithSubscribers", []):
        kinds = [one["SubscriptionType"] for one in item["Subscribers"]]
        if kinds.count("EMAIL") > MAX_EMAILS or kinds.count("SNS") > MAX_TOPICS:
            refuse(INVALID, "A notification has at most 10 email subscribers and 1 SNS subscriber")


@RULES.rule(
    "budgets-notification-once",
    on.BUDGET_TOKEN,
    WRITE,
    "DuplicateRecordException",
    source="botocore budgets CreateNotification: DuplicateRecordException",
    accepts=on.creation({**_BUDGET, "notifications": [_ALARM, {**_ALARM, "threshold": 100}]}),
    refuses=on.creation({**_BUDGET, "notifications": [_ALARM, _ALARM]}),
)
def _notification_once(request: Request) -> None:
    seen = [item["Notification"] for item in get(request.body, "NotificationsWithSubscribers", [])]
    if any(seen.index(item) != number for number, item in enumerate(seen)):
        refuse("DuplicateRecordException", "A notification of the same type, operator and threshold exists")


@RULES.rule(
    "anomaly-subscription-monitor",
    on.SUBSCRIPTION_TOKEN,
    WRITE,
    "UnknownMonitorException",
    source="botocore ce CreateAnomalySubscription: UnknownMonitorException",
    accepts=on.creation(_MAIL, _WATCHED),
    refuses=on.creation({**_MAIL, "monitorArnLists": ["arn:aws:ce::000000000000:anomalymonitor/none"]}, _WATCHED),
)
def _monitor_exists(request: Request) -> None:
    for wanted in get(request.body, "MonitorArnList", []):
        if not is_unknown(wanted) and request.account.get(MONITOR_KIND, str(wanted)) is None:
            refuse("UnknownMonitorException", f"The cost anomaly monitor {wanted} does not exist for the account.")


@RULES.rule(
    "anomaly-subscription-frequency",
    on.SUBSCRIPTION_TOKEN,
    WRITE,
    VALIDATION,
    source="Cost Management user guide, Creating an anomaly subscription: individual alerts (IMMEDIATE) go to SNS "
    "topics, daily and weekly summaries to email",
    accepts=on.creation(_MAIL, _WATCHED),
    refuses=on.creation({**_MAIL, "frequency": "IMMEDIATE"}, _WATCHED),
)
def _frequency(request: Request) -> None:
    immediate = get(request.body, "Frequency") == "IMMEDIATE"
    kinds = {item["Type"] for item in get(request.body, "Subscribers", [])}
    if ("EMAIL" if immediate else "SNS") in kinds:
        refuse(
            VALIDATION, f"Subscribers of type {', '.join(sorted(kinds))} do not get {get(request.body, 'Frequency')}"
        )
