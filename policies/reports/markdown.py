"""A comment for a pull request: the verdict in one line, what must change in a table, the rest folded away."""

from collections.abc import Iterable, Sequence
from typing import Final

from policies.evaluate import Evaluation, Finding
from policies.rule import Severity

_SHOWN: Final = 25
"""Rows of a table; a comment takes 65,536 characters."""


def text(result: Evaluation, *, fail_on: Severity | None = None) -> str:
    """The comment."""
    stopping = result.stopping(fail_on)
    rest = [item for item in result.violations if item not in stopping]
    graph = result.graph
    verdict = "\N{CROSS MARK} failed" if result.failed(fail_on) else "\N{WHITE HEAVY CHECK MARK} passed"
    counts = f"{len(result.rules)} rules, {len(graph.resources)} resources"
    lines = [f"### Policies of `{_code(graph.stack or graph.origin)}`: {verdict}", ""]
    lines += [f"{counts}, from {_cell(graph.origin)}{' (simulated account)' if graph.simulated else ''}.", ""]
    lines += _table(stopping)
    lines += [
        f"- the suppression of `{item.rule}` on `{_code(item.resource)}` ended on {item.expires}"
        for item in result.expired
    ]
    lines += [
        f"- rule `{item.rule.id}` broke on `{_code(item.resource.name)}`: {_cell(item.error)}" for item in result.faults
    ]
    lines += _folded(f"{len(rest)} advisory", _table(rest), rest)
    undecided = [
        f"- `{item.rule.id}` on `{_code(item.resource.name)}`: {_cell(item.property)}" for item in result.undecided
    ]
    lines += _folded(f"{len(undecided)} decided at update", _cut(undecided), undecided)
    excused = [
        f"- `{item.finding.rule.id}` on `{_code(item.finding.resource.name)}`: {_cell(item.suppression.reason)} "
        f"({_cell(item.suppression.owner)}, until {item.suppression.expires})"
        for item in result.suppressed
    ]
    lines += _folded(f"{len(excused)} suppressed", _cut(excused), excused)
    unused = [f"- `{item.rule}` on `{_code(item.resource)}`" for item in result.unused]
    lines += _folded(f"{len(unused)} suppressions that match nothing", _cut(unused), unused)
    lines += [f"> {_cell(note)}" for note in graph.notes]
    return "\n".join(lines).rstrip() + "\n"


def _table(found: Sequence[Finding]) -> list[str]:
    if not found:
        return []
    rows = [
        f"| {item.rule.severity.value} | `{item.rule.id}` | `{_code(item.resource.name)}` "
        f"| {_cell(item.violation.message)} | {_cell(item.rule.fix)} |"
        for item in sorted(found, key=lambda item: -item.rule.severity.rank)
    ]
    return ["| severity | rule | resource | what is wrong | what to do |", "|---|---|---|---|---|", *_cut(rows), ""]


def _cut(rows: Sequence[str]) -> list[str]:
    more = len(rows) - _SHOWN
    return [*rows[:_SHOWN], *([f"\n… and {more} more: `slipway policy` lists all"] if more > 0 else [])]


def _folded(summary: str, lines: Iterable[str], content: Sequence[object]) -> list[str]:
    if not content:
        return []
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>", ""]


def _cell(given: str) -> str:
    """Text that neither ends a cell nor becomes markup."""
    plain = " ".join(given.split())
    for letter, written in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("`", "'"), ("@", "@\N{ZERO WIDTH SPACE}")):
        plain = plain.replace(letter, written)
    return plain


def _code(given: str) -> str:
    """Text between backticks."""
    return " ".join(given.split()).replace("`", "'").replace("|", "\\|")
