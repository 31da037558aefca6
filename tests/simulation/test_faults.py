"""What clouds, networks and killed processes do to an update: it is absorbed, or `recover` and `up` put it right."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.faults import FaultType
from tests.support.processes import Process, beside, gone_within
from tests.support.sandbox import REPOSITORY, Answer, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "small" / "__main__.py"
ORPHAN_SECONDS = 10.0
"""How long a process may outlive the engine or the supervisor that it served."""
SUPERVISOR = "local.cluster.supervisor"
KILLS = ((1, "after"), (3, "before"), (4, "after"), (5, "before"), (6, "after"))
"""Five kills of one deployment: how many creations pass first, and on which side of the next one the engine dies."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A program without a cluster; every test leaves its account empty."""
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("faults"))
    shutil.copy(PROGRAM, sandbox.directory / "stacks" / "__main__.py")
    sandbox.expect("local", "up")
    yield sandbox
    sandbox.close()


@pytest.fixture
def small(shared: Sandbox) -> Iterator[Sandbox]:
    yield shared
    with shared.store() as store:
        store.clear_faults()
    if shared.slipway("recover", "local", "--yes").status != 0 or shared.slipway("destroy", "local", "--yes").status:
        # Whatever this test left must not decide the next one.
        shared.close()
        shared.expect("local", "up")


def up(sandbox: Sandbox, *, status: int = 0) -> Answer:
    return sandbox.expect("up", "local", "--yes", "--no-wait", status=status)


def plant(sandbox: Sandbox, fault: FaultType, *options: str) -> None:
    sandbox.expect("local", "faults", "add", fault, *options)


def names_in_account(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    """How many objects carry which resource's name."""
    found: Counter[tuple[str, str]] = Counter()
    with sandbox.store() as store:
        for item in store.objects():
            tags = item.body.get("Tags") or item.body.get("tags") or []
            pairs = {tag["Key"]: tag["Value"] for tag in tags} if isinstance(tags, list) else tags
            if "slipway:resource" in pairs:
                found[item.kind, str(pairs["slipway:resource"])] += 1
    return found


def test_throttled_calls_are_tried_again_until_they_pass(small: Sandbox) -> None:
    plant(small, FaultType.THROTTLE, "--operation", "CreateSubnet", "--count", "3")
    up(small)
    with small.store() as store:
        refused = [entry for entry in store.journal() if entry.operation == "CreateSubnet" and entry.outcome != "ok"]
        made = store.find("ec2:Subnet")
    assert [entry.code for entry in refused] == ["RequestLimitExceeded"] * 3
    assert len(made) == 4
    assert max(names_in_account(small).values()) == 1
    small.expect("destroy", "local", "--yes")


def test_an_object_whose_creation_nobody_learned_of_is_found_and_removed(small: Sandbox) -> None:
    plant(small, FaultType.LOST_RESPONSE, "--kind", "ec2:SecurityGroup", "--id", "jobs")
    up(small, status=1)
    assert names_in_account(small)["ec2:SecurityGroup", "jobs"] == 1
    told = small.expect("recover", "local", "--yes").text
    assert "orphan: ec2:SecurityGroup" in told
    assert "(jobs): delete" in told
    assert names_in_account(small)["ec2:SecurityGroup", "jobs"] == 0
    up(small)
    assert names_in_account(small)["ec2:SecurityGroup", "jobs"] == 1
    small.expect("destroy", "local", "--yes")


def test_a_bucket_whose_creation_nobody_learned_of_comes_back_into_the_state(small: Sandbox) -> None:
    plant(small, FaultType.LOST_RESPONSE, "--kind", "s3:Bucket")
    up(small, status=1)
    with small.store() as store:
        (orphan,) = store.find("s3:Bucket")
    told = small.expect("recover", "local", "--yes").text
    assert f"orphan: s3:Bucket {orphan.id} (lake-bucket): back into the state" in told
    up(small)
    with small.store() as store:
        (kept,) = store.find("s3:Bucket")
    assert (kept.id, kept.created_at) == (orphan.id, orphan.created_at), "the same bucket, not a new one"
    small.expect("destroy", "local", "--yes")


def test_an_engine_killed_at_five_steps_is_recovered_each_time(small: Sandbox) -> None:
    for number, (after, side) in enumerate(KILLS):
        plant(small, FaultType.KILL_ENGINE, "--operation", "create", "--after", str(after), "-p", f"when={side}")
        up(small, status=1)
        assert gone_within(ORPHAN_SECONDS, lambda: _engine_side(small)) == [], f"kill {number} ({side})"
        recovered = small.expect("recover", "local", "--yes").text
        assert "the lock is cancelled" in recovered
        assert "nothing to recover" in small.expect("recover", "local", "--yes").text
    up(small)
    assert "38 unchanged" in up(small).text
    assert max(names_in_account(small).values()) == 1, "a second object of a resource was made"


def test_a_killed_destruction_is_recovered_and_ends_with_an_empty_account(small: Sandbox) -> None:
    up(small)
    plant(small, FaultType.KILL_ENGINE, "--operation", "delete", "--after", "7")
    small.expect("destroy", "local", "--yes", status=1)
    assert gone_within(ORPHAN_SECONDS, lambda: _engine_side(small)) == []
    small.expect("recover", "local", "--yes")
    assert "the simulated account is empty" in small.expect("destroy", "local", "--yes").text
    assert not names_in_account(small)


def session_seconds(sandbox: Sandbox, role: str) -> int:
    with sandbox.store() as store:
        (found,) = [item for item in store.find("iam:Role") if item.id == role]
    return int(found.body["MaxSessionDuration"])


def test_drift_is_judged_from_the_real_state_and_its_two_commands_do_what_they_say(small: Sandbox) -> None:
    up(small)
    with small.store() as store:
        (role,) = [item.id for item in store.find("iam:Role") if item.id.startswith("jobs-role")]
        (vpc,) = [item.id for item in store.find("ec2:Vpc")]
    small.expect("local", "drift", "set", "iam:Role", role, "MaxSessionDuration", "43200")
    small.expect("local", "drift", "set", "ec2:Vpc", vpc, "Tags.0.Value", "by-hand")
    told = small.expect("drift", "local", "--json", status=3).json
    found = {item["urn"].rpartition("::")[2]: item for item in told["drift"]}
    assert [item["severity"] for item in told["drift"]] == ["critical", "minor"], "the worst comes first"
    assert found["jobs-role"]["why"] == "it decides who may do what"
    assert [item["path"] for item in found["jobs-role"]["properties"]] == ["maxSessionDuration"]
    assert told["commands"] == {"revert": "slipway up local --refresh", "accept": "slipway refresh local --accept"}

    small.expect(*told["commands"]["revert"].split()[1:], "--yes", "--no-wait")
    assert "no drift" in small.expect("drift", "local").text
    assert session_seconds(small, role) == 3600, "what the program says is back"

    small.expect("local", "drift", "set", "iam:Role", role, "MaxSessionDuration", "7200")
    small.expect(*told["commands"]["accept"].split()[1:], status=0)
    assert "no drift" in small.expect("drift", "local").text
    assert session_seconds(small, role) == 7200, "accepting changes the state only"
    small.expect("destroy", "local", "--yes")


def test_a_killed_supervisor_is_replaced_by_the_next_command(small: Sandbox) -> None:
    (supervisor,) = [process for process in small.processes() if SUPERVISOR in process.command]
    os.kill(supervisor.pid, signal.SIGKILL)
    assert "had died; starting a new one" in up(small).text
    (new,) = [process for process in small.processes() if SUPERVISOR in process.command]
    assert new.pid != supervisor.pid
    small.expect("destroy", "local", "--yes")


def test_an_environment_without_leftovers_goes_away_completely(tmp_path: Path) -> None:
    sandbox = Sandbox.copy(tmp_path)
    shutil.copy(PROGRAM, sandbox.directory / "stacks" / "__main__.py")
    try:
        plant_before = sandbox.slipway("local", "faults", "add", FaultType.KILL_ENGINE)
        assert plant_before.status == 3, "there is no account to plant anything in yet"
        sandbox.expect("local", "up")
        plant(sandbox, FaultType.KILL_ENGINE, "--operation", "create", "--after", "10")
        up(sandbox, status=1)
        sandbox.expect("recover", "local", "--yes")
        sandbox.expect("destroy", "local", "--yes")
        sandbox.expect("local", "down")
        assert sandbox.processes() == []
        assert not (sandbox.state / "local").exists()
    finally:
        sandbox.close()


def _engine_side(sandbox: Sandbox) -> list[Process]:
    """The engine, plugins, the program and its host."""
    return beside(sandbox.state, SUPERVISOR)
