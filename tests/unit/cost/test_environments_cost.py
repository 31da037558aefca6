"""The checked-in environments: everything in them is priced, free or named; prod equals the sum made by hand."""

import re
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

import pytest

from cli.graph_of import planned_graph
from cli.project import open_stack
from policies.cost.budgets import Spending, Verdict, standings
from policies.cost.catalogue import Catalogue
from policies.cost.estimate import Estimate, estimate
from policies.graph import ResourceGraph

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "read-a-cost-report.md"
ROW = re.compile(r"^\| (?P<what>[^|*]+) \| (?P<arithmetic>[\d. x/+]+) \| (?P<usd>[\d,.]+) \|$", re.MULTILINE)
TOTAL = re.compile(r"\*\*total\*\* \| \| \*\*(?P<usd>[\d,.]+)\*\*")
ENVIRONMENTS = ("local", "dev", "staging", "prod")


@cache
def priced(env: str) -> tuple[ResourceGraph, Estimate]:
    stack = open_stack(env)
    graph, spending = planned_graph(stack), Spending.of(stack.settings)
    return graph, estimate(graph, catalogue=Catalogue.load(), usage=spending.usage, blocks=spending.blocks)


def cents(amount: Decimal) -> str:
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def worked(arithmetic: str) -> Decimal:
    """The value of sums of products and quotients, as a person reads them."""
    result = Decimal(0)
    for product in arithmetic.split("+"):
        value, operator = Decimal(1), "x"
        for token in re.findall(r"[\d.]+|[x/]", product):
            if token in "x/":
                operator = token
            else:
                value = value * Decimal(token) if operator == "x" else value / Decimal(token)
        result += value
    return result


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_resource_is_priced_free_or_named(env: str) -> None:
    graph, found = priced(env)
    told = {item.urn for group in (found.lines, found.free, found.unpriced) for item in group}
    made = {item.urn for item in graph.resources if item.custom and not item.type.startswith("pulumi:")}
    assert made - told == set(), "nothing is silently zero"
    assert [item for item in found.unpriced if item.concerns_gpu_or_storage] == [], "no GPU and no data without a price"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_keeps_its_budget(env: str) -> None:
    spending = Spending.of(open_stack(env).settings)
    verdicts = {item.setting: item.verdict for item in standings(priced(env)[1], spending.budget)}
    assert Verdict.OVER not in verdicts.values(), verdicts


def test_each_row_worked_by_hand_is_right() -> None:
    rows = list(ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(rows) > 15, "the table was found"
    for row in rows:
        assert cents(worked(row["arithmetic"])) == row["usd"], row["what"]


def test_the_total_of_prod_is_the_sum_made_by_hand() -> None:
    text = PAGE.read_text(encoding="utf-8")
    total = TOTAL.search(text)
    assert total is not None
    by_hand = sum((worked(row["arithmetic"]) for row in ROW.finditer(text)), Decimal(0))
    found = priced("prod")[1]
    assert cents(found.total.expected) == cents(by_hand) == total["usd"]
    assert abs(found.total.expected - by_hand) < Decimal("0.00001"), "not only by luck of rounding"
