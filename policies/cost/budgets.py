"""An estimate against what the settings allow to spend."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from policies.cost.model import Estimate, Range
from policies.cost.pricing import Block, blocks_of, percent
from stacks.governance import Budget, Usage
from stacks.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What a stack's settings say about money."""

    budget: Budget | None = None
    usage: Usage = field(default_factory=Usage)
    blocks: Mapping[str, Block] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Spending":
        """Those of a stack."""
        return cls(budget=settings.budget, usage=settings.usage, blocks=blocks_of(settings.pools))


class Verdict(StrEnum):
    """How an estimate stands to a limit."""

    WITHIN = "within"
    NEAR = "near"
    """More than the warning share is expected, or the stack may grow beyond the limit."""
    OVER = "over"
    """More than the limit is expected."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One limit and what is expected of it."""

    setting: str
    """As in the settings: ``monthlyUsd``."""
    unit: str
    limit: Decimal
    estimated: Range
    verdict: Verdict


def standings(found: Estimate, budget: Budget | None) -> Iterator[Standing]:
    """The estimate against every limit that the budget sets."""
    if budget is None:
        return
    measured = (
        ("monthlyUsd", "USD a month", budget.monthly_usd, found.total),
        ("hourlyUsd", "USD an hour", budget.hourly_usd, found.total.hourly),
        ("gpuHours", "GPU-hours a month", budget.gpu_hours, found.gpu_hours),
    )
    for setting, unit, limit, estimated in measured:
        if limit is not None:
            verdict = _verdict(estimated, limit, percent(budget.warn_percent))
            yield Standing(setting=setting, unit=unit, limit=limit, estimated=estimated, verdict=verdict)


def _verdict(estimated: Range, limit: Decimal, warning: Decimal) -> Verdict:
    if estimated.expected > limit:
        return Verdict.OVER
    return Verdict.NEAR if estimated.expected > limit * warning or estimated.high > limit else Verdict.WITHIN
