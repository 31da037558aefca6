import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from local.cloud.failures import CloudError, EngineKilledError, InitFailedError
from local.cloud.faults import Fault, FaultType
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.paths import REPOSITORY
from tests.unit.cloud_core.toy import CLUSTER, SUBNET, VPC

INPUTS = {"cidrBlock": "10.0.0.0/16"}


def _cluster(simulator: Simulator) -> dict[str, object]:
    vpc = simulator.create(VPC, "v", INPUTS).id
    subnet = simulator.create(SUBNET, "s", {"vpcId": vpc, "cidrBlock": "10.0.0.0/24"}).id
    return {"name": "c", "roleArn": "arn:x", "vpcConfig": {"subnetIds": [subnet]}}


def test_throttling_is_retried_with_back_off_on_the_accounts_clock(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    simulator.store.add_fault(Fault(type=FaultType.THROTTLE, operation="CreateVpc", count=3))
    ahead = simulator.store.now() - time.time()
    simulator.create(VPC, "v", INPUTS)
    passed = simulator.store.now() - time.time() - ahead
    assert passed == pytest.approx(0.5 + 1 + 2, abs=1), "three waits, each twice as long as the one before"
    assert slept == [], "a simulated back-off costs nobody's time"
    entries = simulator.store.journal()
    assert [entry.outcome for entry in entries] == ["fault", "fault", "fault", "ok"]
    assert {entry.code for entry in entries[:3]} == {"RequestLimitExceeded"}


def test_throttling_without_end_fails_after_the_providers_attempts(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.THROTTLE, kind="ec2:*", count=1000))
    with pytest.raises(CloudError, match=r"StatusCode: 503.*RequestLimitExceeded: Request limit exceeded"):
        simulator.create(VPC, "v", INPUTS)
    assert len(simulator.store.journal()) == 25
    assert simulator.store.find("ec2:Vpc") == []


def test_missing_capacity_refuses_as_ec2_does(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.CAPACITY, kind=VPC))
    with pytest.raises(CloudError) as refused:
        simulator.create(VPC, "v", INPUTS)
    assert refused.value.code == "InsufficientInstanceCapacity"
    simulator.create(VPC, "v", INPUTS)


def test_an_error_has_the_code_and_message_that_were_planted(simulator: Simulator) -> None:
    parameters = {"code": "VpcLimitExceeded", "message": "no more", "status": 400}
    simulator.store.add_fault(Fault(type=FaultType.ERROR, identifier="v*", parameters=parameters))
    with pytest.raises(CloudError, match=r"StatusCode: 400, .* api error VpcLimitExceeded: no more"):
        simulator.create(VPC, "v1", INPUTS)


def test_a_fault_hits_only_the_calls_that_it_names_after_those_it_lets_pass(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.ERROR, operation="create", kind="ec2:vpc", after=2, count=1))
    _cluster(simulator)
    simulator.create(VPC, "v", INPUTS)
    with pytest.raises(CloudError):
        simulator.create(VPC, "v", INPUTS)
    simulator.create(VPC, "v", INPUTS)
    assert [fault.seen for fault in simulator.store.faults()] == [3]


def test_reads_pass_by_unless_the_fault_wants_them(simulator: Simulator) -> None:
    vpc = simulator.create(VPC, "v", INPUTS).id
    simulator.store.add_fault(Fault(type=FaultType.ERROR))
    assert simulator.read(VPC, vpc) is not None
    simulator.store.clear_faults()
    simulator.store.add_fault(Fault(type=FaultType.ERROR, mutating=False))
    with pytest.raises(CloudError, match="reading EC2 Vpc"):
        simulator.read(VPC, vpc)


def test_a_slow_call_takes_its_time_on_the_accounts_clock(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.SLOW, parameters={"seconds": 600}))
    before = simulator.store.now()
    simulator.create(VPC, "v", INPUTS)
    assert simulator.store.now() - before == pytest.approx(600, abs=5)


def test_a_lost_response_leaves_an_orphan_and_the_next_try_makes_another(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.LOST_RESPONSE, operation="CreateVpc"))
    with pytest.raises(CloudError, match=r"request send failed: .* connection reset by peer"):
        simulator.create(VPC, "v", INPUTS, urn="urn:v")
    simulator.create(VPC, "v", INPUTS, urn="urn:v")
    assert [item.urn for item in simulator.store.find("ec2:Vpc")] == ["urn:v", "urn:v"]


def test_a_partial_creation_reports_the_id_and_what_went_wrong(simulator: Simulator) -> None:
    inputs = _cluster(simulator)
    simulator.store.add_fault(
        Fault(type=FaultType.PARTIAL, kind="eks:Cluster", parameters={"message": "no addresses left"})
    )
    with pytest.raises(InitFailedError) as failed:
        simulator.create(CLUSTER, "c", inputs)
    assert (failed.value.id, failed.value.reasons) == ("c", ["no addresses left"])
    item = simulator.store.get("eks:Cluster", "c")
    assert item is not None
    assert item.body["status"] == "FAILED"
    assert simulator.diff(CLUSTER, "c", inputs, inputs).replaces == ["status"]


def test_the_engine_is_killed_before_or_after_the_object_is_made(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.KILL_ENGINE, parameters={"when": "before"}))
    with pytest.raises(EngineKilledError):
        simulator.create(VPC, "v", INPUTS)
    assert simulator.store.find("ec2:Vpc") == []
    simulator.store.add_fault(Fault(type=FaultType.KILL_ENGINE))
    with pytest.raises(EngineKilledError):
        simulator.create(VPC, "v", INPUTS)
    assert len(simulator.store.find("ec2:Vpc")) == 1


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_held_call_stops_on_the_side_that_was_asked_for_until_the_fault_is_cleared(
    store: SqliteStore, simulator: Simulator, when: str, made: int
) -> None:
    number = store.add_fault(Fault(type=FaultType.HOLD, operation="CreateVpc", parameters={"when": when}))
    caller = threading.Thread(target=simulator.create, args=(VPC, "v", INPUTS))
    caller.start()
    while not (held := [item.parameters["heldBy"] for item in store.faults() if "heldBy" in item.parameters]):
        assert caller.is_alive(), "the call passed"
    assert held == [os.getpid()]
    assert len(store.find("ec2:Vpc")) == made
    store.clear_faults(number)
    caller.join(10)
    assert not caller.is_alive()
    assert len(store.find("ec2:Vpc")) == 1


def test_a_held_call_goes_on_when_its_time_is_over_or_the_engine_asks(simulator: Simulator) -> None:
    simulator.store.add_fault(Fault(type=FaultType.HOLD, parameters={"realSeconds": 0.1}))
    simulator.create(VPC, "v", INPUTS)
    simulator.store.add_fault(Fault(type=FaultType.HOLD))
    simulator.cancel()
    simulator.create(VPC, "w", INPUTS)
    assert len(simulator.store.find("ec2:Vpc")) == 2


def test_faults_are_listed_and_cleared_one_by_one(store: SqliteStore) -> None:
    first = store.add_fault(Fault(type=FaultType.SLOW, parameters={"seconds": 1}))
    store.add_fault(Fault(type=FaultType.ERROR, operation="Delete*"))
    store.clear_faults(first)
    assert [dataclasses.replace(fault, id=0) for fault in store.faults()] == [
        Fault(type=FaultType.ERROR, operation="Delete*")
    ]
    store.clear_faults()
    assert store.faults() == []


@pytest.mark.parametrize(("count", "after"), [(0, 0), (1, -1)])
def test_a_fault_that_could_never_hit_is_refused(store: SqliteStore, count: int, after: int) -> None:
    with pytest.raises(ValueError, match=f"count is {count} .* after is {after}"):
        store.add_fault(Fault(type=FaultType.ERROR, count=count, after=after))


_CREATOR = """
import sys
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from tests.unit.cloud_core.toy import PACKAGE, VPC
simulator = Simulator(PACKAGE, SqliteStore(sys.argv[1]))
print("ready", flush=True)
while True:
    simulator.create(VPC, "v", {"cidrBlock": "10.0.0.0/16"})
"""


def test_a_process_killed_in_the_middle_of_creations_leaves_whole_objects_only(tmp_path: Path) -> None:
    file = str(tmp_path / "account.db")
    for _ in range(3):
        creator = subprocess.Popen(
            [sys.executable, "-c", _CREATOR, file], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert creator.stdout is not None
        assert creator.stdout.readline() == "ready\n"
        time.sleep(0.2)
        os.kill(creator.pid, signal.SIGKILL)
        creator.wait()
    store = SqliteStore(file)
    vpcs = store.find("ec2:Vpc")
    assert len(vpcs) > 0
    assert len(vpcs) == len(store.find("ec2:SecurityGroup")) == len(store.journal()), (
        "object, what comes with it and journal entry are one transaction"
    )
    store.put(vpcs[0])
