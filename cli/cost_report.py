"""A cost report in each of its forms."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from io import StringIO

from rich.console import Console

from cli.cost_view import print_estimate
from policies.cost import as_json
from policies.cost.budgets import Standing, Verdict
from policies.cost.diff import Difference, difference
from policies.cost.model import Estimate
from policies.cost.reports import comma, markdown, page
from policies.cost.reports.document import Document, Section
from policies.cost.reports.document import Verdict as Budget
from policies.cost.summary import money
from policies.cost.what_if import alternatives
from policies.cost.workloads import Workloads
from policies.graph import Operation, ResourceGraph

_NO_PRICE = "unpriced"


class Form(StrEnum):
    """Form of a report."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"
    COMMENT = "comment"
    CSV = "csv"
    HTML = "html"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is known of an environment's cost."""

    environment: str
    graph: ResourceGraph
    estimate: Estimate
    standings: Sequence[Standing]
    workloads: Workloads
    price: Callable[[ResourceGraph], Estimate]
    """Makes another estimate with the same prices and the same usage."""

    @cached_property
    def change(self) -> Difference | None:
        """What the change costs that a preview is about to make; None for a plan and for an export."""
        if all(item.operation is Operation.SAME for item in self.graph.resources):
            return None
        return difference(self.graph, self.price)


def _document(known: Findings) -> Document:
    return Document(
        environment=known.environment,
        made=datetime.now(UTC).date().isoformat(),
        estimate=known.estimate,
        sections=tuple(_sections(known.standings, known.workloads)),
        alternatives=alternatives(known.graph, known.estimate, known.price),
        difference=known.change,
        verdict=_verdict(known.standings),
    )


def rendered(form: Form, known: Findings, *, top: int) -> str:
    """The report as text."""
    if form is Form.TABLE:
        paper = StringIO()
        print_findings(known, Console(file=paper, width=120), top=top)
        return paper.getvalue()
    if form is Form.CSV:
        return comma.table(known.estimate)
    if form is Form.JSON:
        return json.dumps(_json(known), indent=2, ensure_ascii=False) + "\n"
    made = _document(known)
    if form is Form.HTML:
        return page.page(made)
    if form is Form.COMMENT and made.difference is not None:
        return markdown.comment(made, made.difference)
    return markdown.text(made)


def print_findings(known: Findings, out: Console, *, top: int) -> None:
    """The report as tables."""
    print_estimate(known.estimate, known.standings, known.workloads, out, top=top)
    if known.change is not None:
        out.print(f"\n{known.change.sentence()}", style="bold", soft_wrap=True)


def _json(known: Findings) -> dict[str, object]:
    found = as_json.document(known.estimate, known.standings, known.workloads, environment=known.environment)
    made = known.change
    if made is None:
        return found
    changes = [
        {"urn": item.urn, "name": item.name, "type": item.type, "monthly": as_json.text(item.monthly)}
        for item in made.changes
    ]
    return {
        **found,
        "change": {
            "sentence": made.sentence(),
            "monthly": as_json.text(made.monthly),
            "hourly": as_json.text(made.hourly),
            "gpuHourly": as_json.text(made.accelerated_hourly),
            "unpriced": list(made.new_gaps),
            "resources": changes,
        },
    }


def _verdict(measured: Sequence[Standing]) -> Budget | None:
    if not measured:
        return None
    worst = next((item for item in measured if item.verdict is Verdict.OVER), measured[0])
    expected = worst.estimated.expected
    share = 100 * expected / worst.limit
    return Budget(
        within=worst.verdict is not Verdict.OVER,
        text=f"budget.{worst.setting}: {expected:,.0f} of {worst.limit:,f} {worst.unit} ({share:.0f} %)",
    )


def _sections(measured: Sequence[Standing], running: Workloads) -> Iterator[Section]:
    yield Section(
        title="Training runs",
        columns=("run", "team", "GPUs", "hours", "a run"),
        rows=[
            (run.name, run.team, str(run.gpus), f"{run.hours:,.1f}", _NO_PRICE if run.usd is None else money(run.usd))
            for run in running.runs
        ],
        note="; ".join(sorted({run.assumption for run in running.runs})),
    )
    yield Section(
        title="Model services",
        columns=("service", "replicas", "1M tokens", "1,000 requests", "an hour"),
        rows=[
            (
                one.name,
                f"{one.replicas[0]} to {one.replicas[1]}",
                money(one.per_million_tokens[0]) if one.per_million_tokens else "-",
                money(one.per_thousand_requests[0]) if one.per_thousand_requests else "-",
                f"{money(one.hourly[0])} to {money(one.hourly[1])}" if one.hourly else _NO_PRICE,
            )
            for one in running.services
        ],
        note="; ".join(sorted({one.assumption for one in running.services})),
    )
    yield Section(
        title="Who uses the GPUs",
        columns=("pool", "used by", "idle, a month"),
        rows=[
            (
                pool.name,
                ", ".join(f"{team} {money(usd)}" for team, usd in pool.by_team.items()) or "nobody",
                money(pool.idle),
            )
            for pool in running.pools
            if pool.paid_gpu_hours
        ],
        note="idle: paid for and in no run's or service's share",
    )
    yield Section(
        title="Budget",
        columns=("limit", "verdict", "expected"),
        rows=[
            (
                f"budget.{item.setting}: {item.limit:,f} {item.unit}",
                str(item.verdict),
                f"{item.estimated.expected:,.2f} (at most {item.estimated.high:,.2f})",
            )
            for item in measured
        ],
    )
