"""``slipway preview``."""

from dataclasses import asdict
from typing import Annotated

import typer

from cli import session, terminal
from cli.drift import changes_json, drift, planned, print_changes
from cli.errors import UserError
from cli.lazy import verb
from cli.policy_check import pack_arguments, print_notes
from cli.project import open_stack
from cli.update import run_update


def preview(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Look at the cloud first: also shows drift.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout (simulated stacks).")] = False,
) -> None:
    """Ask the engine what `slipway up` would change; changes nothing.

    With --refresh every resource is read first, and what was changed behind Pulumi's back is named by its property.

    \b
    Examples:
      slipway preview local
      slipway preview local --refresh
      slipway preview prod
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console, out = terminal.messages(), terminal.output()
    stack = open_stack(env)
    engine = session.started(stack, console)
    arguments = ["preview", *(["--refresh"] if refresh else []), *pack_arguments(stack.directory)]
    if not stack.simulated:
        console.print(f"$ {engine.spoken(engine.command(*arguments))}", style="dim", soft_wrap=True)
        if engine.attach(arguments) != 0:
            raise UserError(f"`pulumi preview` of {env} failed", fix="correct what it said above and run it again")
        return
    picture = run_update(engine, arguments, console).picture
    found, changes = drift(picture), planned(picture)
    if as_json:
        terminal.print_json(
            {
                "environment": env,
                "simulated": True,
                "drift": changes_json(found),
                "changes": changes_json(changes),
                "policies": [asdict(note) for note in picture.policies],
            }
        )
        return
    if found:
        print_changes(found, out, "drifted: changed behind Pulumi's back")
    elif refresh:
        out.print("no drift: the account is as the state says")
    if changes:
        print_changes(changes, out, f"`slipway up {env}` would")
    else:
        out.print(f"nothing to do: `slipway up {env}` would change nothing")
    print_notes(picture.policies, out)


app = verb(preview)
