"""What is in a simulated account although nothing should be: named one by one, whoever made it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cli.account import open_account
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


def leftovers(environment: str) -> list[Leftover]:
    """Everything that an empty account would not hold; nothing when there is no account."""
    if not StatePaths.of(environment).account.exists():
        return []
    with open_account(environment) as store:
        return [Leftover(kind=item.kind, id=item.id, why=_why(item)) for item in residue(store)]


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
