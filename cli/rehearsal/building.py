"""Scenarios of a platform that is being built: faults of the cloud's own making."""

from collections.abc import Mapping, Sequence
from typing import Final

from cli.rehearsal import stages
from cli.rehearsal.driver import Driver, first_line
from cli.rehearsal.report import Reason, Stage
from cli.rehearsal.scenarios import PlantedFault, UpdateScenario
from cli.terminal import counted
from local.cloud.faults import Fault

_UP: Final = ("up", "--yes", "--skip-preview")


def builds(scenarios: Sequence[UpdateScenario]) -> list[list[UpdateScenario]]:
    """Which scenarios share a deployment: all that an update absorbs, and one that it refuses.

    An absorbed fault leaves no trace in what follows; a refused one ends the update, so there can be one in each.
    """
    absorbed = [item for item in scenarios if item.expect == "absorbed"]
    refused = [item for item in scenarios if item.expect == "refused"]
    first = [*absorbed, *refused[:1]]
    return [group for group in (first, *([item] for item in refused[1:])) if group]


def play_build(driver: Driver, group: Sequence[UpdateScenario]) -> None:
    """Build the platform in a new account under the faults of ``group``.

    Raises:
        cli.rehearsal.driver.RehearsalEndedError: it does not converge.
    """
    title = " + ".join(item.name for item in group)
    with driver.report.stage(f"{title}: up") as stage:
        driver.renew(stage)
        planted = {item.name: _plant(driver, item.faults) for item in group}
        refused = next((item for item in group if item.expect == "refused"), None)
        if refused is None:
            driver.require(driver.update(*_UP, stage=stage), stage)
        else:
            _refused(driver, refused, planted, stage)
        met = _met(driver, planted)
        with driver.account() as store:
            store.clear_faults()
        driver.up(stage)
        for item in group:
            _tell(item, met[item.name], stage)
    stages.second_up(driver, title=f"{title}: second up")


def _refused(driver: Driver, scenario: UpdateScenario, planted: Mapping[str, list[int]], stage: Stage) -> None:
    outcome = driver.update(*_UP, stage=stage)
    if outcome.status == 0:
        met = _met(driver, planted)[scenario.name]
        driver.report.find(Reason.FAILED, f"the update did not notice: {counted(met, 'call')} met the fault", stage)
        return
    errors = [first_line(error.message) for error in outcome.errors]
    expected = [error.message for error in outcome.errors if scenario.message in error.message]
    for error in () if expected else errors:
        driver.report.find(Reason.FAILED, f"it failed for another reason: {error}", stage)
    if expected:
        stage.hit(f"{scenario.name}: refused with {scenario.message or first_line(expected[0])}")
    driver.recover(stage)


def _tell(scenario: UpdateScenario, met: int, stage: Stage) -> None:
    if met == 0:
        stage.note(f"{scenario.name}: no call met the fault, so it says nothing about this stack")
    elif scenario.expect == "absorbed":
        stage.hit(f"{scenario.name}: {counted(met, 'call')} met the fault")
        stage.recovered("absorbed: the providers tried again, and the update went on")
    else:
        stage.recovered("recovered and converged with the next update, once the fault was over")


def _plant(driver: Driver, faults: Sequence[PlantedFault]) -> list[int]:
    with driver.account() as store:
        return [store.add_fault(_fault(item)) for item in faults]


def _met(driver: Driver, planted: Mapping[str, list[int]]) -> dict[str, int]:
    """How many calls each scenario's faults have hit."""
    with driver.account() as store:
        hits = {fault.id: max(0, fault.seen - fault.after) for fault in store.faults()}
    return {name: sum(hits.get(number, 0) for number in numbers) for name, numbers in planted.items()}


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
