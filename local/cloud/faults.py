"""Planted faults: what a cloud, a network or a killed engine does to a call now and then."""

import fnmatch
import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from local.cloud.values import Json


class FaultType(StrEnum):
    """What goes wrong."""

    THROTTLE = "throttle"
    """The call is refused as too frequent; the provider retries with back-off."""
    ERROR = "error"
    """The call is refused with the fault's ``code`` and ``message``; nothing was made."""
    CAPACITY = "capacity"
    """The same, with the code for missing capacity when the fault names none."""
    SLOW = "slow"
    """The call takes ``seconds`` longer on the account's clock (``realSeconds`` on the wall clock)."""
    PARTIAL = "partial"
    """The object is made, and then the creation fails: the provider reports an id together with the error."""
    LOST_RESPONSE = "lost-response"
    """The object is made and nobody learns its id: an orphan."""
    KILL_ENGINE = "kill-engine"
    """The engine is killed (SIGKILL): ``when`` is ``before`` the call acts, or ``after`` it (the default)."""
    HOLD = "hold"
    """The call stops until the fault is cleared, ``realSeconds`` (60) at most; ``when`` as for a kill. Its process is
    noted as ``heldBy``: whoever planted it can do what must happen in the middle of a step."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault and the calls that it meets. Patterns are shell globs, compared without regard to case."""

    type: FaultType
    operation: str = "*"
    """Pattern over the name of the API call, or over create, read, update, delete, invoke."""
    kind: str = "*"
    """Pattern over the object's kind, or over the Pulumi type token."""
    identifier: str = "*"
    """Pattern over the object's id; a creation is matched by its logical name."""
    count: int = 1
    """How many matching calls it hits."""
    after: int = 0
    """How many matching calls it lets pass first."""
    mutating: bool = True
    """Whether reads and invokes pass by."""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    """``code``, ``message``, ``seconds``, ``realSeconds``, ``when``; ``heldBy`` is written by a held call."""
    id: int = 0
    """Set by the store."""
    seen: int = 0
    """Matching calls so far."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The call that a fault may hit."""

    operation: str
    """create, read, update, delete or invoke."""
    api: str
    kind: str
    token: str
    identifier: str
    name: str = ""


SCHEMA = """
CREATE TABLE IF NOT EXISTS faults (
  id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, operation TEXT NOT NULL, kind TEXT NOT NULL,
  identifier TEXT NOT NULL, count INTEGER NOT NULL, after INTEGER NOT NULL, mutating INTEGER NOT NULL,
  parameters TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0)
"""


def add(connection: sqlite3.Connection, fault: Fault) -> int:
    """Plant ``fault``; returns its number.

    Raises:
        ValueError: a count below 1, or a negative ``after``.
    """
    if fault.count < 1 or fault.after < 0:
        raise ValueError(
            f"fault {fault.type}: count is {fault.count} (at least 1), after is {fault.after} (at least 0)"
        )
    cursor = connection.execute(
        "INSERT INTO faults (type, operation, kind, identifier, count, after, mutating, parameters)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(fault.type),
            fault.operation,
            fault.kind,
            fault.identifier,
            fault.count,
            fault.after,
            fault.mutating,
            json.dumps(dict(fault.parameters)),
        ),
    )
    return int(cursor.lastrowid or 0)


def listed(connection: sqlite3.Connection) -> list[Fault]:
    """All planted faults, spent ones too."""
    return [_fault(dict(row)) for row in connection.execute("SELECT * FROM faults ORDER BY id").fetchall()]


def clear(connection: sqlite3.Connection, number: int | None = None) -> None:
    """Remove one fault, or all."""
    if number is None:
        connection.execute("DELETE FROM faults")
    else:
        connection.execute("DELETE FROM faults WHERE id = ?", (number,))


def note_held(connection: sqlite3.Connection, number: int) -> None:
    """Write down that a call of this process waits for fault ``number`` to be cleared."""
    connection.execute(
        "UPDATE faults SET parameters = json_set(parameters, '$.heldBy', ?) WHERE id = ?", (os.getpid(), number)
    )


def take(connection: sqlite3.Connection, target: Target) -> list[Fault]:
    """The faults that hit this call; counts it for every fault that it matches. Needs a write transaction."""
    hits: list[Fault] = []
    for fault in listed(connection):
        if not _matches(fault, target) or fault.seen >= fault.after + fault.count:
            continue
        connection.execute("UPDATE faults SET seen = seen + 1 WHERE id = ?", (fault.id,))
        if fault.seen >= fault.after:
            hits.append(fault)
    return hits


def any_left(connection: sqlite3.Connection) -> bool:
    """Whether a fault could still hit something: spares ordinary calls a write transaction."""
    return connection.execute("SELECT 1 FROM faults WHERE seen < after + count LIMIT 1").fetchone() is not None


def _matches(fault: Fault, target: Target) -> bool:
    if fault.mutating and target.operation in {"read", "invoke"}:
        return False
    return (
        _like(fault.operation, target.operation, target.api)
        and _like(fault.kind, target.kind, target.token)
        and _like(fault.identifier, target.identifier, target.name)
    )


def _like(pattern: str, *texts: str) -> bool:
    return any(fnmatch.fnmatchcase(text.lower(), pattern.lower()) for text in texts)


def _fault(row: dict[str, Json]) -> Fault:
    return Fault(
        type=FaultType(row["type"]),
        operation=row["operation"],
        kind=row["kind"],
        identifier=row["identifier"],
        count=row["count"],
        after=row["after"],
        mutating=bool(row["mutating"]),
        parameters=json.loads(row["parameters"]),
        id=row["id"],
        seen=row["seen"],
    )
