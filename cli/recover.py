"""``slipway recover``."""

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import session, terminal
from cli.checkpoint import repaired, runs
from cli.engine import Engine
from cli.errors import UserError
from cli.events import short_type
from cli.exits import Exit
from cli.inventory.clients import inventory_of, looked_up
from cli.inventory.owned import Inventory
from cli.lazy import verb
from cli.locks import Lock, locks
from cli.plan import record
from cli.project import PROJECT, Stack, open_stack
from cli.recovery import Findings, find, remove_all
from cli.releases import forget_unknown_releases
from cli.update import run_update
from local.cluster.environment import LocalEnvironment

_PAUSE_SECONDS = 1.0


def recover(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing state or account.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also break a lock whose holder runs on another machine.")
    ] = False,
) -> None:
    """Put a stack right after a crash of the engine, of a plugin or of this machine.

    Says what it found: a lock and who held it, operations that never ended, objects at the cloud that the state does
    not know (by the tags slipway:stack and slipway:resource), objects that the cloud gave up on. After asking, it
    cancels the lock, takes what holds data back into the state, deletes the other orphans and refreshes. `slipway up`
    then goes on. In a real account it deletes nothing and says what to look at.

    \b
    Examples:
      slipway recover local
      slipway recover local --yes && slipway up local
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    stack = open_stack(env)
    put_right(stack, session.started(stack, terminal.messages()), yes=yes, force=force)


def put_right(stack: Stack, engine: Engine, *, yes: bool, force: bool = False) -> None:
    """What ``slipway recover`` does, with an engine that is ready; raises what it raises."""
    held = _breakable(locks(engine.environment, stack.name), force=force)
    _recover(stack, engine, inventory_of(stack, engine.environment), held, yes=yes)


def _breakable(held: list[Lock], *, force: bool) -> list[Lock]:
    for lock in held:
        if lock.alive or (lock.alive is None and not force):
            raise UserError(
                "an update of this stack is running" if lock.alive else "the lock is held from another machine",
                where=str(lock.path),
                value=str(lock),
                fix="wait for it or stop it there" + ("" if lock.alive else ", or add --force when it is surely dead"),
            )
    return held


def _recover(stack: Stack, engine: Engine, inventory: Inventory, held: list[Lock], *, yes: bool) -> None:
    console, out = terminal.messages(), terminal.output()
    document: dict[str, Any] = json.loads(engine.capture("stack", "export"))
    with looked_up(f"what {stack.name} has in the account"):
        owned = inventory.owned(PROJECT, stack.name)
    found = find(document, owned, held, lambda: _declared(stack))
    if found.empty:
        out.print(f"{stack.name}: nothing to recover: no lock, no pending operation, no orphan")
        return
    _tell(found, out, can_remove=inventory.can_remove)
    _confirm(stack.name, yes=yes)
    if found.locks:
        engine.capture("cancel", "--yes")
        out.print("the lock is cancelled")
    if found.pending or found.adopt:
        edited = repaired(document, [adoption.entry for adoption in found.adopt])
        engine.capture("stack", "import", stdin=json.dumps(edited))
        adopted = terminal.counted(len(found.adopt), "resource")
        operations = terminal.counted(len(found.pending), "pending operation")
        out.print(f"{operations} removed, {adopted} taken back into the state")
    if found.pending:
        _forget_releases(engine, document, found, out)
    left = remove_all(inventory, found.remove, pause=lambda: time.sleep(_PAUSE_SECONDS)) if inventory.can_remove else []
    for urn in found.replace:
        engine.capture("state", "taint", urn, "--yes")
    if stack.simulated:
        # A refresh would call an object sound that is still being made, and the next update would build on it.
        LocalEnvironment(stack.name).settle(console)
    # Without runs: a refreshed state forgets a finished one whose object was removed, and `up` would start it again.
    spared = [f"--exclude={urn}" for urn in runs(document)]
    said = f"refreshing {stack.name}, without {terminal.counted(len(spared), 'run')}" if spared else ""
    run_update(engine, ["refresh", "--yes", "--skip-preview", *spared], console, spoken=said)
    _finish(stack, found, [f"{item.kind} {item.id}: {why}" for item, why in left], can_remove=inventory.can_remove)


def _forget_releases(engine: Engine, document: Mapping[str, Any], found: Findings, out: Console) -> None:
    for name in forget_unknown_releases(document, found.pending, engine.environment):
        out.print(f"Helm release {name}: its half-made record is removed, `up` installs it again")


def _declared(stack: Stack) -> dict[tuple[str, str], Mapping[str, Any]]:
    """What the program declares now, for orphans that no pending operation tells the place of."""
    return {
        (item.type, item.name): {
            "urn": item.urn,
            "parent": item.parent,
            "provider": item.provider,
            "inputs": item.inputs,
            "dependencies": list(item.dependencies),
            "protect": item.protect,
        }
        for item in record(stack).resources
        if item.custom
    }


def _tell(found: Findings, out: Console, *, can_remove: bool) -> None:
    lines = [f"lock: {lock}" for lock in found.locks]
    lines += [f"pending: {one.kind} {short_type(one.type)} {one.name}" for one in found.pending]
    lines += [f"orphan: {one.item.kind} {one.item.id} ({one.item.name}): back into the state" for one in found.adopt]
    action = "delete" if can_remove else "not in the state: look at it, it may be yours to delete"
    lines += [f"orphan: {item.kind} {item.id} ({item.name}): {action}" for item in found.remove]
    lines += [f"orphan: {item.kind} {item.id} ({item.name}): holds data, left for you" for item in found.keep]
    lines += [f"failed: {urn.rpartition('::')[2]}: replaced by the next `up`" for urn in found.replace]
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def _confirm(stack: str, *, yes: bool) -> None:
    if yes:
        return
    if not terminal.is_interactive():
        fix = f"slipway recover {stack} --yes"
        raise UserError("recovering needs a yes, and there is nobody to ask", fix=fix, status=Exit.USAGE)
    if not typer.confirm("Do this?"):
        raise typer.Exit(Exit.OK)


def _finish(stack: Stack, found: Findings, refused: list[str], *, can_remove: bool) -> None:
    kept = [f"{item.kind} {item.id} ({item.name}) holds data" for item in found.keep]
    kept += [] if can_remove else [f"{item.kind} {item.id} ({item.name})" for item in found.remove]
    if refused or kept:
        raise UserError(
            f"{terminal.counted(len(refused) + len(kept), 'orphan')} of {stack.name} remain",
            where="; ".join([*refused, *kept]),
            fix="look at them and delete what nobody needs, then run it again",
            status=Exit.NOT_READY,
        )
    terminal.output().print(f"recovered: run `slipway up {stack.name}`, which goes on from here")


app = verb(recover)
