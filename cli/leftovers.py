"""What is in an account although nothing should be: by the stack's tags, by its networks, or simply there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cli.account import open_account
from cli.inventory.account import AwsInventory
from cli.inventory.owned import Owned
from cli.project import PROJECT
from local.cloud.aws.residue import residue
from local.cloud.model import CloudObject, Maker
from local.paths import StatePaths

_LISTED: Final = 40


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One object of the account."""

    kind: str
    id: str
    why: str


def found_by(inventory: AwsInventory, stack: str, networks: Sequence[str]) -> list[Leftover]:
    """What still carries the stack's tags or lies in its networks; each object once, with every reason."""
    tagged = [_leftover(item, _tagged(item)) for item in inventory.owned(PROJECT, stack)]
    inside = [_leftover(item, f"is in {', '.join(networks)}") for item in inventory.in_networks(networks)]
    return merged(tagged, inside)


def _leftover(item: Owned, why: str) -> Leftover:
    return Leftover(kind=item.kind, id=item.id, why=why)


def _tagged(item: Owned) -> str:
    return item.name if item.name.startswith("of ") else f"carries the stack's tags ({item.name})"


def merged(*lists: Sequence[Leftover]) -> list[Leftover]:
    """Each object once, with every reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for item in (item for items in lists for item in items):
        reasons = found.setdefault((item.kind, item.id), [])
        if item.why not in reasons:
            reasons.append(item.why)
    return [Leftover(kind=kind, id=identifier, why="; ".join(why)) for (kind, identifier), why in found.items()]


def leftovers(environment: str) -> list[Leftover]:
    """Everything that an empty simulated account would not hold: the simulator's own word, which knows all.

    Nothing when there is no account. Keys wait for their deletion for days; that is no leftover.
    """
    if not StatePaths.of(environment).account.exists():
        return []
    with open_account(environment) as store:
        return [
            Leftover(kind=item.kind, id=item.id, why=_why(item))
            for item in residue(store)
            if item.body.get("KeyState") != "PendingDeletion"
        ]


def _why(item: CloudObject) -> str:
    """Who made it: a resource of a program, or the cloud by itself (log groups, network interfaces)."""
    if item.maker is Maker.SERVICE:
        return "made by the service itself"
    return f"made by resource {item.urn.rpartition('::')[2]}" if item.urn else "made behind Pulumi's back"


def print_leftovers(left: Sequence[Leftover], console: Console) -> None:
    """One line each, to copy ids from; by kind when it is a whole platform."""
    console.print("left over", style="bold")
    if len(left) > _LISTED:
        for kind, number in Counter(item.kind for item in left).most_common():
            console.print(f"  {number:>4} x {kind}")
        return
    for item in left:
        console.print(f"  {item.kind} {item.id}  ({item.why})", soft_wrap=True, markup=False)
