"""The engine is killed again and again: at every Nth creation, update, read and deletion."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cli.engine import Outcome
from cli.rehearsal import stages
from cli.rehearsal.driver import Driver
from cli.rehearsal.judge import lost, stateful
from cli.rehearsal.report import Reason, Stage
from cli.rehearsal.scenarios import KillScenario, KillStep
from cli.terminal import counted
from local.cloud.faults import Fault, FaultType

_OPERATIONS: Final[Mapping[KillStep, str]] = {
    KillStep.UP: "create",
    KillStep.UPDATE: "update",
    KillStep.REFRESH: "read",
    KillStep.DESTROY: "delete",
}
_SIDES: Final = ("after", "before")
_TTL, _TAGS = "slipway:ttl", "slipway:tags"


def play_kills(driver: Driver, scenario: KillScenario) -> None:
    """The steps of a scenario but the destruction, which ends the rehearsal.

    Raises:
        cli.rehearsal.driver.RehearsalEndedError: it does not go on.
    """
    if KillStep.UP in scenario.steps:
        _while_creating(driver, scenario)
    if KillStep.UPDATE in scenario.steps:
        _while_updating(driver, scenario)
    if KillStep.REFRESH in scenario.steps:
        _while_refreshing(driver, scenario)
    if set(scenario.steps) - {KillStep.DESTROY}:
        stages.second_up(driver, title=f"{scenario.name}: second up")


def _while_creating(driver: Driver, scenario: KillScenario) -> None:
    with driver.report.stage(f"{scenario.name}: up") as stage:
        driver.renew(stage)
        insist(driver, scenario, KillStep.UP, stage, lambda: _up(driver, stage))
        driver.ready(stage)
        for what in _unknown(driver):
            driver.report.find(Reason.LEFT, what, stage)


def _while_updating(driver: Driver, scenario: KillScenario) -> None:
    before = stateful(driver.state())
    with driver.report.stage(f"{scenario.name}: update") as stage:
        stage.note(f"changed in the settings: {driver.change_settings(_another_tag)}")
        insist(driver, scenario, KillStep.UPDATE, stage, lambda: _up(driver, stage))
        driver.ready(stage)
        _judge(driver, before, stage)


def _while_refreshing(driver: Driver, scenario: KillScenario) -> None:
    before = stateful(driver.state())
    with driver.report.stage(f"{scenario.name}: refresh") as stage:
        refresh = ("refresh", "--yes", "--skip-preview")
        insist(driver, scenario, KillStep.REFRESH, stage, lambda: driver.update(*refresh, stage=stage, said="refresh"))
        _judge(driver, before, stage)


def insist(
    driver: Driver, scenario: KillScenario, step: KillStep, stage: Stage, attempt: Callable[[], Outcome]
) -> None:
    """Attempt it again and again, killed at every Nth call and recovered, until it ends in peace.

    Raises:
        cli.rehearsal.driver.RehearsalEndedError: it failed although nothing killed it, or it cannot be recovered.
    """
    kills = 0
    while True:
        _arm(driver, scenario, step, kills)
        outcome = attempt()
        if outcome.status == 0:
            break
        if not _met(driver):
            driver.require(outcome, stage)
        kills += 1
        driver.recover(stage)
    with driver.account() as store:
        store.clear_faults()
    calls = counted(scenario.every, f"{_OPERATIONS[step]} call")
    if kills == 0:
        stage.note(f"never killed: there are fewer than {calls}")
        return
    side = "before and after the call in turn" if scenario.when == "alternate" else f"{scenario.when} the call"
    stage.hit(f"SIGKILL {counted(kills, 'time')}, one every {calls}, {side}")
    stage.recovered("recovered each time, then it went on to its end")


def _arm(driver: Driver, scenario: KillScenario, step: KillStep, kills: int) -> None:
    # A refresh begins anew each time, while the others go on from where they were.
    passed = scenario.every * (kills + 1 if step is KillStep.REFRESH else 1) - 1
    side = scenario.when if scenario.when != "alternate" else _SIDES[kills % 2]
    with driver.account() as store:
        store.clear_faults()
        if kills < scenario.most:
            store.add_fault(
                Fault(
                    type=FaultType.KILL_ENGINE,
                    operation=_OPERATIONS[step],
                    after=passed,
                    mutating=step is not KillStep.REFRESH,
                    parameters={"when": side},
                )
            )


def _met(driver: Driver) -> bool:
    with driver.account() as store:
        return any(fault.seen > fault.after for fault in store.faults())


def _up(driver: Driver, stage: Stage) -> Outcome:
    return driver.update("up", "--yes", "--skip-preview", stage=stage, said="up")


def _another_tag(config: dict[str, Any]) -> str:
    """Change what every tagged resource carries; a ttl where there is one, because machines do not carry that."""
    if config.get(_TTL):
        config[_TTL] = "2d" if config[_TTL] == "1d" else "1d"
        return f"{_TTL} is {config[_TTL]}"
    config[_TAGS] = {**(config.get(_TAGS) or {}), "rehearsed": "kill"}
    return f"{_TAGS} has one more"


def _judge(driver: Driver, before: Mapping[str, str], stage: Stage) -> None:
    for what in lost(before, stateful(driver.state()), driver.objects()):
        driver.report.find(Reason.LOST, what, stage)
    for what in _unknown(driver):
        driver.report.find(Reason.LEFT, what, stage)


def _unknown(driver: Driver) -> list[str]:
    """Objects that no resource of the state stands for: made twice by a kill that nobody heard of."""
    from cli.checkpoint import arns, identifiers
    from cli.inventory.clients import inventory_of
    from cli.project import PROJECT

    document = driver.state()
    state, names = identifiers(document), arns(document)
    owned = inventory_of(driver.stack, driver.engine.environment).owned(PROJECT, driver.copy.name)
    return [
        f"{item.kind} {item.id} ({item.name}) is not in the state"
        for item in owned
        if item.types and not any((token, item.id) in state for token in item.types) and item.id not in names
    ]
