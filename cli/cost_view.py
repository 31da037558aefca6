"""An estimate as tables for a terminal."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from rich.console import Console

from cli.terminal import counted, table
from policies.cost.budgets import Standing, Verdict
from policies.cost.model import Estimate, Range
from policies.cost.workloads import Workloads

_CENT: Final = Decimal("0.01")
_STYLES: Final = {Verdict.WITHIN: "green", Verdict.NEAR: "yellow", Verdict.OVER: "bold red"}


def usd(amount: Decimal) -> str:
    """``1,234.50``: rounded to the cent, and only here."""
    return f"{amount.quantize(_CENT, ROUND_HALF_UP):,}"


def print_estimate(
    found: Estimate, measured: Sequence[Standing], running: Workloads, out: Console, *, top: int
) -> None:
    """Totals by category, the dearest resources, workloads, budget, and everything that is assumed or missing."""
    _totals(found, out)
    _dearest(found, out, top=top)
    _workloads(running, out)
    _budget(measured, out)
    _honesty(found, out)


def _totals(found: Estimate, out: Console) -> None:
    rows = table("category", "USD a month", "at its smallest", "at its largest", "USD an hour")
    for category, amount in found.by_category.items():
        rows.add_row(str(category), *_amounts(amount))
    rows.add_row("total", *_amounts(found.total), style="bold")
    out.print(rows)
    hours = found.gpu_hours.expected
    if hours:
        out.print(f"GPU-hours a month: {hours:,.0f}; nodes with GPUs: {usd(found.gpu_hourly)} USD an hour", style="dim")


def _amounts(amount: Range) -> tuple[str, str, str, str]:
    return usd(amount.expected), usd(amount.low), usd(amount.high), usd(amount.hourly.expected)


def _dearest(found: Estimate, out: Console, *, top: int) -> None:
    lines = sorted(found.lines, key=lambda line: (-line.expected, line.urn))[:top]
    rows = table("resource", "what", "USD a month", "price of", title=f"\nthe dearest of {len(found.lines)}")
    for line in lines:
        for position, item in enumerate(line.components):
            price = item.unit_price
            rows.add_row(
                line.name if position == 0 else "",
                f"{item.name}: {item.quantity.normalize():,f} {item.unit}",
                "unpriced" if item.monthly is None else usd(item.monthly),
                ""
                if price is None
                else f"{price.as_of}{' derived' if price.derived else ' live' if price.live else ''}",
            )
    out.print(rows)
    for line, item in found.upfront:
        out.print(f"paid at once: {usd(item.upfront or Decimal(0))} USD for {line.name} ({item.assumption})")


def _workloads(running: Workloads, out: Console) -> None:
    if running.runs:
        rows = table("training run", "team", "GPUs", "hours", "USD a run", "taken", title="\ntraining")
        for run in running.runs:
            cost = "unpriced" if run.usd is None else usd(run.usd)
            rows.add_row(run.name, run.team, str(run.gpus), f"{run.hours:,.1f}", cost, run.assumption)
        out.print(rows)
    if running.services:
        rows = table(
            "model service",
            "replicas",
            "USD an hour",
            "USD/1M tokens",
            "USD/1,000 requests",
            "taken",
            title="\nserving",
        )
        for one in running.services:
            rows.add_row(
                one.name,
                f"{one.replicas[0]} to {one.replicas[1]}",
                "unpriced" if one.hourly is None else f"{usd(one.hourly[0])} to {usd(one.hourly[1])}",
                usd(one.per_million_tokens[0]) if one.per_million_tokens else "-",
                usd(one.per_thousand_requests[0]) if one.per_thousand_requests else "-",
                one.assumption,
            )
        out.print(rows)
    for pool in running.pools:
        shares = ", ".join(f"{team} {usd(amount)}" for team, amount in pool.by_team.items())
        out.print(f"pool {pool.name}: {usd(pool.idle)} USD a month idle; {shares or 'nobody uses it'}")


def _budget(measured: Sequence[Standing], out: Console) -> None:
    if not measured:
        out.print("\nno budget is set: write budget.monthlyUsd into the settings", style="dim")
        return
    out.print()
    for item in measured:
        share = item.estimated.expected / item.limit * 100
        out.print(
            f"budget.{item.setting}: {usd(item.estimated.expected)} of {usd(item.limit)} {item.unit} "
            f"({share:.0f} %, at most {usd(item.estimated.high)}): {item.verdict}",
            style=_STYLES[item.verdict],
        )


def _honesty(found: Estimate, out: Console) -> None:
    for gap in found.unpriced:
        out.print(f"unpriced: {gap.name}, {gap.what}: {gap.why}", style="yellow", soft_wrap=True)
    for line, item in found.derived:
        why = item.unit_price.derived if item.unit_price else ""
        out.print(f"derived: {line.name}, {item.name}: {why}", style="dim", soft_wrap=True)
    guesses = sum(item.usage_based for line in found.lines for item in line.components)
    dates = sorted({price.as_of for price in found.prices})
    span = f"{dates[0]} to {dates[-1]}" if dates else "none"
    out.print(
        f"\n{counted(guesses, 'figure')} rest on usage.* of the settings; {counted(len(found.free), 'resource')} cost "
        f"nothing; list prices without taxes, discounts and free tiers, dated {span}",
        style="dim",
        soft_wrap=True,
    )
