"""Looks for planted secrets, in every form in which they may come out, in files, SQLite accounts and processes."""

import base64
import binascii
import contextlib
import json
import sqlite3
import stat
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, quote_plus

_PROC = Path("/proc")
_SAMPLE_SECONDS = 0.1
_DATABASE = b"SQLite format 3\0"


@dataclass(frozen=True, order=True)
class Leak:
    """A secret where it was found; never its value."""

    secret: str
    place: str
    form: str

    def __str__(self) -> str:
        return f"{self.secret} in {self.place} ({self.form})"


def forms(value: str) -> dict[str, bytes]:
    """The texts to look for: as it is, escaped for JSON and URLs, in hexadecimal, and inside any base64 text."""
    plain = value.encode()
    found = {"plain": plain}
    found["JSON"] = json.dumps(value)[1:-1].encode()
    found["JSON in JSON"] = json.dumps(json.dumps(value)[1:-1])[1:-1].encode()
    found["URL"] = quote(value, safe="").encode()
    found["form"] = quote_plus(value).encode()
    found["hexadecimal"] = binascii.hexlify(plain)
    for encode, name in ((base64.b64encode, "base64"), (base64.urlsafe_b64encode, "URL-safe base64")):
        for before in range(3):  # where the value begins within a group of three bytes
            found[f"{name}, {before} bytes in"] = _inner(encode(b"\0" * before + plain), before, len(plain))
            # A Kubernetes Secret of a docker config holds base64 of JSON that holds base64.
            once = base64.b64encode(plain)
            found[f"{name} of base64, {before} bytes in"] = _inner(
                encode(b"\0" * before + _inner(once, 0, len(plain))), before, len(_inner(once, 0, len(plain)))
            )
    return found


def _inner(encoded: bytes, before: int, length: int) -> bytes:
    """The characters of a base64 text that depend on nothing but the value itself."""
    first = -(-before * 8 // 6)
    return encoded[first : (before + length) * 8 // 6]


class Scanner:
    """Finds ``secrets`` (value by name)."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        short = [name for name, value in secrets.items() if len(value) < 12]
        if short:
            raise ValueError(f"too short to be told from chance: {', '.join(short)}")
        self._needles = {name: forms(value) for name, value in secrets.items()}

    def data(self, data: bytes, place: str) -> Iterator[Leak]:
        """Leaks in some bytes, and in the gzip streams inside."""
        for text, inside in ((data, ""), *((more, ", gzip") for more in _unpacked(data))):
            for name, known in self._needles.items():
                form = next((form for form, needle in known.items() if needle in text), None)
                if form is not None:
                    yield Leak(name, place, form + inside)

    def file(self, path: Path, root: Path) -> Iterator[Leak]:
        """Leaks in a file; rows of an SQLite file are named by their table."""
        data, place = path.read_bytes(), str(path.relative_to(root))
        if data.startswith(_DATABASE):
            yield from self._database(path, place)
            return
        yield from self.data(data, place)

    def tree(self, root: Path) -> list[Leak]:
        """Leaks in all files below ``root``, each once; what vanishes meanwhile is left out.

        A database's write-ahead log is read as part of its tables.
        """
        found: set[Leak] = set()
        for path in sorted(root.rglob("*")):
            try:
                if path.name.endswith(("-wal", "-shm")) or path.is_symlink() or not stat.S_ISREG(path.stat().st_mode):
                    continue
                found.update(self.file(path, root))
            except FileNotFoundError:
                continue
        return sorted(found)

    def _database(self, path: Path, place: str) -> Iterator[Leak]:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        try:
            names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                for row in connection.execute(f'SELECT * FROM "{name}"'):  # noqa: S608 the file's own table
                    yield from self.data("\n".join(map(str, row)).encode(), f"{place}:{name}")
        finally:
            connection.close()


def _unpacked(data: bytes) -> Iterator[bytes]:
    """What gzip streams in ``data`` hold, also those that stand there in base64 (releases of Helm)."""
    for begin in (gzip_magic := b"\x1f\x8b\x08", b"H4sI"):
        at = data.find(begin)
        while at >= 0:
            packed = data[at:] if begin is gzip_magic else _decoded(data[at:])
            with contextlib.suppress(zlib.error):
                yield zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed)
            at = data.find(begin, at + 1)


def _decoded(text: bytes) -> bytes:
    known = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    length = next((number for number, byte in enumerate(text) if byte not in known), len(text))
    return base64.b64decode(text[: length // 4 * 4])


def open_to_others(paths: Iterable[Path]) -> list[str]:
    """Those of ``paths`` that somebody besides their owner may read or write."""
    return [f"{path} ({stat.filemode(path.stat().st_mode)})" for path in paths if path.stat().st_mode & 0o077]


@dataclass(frozen=True)
class Sample:
    """What a process showed."""

    command: str
    """The name of its program."""
    argv: bytes
    environ: bytes


class Sampler:
    """Watches the arguments and environments of all processes whose environment names ``state``, until it is left."""

    def __init__(self, state: Path) -> None:
        self.samples: set[Sample] = set()
        self._needle = str(state).encode()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            for entry in _PROC.iterdir():
                if entry.name.isdigit():
                    self._look(entry)

    def _look(self, entry: Path) -> None:
        try:
            environ, argv = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
            if self._needle in environ + argv:
                self.samples.add(Sample((entry / "comm").read_text().strip(), argv, environ))
        except OSError:  # gone, or somebody else's
            return

    def leaks(self, scanner: Scanner) -> list[Leak]:
        """Secrets in arguments (``argv of NAME``) and in environments (``NAME of COMMAND's environment``)."""
        found: set[Leak] = set()
        for sample in self.samples:
            found.update(scanner.data(sample.argv, f"argv of {sample.command}"))
            for pair in sample.environ.split(b"\0"):
                variable, _, value = pair.partition(b"=")
                found.update(scanner.data(value, f"{variable.decode(errors='replace')} in an environment"))
        return sorted(found)
