"""An estimate from several sides: by pool, by cluster, by label, its largest lines; and amounts in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from policies.cost.model import Estimate, Line, Range

CENT: Final = Decimal("0.01")
REST: Final = "everything else"
"""What belongs to no pool, no cluster, nobody."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of an estimate under one name."""

    name: str
    range: Range
    """USD a month."""


def shares(estimate: Estimate, name_of: Callable[[Line], str]) -> tuple[Share, ...]:
    """The estimate by the name that ``name_of`` gives each line; the largest first, what has no name last."""
    found: dict[str, Range] = {}
    for line in estimate.lines:
        name = name_of(line) or REST
        found[name] = found.get(name, Range()) + line.range
    ordered = sorted(found.items(), key=lambda item: (item[0] == REST, -item[1].expected, item[0]))
    return tuple(Share(name=name, range=amount) for name, amount in ordered)


def by_pool(estimate: Estimate) -> tuple[Share, ...]:
    """By node pool."""
    return shares(estimate, lambda line: line.pool)


def by_cluster(estimate: Estimate) -> tuple[Share, ...]:
    """By EKS cluster; networks, buckets and file systems belong to none."""
    return shares(estimate, lambda line: line.cluster)


def by_label(estimate: Estimate, label: str) -> tuple[Share, ...]:
    """By the value of a tag or a label."""
    return shares(estimate, lambda line: line.labels.get(label, ""))


def top(estimate: Estimate, number: int = 10) -> tuple[Line, ...]:
    """The lines that cost most."""
    return tuple(sorted(estimate.lines, key=lambda line: (-line.expected, line.urn))[:number])


def money(amount: Decimal) -> str:
    """``-1234.5`` as ``-$1,234.50``."""
    rounded = amount.quantize(CENT, ROUND_HALF_UP)
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,}"


def signed(amount: Decimal) -> str:
    """As ``money``, with a plus before what is added."""
    return f"{'+' if amount.quantize(CENT, ROUND_HALF_UP) > 0 else ''}{money(amount)}"


def span(amount: Range) -> str:
    """``$10.00 to $30.00``, or one amount where both ends are equal."""
    low, high = money(amount.low), money(amount.high)
    return low if low == high else f"{low} to {high}"


def dates(estimate: Estimate) -> str:
    """From which day to which the prices are: ``2025-07-07 to 2026-07-20``; those that a person wrote have none."""
    found: Sequence[str] = sorted({price.as_of for price in estimate.prices if price.as_of[:1].isdigit()})
    if not found:
        return "undated"
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"
