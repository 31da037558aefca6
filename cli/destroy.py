"""``slipway destroy``."""

import json
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cli import session, terminal
from cli.account import open_account
from cli.destroy_runs import claims_of, submitted_runs, take_away, unfinished, wait_until_free
from cli.engine import Engine
from cli.errors import UserError
from cli.exits import Exit
from cli.inventory.account import AwsInventory
from cli.inventory.clients import inventory_of, looked_up, real
from cli.kubernetes import ApiUnreachableError, Kubernetes
from cli.lazy import verb
from cli.leftovers import Leftover, found_by, leftovers, merged, print_leftovers
from cli.orphans import clear
from cli.project import Stack, open_stack
from cli.teardown import (
    CLAIMS,
    Act,
    clusters,
    in_order,
    kubeconfigs,
    needs_words,
    networks,
    protected,
    without_kubernetes,
)
from cli.update import run_update

_ATTEMPTS: Final = 3
_PAUSE_SECONDS: Final = 2.0


def destroy(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; not enough for production.")] = False,
    confirm: Annotated[
        str, typer.Option("--confirm", metavar="NAME", help="Production and protected stacks: their name once more.")
    ] = "",
    unprotect: Annotated[
        bool, typer.Option("--unprotect", help="Take the protection away first, from state and cluster.")
    ] = False,
    delete_leftovers: Annotated[
        bool,
        typer.Option(
            "--delete-leftovers",
            help="Real accounts: after listing and asking (--yes: without asking), delete what controllers left.",
        ),
    ] = False,
) -> None:
    """Delete everything that the environment made, in order, then look for what is left in the account.

    The order: submitted runs, runs and services, load balancers and claims, add-ons, nodes, cluster, leftovers,
    network. What lives in a cluster that does not answer is taken out of the state and goes with it. Leftovers are what
    controllers made and nobody removed (load balancers with their target and security groups, network interfaces,
    volumes), found by tags in the stack's networks. In a simulated account they are deleted; in a real one they are
    listed and it ends there, unless --delete-leftovers is given. What is left in the end, by the stack's tags and in
    its networks, is named, and the exit status is 3.

    \b
    Examples:
      slipway destroy local --yes
      slipway destroy dev
      slipway destroy prod --unprotect --confirm prod
      slipway destroy dev --delete-leftovers
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    stack = open_stack(env)
    if stack.simulated and not session.checkpoint(stack).exists():
        console.print(f"{env} has never been up: there is nothing to destroy", soft_wrap=True)
        return
    if needs_words(stack.settings.environment, protect=stack.settings.protect):
        _confirm_in_words(stack, confirm)
    else:
        _confirm(env, yes=yes)
    engine = session.started(stack, console)
    document: dict[str, Any] = json.loads(engine.capture("stack", "export"))
    _refuse_protected(stack, document, unprotect=unprotect)
    nets = networks(document)
    inventory = inventory_of(stack, engine.environment, removes=delete_leftovers)
    apis = _reachable(engine, document, console)
    _take_runs_away(env, apis, console, sure=yes or bool(confirm))
    # After the last question, and after the state may have been written again as it was exported: with its protection.
    _unprotect(stack, engine, document)
    for act in in_order(lambda: json.loads(engine.capture("stack", "export"))):
        if act.last and nets:
            clear(env, inventory, nets, clusters(document), console, simulated=stack.simulated, yes=yes)
        if act.title == CLAIMS:
            for api in apis:
                wait_until_free(api, claims_of(document), console)
        _perform(stack, engine, act, console)
    _report(stack, _left(stack, inventory, nets))


def _perform(stack: Stack, engine: Engine, act: Act, console: Console) -> None:
    many = f" ({terminal.counted(len(act.urns), 'resource')} and what depends on them)" if act.urns else ""
    if stack.simulated:
        run_update(engine, act.arguments, console, spoken=f"destroying: {act.title}{many}")
        return
    console.print(f"destroying: {act.title}{many}", style="dim", soft_wrap=True)
    if engine.attach(act.arguments) != 0:
        raise UserError(
            f"`pulumi destroy` of {stack.name} failed at: {act.title}",
            fix="correct what it said above and run it again: it goes on from here",
        )


def _refuse_protected(stack: Stack, document: dict[str, Any], *, unprotect: bool) -> None:
    held = protected(document)
    if held and not unprotect:
        raise UserError(
            f"{terminal.counted(len(held), 'resource')} of {stack.name} are protected, and nothing was deleted",
            where=", ".join(held),
            fix=f"`slipway destroy {stack.name} --unprotect` takes the protection away first",
        )


def _unprotect(stack: Stack, engine: Engine, document: dict[str, Any]) -> None:
    if not protected(document):
        return
    engine.capture("state", "unprotect", "--all", "--yes")
    if stack.simulated:
        with open_account(stack.name) as store, store.transaction():
            for item in store.find("eks:Cluster"):
                item.body["deletionProtection"] = False
                store.put(item)
        return
    eks = real(str(getattr(stack.settings.place, "region", "")))("eks")
    for name in clusters(document):
        eks.update_cluster_config(name=name, deletionProtection=False)
        eks.get_waiter("cluster_active").wait(name=name)


def _take_runs_away(env: str, apis: Sequence[Kubernetes], console: Console, *, sure: bool) -> None:
    """Delete what people submitted, asking once more where some of it is at work and nobody has said more than yes."""
    runs = [(api, submitted_runs(api)) for api in apis]
    working = [run.export.run for _, found in runs for run in unfinished(found)]
    if working and not sure:
        console.print(f"submitted runs that have not ended: {', '.join(working)}", style="yellow", soft_wrap=True)
        if not typer.confirm(f"Delete them with {env}?"):
            raise typer.Exit(Exit.OK)
    for api, found in runs:
        take_away(api, found, console)


def _reachable(engine: Engine, document: dict[str, Any], console: Console) -> list[Kubernetes]:
    """The state's clusters; what lives in one that does not answer is taken out of the engine's state instead."""
    texts = list(dict.fromkeys(kubeconfigs(document)))
    silent = next((why for text in texts if (why := _silence(text, engine))), "")
    if not silent:
        return [Kubernetes.of(text, engine.environment) for text in texts]
    forgotten = without_kubernetes(document)
    engine.capture("stack", "import", stdin=json.dumps(forgotten.document))
    resources = terminal.counted(forgotten.number, "Kubernetes resource")
    console.print(
        f"the cluster cannot be reached ({silent}): {resources} removed from the state, they go with the cluster",
        style="yellow",
        soft_wrap=True,
    )
    if forgotten.outside:
        console.print(
            f"  these may have made load balancers or volumes that stay: {', '.join(forgotten.outside)}",
            style="yellow",
            soft_wrap=True,
        )
    return []


def _silence(kubeconfig: str, engine: Engine) -> str:
    """Why the API server does not answer, after some attempts; empty when it does.

    Raises:
        ApiUnreachableError: it answers, and refuses us: that is no reason to forget what lives there.
    """
    for attempt in range(_ATTEMPTS):
        try:
            Kubernetes.of(kubeconfig, engine.environment).get("/version")
        except ApiUnreachableError as error:
            if getattr(error.__cause__, "code", None) is not None:
                raise
            why = error.what
        except UserError as error:
            # No token can be made: in a simulation because the cluster itself is gone.
            why = error.what
        else:
            return ""
        if attempt + 1 < _ATTEMPTS:
            time.sleep(_PAUSE_SECONDS)
    return why


def _left(stack: Stack, inventory: AwsInventory, nets: list[str]) -> list[Leftover]:
    """By tag, by network, and in a simulated account everything else too."""
    with looked_up(f"{stack.name} is destroyed; what is left of it"):
        found = found_by(inventory, stack.name, nets)
    return merged(found, leftovers(stack.name)) if stack.simulated else found


def _report(stack: Stack, left: list[Leftover]) -> None:
    env = stack.name
    if left:
        print_leftovers(left, terminal.output())
        account = "the simulated account" if stack.simulated else "the account"
        fix = "whoever made them must remove them"
        raise UserError(
            f"{terminal.counted(len(left), 'object')} of {account} outlived the stack",
            fix=f"{fix}; `slipway local down --env {env} --discard` throws all away" if stack.simulated else fix,
            status=Exit.NOT_READY,
        )
    words = "the simulated account is empty" if stack.simulated else "nothing carries its tags or is in its networks"
    terminal.output().print(f"{env} is gone: {words}")


def _confirm_in_words(stack: Stack, said: str) -> None:
    name = stack.name
    if not said and terminal.is_interactive():
        said = str(typer.prompt(f"{name} holds what matters. Type its name to delete everything in it", default=""))
    if said != name:
        raise UserError(
            f"{name} is production or protected: destroying it needs its name, not a yes",
            where="--confirm",
            value=said,
            allowed=name,
            fix=f"slipway destroy {name} --confirm {name}",
            status=Exit.USAGE,
        )


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
