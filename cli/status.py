"""``slipway status``."""

from typing import Annotated

import typer

from cli import session, terminal
from cli.exits import Exit
from cli.lazy import verb
from cli.observe import look, stack_outputs
from cli.project import open_stack
from cli.status_view import print_state, to_json


def status(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Say what is ready, from the stack's outputs and the Kubernetes API; exit status 3 when something is not.

    \b
    Examples:
      slipway status local
      slipway status prod --json | jq '.clusters[].gpus'
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    stack = open_stack(env)
    engine = session.existing(stack)
    state = look(stack_outputs(engine), engine.environment, simulated=stack.simulated)
    if as_json:
        terminal.print_json(to_json(state))
    else:
        print_state(state, terminal.output())
    if not state.ready:
        raise typer.Exit(Exit.NOT_READY)


app = verb(status)
