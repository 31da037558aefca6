"""Scenarios of a running platform: something is lost, or somebody changes something by hand."""

import copy
import fnmatch
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.account_tricks import set_member
from cli.drift import drift
from cli.rehearsal import stages
from cli.rehearsal.driver import Driver
from cli.rehearsal.judge import lost, stateful
from cli.rehearsal.losses import lose_instance, lose_zone, within
from cli.rehearsal.report import Reason, Stage
from cli.rehearsal.scenarios import Change, RunningScenario
from local.cloud.model import Maker
from local.cloud.store import SqliteStore
from local.cluster.environment import LocalEnvironment

_CONTROL_PLANE: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
_CONTROL_PLANE_SECONDS: Final = 60.0


def play_running(driver: Driver, scenarios: Sequence[RunningScenario]) -> None:
    """What the platform repairs by itself first; one update behind them all must find nothing to do.

    Raises:
        cli.rehearsal.driver.RehearsalEndedError: an update fails.
    """
    alone = [item for item in scenarios if item.repaired_by == "itself"]
    for item in alone:
        _guarded(driver, item)
    if alone:
        stages.second_up(driver, title=f"up after {', '.join(item.name for item in alone)}")
    for item in scenarios:
        if item not in alone:
            _guarded(driver, item)


def _guarded(driver: Driver, scenario: RunningScenario) -> None:
    """Act, then compare what holds data with what was there before."""
    before = stateful(driver.state())
    with driver.report.stage(scenario.name) as stage:
        found = len(driver.report.findings)
        done = [made for change in scenario.change if (made := _change(driver, change))]
        if scenario.change:
            _noticed(driver, done, stage)
        if scenario.lose == "control-plane":
            _lose_control_plane(driver, stage)
        elif scenario.lose == "zone":
            lose_zone(driver, stage, within_seconds=scenario.within_seconds)
        elif scenario.lose == "node":
            lose_instance(driver, stage, within_seconds=scenario.within_seconds)
        if scenario.repaired_by == "up":
            _repair(driver, stage)
        else:
            driver.ready(stage, timeout_seconds=scenario.within_seconds)
        _restored(driver, done, stage)
        for what in lost(before, stateful(driver.state()), driver.objects()):
            driver.report.find(Reason.LOST, what, stage)
        if len(driver.report.findings) == found:
            stage.recovered("put right by " + ("`up --refresh`" if scenario.repaired_by == "up" else "itself"))


def _repair(driver: Driver, stage: Stage) -> None:
    driver.up(stage, "--refresh")
    outcome = driver.update("refresh", "--preview-only", stage=stage)
    for item in drift(outcome.picture):
        driver.report.find(Reason.CHANGED, f"{item.type} {item.name} still differs", stage)


@dataclass(frozen=True, kw_only=True)
class _Changed:
    """A member that somebody has changed."""

    kind: str
    id: str
    path: str
    before: Any
    after: Any


def _change(driver: Driver, change: Change) -> _Changed | None:
    with driver.account() as store:
        for item in store.find(change.kind):
            # What a service made by itself is in no program: a refresh of ours never looks at it.
            if item.maker is Maker.PROGRAM and fnmatch.fnmatchcase(item.id, change.id):
                with store.transaction():
                    before = set_member(item.body, change.path, change.value)
                    store.put(item)
                return _Changed(kind=item.kind, id=item.id, path=change.path, before=before, after=change.value)
    return None


def _noticed(driver: Driver, done: Sequence[_Changed], stage: Stage) -> None:
    for item in done:
        stage.hit(f"by hand: {item.kind} {item.id} {item.path}: {item.before!r} became {item.after!r}")
    if not done:
        stage.note("the stack has none of the objects that the scenario changes")
        return
    found = drift(driver.update("refresh", "--preview-only", stage=stage).picture)
    for one in found:
        stage.note(f"found: {one.type} {one.name} {', '.join(str(item) for item in one.properties[:2])}")
    if not found:
        driver.report.find(Reason.FAILED, "a refresh does not notice what was changed by hand", stage)


def _restored(driver: Driver, done: Sequence[_Changed], stage: Stage) -> None:
    """An update that accepts the drift, or ignores it, ends as green as one that takes it back: so look."""
    with driver.account() as store:
        now = [(item, _member(store, item)) for item in done]
    for item, value in now:
        if value != item.before:
            what = f"{item.kind} {item.id} {item.path} is {value!r}, and was {item.before!r} before the change by hand"
            driver.report.find(Reason.CHANGED, what, stage)


def _member(store: SqliteStore, changed: _Changed) -> Any:
    item = store.get(changed.kind, changed.id)
    return set_member(copy.deepcopy(item.body), changed.path, None) if item else None


def _lose_control_plane(driver: Driver, stage: Stage) -> None:
    environment = LocalEnvironment(driver.copy.name)
    doomed = {
        process.pid: process.name
        for process in environment.status().processes
        if process.name in _CONTROL_PLANE and process.pid
    }
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    stage.hit(f"killed: {', '.join(sorted(doomed.values())) or 'nothing runs'}")

    def new() -> bool:
        found = environment.status()
        return found.ready and not doomed.keys() & {process.pid for process in found.processes}

    if doomed and not within(_CONTROL_PLANE_SECONDS, new):
        driver.report.find(Reason.NOT_READY, "the control plane did not come back within 60 s", stage)
