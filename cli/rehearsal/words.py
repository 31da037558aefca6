"""A report for a terminal."""

from rich.console import Console
from rich.text import Text

from cli import terminal
from cli.rehearsal.report import Report
from cli.terminal import clock

STYLES = {"ok": "green", "recovered": "yellow", "failed": "red"}


def print_report(report: Report, out: Console) -> None:
    """The timeline, what was replaced, what was found, the verdict."""
    made = terminal.table("at", "took", "stage", "result", "", title=f"rehearsal of {report.environment} (simulated)")
    for stage in report.stages:
        # What a fault met and how that ended says more than each command of it: those are in the saved report.
        notes = "; ".join([*stage.went_wrong, *stage.recovery] or stage.notes)
        style = STYLES[stage.result]
        made.add_row(
            clock(stage.began_seconds), clock(stage.seconds), stage.title, Text(stage.result, style=style), notes
        )
    out.print(made)
    for name, reason in report.skipped.items():
        out.print(f"passed over: {name}: {reason}", style="dim", soft_wrap=True, markup=False)
    if report.replacements:
        out.print("\nreplaced", style="bold")
        for item in report.replacements:
            word = "  holds data: " if item.stateful else "  "
            text = Text(f"{word}{item.label}{item.reason}, in {item.stage}", style="bold red" if item.stateful else "")
            out.print(text, soft_wrap=True)
    if report.findings:
        out.print("\nfound", style="bold")
        for finding in report.findings:
            line = Text(f"  {finding.reason}: ", style="bold red")
            line.append(f"{finding.what} (in {finding.stage})", style="not bold default")
            out.print(line, soft_wrap=True)
    verdict = "passed" if report.passed else f"not passed: {terminal.counted(len(report.findings), 'finding')}"
    style = "bold green" if report.passed else "bold red"
    out.print(f"\n{report.environment}: {verdict} in {clock(report.seconds)} (simulated)", style=style)
