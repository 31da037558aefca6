"""The simulated account: one SQLite file that every plugin process and the supervisor share.

Objects are kept in the shape of the service's own API, next to a journal of all calls, planted faults, account
settings, credentials and a clock that can be advanced.
"""

import fcntl
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local.cloud import faults as planted
from local.cloud import journal as calls
from local.cloud.model import CloudObject, Maker
from local.cloud.values import Json
from local.paths import SIMULATED_ACCOUNT_ID

BUSY_SECONDS = 30.0
"""How long a writer waits for another process; a write transaction takes milliseconds."""
DEFAULT_REGION = "us-east-1"
_FORMAT = "1"

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, region TEXT NOT NULL,
  body TEXT NOT NULL, maker TEXT NOT NULL, created_at REAL NOT NULL, urn TEXT NOT NULL, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS issued (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS credentials (
  access_key_id TEXT PRIMARY KEY, secret_access_key TEXT NOT NULL, principal TEXT NOT NULL);
{calls.SCHEMA};
{planted.SCHEMA};
"""


class StoreError(Exception):
    """The account file cannot be used; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A simulated access key. The secret signs requests to the simulation and opens nothing anywhere else."""

    access_key_id: str
    secret_access_key: str
    principal: str
    """ARN of who it stands for."""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id}, {self.principal})"


class SqliteStore:
    """An ``Account`` in a SQLite file, or in memory with ``:memory:``; safe for threads and for several processes.

    Args:
        path: the file, made with mode 0600 when it is missing; its directory is made too.
        account_id: account of a new file; an existing file knows its own.
        region: default region of a new file.

    Raises:
        StoreError: the file is not an account, or of another format.
    """

    def __init__(
        self, path: Path | str, *, account_id: str = SIMULATED_ACCOUNT_ID, region: str = DEFAULT_REGION
    ) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._in_transaction = False
        self._connection = self._open()
        self._turn = None if self.path == ":memory:" else _open_lock(Path(f"{self.path}.lock"))
        with self.transaction():
            self._default("format", _FORMAT)
            self._default("account", account_id)
            self._default("region", region)
            self._default("clock_offset", "0")
        if self._meta("format") != _FORMAT:
            raise StoreError(
                f"{self.path}: account of format {self._meta('format')}, this version reads {_FORMAT}: "
                "take the environment down and up again"
            )
        self.account_id = self._meta("account")
        self.region = self._meta("region")

    def _open(self) -> sqlite3.Connection:
        if self.path != ":memory:":
            file = Path(self.path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # Processes are killed here on purpose, machines are not: NORMAL survives the former and costs no fsync.
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'faults'").fetchone() is None:
                connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise StoreError(
                f"{self.path}: not a simulated account ({error}); remove the file and bring the environment up again"
            ) from error
        return connection

    def close(self) -> None:
        """Close the connection; the store cannot be used afterwards."""
        with self._lock:
            self._connection.close()
            if self._turn is not None:
                self._turn.close()

    @contextmanager
    def transaction(self) -> Iterator["SqliteStore"]:
        """One write transaction; nested uses join it. An exception rolls everything back."""
        with self._lock:
            if self._in_transaction:
                yield self
                return
            with self._my_turn():
                self._connection.execute("BEGIN IMMEDIATE")
                self._in_transaction = True
                try:
                    yield self
                except BaseException:
                    self._in_transaction = False
                    self._connection.execute("ROLLBACK")
                    raise
                self._in_transaction = False
                self._connection.execute("COMMIT")

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Wait in line: SQLite's own waiting is a lottery, which one of four busy writers loses for half a minute."""
        if self._turn is None:
            yield
            return
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    # --- Account -----------------------------------------------------------------------------------------------

    def get(self, kind: str, identifier: str) -> CloudObject | None:
        """The object, or None."""
        rows = self._rows("SELECT * FROM objects WHERE kind = ? AND id = ?", (kind, identifier))
        return _object(rows[0]) if rows else None

    def find(self, kind: str, **where: Json) -> list[CloudObject]:
        """Objects of ``kind`` whose top-level body members equal ``where``, oldest first."""
        sql, values = "SELECT * FROM objects WHERE kind = ?", [kind]
        for name, value in where.items():
            if isinstance(value, str):  # the common case is decided by SQLite; the rest below
                sql += " AND json_extract(body, ?) = ?"
                values += [f'$."{name}"', value]
        found = [_object(row) for row in self._rows(sql + " ORDER BY seq", values)]
        return [item for item in found if all(item.body.get(name) == value for name, value in where.items())]

    def count(self, kind: str) -> int:
        """How many objects of ``kind`` there are."""
        return int(self._rows("SELECT count(*) FROM objects WHERE kind = ?", (kind,))[0][0])

    def mentioning(self, kind: str, text: str) -> list[CloudObject]:
        """Objects of ``kind`` whose body holds ``text`` somewhere: a coarse, quick filter."""
        needle = json.dumps(text)[1:-1]
        sql = "SELECT * FROM objects WHERE kind = ? AND instr(body, ?) > 0 ORDER BY seq"
        return [_object(row) for row in self._rows(sql, (kind, needle))]

    def put(self, item: CloudObject) -> None:
        """Insert or overwrite. A new object gets the clock's time unless it brings one."""
        created = item.created_at or self.now()
        row = (item.kind, item.id, item.region, json.dumps(item.body), str(item.maker), created, item.urn)
        with self.transaction():
            self._connection.execute(
                "INSERT INTO objects (kind, id, region, body, maker, created_at, urn) VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET region = excluded.region, body = excluded.body,"
                " maker = excluded.maker, urn = excluded.urn",
                row,
            )

    def remove(self, kind: str, identifier: str) -> None:
        """Delete; no error when absent."""
        with self.transaction():
            self._connection.execute("DELETE FROM objects WHERE kind = ? AND id = ?", (kind, identifier))

    def new_id(self, prefix: str, *, length: int = 17, alphabet: str = "0123456789abcdef") -> str:
        """``prefix`` plus ``length`` characters, never used before in this account."""
        with self.transaction():
            while True:
                made = prefix + "".join(secrets.choice(alphabet) for _ in range(length))
                if self._connection.execute("INSERT OR IGNORE INTO issued VALUES (?)", (made,)).rowcount:
                    return made

    def now(self) -> float:
        """Seconds since the epoch on the account's clock."""
        return time.time() + float(self._meta("clock_offset"))

    def setting(self, name: str, default: Json = None) -> Json:
        """An account setting, for example a quota: ``quota:ec2:vpcs``."""
        rows = self._rows("SELECT value FROM settings WHERE name = ?", (name,))
        return json.loads(rows[0]["value"]) if rows else default

    # --- the account's owner -----------------------------------------------------------------------------------

    def objects(self, *, maker: Maker | None = None) -> list[CloudObject]:
        """Everything in the account, oldest first; for residue reports."""
        rows = self._rows("SELECT * FROM objects ORDER BY seq")
        return [item for item in map(_object, rows) if maker is None or item.maker == maker]

    def advance(self, seconds: float) -> None:
        """Move the account's clock forward."""
        if seconds < 0:
            raise ValueError(f"the account's clock only goes forward, got {seconds} seconds")
        with self.transaction():
            self._set_meta("clock_offset", str(float(self._meta("clock_offset")) + seconds))

    def set_setting(self, name: str, value: Json) -> None:
        """Set an account setting; None removes it."""
        with self.transaction():
            if value is None:
                self._connection.execute("DELETE FROM settings WHERE name = ?", (name,))
            else:
                self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))

    def settings(self) -> Mapping[str, Json]:
        """All account settings."""
        return {row["name"]: json.loads(row["value"]) for row in self._rows("SELECT * FROM settings ORDER BY name")}

    def once(self, name: str) -> bool:
        """True the first time that it is asked for ``name``; for seeding inside a transaction."""
        sql = "INSERT OR IGNORE INTO meta VALUES (?, '1')"
        with self.transaction():
            return bool(self._connection.execute(sql, (f"once:{name}",)).rowcount)

    def credentials(self, principal: str) -> Credentials:
        """The access key of ``principal`` (an ARN), made at the first call."""
        with self.transaction():
            rows = self._rows("SELECT * FROM credentials WHERE principal = ?", (principal,))
            if not rows:
                key = "AKIASIMULATED" + "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ234567") for _ in range(7))
                # The word keeps secret scanners and readers from taking it for a real one; 40 characters as at AWS.
                secret = "simulated/" + secrets.token_hex(15)
                self._connection.execute("INSERT INTO credentials VALUES (?, ?, ?)", (key, secret, principal))
                rows = self._rows("SELECT * FROM credentials WHERE principal = ?", (principal,))
        return Credentials(**dict(rows[0]))

    def credentials_of_key(self, access_key_id: str) -> Credentials | None:
        """Whose key that is; None for a key that this account never issued."""
        rows = self._rows("SELECT * FROM credentials WHERE access_key_id = ?", (access_key_id,))
        return Credentials(**dict(rows[0])) if rows else None

    def data_version(self) -> int:
        """A number that changes whenever another connection, of any process, changed the file."""
        return int(self._rows("PRAGMA data_version")[0][0])

    # --- journal and faults ------------------------------------------------------------------------------------

    def record(self, call: calls.Call) -> None:
        """Append to the journal; the caller redacted it."""
        with self.transaction():
            calls.write(self._connection, call, now=self.now())

    def journal(self, *, after: int = 0, limit: int = -1) -> list[calls.Entry]:
        """Entries with a higher ``seq`` than ``after``, oldest first."""
        with self._lock:
            return calls.read(self._connection, after=after, limit=limit)

    def add_fault(self, fault: planted.Fault) -> int:
        """Plant a fault; returns its number."""
        with self.transaction():
            return planted.add(self._connection, fault)

    def faults(self) -> list[planted.Fault]:
        """All planted faults, spent ones too."""
        with self._lock:
            return planted.listed(self._connection)

    def clear_faults(self, number: int | None = None) -> None:
        """Remove one fault, or all."""
        with self.transaction():
            planted.clear(self._connection, number)

    def take_faults(self, target: planted.Target) -> list[planted.Fault]:
        """The faults that hit this call."""
        with self._lock:
            if not planted.any_left(self._connection):
                return []
        with self.transaction():
            return planted.take(self._connection, target)

    def hold(self, number: int) -> None:
        """Say that a call of this process waits until fault ``number`` is cleared."""
        with self.transaction():
            planted.note_held(self._connection, number)

    # --- plumbing ----------------------------------------------------------------------------------------------

    def _rows(self, sql: str, values: "tuple[Json, ...] | list[str]" = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def _meta(self, name: str) -> str:
        return str(self._rows("SELECT value FROM meta WHERE name = ?", (name,))[0]["value"])

    def _default(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))

    def _set_meta(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _open_lock(path: Path) -> IO[bytes]:
    """An open file, for its lock: it ends with the process, however that ends."""
    path.touch(mode=0o600, exist_ok=True)
    return path.open("rb")


def _object(row: sqlite3.Row) -> CloudObject:
    return CloudObject(
        kind=row["kind"],
        id=row["id"],
        region=row["region"],
        body=json.loads(row["body"]),
        maker=Maker(row["maker"]),
        created_at=row["created_at"],
        urn=row["urn"],
    )
