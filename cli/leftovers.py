"""What is in a simulated account although nothing should be: named one by one, whoever made it."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from cli.account import open_account
from cli.terminal import table
from local.cloud.model import CloudObject, Maker
from local.cluster.residue import residue
from local.paths import StatePaths


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
    """One line each."""
    made = table("kind", "id", "", title="left over")
        "kind", "id", "", box=None, padding=(0, 2), header_style="dim", title="left over", title_justify="left"
    )
    for item in left:
        made.add_row(item.kind, item.id, item.why)
    console.print(made)
