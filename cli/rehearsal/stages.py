"""The acts that every rehearsal has: up, second up, refresh, destroy, and before them perhaps an older revision."""

from collections.abc import Callable, Sequence

from cli.drift import drift
from cli.engine import Outcome
from cli.inventory.clients import inventory_of
from cli.orphans import clear
from cli.rehearsal.driver import Driver, RehearsalEndedError
from cli.rehearsal.judge import changed, lost, replaced, stateful, unprotected
from cli.rehearsal.report import Reason, Stage
from cli.rehearsal.review import clashing, endless, unkept, untagged
from cli.teardown import clusters, in_order, networks

_CLUSTER = "eks:Cluster"


def first_up(driver: Driver, *, title: str = "up") -> None:
    """Build everything from nothing."""
    with driver.report.stage(title) as stage:
        driver.up(stage)


def upgrade(driver: Driver, secrets: Sequence[str], *, accept_replace: bool) -> None:
    """From the deployed revision to the checkout's program and file.

    Raises:
        RehearsalEndedError: something that holds data would be replaced, and nobody has accepted that.
    """
    with driver.report.stage("upgrade: preview") as stage:
        driver.settle_file(secrets)
        outcome = driver.update("preview", stage=stage)
        driver.require(outcome, stage)
        planned = replaced(outcome.picture, stage=stage.title)
        refused = [item for item in planned if item.stateful and not accept_replace]
        for item in refused:
            driver.report.find(
                Reason.REPLACED, f"{item.label} would be replaced{item.reason}, with what is in it", stage
            )
        if refused:
            driver.report.replacements += planned
            raise RehearsalEndedError("replacements nobody accepted: --accept-replace")
    before = stateful(driver.state())
    with driver.report.stage("upgrade: up") as stage:
        driver.up(stage)
        if not accept_replace:
            for what in lost(before, stateful(driver.state()), driver.objects()):
                driver.report.find(Reason.LOST, what, stage)


def second_up(driver: Driver, *, title: str = "second up") -> None:
    """The same again: nothing may change."""
    with driver.report.stage(title) as stage:
        outcome = driver.update("up", "--yes", "--skip-preview", stage=stage)
        driver.require(outcome, stage)
        for what in changed(outcome.picture):
            driver.report.find(Reason.CHANGED, what, stage)


def refresh(driver: Driver, *, title: str = "refresh") -> None:
    """Nothing may differ from what the state says."""
    with driver.report.stage(title) as stage:
        outcome = driver.update("refresh", "--preview-only", stage=stage)
        driver.require(outcome, stage)
        for item in drift(outcome.picture):
            because = ", ".join(str(one) for one in item.properties[:2])
            driver.report.find(Reason.CHANGED, f"{item.type} {item.name} differs after an update: {because}", stage)


def review(driver: Driver) -> None:
    """What is wrong without any fault: names that clash, objects nobody would find, logs and data without an end."""
    with driver.report.stage("names, tags, retention") as stage:
        document = driver.state()
        found = {
            Reason.CLASH: list(clashing(document, driver.copy.name)),
            Reason.UNTAGGED: list(untagged(document)),
            Reason.ENDLESS: list(endless(document)),
            Reason.UNPROTECTED: list(unkept(document)) if driver.stack.settings.protect else [],
        }
        for reason, items in found.items():
            for what in items:
                driver.report.find(reason, what, stage)
        if not any(found.values()):
            stage.note("names differ from stack to stack, everything carries the kit's tags, logs and data have an end")


def protection(driver: Driver) -> None:
    """A protected stack refuses to be destroyed; nothing is deleted while that is tried."""
    if not driver.stack.settings.protect:
        return
    with driver.report.stage("destroy refused") as stage:
        for what in unprotected(driver.state()):
            driver.report.find(Reason.UNPROTECTED, what, stage)
        outcome = driver.update("destroy", "--preview-only", stage=stage, said="destroy, only previewed")
        if outcome.status == 0:
            driver.report.find(Reason.UNPROTECTED, "the engine would destroy the stack without a word", stage)
        else:
            stage.note("the engine refuses, as it must; the copy is unprotected now")


def teardown(
    driver: Driver, *, title: str = "destroy", until_done: Callable[[Stage, Callable[[], Outcome]], None] | None = None
) -> None:
    """Unprotect the copy, destroy it, and look for what is left.

    Args:
        driver: The rehearsal.
        title: Of the stage.
        until_done: Makes the attempt, perhaps again and again while something goes wrong; by default once.

    Raises:
        RehearsalEndedError: it cannot be destroyed.
    """

    def attempt() -> Outcome:
        unprotect(driver)
        return _destroyed(driver, stage)

    with driver.report.stage(title) as stage:
        if until_done is None:
            driver.require(attempt(), stage)
        else:
            until_done(stage, attempt)
    with driver.report.stage("residue") as stage:
        found = driver.leftovers()
        for what in found:
            driver.report.find(Reason.LEFT, f"{what} outlived the stack", stage)
        if not found:
            stage.note("the account is empty")


def _destroyed(driver: Driver, stage: Stage) -> Outcome:
    """Every act of a destruction, up to the first that fails; the last outcome."""
    nets, names = networks(driver.state()), clusters(driver.state())
    for act in in_order(driver.state):
        if act.last and nets:
            _of_controllers(driver, nets, names, stage)
        outcome = driver.update(*act.arguments, stage=stage, said=act.title)
        if outcome.status != 0:
            break
    return outcome


def _of_controllers(driver: Driver, nets: Sequence[str], names: Sequence[str], stage: Stage) -> None:
    """What controllers left is a finding, as a real account would keep it, and goes so that the network can."""
    inventory = inventory_of(driver.stack, driver.engine.environment)
    for item in clear(driver.copy.name, inventory, nets, names, driver.console, simulated=True, yes=True):
        driver.report.find(Reason.LEFT, f"{item.kind} {item.id} outlived the controller that made it", stage)


def unprotect(driver: Driver) -> None:
    """Take the protection from the copy, in the state and at the clusters."""
    if not driver.stack.settings.protect:
        return
    driver.engine.capture("state", "unprotect", "--all", "--yes")
    with driver.account() as store, store.transaction():
        for item in store.find(_CLUSTER):
            item.body["deletionProtection"] = False
            store.put(item)
