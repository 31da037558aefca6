"""``slipway destroy``."""

import json
import time
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cli import session, terminal
from cli.account import open_account
from cli.afterwards import by_tag, in_networks, in_real_networks, merged
from cli.engine import Engine
from cli.errors import UserError
from cli.exits import Exit
from cli.inventory import AwsInventory, SimulatedInventory
from cli.kubernetes import ApiUnreachableError, Kubernetes
from cli.lazy import verb
from cli.leftovers import Leftover, leftovers, print_leftovers
from cli.project import Stack, open_stack
from cli.teardown import Act, clusters, in_order, kubeconfigs, needs_words, networks, protected, without_kubernetes
from cli.update import run_update
from local.cloud.aws.residue import residue
from local.cloud.plan import aws_package

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
) -> None:
    """Delete everything that the environment made, in order, then look for what is left in the account.

    The order: runs and services, load balancers and claims, add-ons, nodes, cluster, network. When the cluster does
    not answer, what lives in it is taken out of the state and goes with it. What is left, by the stack's tags and in
    its networks, is named, and the exit status is 3.

    \b
    Examples:
      slipway destroy local --yes
      slipway destroy dev
      slipway destroy prod --unprotect --confirm prod
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
    _unprotect(stack, engine, document, wanted=unprotect)
    nets = networks(document)
    _forget_unreachable(engine, document, console)
    for act in in_order(lambda: json.loads(engine.capture("stack", "export"))):
        _perform(stack, engine, act, console)
    _report(stack, _left(stack, nets))


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


def _unprotect(stack: Stack, engine: Engine, document: dict[str, Any], *, wanted: bool) -> None:
    held = protected(document)
    if not held:
        return
    if not wanted:
        raise UserError(
            f"{terminal.counted(len(held), 'resource')} of {stack.name} are protected, and nothing was deleted",
            where=", ".join(held),
            fix=f"`slipway destroy {stack.name} --unprotect` takes the protection away first",
        )
    engine.capture("state", "unprotect", "--all", "--yes")
    if stack.simulated:
        with open_account(stack.name) as store, store.transaction():
            for item in store.find("eks:Cluster"):
                item.body["deletionProtection"] = False
                store.put(item)
        return
    import boto3

    eks = boto3.client("eks", region_name=str(getattr(stack.settings.place, "region", "")))
    for name in clusters(document):
        eks.update_cluster_config(name=name, deletionProtection=False)
        eks.get_waiter("cluster_active").wait(name=name)


def _forget_unreachable(engine: Engine, document: dict[str, Any], console: Console) -> None:
    """Take what lives in a cluster that does not answer out of the engine's state."""
    silent = next((why for text in kubeconfigs(document) if (why := _silence(text, engine))), "")
    if not silent:
        return
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


def _left(stack: Stack, nets: list[str]) -> list[Leftover]:
    """By tag, by network, and in a simulated account everything else too."""
    if stack.simulated:
        with open_account(stack.name) as store:
            tagged = by_tag(SimulatedInventory(aws_package(), store), stack.name)
            inside = in_networks(residue(store), nets)
        return _without_deleted_keys(stack, merged(tagged, inside, leftovers(stack.name)))
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    region = str(getattr(stack.settings.place, "region", ""))
    try:
        tagged = by_tag(AwsInventory(region), stack.name)
        return merged(tagged, in_real_networks(boto3.client("ec2", region_name=region), nets))
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"{stack.name} is destroyed, and what is left cannot be looked up: {error}",
            fix="log in and run `slipway destroy` again: it only looks",
            status=Exit.NOT_READY,
        ) from error


def _without_deleted_keys(stack: Stack, found: list[Leftover]) -> list[Leftover]:
    """Keys wait for their deletion for days; that is no leftover."""
    with open_account(stack.name) as store:
        waiting = {item.id for item in store.find("kms:Key") if item.body.get("KeyState") == "PendingDeletion"}
    return [item for item in found if item.id not in waiting]


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
