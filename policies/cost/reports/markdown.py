"""A cost report as Markdown, short enough for a comment on a pull request."""

from collections.abc import Iterator, Sequence
from typing import Final

from policies.cost.diff import Difference
from policies.cost.reports.document import Document, Section
from policies.cost.summary import by_pool, dates, money, signed, span, top

_CHANGES: Final = 20
_TOP: Final = 10


def text(document: Document) -> str:
    """The whole report."""
    return "\n".join(_lines(document)) + "\n"


def comment(document: Document, difference: Difference) -> str:
    """What a change costs, with the whole estimate folded away."""
    parts = [
        f"### Cost of this change to `{_code(document.environment)}`: {signed(difference.monthly)} a month",
        "",
        f"{money(difference.before.total.expected)} → **{money(difference.after.total.expected)}** a month; "
        f"{signed(difference.hourly)}/h, of which GPUs {signed(difference.accelerated_hourly)}/h."
        + (" Simulated account." if document.estimate.simulated else ""),
        *([f"\n{_verdict(document)}"] if document.verdict else []),
        *_changes(difference),
        *_gaps(document),
        "",
        "<details><summary>The whole estimate</summary>",
        "",
        *_lines(document, nested=True),
        "",
        "</details>",
    ]
    return "\n".join(parts) + "\n"


def _verdict(document: Document) -> str:
    verdict = document.verdict
    return "" if verdict is None else f"{'✅' if verdict.within else '❌'} {_cell(verdict.text)}"


def _lines(document: Document, *, nested: bool = False) -> Iterator[str]:
    estimate = document.estimate
    head = "####" if nested else "##"
    if not nested:
        yield f"# What `{_code(document.environment)}` costs"
        yield ""
    yield (
        f"**{money(estimate.total.expected)} a month** ({span(estimate.total)}), "
        f"{money(estimate.total.hourly.expected)}/h; {estimate.gpu_hours.expected:,.0f} GPU-hours a month."
    )
    yield ""
    simulated = "simulated account; " if estimate.simulated else ""
    yield f"{document.made}; {simulated}regions: {document.regions}; prices of {dates(estimate)}; 730 hours a month."
    if document.verdict and not nested:
        yield f"\n{_verdict(document)}"
    if document.difference and not nested:
        yield from _changes(document.difference)
    yield from _table(
        f"{head} By category",
        ("", "range", "a month"),
        [(category, span(amount), money(amount.expected)) for category, amount in estimate.by_category.items()],
    )
    yield from _table(
        f"{head} By pool",
        ("pool", "range", "a month"),
        [(share.name, span(share.range), money(share.range.expected)) for share in by_pool(estimate)],
    )
    yield from _table(
        f"{head} Largest lines",
        ("resource", "what", "a month"),
        [
            (line.name, ", ".join(item.name for item in line.components), money(line.expected))
            for line in top(estimate, _TOP)
        ],
    )
    for section in document.sections:
        yield from _section(head, section)
    if document.alternatives:
        rows = [
            (item.title, item.assumption, money(item.saving(estimate)) if item.estimate else "not priced")
            for item in document.alternatives
        ]
        yield from _table(f"{head} What if", ("", "assumption", "saves a month"), rows)
    if not nested:
        yield from _gaps(document)


def _section(head: str, section: Section) -> Iterator[str]:
    yield from _table(f"{head} {section.title}", section.columns, section.rows)
    if section.note:
        yield f"\n{_cell(section.note)}"


def _changes(difference: Difference) -> Iterator[str]:
    rows = [
        (
            change.name,
            "new" if change.before is None else "deleted" if change.after is None else "changed",
            signed(change.monthly),
        )
        for change in difference.changes[:_CHANGES]
    ]
    yield from _table("", ("resource", "", "a month"), rows)
    if len(difference.changes) > _CHANGES:
        yield f"\nand {len(difference.changes) - _CHANGES} more."


def _gaps(document: Document) -> Iterator[str]:
    unpriced = document.estimate.unpriced
    if unpriced:
        yield ""
        yield f"**Not in these figures: {len(unpriced)} without a price**"
        yield ""
        yield from (f"- `{_code(item.name)}`: {_cell(item.what)} ({_cell(item.why)})" for item in unpriced)


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    if title:
        yield title
        yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * (len(columns) - 1)} ---: |"
    yield from (f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(value: str) -> str:
    """Names come from programs: no cell may end its table or become HTML."""
    return value.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _code(value: str) -> str:
    return value.replace("`", "'").replace("\n", " ")
