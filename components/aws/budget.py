"""The stack's budget at AWS: mail before the money is spent, and when a day costs unlike the days before.

Both look at the tag ``slipway:stack``. AWS shows the cost of a tag only after it was activated as a cost allocation tag
in the paying account (Billing user guide, "Activating user-defined cost allocation tags").
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pulumi
from pulumi_aws import budgets, costexplorer

from components import tokens
from components.problems import refuse
from components.tags import STACK, resource_tags

MAX_EMAILS = 10
"""Of one notification; one SNS topic may come besides (AWS Budgets API reference, NotificationWithSubscribers)."""
_WHOLE_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class StackBudgetArgs:
    """How much a month may cost, and who is told."""

    monthly_usd: Decimal
    emails: Sequence[str]
    warn_percent: Decimal = Decimal(80)
    """From which part of the budget on AWS warns."""
    topic_arn: str | None = None
    """An SNS topic that also gets the budget's alarms."""
    anomaly_usd: Decimal = Decimal(500)
    """By how many USD a day must differ from what is usual."""


class StackBudget(pulumi.ComponentResource):
    """A monthly cost budget with three alarms, and an anomaly monitor that reports once a day. Holds no data.

    Raises:
        ValueError: amounts or addresses that AWS Budgets refuses.
    """

    budget_name: pulumi.Output[str]
    monitor_arn: pulumi.Output[str]

    def __init__(self, name: str, args: StackBudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("StackBudget", name, _problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        self._options = pulumi.ResourceOptions(parent=self)
        self._stack = f"{pulumi.get_project()}/{pulumi.get_stack()}"
        self.budget_name = self._create_budget(name, args).name
        self.monitor_arn = self._create_monitor(name, args).arn
        self.register_outputs({"budget_name": self.budget_name, "monitor_arn": self.monitor_arn})

    def _create_budget(self, name: str, args: StackBudgetArgs) -> budgets.Budget:
        warning = args.warn_percent
        alarms = [("ACTUAL", warning), ("ACTUAL", Decimal(_WHOLE_PERCENT)), ("FORECASTED", Decimal(_WHOLE_PERCENT))]
        return budgets.Budget(
            f"{name}-budget",
            budget_type="COST",
            limit_amount=amount(args.monthly_usd),
            limit_unit="USD",
            time_unit="MONTHLY",
            cost_filters=[budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[f"user:{STACK}${self._stack}"])],
            notifications=[
                budgets.BudgetNotificationArgs(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=float(percent),
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(args.emails),
                    subscriber_sns_topic_arns=[args.topic_arn] if args.topic_arn else None,
                )
                # With a warning at the whole budget the first two are one alarm, which AWS refuses twice.
                for kind, percent in dict.fromkeys(alarms)
            ],
            tags=resource_tags(f"{name}-budget"),
            opts=self._options,
        )

    def _create_monitor(self, name: str, args: StackBudgetArgs) -> costexplorer.AnomalyMonitor:
        monitor = costexplorer.AnomalyMonitor(
            f"{name}-anomalies",
            monitor_type="CUSTOM",
            monitor_specification=monitor_document(self._stack),
            tags=resource_tags(f"{name}-anomalies"),
            opts=self._options,
        )
        costexplorer.AnomalySubscription(
            f"{name}-anomaly-mail",
            # Mail comes once a day or a week; only SNS topics are told at once (Cost Explorer API reference).
            frequency="DAILY",
            monitor_arn_lists=[monitor.arn],
            subscribers=[
                costexplorer.AnomalySubscriptionSubscriberArgs(type="EMAIL", address=address) for address in args.emails
            ],
            threshold_expression=costexplorer.AnomalySubscriptionThresholdExpressionArgs(
                dimension=costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs(
                    key="ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    match_options=["GREATER_THAN_OR_EQUAL"],
                    values=[amount(args.anomaly_usd)],
                )
            ),
            tags=resource_tags(f"{name}-anomaly-mail"),
            opts=self._options,
        )
        return monitor


def amount(usd: Decimal) -> str:
    """``900000`` as AWS spells it: digits, no exponent."""
    return f"{usd.normalize():f}"


def monitor_document(stack: str) -> str:
    """What the anomaly monitor watches: everything that carries the stack's tag."""
    return json.dumps({"Tags": {"Key": STACK, "Values": [stack], "MatchOptions": ["EQUALS"]}})


def _problems(args: StackBudgetArgs) -> list[str]:
    problems = [
        f"{what} is {usd}; allowed: more than 0"
        for what, usd in (("monthly_usd", args.monthly_usd), ("anomaly_usd", args.anomaly_usd))
        if usd <= 0
    ]
    if not 0 < args.warn_percent <= _WHOLE_PERCENT:
        problems.append(f"warn_percent is {args.warn_percent}; allowed: more than 0, at most {_WHOLE_PERCENT}")
    if not 1 <= len(args.emails) <= MAX_EMAILS:
        problems.append(f"{len(args.emails)} addresses are given; allowed: 1 to {MAX_EMAILS}")
    return problems
