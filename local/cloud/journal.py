"""The journal: one entry per API call, in the order in which the calls ended, with nothing secret in it."""

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from local.cloud.values import Json, Secret

REDACTED = "[secret]"
_SHORTEST_SECRET = 4
"""Shorter values ("1", "yes") occur everywhere in a message; replacing them would hide the message itself."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One API call and what came of it."""

    operation: str
    """Name of the API call, for example ``CreateVpc``."""
    token: str
    kind: str = ""
    id: str = ""
    urn: str = ""
    outcome: str = "ok"
    """``ok``, ``error``, or ``fault`` when the error was planted."""
    code: str = ""
    message: str = ""
    request_id: str = ""
    request: Json = None
    """Request body, redacted."""
    modelled: bool = True
    """False for types of which only the shape is known."""


@dataclass(frozen=True, kw_only=True)
class Entry(Call):
    """A call as it is read back."""

    seq: int
    time: float
    """Seconds since the epoch on the account's clock."""
    pid: int


class Redactor:
    """Replaces known secret texts in whatever is about to be written or shown."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def text(self, value: str) -> str:
        """``value`` with every secret replaced."""
        for secret in self._values:
            value = value.replace(secret, REDACTED)
        return value

    def json(self, value: Json) -> Json:
        """``value`` with every secret replaced, at any depth; secret wrappers become ``[secret]``, unknowns text."""
        if isinstance(value, Secret):
            return REDACTED
        if isinstance(value, dict):
            return {key: self.json(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, str):
            return self.text(value)
        return value if isinstance(value, int | float | bool | None) else repr(value)


def secret_texts(value: Json, *, secret: bool = False) -> list[str]:
    """Texts inside the ``Secret`` wrappers of ``value`` (all of its texts when ``secret``)."""
    if isinstance(value, Secret):
        return secret_texts(value.value, secret=True)
    if isinstance(value, dict):
        return [text for item in value.values() for text in secret_texts(item, secret=secret)]
    if isinstance(value, list):
        return [text for item in value for text in secret_texts(item, secret=secret)]
    return [value] if secret and isinstance(value, str) else []


SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, pid INTEGER NOT NULL, operation TEXT NOT NULL,
  token TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, urn TEXT NOT NULL, outcome TEXT NOT NULL,
  code TEXT NOT NULL, message TEXT NOT NULL, request_id TEXT NOT NULL, request TEXT, modelled INTEGER NOT NULL)
"""
_COLUMNS = tuple(Call.__dataclass_fields__)


def write(connection: sqlite3.Connection, call: Call, *, now: float) -> None:
    """Append ``call``; the caller redacted it."""
    row = asdict(call) | {"request": None if call.request is None else json.dumps(call.request)}
    columns = ("time", "pid", *_COLUMNS)
    values = (now, os.getpid(), *(row[name] for name in _COLUMNS))
    connection.execute(
        f"INSERT INTO journal ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608 our columns
        values,
    )


def read(connection: sqlite3.Connection, *, after: int = 0, limit: int = -1) -> list[Entry]:
    """Entries with a higher ``seq`` than ``after``, oldest first."""
    rows = connection.execute("SELECT * FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)).fetchall()
    return [_entry(dict(row)) for row in rows]


def _entry(row: dict[str, Json]) -> Entry:
    row["request"] = None if row["request"] is None else json.loads(row["request"])
    row["modelled"] = bool(row["modelled"])
    return Entry(**row)
