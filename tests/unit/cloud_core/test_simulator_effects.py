"""Objects that take time: whom calls wait for, and what they tell when it does not come."""

import threading
from collections.abc import Callable

import pytest

from local.cloud.failures import CancelledCallError, InitFailedError
from local.cloud.lifecycle import Effects
from local.cloud.paths import assign
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.cloud.values import Json
from tests.unit.cloud_core.toy import CLUSTER, PACKAGE, VPC, cluster_inputs, make_subnet, make_vpc


def _supervised(store: SqliteStore) -> Simulator:
    return Simulator(PACKAGE, store, Effects.SUPERVISOR)


def _in_background(store: SqliteStore, act: Callable[[], None], *, when: str) -> threading.Thread:
    """Plays the supervisor: acts once the cluster has the status ``when``."""

    def watch() -> None:
        for _ in range(100):
            item = store.get("eks:Cluster", "c")
            if item is not None and item.body["status"] == when:
                act()
                return
            threading.Event().wait(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def _set(store: SqliteStore, **members: Json) -> None:
    item = store.get("eks:Cluster", "c")
    assert item is not None
    for path, value in members.items():
        assign(item.body, path.replace("__", "."), value)
    store.put(item)


def test_without_a_supervisor_an_object_is_ready_at_once_and_well_formed(simulator: Simulator) -> None:
    state = simulator.create(CLUSTER, "c", cluster_inputs(simulator)).state
    assert (state["status"], state["endpoint"]) == ("ACTIVE", "https://cluster.example")


def test_a_creation_waits_for_the_supervisor_and_returns_what_it_wrote(store: SqliteStore) -> None:
    simulator = _supervised(store)
    inputs = cluster_inputs(simulator)
    thread = _in_background(
        store, lambda: _set(store, status="ACTIVE", endpoint="https://127.0.0.1:6443"), when="CREATING"
    )
    assert simulator.create(CLUSTER, "c", inputs).state["endpoint"] == "https://127.0.0.1:6443"
    thread.join()


def test_a_failed_creation_reports_id_state_and_the_services_reasons(store: SqliteStore) -> None:
    simulator = _supervised(store)
    inputs = cluster_inputs(simulator)
    issues = [{"code": "InsufficientFreeAddresses", "message": "no addresses"}]
    thread = _in_background(store, lambda: _set(store, status="FAILED", health__issues=issues), when="CREATING")
    with pytest.raises(InitFailedError) as failed:
        simulator.create(CLUSTER, "c", inputs)
    thread.join()
    assert (failed.value.id, failed.value.inputs) == ("c", inputs)
    assert failed.value.reasons == ["InsufficientFreeAddresses: no addresses"]
    assert failed.value.state["status"] == "FAILED"


def test_a_creation_that_takes_too_long_keeps_the_id(store: SqliteStore) -> None:
    simulator = _supervised(store)
    with pytest.raises(InitFailedError, match=r"timeout while waiting .*\(last state: 'CREATING', timeout: 0.2s\)"):
        simulator.create(CLUSTER, "c", cluster_inputs(simulator), timeout=0.2)


def test_a_cancelled_creation_keeps_the_id(store: SqliteStore) -> None:
    simulator = _supervised(store)
    thread = _in_background(store, simulator.cancel, when="CREATING")
    with pytest.raises(InitFailedError, match="cancelled while waiting for eks:Cluster"):
        simulator.create(CLUSTER, "c", cluster_inputs(simulator))
    thread.join()


def test_a_creation_that_nobody_moves_on_ends_with_what_to_do_and_keeps_the_id(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.lifecycle.UNSERVED_SECONDS", 0.2)
    simulator = Simulator(PACKAGE, store, Effects.SUPERVISOR, served=lambda: False)
    with pytest.raises(
        InitFailedError, match=r"supervisor has died.*'CREATING': `slipway up` starts a new one"
    ) as told:
        simulator.create(CLUSTER, "c", cluster_inputs(simulator))
    assert told.value.id == "c"


def test_a_supervisor_that_comes_back_in_time_is_waited_for(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.lifecycle.UNSERVED_SECONDS", 0.5)
    answers = iter([False, False, True, False])
    simulator = Simulator(PACKAGE, store, Effects.SUPERVISOR, served=lambda: next(answers, True))
    inputs = cluster_inputs(simulator)
    thread = threading.Timer(0.8, lambda: _set(store, status="ACTIVE"))
    thread.start()
    assert simulator.create(CLUSTER, "c", inputs).state["status"] == "ACTIVE"
    thread.join()


def test_the_update_after_an_interrupted_creation_waits_for_what_is_still_being_made(store: SqliteStore) -> None:
    simulator = _supervised(store)
    inputs = cluster_inputs(simulator)
    with pytest.raises(InitFailedError):
        simulator.create(CLUSTER, "c", inputs, timeout=0.2)
    thread = _in_background(
        store, lambda: _set(store, status="ACTIVE", endpoint="https://127.0.0.1:6443"), when="CREATING"
    )
    updating = _in_background(store, lambda: _set(store, status="ACTIVE"), when="UPDATING")
    # What the engine does with a resource whose creation had failed half-way and whose inputs are the same.
    assert simulator.update(CLUSTER, "c", inputs, inputs)["endpoint"] == "https://127.0.0.1:6443"
    thread.join()
    updating.join()


def test_an_update_and_a_deletion_wait_as_well(store: SqliteStore) -> None:
    simulator = _supervised(store)
    inputs = cluster_inputs(simulator)
    threads = [_in_background(store, lambda: _set(store, status="ACTIVE"), when="CREATING")]
    simulator.create(CLUSTER, "c", inputs)
    threads.append(_in_background(store, lambda: _set(store, status="ACTIVE"), when="UPDATING"))
    assert simulator.update(CLUSTER, "c", inputs, {**inputs, "version": "1.36"})["version"] == "1.36"
    threads.append(_in_background(store, lambda: store.remove("eks:Cluster", "c"), when="DELETING"))
    simulator.delete(CLUSTER, "c")
    for thread in threads:
        thread.join()
    assert store.get("eks:Cluster", "c") is None


def test_a_deletion_is_tried_again_while_the_supervisor_tears_down(store: SqliteStore) -> None:
    simulator = _supervised(store)
    vpc = make_vpc(simulator)
    subnet = make_subnet(simulator, vpc)
    threading.Timer(0.3, store.remove, ("ec2:Subnet", subnet)).start()
    simulator.delete(VPC, vpc)
    outcomes = [entry.outcome for entry in store.journal() if entry.operation == "DeleteVpc"]
    assert outcomes[-1] == "ok"
    assert set(outcomes[:-1]) == {"error"}


def test_a_waiting_deletion_can_be_cancelled(store: SqliteStore) -> None:
    simulator = _supervised(store)
    vpc = make_vpc(simulator)
    make_subnet(simulator, vpc)
    simulator.cancel()
    with pytest.raises(CancelledCallError):
        simulator.delete(VPC, vpc)
