"""An estimate as CSV (RFC 4180): one row for each billed dimension, and one for everything that is unpriced."""

import csv
import io
from typing import Final

from policies.cost.model import Component, Estimate, Line

COLUMNS: Final = (
    *("resource", "type", "category", "pool", "cluster", "region", "component", "unit", "quantity"),
    *("unit_price_usd", "monthly_usd", "monthly_low_usd", "monthly_high_usd"),
    *("price_as_of", "price_sources", "derived", "assumption", "urn"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table(estimate: Estimate) -> str:
    """The rows, with a header; an unpriced dimension has no amounts, rather than zeros."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in estimate.lines:
        writer.writerows(_row(line, item) for item in line.components)
    listed = {line.urn for line in estimate.lines}
    for gap in estimate.unpriced:
        if gap.urn not in listed:
            cells = {"resource": gap.name, "type": gap.type, "component": gap.what, "assumption": gap.why}
            writer.writerow([_cell({**cells, "urn": gap.urn}.get(column, "")) for column in COLUMNS])
    return text.getvalue()


def _row(line: Line, item: Component) -> list[str]:
    price, amounts = item.unit_price, item.range
    sizes = (amounts.expected, amounts.low, amounts.high)
    money = [f"{amount.normalize():f}" if price else "" for amount in sizes]
    return [
        *(_cell(text) for text in (line.name, line.type, line.category, line.pool, line.cluster, line.region)),
        *(_cell(text) for text in (item.name, item.unit)),
        f"{item.quantity.normalize():f}",
        f"{price.usd.normalize():f}" if price else "",
        *money,
        *(_cell(text) for text in ((price.as_of, "|".join(price.sources), price.derived) if price else ("", "", ""))),
        _cell(item.assumption),
        _cell(line.urn),
    ]


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula, and names of resources are somebody's input."""
    return f"'{text}" if text.startswith(_FORMULA) else text
