"""What counts as replaced, lost, unprotected or left: pure functions of pictures, states and accounts."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from cli.checkpoint import resources
from cli.drift import planned
from cli.events import Picture, short_type, urn_name
from cli.rehearsal.report import STATEFUL, Replacement
from local.cloud.model import CloudObject

_PROTECTED: Final = {
    "aws:fsx/lustreFileSystem:LustreFileSystem": "protect",
    "aws:s3/bucket:Bucket": "protect",
    "aws:eks/cluster:Cluster": "deletionProtection",
}
"""What must refuse in a protected stack, and by which means."""


def replaced(picture: Picture, *, stage: str) -> list[Replacement]:
    """What an update replaced, or a preview would replace."""
    return [
        Replacement(urn=change.urn, stage=stage, because=tuple(item.path for item in change.properties))
        for change in planned(picture)
        if change.operation == "replace"
    ]


def changed(picture: Picture) -> list[str]:
    """What an update that should have had nothing to do did nevertheless; one line each."""
    return [
        f"{change.type} {change.name}: {change.operation}"
        + (f" ({', '.join(item.path for item in change.properties[:3])})" if change.properties else "")
        for change in planned(picture)
    ]


def stateful(document: Mapping[str, Any]) -> dict[str, str]:
    """URN to id of everything in the state that holds data."""
    return {
        str(item["urn"]): str(item.get("id", ""))
        for item in resources(document)
        if item.get("type") in STATEFUL and not item.get("delete")
    }


def lost(before: Mapping[str, str], after: Mapping[str, str], account: Iterable[CloudObject]) -> Iterator[str]:
    """What held data before and is gone, or another one under the same name.

    Args:
        before: ``stateful`` of the earlier state.
        after: ``stateful`` of the later one.
        account: What the cloud holds now: a state can remember what is gone.
    """
    there = {item.id for item in account}
    for urn, identifier in before.items():
        now = after.get(urn)
        label = f"{short_type(_type(urn))} {urn_name(urn)}"
        if now is None:
            yield f"{label} ({identifier}) is gone from the state"
        elif now != identifier:
            yield f"{label} is another one now: {identifier} became {now}"
        elif _type(urn).startswith("aws:") and identifier not in there:
            yield f"{label} ({identifier}) is gone from the account"


def unprotected(document: Mapping[str, Any]) -> list[str]:
    """Resources of a protected stack that nothing keeps from being deleted."""
    found: list[str] = []
    for item in resources(document):
        means = _PROTECTED.get(str(item.get("type")))
        if means is None:
            continue
        holds = item.get("protect") if means == "protect" else (item.get("outputs") or {}).get(means)
        if not holds:
            found.append(f"{short_type(str(item['type']))} {urn_name(str(item['urn']))} has no {means}")
    return found


def left(objects: Iterable[CloudObject], seeded: Iterable[str]) -> list[str]:
    """What outlived the stack, one line each.

    Not counted: what the rehearsal put there itself, and keys that wait for their deletion, as they do for days.
    """
    ours = set(seeded)
    return [
        f"{item.kind} {item.id}"
        for item in objects
        if item.id not in ours and item.body.get("KeyState") != "PendingDeletion"
    ]


def _type(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]
