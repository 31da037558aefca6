"""``slipway cost actual``."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from cli import terminal
from cli.cost_view import usd
from cli.errors import UserError
from cli.project import PROJECT, Stack, open_stack
from policies.cost.actual import Actual, Comparison, billed, compare
from policies.cost.model import Estimate

_COST_EXPLORER_REGION: Final = "us-east-1"
"""Cost Explorer answers there for all regions."""


def actual(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")],
    *,
    days: Annotated[int, typer.Option(help="How many whole days, up to yesterday.", min=1, max=365)] = 7,
    as_json_: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Put what AWS billed for an environment beside what was expected.

    Asks Cost Explorer with the process's own AWS credentials, which must be those of the account that pays. AWS charges
    0.01 USD for each request.

    \b
    Examples:
      slipway cost actual prod
      slipway cost actual prod --days 30 --json
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    stack = open_stack(env)
    if stack.simulated:
        raise UserError(
            "a simulated account sends no bill",
            value=env,
            fix=f"`slipway cost {env}` says what it would cost; name an environment of a real account",
        )
    found = compare(_billed(stack, days), _estimate(stack))
    if as_json_:
        terminal.print_json(_json(found))
    else:
        _print(env, found)


def _estimate(stack: Stack) -> Estimate:
    # `cli.cost` lists this command, so it is there already.
    from cli.cost import planned_estimate

    return planned_estimate(stack)


def _billed(stack: Stack, days: int) -> Actual:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    client = boto3.client("ce", region_name=_COST_EXPLORER_REGION)
    try:
        return billed(client, f"{PROJECT}/{stack.name}", today=datetime.now(UTC).date(), days=days)
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"Cost Explorer gave no answer: {error}",
            where=stack.name,
            fix="set AWS credentials of the paying account that allow ce:GetCostAndUsage and ce:ListCostAllocationTags",
        ) from None


def _print(env: str, found: Comparison) -> None:
    out, bill = terminal.output(), found.actual
    out.print(f"billed for {env}, {bill.first} to {bill.last}", style="bold")
    rows = terminal.table("service", "USD")
    for item in bill.services:
        rows.add_row(item.service, usd(item.usd))
    rows.add_row("total", usd(bill.usd), style="bold")
    out.print(rows)
    factor = f", {found.factor:.2f} times the estimate" if found.factor is not None else ""
    out.print(f"\na month like that: {usd(bill.monthly)} USD{factor}", style="" if found.within else "bold yellow")
    expected = found.expected
    out.print(f"expected: {usd(expected.expected)} USD ({usd(expected.low)} to {usd(expected.high)})")
    if bill.preliminary:
        out.print("AWS may still change the figures of the last days", style="dim")


def _json(found: Comparison) -> dict[str, Any]:
    bill = found.actual
    return {
        "first": bill.first.isoformat(),
        "last": bill.last.isoformat(),
        "currency": "USD",
        "services": {item.service: str(item.usd) for item in bill.services},
        "total": str(bill.usd),
        "monthly": str(bill.monthly),
        "expectedMonthly": {
            "low": str(found.expected.low),
            "expected": str(found.expected.expected),
            "high": str(found.expected.high),
        },
        "within": found.within,
        "preliminary": bill.preliminary,
    }
