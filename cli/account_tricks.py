"""``slipway local journal``, ``faults`` and ``drift``: look into the simulated account, and play tricks on it."""

import datetime as dt
import json
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import terminal
from cli.account import open_account
from cli.errors import UserError
from cli.exits import Exit
from local.cloud.faults import Fault, FaultType
from local.cloud.store import SqliteStore

EnvironmentOption = Annotated[str, typer.Option("--env", help="Name of the simulated environment.")]
_HELP = {"help_option_names": ["-h", "--help"]}

faults = typer.Typer(no_args_is_help=True, help="Plant failures: throttling, missing capacity, lost responses, kills.")
drift = typer.Typer(no_args_is_help=True, help="Change or delete cloud objects behind Pulumi's back.")


def journal(
    *,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many calls, counted from the newest.")] = 40,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that were refused.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, with the requests.")] = False,
    env: EnvironmentOption = "local",
) -> None:
    """Show the API calls that the simulated cloud got, oldest first.

    \b
    Examples:
      slipway local journal
      slipway local journal --failed -n 5
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env) as store:
        entries = [entry for entry in store.journal() if not failed or entry.outcome != "ok"][-last:]
    if as_json:
        terminal.print_json({"environment": env, "simulated": True, "calls": [asdict(entry) for entry in entries]})
        return
    made = terminal.table("time", "call", "object", "outcome")
    for entry in entries:
        when = dt.datetime.fromtimestamp(entry.time, dt.UTC).strftime("%H:%M:%S")
        outcome = "ok" if entry.outcome == "ok" else f"{entry.code}: {entry.message}"
        made.add_row(when, entry.operation, entry.id or entry.kind, outcome)
    terminal.output().print(made)


@faults.command("add", context_settings=_HELP)
def add(
    kind: Annotated[FaultType, typer.Argument(help="What goes wrong.")],
    *,
    operation: Annotated[str, typer.Option(help="API call, or create, update, delete, read; * and ?.")] = "*",
    target: Annotated[str, typer.Option("--kind", help="Kind (ec2:Subnet) or type token; * and ?.")] = "*",
    identifier: Annotated[str, typer.Option("--id", help="Object id, or logical name for creations; * and ?.")] = "*",
    count: Annotated[int, typer.Option(min=1, help="How many calls it hits.")] = 1,
    after: Annotated[int, typer.Option(min=0, help="How many matching calls it lets pass first.")] = 0,
    reads: Annotated[
        bool, typer.Option("--reads", help="Also calls that change nothing: Describe, Get, List.")
    ] = False,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE: code, message, seconds, when.")
    ] = None,
    env: EnvironmentOption = "local",
) -> None:
    """Plant a fault; it hits the next matching calls.

    \b
    Examples:
      slipway local faults add throttle --operation CreateSubnet --count 3
      slipway local faults add capacity --kind eks:Nodegroup
      slipway local faults add lost-response --operation CreateFileSystem
      slipway local faults add kill-engine --operation create --after 20
      slipway local faults add throttle --operation DescribeSubnets --reads
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    fault = Fault(
        type=kind,
        operation=operation,
        kind=target,
        identifier=identifier,
        count=count,
        after=after,
        mutating=not reads,
        parameters=dict(_parameter(text) for text in parameter or []),
    )
    with open_account(env) as store:
        number = store.add_fault(fault)
    terminal.output().print(f"fault {number} planted: {kind} on the next {count} matching calls", soft_wrap=True)


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserError(
            "a parameter needs a name and a value",
            where="--parameter",
            value=text,
            allowed="NAME=VALUE, for example seconds=30",
            fix="write it so",
            status=Exit.USAGE,
        )
    return name, _value(value)


def _value(text: str) -> Any:
    """JSON where it is JSON, text otherwise."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@faults.command("list", context_settings=_HELP)
def list_faults(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    env: EnvironmentOption = "local",
) -> None:
    """Show the planted faults and how many calls each has met.

    \b
    Example:
      slipway local faults list
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env) as store:
        planted = store.faults()
    if as_json:
        terminal.print_json({"environment": env, "simulated": True, "faults": [asdict(fault) for fault in planted]})
        return
    if not planted:
        terminal.output().print("no faults are planted")
        return
    made = terminal.table("no", "fault", "operation", "kind", "id", "hits", "seen")
    for fault in planted:
        hits = f"{fault.count} after {fault.after}" if fault.after else str(fault.count)
        row = (str(fault.id), fault.type, fault.operation, fault.kind, fault.identifier, hits, str(fault.seen))
        made.add_row(*row)
    terminal.output().print(made)


@faults.command("clear", context_settings=_HELP)
def clear(
    number: Annotated[int | None, typer.Argument(help="Which; all when left out.", show_default=False)] = None,
    *,
    env: EnvironmentOption = "local",
) -> None:
    """Remove one fault, or all.

    \b
    Example:
      slipway local faults clear
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env) as store:
        if number is not None and number not in {fault.id for fault in store.faults()}:
            known = ", ".join(str(fault.id) for fault in store.faults()) or "none"
            fix = "see `slipway local faults list`"
            raise UserError("there is no such fault", value=str(number), allowed=known, fix=fix, status=Exit.USAGE)
        store.clear_faults(number)
    terminal.output().print("removed" if number is not None else "all faults are removed")


@drift.command("set", context_settings=_HELP)
def drift_set(
    kind: Annotated[str, typer.Argument(help="Kind of the object, for example ec2:Vpc.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its id, for example vpc-0a1b2c3d4e5f60718.")],
    path: Annotated[str, typer.Argument(help="Dotted member of the API's body: scalingConfig.desiredSize.")],
    value: Annotated[str, typer.Argument(help="JSON; anything else counts as text.")],
    *,
    env: EnvironmentOption = "local",
) -> None:
    """Set one member of an object, as somebody with the cloud's console would.

    \b
    Examples:
      slipway local drift set eks:Nodegroup main:training scalingConfig.desiredSize 3
      slipway refresh local
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env) as store, store.transaction():
        item = _find(store, kind, identifier)
        before = set_member(item.body, path, _value(value))
        store.put(item)
    terminal.output().print(f"{kind} {identifier}: {path} was {before!r}, is {_value(value)!r}", soft_wrap=True)


@drift.command("delete", context_settings=_HELP)
def drift_delete(
    kind: Annotated[str, typer.Argument(help="Kind of the object, for example ec2:Vpc.")],
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    *,
    env: EnvironmentOption = "local",
) -> None:
    """Delete an object, as somebody with the cloud's console would; references to it are left dangling.

    \b
    Example:
      slipway local drift delete ec2:RouteTable rtb-0a1b2c3d4e5f60718
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    with open_account(env) as store, store.transaction():
        _find(store, kind, identifier)
        store.remove(kind, identifier)
    terminal.output().print(f"{kind} {identifier} is deleted", soft_wrap=True)


def _find(store: SqliteStore, kind: str, identifier: str) -> Any:
    item = store.get(kind, identifier)
    if item is not None:
        return item
    kinds = sorted({other.kind for other in store.objects()})
    ids = [other.id for other in store.find(kind)]
    raise UserError(
        "the simulated account has no such object",
        value=f"{kind} {identifier}",
        allowed=f"{kind}: {', '.join(ids)}" if ids else f"kinds: {', '.join(kinds) or 'the account is empty'}",
        fix="take one of these",
        status=Exit.USAGE,
    )


def set_member(body: dict[str, Any], path: str, value: Any) -> Any:
    """Set the member at a dotted ``path`` in place; returns what was there.

    Raises:
        UserError: the object has no such member.
    """
    return _set(body, path.split("."), value, whole=path)


def _set(body: dict[str, Any], steps: list[str], value: Any, *, whole: str) -> Any:
    """Set a nested member in place; returns what was there."""
    target: Any = body
    for number, step in enumerate(steps[:-1]):
        target = (
            target[int(step)]
            if isinstance(target, list) and step.isdigit() and int(step) < len(target)
            else (target.get(step) if isinstance(target, dict) else None)
        )
        if not isinstance(target, dict | list):
            raise _no_member(".".join(steps[: number + 1]), whole, body)
    last = steps[-1]
    if isinstance(target, list):
        if not last.isdigit() or int(last) >= len(target):
            raise _no_member(whole, whole, body)
        before, target[int(last)] = target[int(last)], value
        return before
    before = target.get(last)
    target[last] = value
    return before


def _no_member(reached: str, whole: str, body: dict[str, Any]) -> UserError:
    return UserError(
        f"the object has no member {reached}",
        where=whole,
        allowed=", ".join(sorted(body)),
        fix="start with one of these members",
        status=Exit.USAGE,
    )
