"""What AWS billed for a stack, by the kit's own tag, beside what the estimate expected.

Cost Explorer sees a tag only once somebody has activated it as a cost allocation tag, and only from that day on
(AWS Billing User Guide, "Activating user-defined cost allocation tags"). Each request costs 0.01 USD.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from components import tags
from policies.cost.model import HOURS_PER_MONTH, Estimate, Range

_METRIC: Final = "UnblendedCost"
_HOURS_PER_DAY: Final = 24
_ACTIVE: Final = "Active"


class TagNotActiveError(Exception):
    """The account's billing does not look at the kit's tag.

    Attributes:
        key: the tag.
        known: whether the account has ever seen it; AWS lists a tag up to a day after its first use.
    """

    def __init__(self, key: str, *, known: bool) -> None:
        why = "is not activated" if known else "has not been seen by the account's billing yet"
        super().__init__(f"the tag {key} {why}, so no bill can be told by stack")
        self.key = key
        self.known = known

    @property
    def hint(self) -> str:
        """What to do about it."""
        wait = "" if self.known else "wait a day after the first update; then, "
        return (
            f"{wait}in the management account: aws ce update-cost-allocation-tags-status "
            f"--cost-allocation-tags-status TagKey={self.key},Status=Active (it counts from then on)"
        )


@dataclass(frozen=True, kw_only=True)
class Billed:
    """One service's part of the bill."""

    service: str
    usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Actual:
    """What was billed in some whole days."""

    first: date
    last: date
    """Both included."""
    services: tuple[Billed, ...]
    """The dearest first."""
    preliminary: bool
    """Whether AWS may still change the figures."""

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def usd(self) -> Decimal:
        """All services together."""
        return sum((item.usd for item in self.services), Decimal(0))

    @property
    def monthly(self) -> Decimal:
        """USD that a month of such days costs."""
        return self.usd / (self.days * _HOURS_PER_DAY) * HOURS_PER_MONTH


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The bill beside the estimate, both a month."""

    actual: Actual
    expected: Range

    @property
    def factor(self) -> Decimal | None:
        """How many times the expected amount was billed; None where nothing was expected."""
        return self.actual.monthly / self.expected.expected if self.expected.expected else None

    @property
    def within(self) -> bool:
        """Whether the bill lies in the range that the settings allow."""
        return self.expected.low <= self.actual.monthly <= self.expected.high


def compare(actual: Actual, estimate: Estimate) -> Comparison:
    """The bill beside an estimate."""
    return Comparison(actual=actual, expected=estimate.total)


def billed(client: Any, stack: str, *, today: date, days: int) -> Actual:
    """What was billed for a stack in the last ``days`` whole days.

    Args:
        client: boto3's for Cost Explorer (``ce``), of the account that pays.
        stack: ``project/stack``, the value of the tag ``slipway:stack``.
        today: this day is not over and does not count.
        days: how many; Cost Explorer keeps 13 months unless told otherwise.

    Raises:
        TagNotActiveError: the account's bills cannot be told by stack.
        botocore.exceptions.ClientError: AWS refuses the call.
    """
    _require_active(client, tags.STACK)
    first, end = today - timedelta(days=days), today
    sums: dict[str, Decimal] = {}
    preliminary = False
    for period in _periods(client, stack, first, end):
        preliminary = preliminary or bool(period.get("Estimated"))
        for group in period["Groups"]:
            amount = Decimal(group["Metrics"][_METRIC]["Amount"])
            sums[group["Keys"][0]] = sums.get(group["Keys"][0], Decimal(0)) + amount
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return Actual(
        first=first,
        last=end - timedelta(days=1),
        services=tuple(Billed(service=service, usd=usd) for service, usd in ordered),
        preliminary=preliminary,
    )


def _periods(client: Any, stack: str, first: date, end: date) -> Iterator[dict[str, Any]]:
    request: dict[str, Any] = {
        "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
        "Granularity": "DAILY",
        "Metrics": [_METRIC],
        "Filter": {"Tags": {"Key": tags.STACK, "Values": [stack], "MatchOptions": ["EQUALS"]}},
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    while True:
        answer = client.get_cost_and_usage(**request)
        yield from answer["ResultsByTime"]
        if not answer.get("NextPageToken"):
            return
        request["NextPageToken"] = answer["NextPageToken"]


def _require_active(client: Any, key: str) -> None:
    listed = client.list_cost_allocation_tags(TagKeys=[key])["CostAllocationTags"]
    if not any(item["Status"] == _ACTIVE for item in listed):
        raise TagNotActiveError(key, known=bool(listed))
