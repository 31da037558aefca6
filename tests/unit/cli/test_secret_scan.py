"""The scanner that looks for leaks finds a planted one in every place and in every form: or it would prove nothing."""

import base64
import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from local.cloud.journal import Call
from local.cloud.store import SqliteStore
from tests.support.secret_scan import Leak, Sampler, Scanner, open_to_others

VALUE = 'Pl4nted/"secret"+value ü'
SCANNER = Scanner({"password": VALUE, "other": "never anywhere at all"})


def names(leaks: list[Leak]) -> set[tuple[str, str]]:
    return {(leak.secret, leak.place) for leak in leaks}


FORMS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "in a JSON document": lambda value: json.dumps({"a": [value]}).encode(),
    "in JSON inside JSON": lambda value: json.dumps({"a": json.dumps({"b": value})}).encode(),
    "in a URL": lambda value: f"https://x/?p={quote(value)}".replace("/", "%2F").encode(),
    "in base64": lambda value: base64.b64encode(value.encode()),
    "in base64 behind one byte": lambda value: base64.b64encode(f"x{value} and more".encode()),
    "in base64 behind two bytes": lambda value: base64.b64encode(f"xy{value}".encode()),
    "in URL-safe base64": lambda value: base64.urlsafe_b64encode(f"user:{value}".encode()),
    "in base64 of base64": lambda value: base64.b64encode(b"auth=" + base64.b64encode(value.encode())),
    "in hexadecimal": lambda value: value.encode().hex().encode(),
    "gzipped": lambda value: b"head" + gzip.compress(value.encode()),
    "gzipped in base64": lambda value: b'"' + base64.b64encode(gzip.compress(value.encode())) + b'"',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    data = FORMS[form](VALUE)
    assert [leak.secret for leak in SCANNER.data(b"before " + data + b" after", "here")] == ["password"]
    assert list(SCANNER.data(b"before " + FORMS[form]("some other text of it") + b" after", "here")) == []


def test_a_leak_names_the_secret_and_the_place_and_never_the_value() -> None:
    (leak,) = SCANNER.data(VALUE.encode(), "logs/up.log")
    assert str(leak) == "password in logs/up.log (plain)"


def test_files_are_found_by_their_path_and_databases_by_their_table(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "report.html").write_text(f"<p>{VALUE}")
    (tmp_path / "core.1234").write_bytes(b"\0" * 100 + VALUE.encode() + b"\0" * 100)
    (tmp_path / "clean.log").write_text("nothing")
    store = SqliteStore(tmp_path / "account.db")
    store.record(Call(operation="CreateVpc", token="aws:x", request={"Password": VALUE}))
    assert names(SCANNER.tree(tmp_path)) == {
        ("password", "a/report.html"),
        ("password", "core.1234"),
        ("password", "account.db:journal"),
    }, "rows that are still in the write-ahead log count too"
    store.close()
    connection = sqlite3.connect(tmp_path / "account.db")
    connection.execute("DELETE FROM journal")
    connection.commit()
    connection.close()
    assert ("password", "account.db:journal") not in names(SCANNER.tree(tmp_path))


def test_arguments_and_environments_of_processes_are_seen_while_they_live(tmp_path: Path) -> None:
    program = "import sys; print('up', flush=True); sys.stdin.read()"
    environment = {**os.environ, "STATE": str(tmp_path), "TOKEN": VALUE}
    with Sampler(tmp_path) as sampler:
        child = subprocess.Popen(
            [sys.executable, "-c", program, VALUE],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        while not sampler.samples:
            pass
        child.communicate(timeout=10)
    places = {place for _, place in names(sampler.leaks(SCANNER))}
    assert "TOKEN in an environment" in places
    assert any(place.startswith("argv of python") for place in places)


def test_files_that_others_may_read_are_named(tmp_path: Path) -> None:
    closed, open_ = tmp_path / "closed", tmp_path / "open"
    closed.touch(mode=0o600)
    open_.touch(mode=0o644)
    open_.chmod(0o644)
    assert open_to_others([closed, open_]) == [f"{open_} (-rw-r--r--)"]


def test_a_secret_too_short_to_tell_is_refused() -> None:
    with pytest.raises(ValueError, match="too short to be told from chance: pin"):
        Scanner({"pin": "1234"})
