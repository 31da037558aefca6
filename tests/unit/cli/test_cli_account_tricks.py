"""Journal, faults and drift, on an account in a directory of the test's own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.exits import Exit
from cli.main import run
from local.cloud.faults import FaultType
from local.cloud.journal import Call
from local.cloud.model import CloudObject, Maker
from local.cloud.store import SqliteStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    opened = SqliteStore(tmp_path / "local" / "account.db")
    body = {"name": "main", "scalingConfig": {"desiredSize": 4}, "subnets": ["subnet-1", "subnet-2"]}
    opened.put(CloudObject(kind="eks:Nodegroup", id="main:training", region="us-east-1", body=body))
    yield opened
    opened.close()


def body_of(store: SqliteStore) -> dict[str, object]:
    item = store.get("eks:Nodegroup", "main:training")
    assert item is not None
    return item.body


def test_drift_sets_one_member_and_says_what_it_was(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["local", "drift", "set", "eks:Nodegroup", "main:training"]
    assert run([*command, "scalingConfig.desiredSize", "3"]) == Exit.OK
    assert "scalingConfig.desiredSize was 4, is 3" in capsys.readouterr().out
    assert run([*command, "subnets.1", "subnet-9"]) == Exit.OK
    assert body_of(store)["scalingConfig"] == {"desiredSize": 3}
    assert body_of(store)["subnets"] == ["subnet-1", "subnet-9"]


@pytest.mark.parametrize("path", ["nothing.here", "subnets.7", "subnets.x", "name.deeper.still"])
def test_drift_of_a_member_that_is_not_there_changes_nothing(
    store: SqliteStore, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = body_of(store)
    assert run(["local", "drift", "set", "eks:Nodegroup", "main:training", path, "1"]) == Exit.USAGE
    assert "allowed: name, scalingConfig, subnets" in capsys.readouterr().err
    assert body_of(store) == before


def test_drift_deletes_an_object_and_lists_what_there_is_for_a_wrong_id(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["local", "drift", "delete", "eks:Nodegroup", "main:other"]) == Exit.USAGE
    assert "allowed: eks:Nodegroup: main:training" in capsys.readouterr().err
    assert run(["local", "drift", "delete", "eks:Nodegroup", "main:training"]) == Exit.OK
    assert store.get("eks:Nodegroup", "main:training") is None


def test_a_planted_fault_is_listed_and_cleared(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["local", "faults", "add", "slow", "--operation", "CreateSubnet", "--count", "3", "--after", "1"]
    assert run([*command, "-p", "seconds=30", "-p", "code=Slow"]) == Exit.OK
    (fault,) = store.faults()
    assert (fault.type, fault.operation, fault.count, fault.after) == (FaultType.SLOW, "CreateSubnet", 3, 1)
    assert fault.parameters == {"seconds": 30, "code": "Slow"}
    capsys.readouterr()
    assert run(["local", "faults", "list", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["faults"][0]["operation"] == "CreateSubnet"
    assert run(["local", "faults", "clear", "77"]) == Exit.USAGE
    assert run(["local", "faults", "clear"]) == Exit.OK
    assert store.faults() == []


def test_a_parameter_without_a_value_is_refused(store: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["local", "faults", "add", "slow", "-p", "seconds"]) == Exit.USAGE
    assert "NAME=VALUE" in capsys.readouterr().err
    assert store.faults() == []


def test_the_journal_shows_the_newest_calls_and_only_refusals_on_request(
    store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        store.record(Call(operation=f"CreateVpc{number}", token="aws:ec2/vpc:Vpc", id=f"vpc-{number}"))
    store.record(Call(operation="CreateSubnet", token="t", outcome="error", code="InvalidSubnet.Range", message="no"))
    assert run(["local", "journal", "-n", "2"]) == Exit.OK
    said = capsys.readouterr().out
    assert ("CreateVpc2" in said, "CreateVpc1" in said) == (True, False)
    assert run(["local", "journal", "--failed", "--json"]) == Exit.OK
    assert [call["code"] for call in json.loads(capsys.readouterr().out)["calls"]] == ["InvalidSubnet.Range"]


def test_an_account_that_still_holds_something_is_not_thrown_away(
    store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"GroupName": "planted"}
    leftover = CloudObject(kind="ec2:SecurityGroup", id="sg-1", region="us-east-1", body=body, maker=Maker.SERVICE)
    store.put(leftover)
    assert run(["local", "down"]) == Exit.NOT_READY
    captured = capsys.readouterr()
    assert "ec2:SecurityGroup sg-1  (made by the service itself)" in captured.out
    assert "eks:Nodegroup main:training  (made behind Pulumi's back)" in captured.out
    assert "still holds 2 objects" in captured.err
    assert (tmp_path / "local" / "account.db").exists(), "the evidence stays"


def test_without_an_account_the_tricks_say_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    assert run(["local", "journal"]) == Exit.NOT_READY
    assert "run `slipway local up --env local` first" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
