"""``slipway policy``."""

import json
import time
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Annotated

import typer

from cli import terminal
from cli.errors import UserError
from cli.exits import Exit
from cli.lazy import group
from cli.policy_check import check, configuration, locations, read_source
from cli.project import open_stack
from policies.evaluate import Evaluation
from policies.reports import as_json, junit, markdown, sarif, table
from policies.reports.locations import Locations
from policies.rule import Severity
from policies.rules import BY_ID, RULES
from stacks.problems import near


class Format(StrEnum):
    """Form of a report."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    MARKDOWN = "markdown"


app = group("check")


@app.callback()
def policy() -> None:
    """Hold the rules of `policies/` against an environment, or explain them.

    \b
    Examples:
      slipway policy prod             the environment's plan: no account, no toolchain, seconds
      slipway policy rules            every rule
      slipway policy rules ID         why, where it is known from, what to write
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)


@app.command("check")
def check_environment(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A preview (JSON, with --show-sames), an export, or rendered manifests."),
    ] = None,
    fail_on: Annotated[
        Severity | None,
        typer.Option(help="Fail from this severity on [default: what the settings make mandatory]."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Form of the report.")] = Format.TABLE,
    as_json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the report there instead of to stdout.")] = None,
) -> None:
    """Check an environment: its plan, or with --from what a file holds, under the environment's own settings.

    Exit status 5 when a rule is broken that the settings make mandatory (or, with --fail-on, one of that severity or
    worse), when a suppression has ended, or when a rule itself broke. What a preview cannot know is listed as decided
    at update and fails nothing.

    \b
    Examples:
      slipway policy prod
      slipway policy prod --fail-on medium --format sarif --output policy.sarif
      pulumi preview -s prod --json --show-sames > preview.json && slipway policy prod --from preview.json
      helm template charts/mine | tee mine.yaml && slipway policy prod --from mine.yaml
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    began = time.monotonic()
    form = Format.JSON if as_json_ else form
    stack = open_stack(env)
    how = configuration(stack)
    if source is None:
        from cli.graph_of import planned_graph

        graph = planned_graph(stack)
    else:
        graph = read_source(source)
    result = check(graph, how)
    where = locations(stack)
    if form is Format.TABLE and output is None:
        out = terminal.output()
        out.print(f"policies of {env}, from {graph.origin}", style="bold", soft_wrap=True)
        table.print_report(result, out, fail_on=fail_on, seconds=time.monotonic() - began)
    else:
        text = rendered(result, form, where, fail_on, seconds=time.monotonic() - began)
        terminal.write(text, output)
    if result.failed(fail_on):
        raise typer.Exit(Exit.VIOLATIONS)


def rendered(result: Evaluation, form: Format, where: Locations, fail_on: Severity | None, *, seconds: float) -> str:
    """The report as text."""
    if form is Format.JUNIT:
        return junit.text(result, fail_on=fail_on)
    if form is Format.MARKDOWN:
        return markdown.text(result, fail_on=fail_on)
    if form is Format.TABLE:
        from rich.console import Console

        paper = StringIO()
        table.print_report(result, Console(file=paper, width=100), fail_on=fail_on, seconds=seconds)
        return paper.getvalue()
    if form is Format.SARIF:
        from importlib.metadata import version

        document = sarif.document(result, where, version=version("slipway"))
    else:
        document = as_json.document(result, where, fail_on=fail_on)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@app.command()
def rules(
    rule: Annotated[str | None, typer.Argument(metavar="ID", help="Explain this one.")] = None,
    *,
    as_json_: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List every rule, or explain one: why, where that is known from, what to write, what it maps to.

    \b
    Examples:
      slipway policy rules
      slipway policy rules kubernetes-image-pinned
      slipway policy rules --json | jq '.[].id'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    if rule is not None and rule not in BY_ID:
        guess = near(rule, BY_ID)
        raise UserError(
            "there is no rule of this id",
            value=rule,
            allowed="the ids that `slipway policy rules` lists",
            fix=f"did you mean {guess}?" if guess else "look it up with `slipway policy rules`",
            status=Exit.USAGE,
        )
    chosen = RULES if rule is None else (BY_ID[rule],)
    if as_json_:
        typer.echo(json.dumps([as_json.described(item) for item in chosen], indent=2, ensure_ascii=False))
    elif rule is None:
        table.print_rules(chosen, terminal.output())
    else:
        table.print_rule(chosen[0], terminal.output())
