"""``slipway cost``."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError
from pydantic.alias_generators import to_snake

from cli import terminal
from cli.cost_actual import actual
from cli.cost_report import Findings, Form, print_findings, rendered
from cli.errors import UserError
from cli.exits import Exit
from cli.lazy import group
from cli.policy_check import read_source
from cli.project import Stack, open_stack
from local.toolchain.layout import cache_root
from policies.cost.budgets import Spending, Verdict, standings
from policies.cost.catalogue import Catalogue
from policies.cost.estimate import estimate
from policies.cost.model import Estimate
from policies.cost.workloads import workloads
from policies.graph import ResourceGraph
from stacks.governance import Usage

app = group("estimate")
_PRICES: Final = "prices"


@app.callback()
def cost() -> None:
    """Say what an environment costs before it is built, and how that stands to its budget.

    \b
    Examples:
      slipway cost prod               the environment's plan: no account, no toolchain, seconds
      slipway cost refresh prod       read AWS's price list for what prod uses (needs credentials)
      slipway cost actual prod        what AWS billed for it, beside the estimate (needs credentials)
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)


@app.command("estimate")
def estimate_environment(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    source: Annotated[
        Path | None, typer.Option("--from", help="A preview (JSON, with --show-sames) or an export.")
    ] = None,
    usage: Annotated[
        list[str] | None, typer.Option(help="KEY=NUMBER instead of usage.KEY of the settings; repeat it.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="A file of live prices [default: what `slipway cost refresh` stored].")
    ] = None,
    top: Annotated[int, typer.Option(help="How many of the dearest resources to list.", min=1)] = 10,
    form: Annotated[Form, typer.Option("--format", help="Form of the report.")] = Form.TABLE,
    as_json_: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write the report there instead of to stdout.")] = None,
) -> None:
    """Estimate a month of an environment: its plan, or with --from what a file holds.

    Exit status 5 when more is expected than the budget of the settings allows. What has no price is named, never
    counted as nothing. From a preview, the report says what the change adds; `comment` is that change for a pull
    request.

    \b
    Examples:
      slipway cost prod
      slipway cost dev --usage natGb=2000 --usage internetGb=500
      slipway cost prod --json | jq -r .monthly.expected
      slipway cost prod --format html --output prod.html
      pulumi preview -s prod --json --show-sames > preview.json && slipway cost prod --from preview.json
      pulumi stack export -s prod > export.json && slipway cost prod --from export.json
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    began = time.monotonic()
    stack = open_stack(env)
    spending = Spending.of(stack.settings)
    used = _changed(spending.usage, usage or [])
    graph = _graph(stack, source)
    catalogue = _catalogue(stack, prices)

    def price(one: ResourceGraph) -> Estimate:
        return estimate(one, catalogue=catalogue, usage=used, blocks=spending.blocks)

    found = price(graph)
    known = Findings(
        environment=env,
        graph=graph,
        estimate=found,
        standings=tuple(standings(found, spending.budget)),
        workloads=workloads(graph, found, used),
        price=price,
    )
    form = Form.JSON if as_json_ else form
    if form is Form.TABLE and output is None:
        _show(known, top=top, began=began)
    else:
        terminal.write(rendered(form, known, top=top), output)
    if any(item.verdict is Verdict.OVER for item in known.standings):
        raise typer.Exit(Exit.VIOLATIONS)


app.command()(actual)


def _show(known: Findings, *, top: int, began: float) -> None:
    out = terminal.output()
    out.print(f"cost of {known.environment}, from {known.graph.origin}", style="bold", soft_wrap=True)
    if known.graph.simulated:
        out.print("simulated: this environment sends no bill; these are the prices of the real thing", style="dim")
    out.print()
    print_findings(known, out, top=top)
    out.print(f"estimated in {time.monotonic() - began:.1f} s", style="dim")


def planned_estimate(stack: Stack) -> Estimate:
    """The estimate of an environment's plan, with its own usage and the newest prices that are known."""
    spending = Spending.of(stack.settings)
    return estimate(
        _graph(stack, None), catalogue=_catalogue(stack, None), usage=spending.usage, blocks=spending.blocks
    )


def _graph(stack: Stack, source: Path | None) -> ResourceGraph:
    if source is not None:
        return read_source(source)
    from cli.graph_of import planned_graph

    return planned_graph(stack)


def _changed(usage: Usage, given: list[str]) -> Usage:
    """``usage`` with the figures of the command line."""
    changes: dict[str, Any] = {}
    for text in given:
        key, _, value = text.partition("=")
        name = to_snake(key)
        if name not in Usage.model_fields or not isinstance(getattr(usage, name), Decimal) or not value:
            known = (info.alias or key for key, info in Usage.model_fields.items() if info.annotation is Decimal)
            raise UserError(
                "this is no usage", value=text, allowed=", ".join(known), fix="write KEY=NUMBER", status=Exit.USAGE
            )
        changes[key] = value
    try:
        return Usage.model_validate({**usage.model_dump(by_alias=True), **changes})
    except ValidationError as error:
        raise UserError(
            "this usage is out of range",
            value=", ".join(given),
            allowed="; ".join(item["msg"] for item in error.errors()),
            fix="write a number, 0 or more",
            status=Exit.USAGE,
        ) from None


def stored(stack: Stack) -> Path:
    """Where live prices of a stack's region are kept: in the user's cache, never in the repository."""
    return cache_root().parent / _PRICES / f"{getattr(stack.settings.place, 'region', 'none')}.json"


def _catalogue(stack: Stack, prices: Path | None) -> Catalogue:
    if prices is not None and not prices.is_file():
        raise UserError(
            "there is no such file",
            where=str(prices),
            fix=f"write it with `slipway cost refresh {stack.name} --output`",
        )
    path = prices or stored(stack)
    try:
        return Catalogue.load(*([path] if path.is_file() else []))
    except ValueError as error:
        raise UserError(
            str(error), where=str(path), fix="delete it, or write it anew with `slipway cost refresh`"
        ) from None


@app.command("refresh")
def refresh_prices(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="Write the prices there [default: the user's cache, where `slipway cost` looks]."),
    ] = None,
) -> None:
    """Read AWS's price list for everything that an environment uses; later estimates take those prices.

    Needs credentials that may call pricing:GetProducts; it reads prices and nothing of your account. Prices that the
    list does not answer unambiguously stay the kit's own, with their dates.

    \b
    Examples:
      slipway cost refresh prod
      slipway cost refresh prod --output prices.json && slipway cost prod --prices prices.json
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    from cli.cost_refresh import refresh

    stack = open_stack(env)
    spending, catalogue = Spending.of(stack.settings), Catalogue.load()
    estimate(_graph(stack, None), catalogue=catalogue, usage=spending.usage, blocks=spending.blocks)
    path = output or stored(stack)
    done = refresh(catalogue.asked, path, region=getattr(stack.settings.place, "region", ""))
    out = terminal.output()
    out.print(f"{terminal.counted(len(done.fetched), 'price')} of {done.asked} read from AWS's price list: {path}")
    for item, region in done.kept:
        out.print(f"kept as listed here: {item} in {region}", style="dim", soft_wrap=True)
