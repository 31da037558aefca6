import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from components.aws.budget import StackBudget, StackBudgetArgs
from components.problems import RefusedArgumentsError
from local.cloud.plan import record
from local.cloud.recording import Recording

TOPIC = "arn:aws:sns:us-east-1:000000000000:costs"
ARGS = StackBudgetArgs(monthly_usd=Decimal(900_000), emails=["a@example.com", "b@example.com"], topic_arn=TOPIC)
BUDGET = "aws:budgets/budget:Budget"
MONITOR = "aws:costexplorer/anomalyMonitor:AnomalyMonitor"
SUBSCRIPTION = "aws:costexplorer/anomalySubscription:AnomalySubscription"


def built(args: StackBudgetArgs = ARGS) -> Recording:
    def program() -> dict[str, Any]:
        made = StackBudget("costs", args)
        return {"budget": made.budget_name, "monitor": made.monitor_arn}

    return record(program)


@cache
def costs() -> Recording:
    return built()


def test_the_budget_counts_what_carries_the_stacks_tag() -> None:
    inputs = costs().get(BUDGET).inputs
    assert (inputs["limitAmount"], inputs["limitUnit"], inputs["timeUnit"]) == ("900000", "USD", "MONTHLY")
    (found,) = inputs["costFilters"]
    assert found == {"name": "TagKeyValue", "values": ["user:slipway:stack$slipway/test"]}


def test_people_and_the_topic_are_told_early_at_the_limit_and_when_it_is_forecast() -> None:
    alarms = costs().get(BUDGET).inputs["notifications"]
    assert [(item["notificationType"], item["threshold"]) for item in alarms] == [
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    ]
    assert all(item["subscriberEmailAddresses"] == ["a@example.com", "b@example.com"] for item in alarms)
    assert all(item["subscriberSnsTopicArns"] == [TOPIC] for item in alarms)


def test_a_warning_at_the_limit_is_no_second_alarm() -> None:
    alarms = built(replace(ARGS, warn_percent=Decimal(100))).get(BUDGET).inputs["notifications"]
    assert [item["notificationType"] for item in alarms] == ["ACTUAL", "FORECASTED"]


def test_the_monitor_watches_the_stack_and_mails_once_a_day() -> None:
    watched = json.loads(costs().get(MONITOR).inputs["monitorSpecification"])
    assert watched == {"Tags": {"Key": "slipway:stack", "Values": ["slipway/test"], "MatchOptions": ["EQUALS"]}}
    mail = costs().get(SUBSCRIPTION).inputs
    assert mail["frequency"] == "DAILY", "mail at once is not offered"
    assert [item["address"] for item in mail["subscribers"]] == ["a@example.com", "b@example.com"]
    assert mail["thresholdExpression"]["dimension"]["values"] == ["500"]


@pytest.mark.parametrize(
    "changes",
    [
        {"monthly_usd": Decimal(0)},
        {"anomaly_usd": Decimal(-1)},
        {"warn_percent": Decimal(101)},
        {"emails": []},
        {"emails": ["a@example.com"] * 11},
    ],
)
def test_what_aws_refuses_is_refused_before_anything_is_made(changes: dict[str, Any]) -> None:
    with pytest.raises(RefusedArgumentsError, match="allowed"):
        built(replace(ARGS, **changes))
