"""``slipway refresh``."""

from typing import Annotated

import typer

from cli import session, terminal
from cli.drift import changes_json, drift, print_changes
from cli.errors import UserError
from cli.exits import Exit
from cli.lazy import verb
from cli.project import open_stack
from cli.update import run_update


def refresh(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    accept: Annotated[
        bool, typer.Option("--accept", help="Write what was found into the state, instead of only telling it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout (simulated stacks).")] = False,
) -> None:
    """Compare the state with the cloud and name every property that was changed behind Pulumi's back.

    Exit status 3 when something has drifted. `slipway up --refresh` puts it back; --accept makes it the new state.

    \b
    Examples:
      slipway refresh local
      slipway refresh local --accept
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console, out = terminal.messages(), terminal.output()
    stack = open_stack(env)
    engine = session.started(stack, console)
    if not stack.simulated:
        arguments = ["refresh", *([] if accept else ["--preview-only"])]
        console.print(f"$ {engine.spoken(engine.command(*arguments))}", style="dim", soft_wrap=True)
        if engine.attach(arguments) != 0:
            raise UserError(f"`pulumi refresh` of {env} failed", fix="correct what it said above and run it again")
        return
    mode = ["--yes", "--skip-preview"] if accept else ["--preview-only"]
    found = drift(run_update(engine, ["refresh", *mode], console).picture)
    if as_json:
        terminal.print_json({"environment": env, "simulated": True, "accepted": accept, "drift": changes_json(found)})
    elif found:
        print_changes(found, out, "drifted: changed behind Pulumi's back")
    else:
        out.print("no drift: the account is as the state says")
    if found and not accept:
        raise typer.Exit(Exit.NOT_READY)


app = verb(refresh)
