"""``slipway plan``."""

import os
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
import yaml

from cli import terminal
from cli.errors import UserError, show_one
from cli.lazy import verb
from cli.outputs import StackOutputs, parse_exports
from cli.plan_model import plan_of
from cli.plan_view import print_plan, to_json
from cli.project import PROJECT, Stack, open_stack
from cli.reservations import account_of
from local.cloud.plan import PlanError, run_program
from local.cloud.recording import Recording
from local.cloud.store import SqliteStore
from local.cloud.values import Secret
from stacks.fields import PLACEHOLDER

_REFERENCE: Final = "env:"
_NO_MIRROR: Final = "https://charts.invalid"
"""Stands for a mirror whose address only a running environment knows; `.invalid` never resolves (RFC 2606)."""


def plan(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout, with every resource's inputs.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="List every resource instead of counting them by type.")] = False,
) -> None:
    """Show what a stack is made of: resources, accelerators, interfaces, addresses, storage, runs, add-ons.

    Runs the program in this process against the cloud simulator: no engine, no account, no network. What the simulator
    refuses, the cloud would refuse.

    \b
    Examples:
      slipway plan                     the environment `local`
      slipway plan prod --full
      slipway plan local --json | jq '.resources | length'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    began = time.monotonic()
    stack = open_stack(env)
    recording = record(stack)
    outputs, found = parse_exports(recording.exports, stack=env), plan_of(recording)
    if as_json:
        terminal.print_json(to_json(found, outputs, stack=env, simulated=stack.simulated))
        return
    out = terminal.output()
    _header(stack, outputs)
    print_plan(found, outputs, out, full=full)
    out.print(f"\nplanned in {time.monotonic() - began:.1f} s; `slipway up {env}` builds it", style="dim")


def _header(stack: Stack, outputs: StackOutputs) -> None:
    out = terminal.output()
    out.print(f"environment {outputs.environment}: {stack.description}", style="bold", soft_wrap=True)
    if stack.simulated:
        out.print("simulated: real engine and Kubernetes, no cloud, no GPU, no bill", style="dim")
    out.print()


def record(stack: Stack, store: SqliteStore | None = None) -> Recording:
    """Run the stack's program in this process; refused resources are shown, each once.

    Args:
        stack: the stack.
        store: the account; by default one of ``account_of`` that nobody sees afterwards.

    Raises:
        UserError: the simulator refuses something.
    """
    mirror = stack.settings.charts.mirror
    if mirror.startswith(_REFERENCE):
        os.environ.setdefault(mirror.removeprefix(_REFERENCE), _NO_MIRROR)
    try:
        return run_program(
            stack.directory / "stacks",
            project=PROJECT,
            stack=stack.name,
            config=handed_over((yaml.safe_load(stack.file.read_text()) or {}).get("config") or {}),
            store=store or account_of(stack.settings),
        )
    except PlanError as error:
        console = terminal.messages()
        for failure in error.failures:
            where = f"{failure.type} {failure.name}".strip()
            show_one(UserError(str(getattr(failure, "reason", failure)), where=where, fix=""), console)
        raise UserError(
            f"{terminal.counted(len(error.failures), 'resource')} of {stack.name} would be refused",
            where=str(stack.file),
            fix="correct the settings, or the component that makes the resource",
        ) from None


def handed_over(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stack file's configuration as the engine would hand it over, secrets replaced by placeholders.

    Like the engine, it calls a whole section secret when one value in it is.
    """
    found = {}
    for key, value in config.items():
        clear = _placeholder(value)
        found[key] = clear if clear == value else Secret(clear)
    return found


def _placeholder(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            return PLACEHOLDER
        return {key: _placeholder(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_placeholder(item) for item in value]
    return value


app = verb(plan)
