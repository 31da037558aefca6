"""The page of prices: every listed figure, and how second sources agree with it."""

from decimal import Decimal
from itertools import groupby
from typing import Final

from policies.cost.catalogue import Catalogue, Check, Price, checks

TOLERANCE: Final = Decimal("0.01")
"""How far a second source may be off: one per cent."""

_ABOUT: Final = """\
USD, as listed in `policies/cost/data`; source ids are those of `policies/cost/data/SOURCES.md`. A second figure comes
from a source that the price itself does not use and lies within one per cent; region `*` holds where a region has no
row of its own.
"""
_ALONE: Final = """\
No second source was found for these in any region. Spot prices are left out: they move daily, and no two dates agree.
"""


def deviation(price: Price, check: Check) -> Decimal:
    """By which part of the listed price the second figure differs."""
    return abs(check.usd - price.usd) / price.usd


def checked_items() -> frozenset[str]:
    """Items that a second source confirms in at least one region."""
    prices = Catalogue.load().prices
    return frozenset(item.item for item in checks() if deviation(prices[item.item, item.region], item) <= TOLERANCE)


def single_source_items() -> tuple[str, ...]:
    """Items that one source alone lists, Spot aside."""
    return tuple(item for item in Catalogue.load().items if item not in checked_items() and ":spot:" not in item)


def page() -> str:
    """``docs/reference/prices.md``."""
    prices = Catalogue.load().prices
    second = {(item.item, item.region): item for item in checks()}
    parts = ["# Prices\n", _ABOUT]
    for service, keys in groupby(sorted(prices), key=lambda key: key[0].split(":")[0]):
        parts.append(f"## {service}\n")
        parts.append("| item | region | USD | per | as of | sources | second figure |\n|---|---|---|---|---|---|---|")
        parts.extend(_row(key, prices[key], second.get(key)) for key in keys)
        parts.append("")
    parts.append("## Single source\n")
    parts.append(_ALONE)
    parts.extend(f"- `{item}`" for item in single_source_items())
    return "\n".join(parts)


def _row(key: tuple[str, str], price: Price, check: Check | None) -> str:
    item, region = key
    sources = ", ".join(price.sources)
    noted = f"{sources}; derived: {price.derived}" if price.derived else sources
    other = f"{check.usd} ({check.source}, {check.as_of})" if check else ""
    return f"| `{item}` | {region} | {price.usd} | {price.unit} | {price.as_of} | {noted} | {other} |"
