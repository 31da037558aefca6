from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from policies.cost.actual import Actual, Billed, TagNotActiveError, billed, compare
from policies.cost.catalogue import Price
from policies.cost.model import Category, Component, Estimate, Line

TODAY = date(2026, 11, 21)
ACTIVE = {"CostAllocationTags": [{"TagKey": "slipway:stack", "Type": "UserDefined", "Status": "Active"}]}


@pytest.fixture
def client() -> Any:
    """Cost Explorer's client; a Stubber checks each request and each answer against botocore's model."""
    return boto3.client("ce", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def request(**more: str) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": "2026-11-19", "End": "2026-11-21"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "Filter": {"Tags": {"Key": "slipway:stack", "Values": ["slipway/prod"], "MatchOptions": ["EQUALS"]}},
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
        **more,
    }


def day(start: str, end: str, amounts: dict[str, str], *, preliminary: bool = False) -> dict[str, Any]:
    groups = [
        {"Keys": [service], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
        for service, amount in amounts.items()
    ]
    return {"TimePeriod": {"Start": start, "End": end}, "Total": {}, "Groups": groups, "Estimated": preliminary}


def test_the_bill_is_summed_over_days_and_pages(client: Any) -> None:
    first = day("2026-11-19", "2026-11-20", {"Amazon FSx": "10.10", "Amazon Elastic Compute Cloud - Compute": "1000"})
    second = day("2026-11-20", "2026-11-21", {"Amazon FSx": "10.20"}, preliminary=True)
    with Stubber(client) as stub:
        stub.add_response("list_cost_allocation_tags", ACTIVE, {"TagKeys": ["slipway:stack"]})
        stub.add_response("get_cost_and_usage", {"ResultsByTime": [first], "NextPageToken": "more"}, request())
        stub.add_response("get_cost_and_usage", {"ResultsByTime": [second]}, request(NextPageToken="more"))
        found = billed(client, "slipway/prod", today=TODAY, days=2)
    assert [(item.service, item.usd) for item in found.services] == [
        ("Amazon Elastic Compute Cloud - Compute", Decimal(1000)),
        ("Amazon FSx", Decimal("20.30")),
    ], "by service, the dearest first, to the cent"
    assert (found.first, found.last, found.days) == (date(2026, 11, 19), date(2026, 11, 20), 2), "today is not over"
    assert found.preliminary, "one of the days may still change"


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ([], "not been seen"),
        ([{"TagKey": "slipway:stack", "Type": "UserDefined", "Status": "Inactive"}], "not activated"),
    ],
)
def test_a_tag_that_billing_does_not_look_at_is_a_clear_error(client: Any, listed: list[Any], told: str) -> None:
    with Stubber(client) as stub:
        stub.add_response("list_cost_allocation_tags", {"CostAllocationTags": listed}, {"TagKeys": ["slipway:stack"]})
        with pytest.raises(TagNotActiveError, match=told) as error:
            billed(client, "slipway/prod", today=TODAY, days=2)
    assert "update-cost-allocation-tags-status" in error.value.hint, "it says which command helps"


def expected(monthly: str) -> Estimate:
    unit = Price(usd=Decimal(monthly), unit="month", region="us-east-1", as_of="2026-07-20", sources=("T1",))
    item = Component(name="all", unit="month", quantity=Decimal(1), least=Decimal(0), most=Decimal(2), unit_price=unit)
    line = Line(urn="u", type="t", name="n", category=Category.NODES, region="us-east-1", components=(item,))
    return Estimate(lines=(line,), unpriced=(), free=())


def test_a_bill_of_some_days_is_compared_as_a_month() -> None:
    actual = Actual(
        first=date(2026, 11, 1),
        last=date(2026, 11, 10),
        services=(Billed(service="Amazon FSx", usd=Decimal(240)),),
        preliminary=False,
    )
    assert actual.monthly == Decimal(730), "one dollar an hour"
    found = compare(actual, expected("365"))
    assert (found.factor, found.within) == (Decimal(2), True), "twice what was expected, and still in the range"
    assert not compare(actual, expected("300")).within, "more than the largest size may cost"
    assert compare(actual, expected("0")).factor is None, "nothing was expected"
