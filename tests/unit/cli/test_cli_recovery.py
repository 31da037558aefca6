"""Recovery: what a crash left, told apart without guessing, and put right in the state and in the account."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.checkpoint import adoptable, identifiers, pending, repaired, runs
from cli.errors import UserError
from cli.inventory.owned import Owned, RemovalRefusedError
from cli.locks import locks, refuse_second
from cli.recovery import Findings, find, remove_all

BASE = "urn:pulumi:local::slipway"
PROVIDER = f"{BASE}::pulumi:providers:aws::aws"
COMPONENT = f"{BASE}::slipway:aws:LustreFileSystem::scratch"
FILE_SYSTEM = f"{BASE}::slipway:aws:LustreFileSystem$aws:fsx/lustreFileSystem:LustreFileSystem::scratch-fs"


def state(*operations: Mapping[str, Any], more: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    resources = [
        {"urn": PROVIDER, "custom": True, "id": "p-1", "type": "pulumi:providers:aws"},
        {"urn": COMPONENT, "custom": False, "type": "slipway:aws:LustreFileSystem"},
        *more,
    ]
    return {"version": 3, "deployment": {"resources": resources, "pending_operations": list(operations)}}


def creating(urn: str = FILE_SYSTEM) -> dict[str, Any]:
    resource = {"urn": urn, "parent": COMPONENT, "provider": f"{PROVIDER}::p-1", "inputs": {"storageCapacity": 4800}}
    return {"type": "creating", "resource": resource}


def owned(identifier: str = "fs-1", *, name: str = "scratch-fs", **more: Any) -> Owned:
    given: dict[str, Any] = {
        "kind": "fsx:FileSystem",
        "types": ("aws:fsx/lustreFileSystem:LustreFileSystem",),
        "holds_data": True,
    }
    return Owned(id=identifier, name=name, **(given | more))


def found(document: Mapping[str, Any], *items: Owned, declared: Mapping[Any, Any] | None = None) -> Findings:
    def nobody_asks() -> Mapping[Any, Any]:
        if declared is None:
            pytest.fail("the program is run only when nothing else tells the place of an orphan")
        return declared

    return find(document, items, [], nobody_asks)


def test_a_whole_stack_has_nothing_to_recover() -> None:
    known = {"urn": FILE_SYSTEM, "custom": True, "id": "fs-1", "type": "aws:fsx/lustreFileSystem:LustreFileSystem"}
    assert found(state(more=[known]), owned()).empty


def test_an_interrupted_creation_that_holds_data_goes_back_under_the_clouds_id() -> None:
    findings = found(state(creating()), owned())
    (adoption,) = findings.adopt
    assert adoption.entry == {
        "urn": FILE_SYSTEM,
        "custom": True,
        "id": "fs-1",
        "type": "aws:fsx/lustreFileSystem:LustreFileSystem",
        "inputs": {"storageCapacity": 4800},
        "outputs": {},
        "provider": f"{PROVIDER}::p-1",
        "dependencies": [],
        "parent": COMPONENT,
    }
    edited = repaired(state(creating()), [adoption.entry])
    assert pending(edited) == []
    assert ("aws:fsx/lustreFileSystem:LustreFileSystem", "fs-1") in identifiers(edited)


def test_a_lost_response_leaves_no_pending_operation_so_the_program_tells_the_place() -> None:
    token = "aws:fsx/lustreFileSystem:LustreFileSystem"
    # A plan knows its provider's URN but gives it another id.
    place = {"urn": FILE_SYSTEM, "parent": COMPONENT, "provider": f"{PROVIDER}::of-the-plan", "inputs": {}}
    findings = found(state(), owned(), declared={(token, "scratch-fs"): place})
    assert [(one.item.id, one.entry["provider"]) for one in findings.adopt] == [("fs-1", f"{PROVIDER}::p-1")]


def test_data_without_a_place_in_the_program_is_left_to_a_person() -> None:
    findings = found(state(), owned(name="older"), declared={})
    assert (findings.adopt, [item.id for item in findings.keep]) == ([], ["fs-1"])


def test_the_second_object_of_a_name_is_never_adopted() -> None:
    known = {"urn": FILE_SYSTEM, "custom": True, "id": "fs-2", "type": "aws:fsx/lustreFileSystem:LustreFileSystem"}
    findings = found(state(more=[known]), owned("fs-2"), owned("fs-1"))
    assert [item.id for item in findings.keep] == ["fs-1"]


def test_orphans_without_data_are_removed_and_failed_objects_replaced() -> None:
    subnet = owned("subnet-1", name="a", kind="ec2:Subnet", types=("aws:ec2/subnet:Subnet",), holds_data=False)
    group = {"urn": f"{BASE}::aws:eks/nodeGroup:NodeGroup::g", "custom": True, "id": "m:g"}
    failed = owned("m:g", kind="eks:Nodegroup", types=("aws:eks/nodeGroup:NodeGroup",), failed=True, holds_data=False)
    findings = found(state(more=[{**group, "type": "aws:eks/nodeGroup:NodeGroup"}]), subnet, failed)
    assert [item.id for item in findings.remove] == ["subnet-1"]
    assert findings.replace == [group["urn"]]


def test_an_entry_whose_parent_or_provider_is_unknown_is_not_offered_to_the_engine() -> None:
    resource = {"urn": FILE_SYSTEM, "parent": "urn:gone", "provider": f"{PROVIDER}::p-1"}
    known = state()["deployment"]["resources"]
    assert adoptable(resource, "fs-1", known) is None
    assert adoptable({**resource, "parent": COMPONENT, "provider": "urn:gone::x"}, "fs-1", known) is None


class _Account:
    """Refuses to delete what others need, as a cloud does."""

    can_remove = True

    def __init__(self, needs: Mapping[str, set[str]]) -> None:
        self.needs = dict(needs)
        self.removed: list[str] = []

    def owned(self, project: str, stack: str) -> Sequence[Owned]:
        return []

    def remove(self, item: Owned) -> None:
        holders = self.needs.get(item.id, set()) - set(self.removed)
        if holders:
            raise RemovalRefusedError(f"DependencyViolation: {item.id} is needed by {sorted(holders)}")
        self.removed.append(item.id)


def _items(*names: str) -> list[Owned]:
    return [owned(name, kind="ec2:Thing", types=("t",), holds_data=False) for name in names]


def test_the_clouds_own_refusals_teach_the_order_of_removal() -> None:
    account = _Account({"vpc": {"subnet"}, "subnet": {"interface"}})
    assert remove_all(account, _items("vpc", "subnet", "interface"), pause=lambda: None) == []
    assert account.removed == ["interface", "subnet", "vpc"]


def test_what_somebody_else_holds_remains_with_the_reason() -> None:
    account = _Account({"vpc": {"of-another-team"}})
    ((item, why),) = remove_all(account, _items("vpc"), pause=lambda: pytest.fail("there is nothing to wait for"))
    assert (item.id, why) == ("vpc", "DependencyViolation: vpc is needed by ['of-another-team']")


def test_a_refusal_that_passes_is_waited_for_and_only_the_codes_that_are_named_do() -> None:
    account = _Account({"group": {"interface of a load balancer"}})
    waits: list[str] = []

    def interfaces_go() -> None:
        waits.append("waited")
        account.removed.append("interface of a load balancer")

    assert remove_all(account, _items("group"), pause=interfaces_go, passing=("DependencyViolation",)) == []
    assert (waits, account.removed[-1]) == (["waited"], "group")


@pytest.mark.parametrize("kind", ["ec2:Instance", "ec2:NetworkInterface", "ec2:Volume"])
def test_what_a_launch_template_tags_is_its_node_groups_and_no_orphan(kind: str) -> None:
    item = owned("i-1", name="training", kind=kind, types=(), holds_data=kind == "ec2:Volume")
    assert found(state(), item).empty


def test_what_is_known_by_its_arn_only_is_found_in_the_state_by_its_arn() -> None:
    arn = "arn:aws:sqs:us-east-1:111122223333:queue"
    item = owned(arn, name="queue", kind="sqs:queue", types=(), holds_data=False)
    known = {"urn": FILE_SYSTEM, "custom": True, "id": "fs-1", "type": "t", "outputs": {"arn": arn}}
    assert found(state(more=[known]), item).empty
    assert [one.id for one in found(state(), item).remove] == [arn]


def test_runs_are_told_from_everything_else_that_lives_in_a_cluster() -> None:
    tokens = ("kubernetes:batch/v1:Job", "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet", "kubernetes:core/v1:Namespace")
    known = [{"urn": f"{BASE}::{token}::one", "custom": True, "id": "x/one", "type": token} for token in tokens]
    assert runs(state(more=known)) == [f"{BASE}::{token}::one" for token in tokens[:2]]


def _lock(directory: Path, pid: int, host: str) -> dict[str, str]:
    place = directory / ".pulumi" / "locks" / "organization" / "slipway" / "local"
    place.mkdir(parents=True)
    content = {"pid": pid, "username": "ann", "hostname": host, "timestamp": "2026-11-21T07:51:22Z"}
    (place / "1.json").write_text(json.dumps(content))
    return {"PULUMI_BACKEND_URL": directory.as_uri()}


def test_the_lock_of_a_dead_engine_is_known_as_dead(tmp_path: Path) -> None:
    # Larger than any pid that Linux gives.
    (lock,) = locks(_lock(tmp_path, 2**22 + 1, socket.gethostname()), "local")
    assert lock.alive is False
    assert str(lock) == f"pid 4194305 of ann@{socket.gethostname()} since 2026-11-21T07:51:22Z, dead"


def test_a_pid_that_another_program_got_is_no_engine(tmp_path: Path) -> None:
    (lock,) = locks(_lock(tmp_path, os.getppid(), socket.gethostname()), "local")
    command = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    assert lock.alive is (b"pulumi" in command)


def test_a_holder_on_another_machine_is_neither_alive_nor_dead(tmp_path: Path) -> None:
    (lock,) = locks(_lock(tmp_path, 1, "elsewhere.example"), "local")
    assert lock.alive is None


@pytest.mark.parametrize(
    ("pid", "host", "what", "remedy"),
    [
        (
            2**22 + 1,
            socket.gethostname(),
            "was killed and left its lock",
            "`slipway recover local` puts the stack right",
        ),
        (
            1,
            "elsewhere.example",
            "somebody else is updating local",
            "`slipway recover local --force` when it is surely",
        ),
    ],
    ids=["dead", "on another machine"],
)
def test_whoever_comes_second_is_told_who_holds_the_lock_and_what_to_do(
    tmp_path: Path, pid: int, host: str, what: str, remedy: str
) -> None:
    environment = _lock(tmp_path, pid, host)
    with pytest.raises(UserError, match=what) as told:
        refuse_second(environment, "local")
    assert told.value.value.startswith(f"pid {pid} of ann@{host} since 2026-11-21T07:51:22Z, ")
    assert remedy in told.value.fix
    refuse_second(environment, "another")


def test_backends_other_than_files_keep_their_locks_themselves() -> None:
    assert locks({"PULUMI_BACKEND_URL": "s3://state"}, "local") == []
