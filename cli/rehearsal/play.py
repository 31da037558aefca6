"""The order of scenarios: what happens to a running platform first, then what a building one meets, kills last.

Building begins in a new account, which takes seconds: destruction is rehearsed once, at the end.
"""

from collections.abc import Sequence

from cli.rehearsal import stages
from cli.rehearsal.building import builds, play_build
from cli.rehearsal.driver import Driver
from cli.rehearsal.kills import insist, play_kills
from cli.rehearsal.running import play_running
from cli.rehearsal.scenarios import KillScenario, KillStep, RunningScenario, UpdateScenario


def play(driver: Driver, scenarios: Sequence[UpdateScenario | KillScenario | RunningScenario]) -> None:
    """Every scenario, and the destruction at the end.

    Raises:
        cli.rehearsal.driver.RehearsalEndedError: going on makes no sense.
    """
    play_running(driver, [item for item in scenarios if isinstance(item, RunningScenario)])
    for group in builds([item for item in scenarios if isinstance(item, UpdateScenario)]):
        play_build(driver, group)
    kills = [item for item in scenarios if isinstance(item, KillScenario)]
    for item in kills:
        play_kills(driver, item)
    stages.protection(driver)
    deadly = next((item for item in kills if KillStep.DESTROY in item.steps), None)
    if deadly is None:
        stages.teardown(driver)
    else:
        stages.teardown(
            driver,
            title=f"{deadly.name}: destroy",
            until_done=lambda stage, attempt: insist(driver, deadly, KillStep.DESTROY, stage, attempt),
        )
