"""For a terminal: what must change first, with its fix; then what is only worth knowing."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from policies.evaluate import Evaluation, Finding
from policies.rule import Rule, Severity

_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "dim",
}


def print_report(result: Evaluation, out: Console, *, fail_on: Severity | None = None, seconds: float = 0) -> None:
    """The whole report."""
    stopping = result.stopping(fail_on)
    rest = [item for item in result.violations if item not in stopping]
    _findings(stopping, out, "must be corrected" if fail_on else "stops an update")
    _findings(rest, out, "advice")
    _lines(
        out,
        "rules that broke (a mistake in the rule)",
        (f"{item.rule.id} on {item.resource.name}: {item.error}" for item in result.faults),
    )
    _lines(
        out,
        "decided at update: a preview does not know these values",
        (f"{item.rule.id} on {item.resource.name}: {item.property or 'a value'}" for item in result.undecided),
    )
    _lines(
        out,
        "suppressed",
        (
            f"{item.finding.rule.id} on {item.finding.resource.name} until {item.suppression.expires}: "
            f"{item.suppression.reason} ({item.suppression.owner})"
            for item in result.suppressed
        ),
    )
    _lines(
        out,
        "suppressions whose day is over: correct the resource, or sign again",
        (f"{item.rule} on {item.resource}, ended {item.expires} ({item.owner})" for item in result.expired),
    )
    _lines(
        out,
        "suppressions that match nothing: remove them",
        (f"{item.rule} on {item.resource} ({item.owner})" for item in result.unused),
    )
    _lines(out, "about the source", result.graph.notes)
    _verdict(result, out, fail_on, seconds)


def _verdict(result: Evaluation, out: Console, fail_on: Severity | None, seconds: float) -> None:
    failed = result.failed(fail_on)
    counts = f"{len(result.rules)} rules, {len(result.graph.resources)} resources"
    advice = len(result.violations) - len(result.stopping(fail_on))
    line = Text("failed" if failed else "passed", style="bold red" if failed else "bold green")
    told = f": {len(result.stopping(fail_on))} to correct, {advice} advisory, {len(result.undecided)} decided at update"
    line.append(f"{told} ({counts}, {seconds:.1f} s)", style="not bold default")
    out.print(line, soft_wrap=True)


def _findings(found: Iterable[Finding], out: Console, heading: str) -> None:
    by_rule: dict[str, list[Finding]] = {}
    for item in sorted(found, key=lambda item: -item.rule.severity.rank):
        by_rule.setdefault(item.rule.id, []).append(item)
    if not by_rule:
        return
    out.print(Text(heading, style="bold"))
    for items in by_rule.values():
        rule = items[0].rule
        line = Text("  ")
        line.append(f"{rule.severity.value:<9}", style=_STYLES[rule.severity])
        line.append(rule.id, style="bold")
        line.append(f"  {rule.title}")
        out.print(line, soft_wrap=True)
        for item in items:
            put_right = " (put right by the engine)" if item.remedied else ""
            out.print(Text(f"    {item.resource.name}: {item.violation.message}{put_right}"), soft_wrap=True)
        out.print(Text(f"    do: {rule.fix}", style="dim"), soft_wrap=True)
    out.print()


def _lines(out: Console, heading: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if not found:
        return
    out.print(Text(heading, style="bold"))
    for line in found:
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()


def print_rules(rules: Iterable[Rule], out: Console) -> None:
    """One line for each rule, under its family."""
    family = ""
    known = list(rules)
    width = max((len(rule.id) for rule in known), default=0)
    for rule in known:
        if rule.family != family:
            family = rule.family
            out.print(Text(family, style="bold"))
        line = Text("  ")
        line.append(f"{rule.severity.value:<9}", style=_STYLES[rule.severity])
        line.append(f"{rule.id:<{width}}  {rule.title}")
        out.print(line, soft_wrap=True)


def print_rule(rule: Rule, out: Console) -> None:
    """Everything about one rule."""
    out.print(Text(f"{rule.id}: {rule.title}", style="bold"), soft_wrap=True)
    lines = [
        ("severity", f"{rule.severity.value}{'; the engine can put it right' if rule.remediate else ''}"),
        ("why", rule.rationale),
        ("source", rule.source),
        ("do this", rule.fix),
        ("looks at", ", ".join(sorted(rule.types))),
        *(("maps to", f"{item.framework} {item.version}: {item.requirement}") for item in rule.references),
    ]
    for label, text in lines:
        line = Text(f"  {label + ':':<10}", style="bold")
        line.append(text, style="not bold")
        out.print(line, soft_wrap=True)
