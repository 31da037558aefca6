"""Plays scenarios: plants what goes wrong, sees it happen, and asks that nothing is lost."""

import fnmatch
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from cli.account_tricks import set_member
from cli.drift import drift
from cli.rehearsal import stages
from cli.rehearsal.driver import Driver, first_line
from cli.rehearsal.judge import changed, lost, stateful
from cli.rehearsal.report import Reason, Stage
from cli.rehearsal.scenarios import KillScenario, PlantedFault, RunningScenario, UpdateScenario
from local.cloud.faults import Fault, FaultType
from local.cloud.model import CloudObject, Maker
from local.cloud.store import SqliteStore
from local.cluster.environment import LocalEnvironment
from local.cluster.instances import terminate

_INSTANCE: Final = "ec2:Instance"
_POLL_SECONDS: Final = 0.5
_CONTROL_PLANE: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def play(driver: Driver, scenario: UpdateScenario | KillScenario | RunningScenario) -> None:
    """One scenario on the running platform; those of an update take it down first and leave it running."""
    if isinstance(scenario, RunningScenario):
        _guarded(driver, scenario.name, lambda stage: _running(driver, scenario, stage))
        return
    stages.teardown(driver, title=f"{scenario.name}: destroy")
    with driver.report.stage(f"{scenario.name}: up") as stage:
        try:
            if isinstance(scenario, KillScenario):
                _killed(driver, scenario, stage)
            else:
                _faulty(driver, scenario, stage)
        finally:
            with driver.account() as store:
                store.clear_faults()
    stages.second_up(driver, title=f"{scenario.name}: second up")


def _guarded(driver: Driver, title: str, act: Callable[[Stage], None]) -> None:
    """Act, then compare what holds data with what was there before."""
    before = stateful(driver.state())
    with driver.report.stage(title) as stage:
        act(stage)
        for what in lost(before, stateful(driver.state()), driver.objects()):
            driver.report.find(Reason.LOST, what, stage)


def _faulty(driver: Driver, scenario: UpdateScenario, stage: Stage) -> None:
    with driver.account() as store:
        for item in scenario.faults:
            store.add_fault(_fault(item))
    outcome = driver.update("up", "--yes", "--skip-preview", stage=stage)
    with driver.account() as store:
        hit = sum(max(0, fault.seen - fault.after) for fault in store.faults())
        store.clear_faults()
    if scenario.expect == "absorbed":
        driver.require(outcome, stage)
        stage.recovered(f"absorbed: {hit} calls met the fault, and the update went on")
        driver.ready(stage)
        return
    if outcome.status == 0:
        driver.report.find(Reason.FAILED, f"the update did not notice: {hit} calls met the fault", stage)
        return
    said = " ".join(error.message for error in outcome.errors)
    if scenario.message not in said:
        driver.report.find(Reason.FAILED, f"it failed for another reason: {first_line(said)}", stage)
    stage.note(f"refused: {scenario.message or first_line(said)}")
    driver.recover(stage)
    driver.up(stage)
    stage.recovered("converged once the fault was over")


def _killed(driver: Driver, scenario: KillScenario, stage: Stage) -> None:
    kills = 0
    fault = Fault(
        type=FaultType.KILL_ENGINE,
        operation=scenario.operation,
        after=scenario.every - 1,
        parameters={"when": scenario.when},
    )
    while kills < scenario.most:
        with driver.account() as store:
            store.clear_faults()
            store.add_fault(fault)
        outcome = driver.update("up", "--yes", "--skip-preview", stage=stage)
        if outcome.status == 0:
            break
        if not _met(driver):
            driver.require(outcome, stage)
        kills += 1
        driver.recover(stage)
    with driver.account() as store:
        store.clear_faults()
    driver.up(stage)
    times = {0: "never", 1: "once"}.get(kills, f"{kills} times")
    stage.recovered(f"killed {times}, recovered each time, converged")
    for what in _twice(driver):
        driver.report.find(Reason.LEFT, what, stage)


def _met(driver: Driver) -> bool:
    with driver.account() as store:
        return any(fault.seen > fault.after for fault in store.faults())


def _twice(driver: Driver) -> list[str]:
    """Objects that no resource of the state stands for: made twice by a kill that nobody heard of."""
    from cli.checkpoint import arns, identifiers
    from cli.inventory import SimulatedInventory
    from cli.project import PROJECT
    from local.cloud.plan import aws_package

    document = driver.state()
    state, names = identifiers(document), arns(document)
    with driver.account() as store:
        owned = SimulatedInventory(aws_package(), store).owned(PROJECT, driver.copy.name)
    return [
        f"{item.kind} {item.id} ({item.name}) is not in the state"
        for item in owned
        if item.types and not any((token, item.id) in state for token in item.types) and item.id not in names
    ]


def _running(driver: Driver, scenario: RunningScenario, stage: Stage) -> None:
    if scenario.change:
        _changed_by_hand(driver, scenario, stage)
    if scenario.lose == "control-plane":
        _control_plane(driver, stage)
    elif scenario.lose is not None:
        _instances(driver, scenario, stage)
    if scenario.repaired_by == "up":
        driver.up(stage, "--refresh")
        outcome = driver.update("refresh", "--preview-only", stage=stage)
        for item in drift(outcome.picture):
            driver.report.find(Reason.CHANGED, f"{item.type} {item.name} still differs", stage)
    else:
        driver.ready(stage, timeout_seconds=scenario.within_seconds)
        outcome = driver.update("up", "--yes", "--skip-preview", stage=stage)
        driver.require(outcome, stage)
        for what in changed(outcome.picture):
            driver.report.find(Reason.CHANGED, what, stage)
    if stage.title not in {item.stage for item in driver.report.findings}:
        stage.recovered("put right by " + ("`up --refresh`" if scenario.repaired_by == "up" else "itself"))


def _changed_by_hand(driver: Driver, scenario: RunningScenario, stage: Stage) -> None:
    with driver.account() as store:
        done = [text for change in scenario.change if (text := _change(store, change.model_dump()))]
    for text in done:
        stage.note(f"by hand: {text}")
    if not done:
        stage.note("the stack has none of the objects that the scenario changes")
        return
    found = drift(driver.update("refresh", "--preview-only", stage=stage).picture)
    for item in found:
        stage.note(f"found: {item.type} {item.name} {', '.join(str(one) for one in item.properties[:2])}")
    if not found:
        driver.report.find(Reason.FAILED, "a refresh does not notice what was changed by hand", stage)


def _change(store: SqliteStore, change: Mapping[str, Any]) -> str | None:
    for item in store.find(change["kind"]):
        # What a service made by itself is in no program: a refresh of ours never looks at it.
        if item.maker is Maker.PROGRAM and fnmatch.fnmatchcase(item.id, change["id"]):
            with store.transaction():
                before = set_member(item.body, change["path"], change["value"])
                store.put(item)
            return f"{item.kind} {item.id} {change['path']}: {before!r} became {change['value']!r}"
    return None


def _instances(driver: Driver, scenario: RunningScenario, stage: Stage) -> None:
    with driver.account() as store:
        there = store.find(_INSTANCE)
        doomed = _doomed(there, zone=scenario.lose == "zone")
        terminate(store, doomed)
    if not doomed:
        stage.note("no instance runs")
        return
    zone = doomed[0].body["Placement"]["AvailabilityZone"]
    types = sorted({str(item.body["InstanceType"]) for item in doomed})
    stage.note(f"terminated in {zone}: {len(doomed)} of {len(there)} instances ({', '.join(types)})")
    gone = {item.id for item in doomed}
    if not _within(scenario.within_seconds, lambda: _replaced(driver, gone, len(there))):
        driver.report.find(Reason.NOT_READY, f"no instances came in the place of {len(doomed)}", stage)


def _doomed(there: list[CloudObject], *, zone: bool) -> list[CloudObject]:
    """The newest instance; or every one of the zone that, among several, has the most."""
    if not zone or not there:
        return there[-1:]
    zones = [str(item.body["Placement"]["AvailabilityZone"]) for item in there]
    hit = max(sorted(set(zones)), key=zones.count)
    return [item for item, where in zip(there, zones, strict=True) if where == hit]


def _replaced(driver: Driver, gone: set[str], number: int) -> bool:
    with driver.account() as store:
        now = {item.id for item in store.find(_INSTANCE)}
    return len(now) >= number and not now & gone


def _control_plane(driver: Driver, stage: Stage) -> None:
    environment = LocalEnvironment(driver.copy.name)
    doomed = {
        process.pid: process.name
        for process in environment.status().processes
        if process.name in _CONTROL_PLANE and process.pid
    }
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    stage.note(f"killed: {', '.join(sorted(doomed.values())) or 'nothing runs'}")

    def new() -> bool:
        found = environment.status()
        return found.ready and not doomed.keys() & {process.pid for process in found.processes}

    if doomed and not _within(60, new):
        driver.report.find(Reason.NOT_READY, "the control plane did not come back within 60 s", stage)


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _fault(item: PlantedFault) -> Fault:
    return Fault(
        type=item.type,
        operation=item.operation,
        kind=item.kind,
        identifier=item.id,
        count=item.count,
        after=item.after,
        parameters=dict(item.parameters),
    )
