"""What a crash left of a stack, and what to do about each part: found by pure functions, done by ``recover``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.checkpoint import Document, Pending, adoptable, arns, identifiers, pending, resources
from cli.inventory.kinds import OF_NODE_GROUPS
from cli.inventory.owned import Inventory, Owned, RemovalRefusedError
from cli.locks import Lock

_MOVING: Final = ("CREATING", "DELETING", "UPDATING")
_LAST: Final = frozenset({"logs:LogGroup"})
"""What a living cluster would make anew."""
_PASSING: Final = ("ResourceInUse",)
"""Codes of refusals that end by themselves."""


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """An object that holds data and goes back into the state."""

    item: Owned
    entry: Document


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything that is wrong with a stack."""

    locks: Sequence[Lock]
    pending: Sequence[Pending]
    adopt: Sequence[Adoption]
    remove: Sequence[Owned]
    keep: Sequence[Owned]
    """Orphans that hold data and have no place in the program: a person must decide."""
    replace: Sequence[str]
    """URNs whose object the cloud gave up on."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not any((self.locks, self.pending, self.adopt, self.remove, self.keep, self.replace))


def find(
    document: Mapping[str, Any],
    owned: Sequence[Owned],
    locks: Sequence[Lock],
    declared: Callable[[], Mapping[tuple[str, str], Mapping[str, Any]]],
) -> Findings:
    """Compare the state with what the account holds.

    Args:
        document: The exported state.
        owned: What carries the stack's tags.
        locks: Its locks.
        declared: What the program declares, by (type token, logical name); asked only when an orphan with data
            has no pending operation that tells its place.
    """
    known = resources(document)
    state = identifiers(document)
    names = arns(document)
    orphans = [item for item in owned if item.kind not in OF_NODE_GROUPS and not _known(item, state, names)]
    interrupted = {(one.type, one.name): one.resource for one in pending(document) if one.kind == "creating"}
    taken = {(str(item["type"]), str(item["urn"]).rpartition("::")[2]) for item in known}
    adopt: list[Adoption] = []
    keep: list[Owned] = []
    for item in (item for item in orphans if item.holds_data):
        entry = _entry(item, interrupted, known) if not _declared(item, taken) else None
        if entry is None and not _declared(item, taken):
            entry = _entry(item, declared(), known)
        if entry is None or item.failed:
            keep.append(item)
        else:
            adopt.append(Adoption(item=item, entry=entry))
            taken |= {(token, item.name) for token in item.types}
    failed = {(token, item.id) for item in owned if item.failed for token in item.types}
    return Findings(
        locks=locks,
        pending=pending(document),
        adopt=adopt,
        remove=[item for item in orphans if not item.holds_data],
        keep=keep,
        replace=[str(item["urn"]) for item in known if (str(item["type"]), str(item.get("id", ""))) in failed],
    )


def _known(item: Owned, state: set[tuple[str, str]], names: set[str]) -> bool:
    """By type and id; where only an ARN is known, by that."""
    return any((token, item.id) in state for token in item.types) if item.types else item.id in names


def _declared(item: Owned, taken: set[tuple[str, str]]) -> bool:
    """Whether the state has another object under that name: then this one is a second, made by a lost response."""
    return any((token, item.name) in taken for token in item.types)


def _entry(
    item: Owned, places: Mapping[tuple[str, str], Mapping[str, Any]], known: Sequence[Mapping[str, Any]]
) -> Document | None:
    for token in item.types:
        resource = places.get((token, item.name))
        if resource is not None:
            return adoptable(resource, item.id, known)
    return None


def remove_all(
    inventory: Inventory,
    items: Sequence[Owned],
    *,
    pause: Callable[[], None],
    rounds: int = 60,
    passing: Sequence[str] = _PASSING,
) -> list[tuple[Owned, str]]:
    """Delete ``items`` in the order that the cloud's own refusals teach; returns what would not go, and why.

    Each round tries all that are left. Rounds without progress are repeated after ``pause`` while something is still
    on its way (a cluster that is being made cannot be deleted yet), which statuses and the codes ``passing`` tell.
    """
    last = [item for item in items if item.kind in _LAST]
    first = [item for item in items if item.kind not in _LAST]
    return [
        *_rounds(inventory, first, pause=pause, rounds=rounds, passing=passing),
        *_rounds(inventory, last, pause=pause, rounds=rounds, passing=passing),
    ]


def _rounds(
    inventory: Inventory,
    items: Sequence[Owned],
    *,
    pause: Callable[[], None],
    rounds: int,
    passing: Sequence[str],
) -> list[tuple[Owned, str]]:
    left = list(items)
    refusals: dict[str, str] = {}
    for _ in range(rounds):
        still: list[Owned] = []
        for item in left:
            try:
                inventory.remove(item)
            except RemovalRefusedError as error:
                refusals[item.id] = str(error)
                still.append(item)
        stuck = len(still) == len(left)
        left = still
        if not left:
            break
        if stuck:
            if not any(item.status in _MOVING for item in left) and not _passing(refusals, left, passing):
                break
            pause()
    return [(item, refusals[item.id]) for item in left]


def _passing(refusals: Mapping[str, str], left: Sequence[Owned], codes: Sequence[str]) -> bool:
    return any(code in refusals[item.id] for item in left for code in codes)
