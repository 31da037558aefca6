"""``slipway destroy``."""

from typing import Annotated

import typer

from cli import session, terminal
from cli.errors import UserError
from cli.exits import Exit
from cli.lazy import verb
from cli.leftovers import leftovers, print_leftovers
from cli.project import open_stack
from cli.update import run_update


def destroy(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete everything that the environment made, then look for what is left in the account.

    A simulated account must be empty afterwards: what is left is named, and the exit status is 3. For a real one this
    calls your own `pulumi` and shows the exact command.

    \b
    Examples:
      slipway destroy local --yes
      slipway destroy dev
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    stack = open_stack(env)
    if not stack.simulated:
        engine = session.started(stack, console)
        arguments = ["destroy", *(["--yes"] if yes else [])]
        console.print(f"$ {engine.spoken(engine.command(*arguments))}", style="dim", soft_wrap=True)
        if engine.attach(arguments) != 0:
            raise UserError(f"`pulumi destroy` of {env} failed", fix="correct what it said above and run it again")
        return
    if not session.checkpoint(stack).exists():
        console.print(f"{env} has never been up: there is nothing to destroy", soft_wrap=True)
        return
    _confirm(env, yes=yes)
    engine = session.started(stack, console)
    run_update(engine, ["destroy", "--yes", "--skip-preview"], console)
    left = leftovers(env)
    if left:
        print_leftovers(left, terminal.output())
        raise UserError(
            f"{terminal.counted(len(left), 'object')} of the simulated account outlived the stack",
            fix=f"whoever made them must remove them; `slipway local down --env {env} --discard` throws all away",
            status=Exit.NOT_READY,
        )
    terminal.output().print(f"{env} is gone: the simulated account is empty")


def _confirm(env: str, *, yes: bool) -> None:
    if yes:
        return
    if not terminal.is_interactive():
        raise UserError(
            "destroying needs a yes, and there is nobody to ask", fix=f"slipway destroy {env} --yes", status=Exit.USAGE
        )
    if not typer.confirm(f"Delete everything in {env}?"):
        raise typer.Exit(Exit.OK)


app = verb(destroy)
