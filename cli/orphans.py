"""The stage of a destruction between cluster and network: what the cluster's controllers left at the cloud."""

import time
from collections.abc import Sequence
from typing import Final

import typer
from rich.console import Console

from cli import terminal
from cli.errors import UserError
from cli.exits import Exit
from cli.inventory.account import AwsInventory
from cli.inventory.clients import looked_up
from cli.inventory.owned import Owned
from cli.recovery import remove_all

TITLE: Final = "leftovers"
_PASSING: Final = ("DependencyViolation", "InvalidParameterValue", "ResourceInUse", "VolumeInUse")
"""What EC2 says while the interfaces of a deleted load balancer go: it takes them minutes."""
_ROUNDS: Final = 40
_PAUSE_SECONDS: Final = 15.0
_SIMULATED_PAUSE_SECONDS: Final = 0.2


def clear(
    stack: str,
    inventory: AwsInventory,
    networks: Sequence[str],
    clusters: Sequence[str],
    console: Console,
    *,
    simulated: bool,
    yes: bool,
) -> list[Owned]:
    """Find what controllers left in the stack's networks, and delete it where that is allowed; returns what it found.

    Raises:
        UserError: it may not be deleted, nobody agreed, or it does not go: the network could not go either.
    """
    with looked_up(f"what controllers of {stack} left"):
        found = inventory.of_controllers(networks, clusters)
    for item in found.unsure:
        said = f"  {item.kind} {item.id}: a volume of some cluster that its tags do not name: look at it"
        console.print(said, style="yellow", soft_wrap=True, markup=False)
    if not found.items:
        return []
    console.print(f"{TITLE}: made by controllers of the cluster, known to no state", style="yellow", soft_wrap=True)
    for item in found.items:
        console.print(f"  {item.kind} {item.id}", soft_wrap=True, markup=False)
    _agree(stack, found.items, can_remove=inventory.can_remove, asks=not simulated and not yes)
    pause = _SIMULATED_PAUSE_SECONDS if simulated else _PAUSE_SECONDS
    left = remove_all(inventory, found.items, pause=lambda: time.sleep(pause), rounds=_ROUNDS, passing=_PASSING)
    if left:
        raise UserError(
            f"{terminal.counted(len(left), 'object')} of controllers of {stack} cannot be deleted",
            where="; ".join(f"{item.kind} {item.id}: {why}" for item, why in left),
            fix="remove what holds them and run `slipway destroy` again: it goes on from here",
        )
    console.print(f"{TITLE}: {terminal.counted(len(found.items), 'object')} deleted", soft_wrap=True)
    return list(found.items)


def _agree(stack: str, items: Sequence[Owned], *, can_remove: bool, asks: bool) -> None:
    many = terminal.counted(len(items), "object")
    if not can_remove:
        raise UserError(
            f"controllers of {stack} left {many}, which keep its network from being deleted",
            where=", ".join(f"{item.kind} {item.id}" for item in items),
            fix=f"delete them yourself, or `slipway destroy {stack} --delete-leftovers`; it goes on from here",
            status=Exit.NOT_READY,
        )
    if not asks:
        return
    if not terminal.is_interactive():
        raise UserError(
            f"deleting {many} in a real account needs a yes, and there is nobody to ask",
            fix=f"slipway destroy {stack} --delete-leftovers --yes",
            status=Exit.USAGE,
        )
    if not typer.confirm(f"Delete these {len(items)} objects?", default=False):
        raise typer.Exit(Exit.NOT_READY)
