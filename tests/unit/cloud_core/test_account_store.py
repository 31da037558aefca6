import fcntl
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local.cloud.journal import Call, Redactor, secret_texts
from local.cloud.model import CloudObject, Maker
from local.cloud.store import SqliteStore, StoreError
from local.cloud.values import Secret
from local.paths import REPOSITORY


def _vpc(identifier: str, **body: object) -> CloudObject:
    return CloudObject(kind="ec2:Vpc", id=identifier, region="us-east-1", body={"VpcId": identifier, **body})


def test_an_object_is_read_back_as_it_was_put(store: SqliteStore) -> None:
    item = _vpc("vpc-1", CidrBlock="10.0.0.0/16", Tags=[{"Key": "ä", "Value": "1"}])
    store.put(item)
    found = store.get("ec2:Vpc", "vpc-1")
    assert found is not None
    assert found.body == item.body
    assert found.created_at == pytest.approx(store.now(), abs=5)


def test_overwriting_keeps_age_and_order(store: SqliteStore) -> None:
    store.put(_vpc("vpc-1", Size=1))
    store.put(_vpc("vpc-2", Size=2))
    before = store.get("ec2:Vpc", "vpc-1")
    store.advance(100)
    store.put(_vpc("vpc-1", Size=3))
    after = store.get("ec2:Vpc", "vpc-1")
    assert before is not None
    assert after is not None
    assert after.created_at == before.created_at
    assert [item.body["Size"] for item in store.find("ec2:Vpc")] == [3, 2]


def test_find_matches_text_numbers_booleans_and_absence(store: SqliteStore) -> None:
    store.put(_vpc("vpc-1", Name="a", Count=1, Default=True))
    store.put(_vpc("vpc-2", Name="a", Count=2))
    assert [item.id for item in store.find("ec2:Vpc", Name="a", Count=1)] == ["vpc-1"]
    assert [item.id for item in store.find("ec2:Vpc", Default=True)] == ["vpc-1"]
    assert [item.id for item in store.find("ec2:Vpc", Default=None)] == ["vpc-2"]


def test_mentioning_finds_values_that_json_escapes(store: SqliteStore) -> None:
    store.put(_vpc("vpc-1", Policy={"Resource": ['arn:"quoted"/ä']}))
    assert [item.id for item in store.mentioning("ec2:Vpc", 'arn:"quoted"/ä')] == ["vpc-1"]


def test_removing_what_is_not_there_is_no_error(store: SqliteStore) -> None:
    store.remove("ec2:Vpc", "vpc-none")
    assert store.objects() == []


def test_a_failed_transaction_leaves_nothing_behind(store: SqliteStore) -> None:
    def half_done() -> None:
        with store.transaction():
            store.put(_vpc("vpc-1"))
            with store.transaction():
                store.put(_vpc("vpc-2"))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        half_done()
    assert store.objects() == []
    store.put(_vpc("vpc-3"))
    assert [item.id for item in store.objects()] == ["vpc-3"]


def test_ids_have_the_services_shape_and_are_never_given_twice(store: SqliteStore) -> None:
    made = {store.new_id("vpc-") for _ in range(200)}
    assert len(made) == 200
    assert all(len(identifier) == len("vpc-") + 17 for identifier in made)
    assert {store.new_id("x", length=1, alphabet="ab") for _ in range(2)} == {"xa", "xb"}


def test_the_clock_goes_forward_only(store: SqliteStore) -> None:
    before = store.now()
    store.advance(3600)
    assert store.now() - before == pytest.approx(3600, abs=5)
    with pytest.raises(ValueError, match="only goes forward, got -1"):
        store.advance(-1)


def test_settings_are_json_and_none_removes_them(store: SqliteStore) -> None:
    store.set_setting("quota:ec2:vpcs", 5)
    assert store.setting("quota:ec2:vpcs") == 5
    assert store.settings() == {"quota:ec2:vpcs": 5}
    store.set_setting("quota:ec2:vpcs", None)
    assert store.setting("quota:ec2:vpcs", 7) == 7


def test_service_made_objects_can_be_listed_apart(store: SqliteStore) -> None:
    store.put(_vpc("vpc-1"))
    store.put(CloudObject(kind="logs:LogGroup", id="g", region="r", body={}, maker=Maker.SERVICE))
    assert [item.id for item in store.objects(maker=Maker.SERVICE)] == ["g"]


def test_credentials_are_made_once_per_principal_and_look_plainly_simulated(store: SqliteStore) -> None:
    role = "arn:aws:iam::000000000000:role/slipway-deployer"
    made = store.credentials(role)
    assert made.access_key_id.startswith("AKIASIMULATED")
    assert (len(made.access_key_id), len(made.secret_access_key)) == (20, 40)
    assert store.credentials(role) == made
    assert store.credentials_of_key(made.access_key_id) == made
    assert store.credentials_of_key("AKIAOTHER") is None
    assert made.secret_access_key not in repr(made)


def test_the_file_is_private_and_knows_its_own_account(tmp_path: Path) -> None:
    file = tmp_path / "state" / "account.db"
    SqliteStore(file, account_id="000000000000", region="eu-west-1").close()
    assert file.stat().st_mode & 0o777 == 0o600
    reopened = SqliteStore(file)
    assert (reopened.account_id, reopened.region) == ("000000000000", "eu-west-1")


def test_a_file_that_is_no_account_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "account.db"
    file.write_text("this is not a database, it only has the name of one" * 20)
    with pytest.raises(StoreError, match=r"not a simulated account .* remove the file"):
        SqliteStore(file)


def test_an_account_of_another_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "account.db"
    SqliteStore(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE name = 'format'")
    with pytest.raises(StoreError, match="format 99, this version reads 1"):
        SqliteStore(file)


def test_data_version_changes_when_another_connection_writes(tmp_path: Path) -> None:
    one, other = SqliteStore(tmp_path / "a.db"), SqliteStore(tmp_path / "a.db")
    before = one.data_version()
    assert one.data_version() == before
    other.put(_vpc("vpc-1"))
    assert one.data_version() != before


_WRITER = """
import sys
import threading
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
store = SqliteStore(sys.argv[1])
for number in range(50):
    with store.transaction():
        count = store.setting("count", 0)
        store.put(CloudObject(kind="x:Y", id=store.new_id("y-"), region="r", body={"by": sys.argv[2]}))
        store.set_setting("count", count + 1)
"""


def test_several_processes_write_without_losing_anything(tmp_path: Path) -> None:
    file = str(tmp_path / "account.db")
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, file, str(number)], cwd=REPOSITORY) for number in range(4)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0, 0]
    store = SqliteStore(file)
    assert len(store.find("x:Y")) == 200
    assert store.setting("count") == 200, "each read-modify-write saw the one before it"


def test_the_journal_is_read_back_in_order_and_from_a_point_on(store: SqliteStore) -> None:
    for number in range(3):
        store.record(Call(operation=f"Create{number}", token="t", request={"n": number}))
    entries = store.journal()
    assert [entry.operation for entry in entries] == ["Create0", "Create1", "Create2"]
    assert [entry.request for entry in store.journal(after=entries[0].seq, limit=1)] == [{"n": 1}]


def test_secrets_are_redacted_wherever_they_turn_up() -> None:
    texts = secret_texts({"a": Secret({"b": "hunter2!"}), "c": "open", "d": [Secret("1")]})
    assert sorted(texts) == ["1", "hunter2!"]
    redactor = Redactor(texts)
    assert redactor.text("password hunter2! refused 1 time") == "password [secret] refused 1 time"
    shown = json.dumps(redactor.json({"p": "xhunter2!x", "q": Secret("z"), "n": 1, "l": ["hunter2!"]}))
    assert json.loads(shown) == {"p": "x[secret]x", "q": "[secret]", "n": 1, "l": ["[secret]"]}


def test_writers_of_several_processes_wait_in_line(tmp_path: Path) -> None:
    first, second = SqliteStore(tmp_path / "account.db"), SqliteStore(tmp_path / "account.db")
    order: list[str] = []

    def write() -> None:
        with second.transaction():
            order.append("second")

    with first.transaction():
        waiting = threading.Thread(target=write)
        waiting.start()
        with (tmp_path / "account.db.lock").open("rb") as line, pytest.raises(BlockingIOError):
            fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
        order.append("first")
    waiting.join(timeout=10)
    assert order == ["first", "second"]
    assert (tmp_path / "account.db.lock").stat().st_mode & 0o777 == 0o600
    first.close()
    second.close()
