"""``slipway up``."""

from typing import Annotated, Final

import typer
from rich.console import Console

from cli import session, terminal
from cli.engine import Engine
from cli.errors import UserError
from cli.exits import Exit
from cli.gate import wait_until_ready
from cli.lazy import verb
from cli.observe import look, stack_outputs
from cli.policy_check import obey_policies, pack_arguments
from cli.project import Stack, open_stack
from cli.status_view import print_state
from cli.update import run_update

_REAL_TIMEOUT_SECONDS: Final = 1800
_SIMULATED_TIMEOUT_SECONDS: Final = 600


def up(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing a real account.")] = False,
    timeout: Annotated[
        int | None, typer.Option(min=1, help="Seconds to wait for readiness [600 simulated, 1800 real].")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is ready.")] = True,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read every resource first, and put back what has drifted.")
    ] = False,
) -> None:
    """Create or update an environment, then wait until nodes, accelerators, volumes and runs are as promised.

    A simulated environment needs no account: the engine, the control plane and the controllers are real, the cloud and
    the GPUs are not. For a real one this calls your own `pulumi` and shows the exact command.

    The environment's plan is held against the rules first: a mandatory violation ends here, before anything is made.
    The engine then runs the same rules on what it is about to make.

    \b
    Examples:
      slipway up                      build the environment `local` on this machine
      slipway up prod --yes           no questions, for pipelines
      slipway up local --timeout 60   fail sooner when something does not get ready
      slipway up local --refresh      also undo what was changed behind Pulumi's back
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    stack = open_stack(env)
    console.print(f"{env}: {stack.description}", style="bold", soft_wrap=True)
    obey_policies(stack, console)
    engine = session.started(stack, console)
    # Not the default: a refreshed state forgets a finished run whose object was removed, and `up` would start it again.
    extra = [*(["--refresh"] if refresh else []), *pack_arguments(stack.directory)]
    if stack.simulated:
        run_update(engine, ["up", "--yes", "--skip-preview", *extra], console)
    else:
        arguments = ["up", *(["--yes"] if yes else []), *extra]
        console.print(f"$ {engine.spoken(engine.command(*arguments))}", style="dim", soft_wrap=True)
        if engine.attach(arguments) != 0:
            raise UserError(f"`pulumi up` of {env} failed", fix="correct what it said above and run it again")
    if not wait:
        return
    _follow(stack, engine, timeout, console)
    _next_steps(env, simulated=stack.simulated)


def _follow(stack: Stack, engine: Engine, timeout: int | None, console: Console) -> None:
    """Wait until what was promised is there, and show it.

    Raises:
        UserError: It is not there in time, or a run failed.
    """
    outputs = stack_outputs(engine)
    limit = timeout or (_SIMULATED_TIMEOUT_SECONDS if stack.simulated else _REAL_TIMEOUT_SECONDS)
    state = wait_until_ready(
        lambda: look(outputs, engine.environment, simulated=stack.simulated),
        console,
        timeout_seconds=limit,
        # Runs of a simulation end by themselves: at once, or after the minute that the small real one trains.
        until_complete=stack.simulated,
    )
    print_state(state, terminal.output())
    if not state.ready:
        raise UserError(
            f"{stack.name} is up and not ready after {limit} s",
            where="; ".join(state.reasons[:3]),
            fix=f"`slipway status {stack.name}` looks again; correct the cause and run `slipway up {stack.name}`",
            status=Exit.NOT_READY,
        )


def _next_steps(env: str, *, simulated: bool) -> None:
    out = terminal.output()
    out.print("\nTry next:", style="bold")
    steps = [
        (f"slipway status {env}", "what is ready, with --json for scripts"),
        (f"slipway preview {env} --refresh", "what has drifted, what an edit would change"),
        (f"slipway destroy {env}", "take it away again"),
    ]
    if simulated:
        suffix = "" if env == "local" else f" --env {env}"
        steps[1] = (f"slipway local journal{suffix}", "every call that the simulated cloud got")
    width = max(len(command) for command, _ in steps)
    for command, purpose in steps:
        out.print(f"  {command:<{width}}   {purpose}", soft_wrap=True)


app = verb(up)
