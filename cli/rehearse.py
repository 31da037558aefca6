"""``slipway rehearse``."""

import json
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from cli import terminal
from cli.exits import Exit
from cli.lazy import verb
from cli.project import open_stack
from cli.rehearsal import stages
from cli.rehearsal.copying import Copy, rehearsal_name
from cli.rehearsal.driver import Driver, RehearsalEndedError
from cli.rehearsal.page import page
from cli.rehearsal.play import play
from cli.rehearsal.report import Report
from cli.rehearsal.scenarios import Chosen, choose
from cli.rehearsal.words import print_report
from local.cluster.environment import LocalEnvironment
from local.paths import StatePaths, state_root

_DEFAULT: Final = ["node-loss", "drift"]


def rehearse(
    env: Annotated[str, typer.Argument(help="Environment: the NAME of stacks/config/Pulumi.NAME.yaml.")] = "local",
    *,
    revision: Annotated[
        str | None,
        typer.Option("--from", metavar="REV", help="Deploy this revision first, then upgrade it to the checkout."),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option("--scenario", "-s", help="A scenario's name or file; again for more; all; none."),
    ] = None,
    accept_replace: Annotated[
        bool, typer.Option("--accept-replace", help="With --from: what holds data may be replaced.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the simulated environment to look at.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Play an environment's life through on a simulated account: up, up again, refresh, faults, destroy, residue.

    Works on a copy of the program and the settings under another name; no account is needed and none is touched.
    The report is printed and saved as JSON and HTML. Exit status 3 when something was left, lost, replaced without
    leave, or did not converge.

    \b
    Scenarios: capacity, throttle, kill, node-loss, zone-loss, drift, control-plane-restart; node-loss and drift when
    none is named. A file of your own is named by its path.

    \b
    Examples:
      slipway rehearse prod
      slipway rehearse prod --scenario all
      slipway rehearse prod --from v1.4.0         an upgrade: what would it replace?
      slipway rehearse dev -s kill -s my-fault.yaml --json
    """  # noqa: D301 (\\b is Typer's mark for text that is not wrapped)
    console = terminal.messages()
    stack = open_stack(env)
    chosen = choose(scenario or _DEFAULT, stack.settings)
    report = Report(environment=env, place=stack.description, revision=revision or "", skipped=chosen.skipped)
    copy = Copy(stack=stack, name=rehearsal_name(env))
    _clear(copy, console)
    console.print(f"{env}: rehearsal of {stack.description}, on a simulated account", style="bold", soft_wrap=True)
    try:
        _perform(copy, report, chosen, revision, console, accept_replace=accept_replace)
    finally:
        if not keep:
            LocalEnvironment(copy.name).down(console)
        saved = _save(report) if report.stages else None
    _show(report, saved, as_json=as_json, keep=keep, copy=copy)
    if not report.passed:
        raise typer.Exit(Exit.NOT_READY)


def _perform(
    copy: Copy, report: Report, chosen: Chosen, revision: str | None, console: Console, *, accept_replace: bool
) -> None:
    older = copy.packages(revision, console) if revision else None
    filled = copy.fill(revision, older)
    report.changed_in_copy = [*filled.told, *([older.told] if older else [])]
    driver = Driver.start(copy, report, filled.secrets, console)
    if older is not None:
        older.serve(StatePaths.of(copy.name).pulumi_home)
    try:
        stages.first_up(driver, title=f"up of {revision}" if revision else "up")
        if revision is not None:
            newer = copy.fill(None)
            driver.stack = copy.as_stack()
            stages.upgrade(driver, newer.secrets, accept_replace=accept_replace)
        stages.second_up(driver)
        stages.refresh(driver)
        stages.review(driver)
        play(driver, chosen.play)
    except RehearsalEndedError as error:
        console.print(f"  the rehearsal ends here: {error}", style="red", soft_wrap=True)


def _clear(copy: Copy, console: Console) -> None:
    """What an earlier rehearsal left, by --keep or because it was killed, is thrown away."""
    if StatePaths.of(copy.name).root.exists():
        LocalEnvironment(copy.name).down(console)


def _save(report: Report) -> Path:
    directory = state_root() / "rehearsals"
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{report.environment}-{time.strftime('%Y%m%d-%H%M%S')}.html"
    path.write_text(page(report))
    path.with_suffix(".json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    return path


def _show(report: Report, saved: Path | None, *, as_json: bool, keep: bool, copy: Copy) -> None:
    if as_json:
        terminal.print_json(report.to_json())
    else:
        print_report(report, terminal.output())
    console = terminal.messages()
    if saved is not None:
        console.print(f"report: {saved} (and .json)", style="dim", soft_wrap=True)
    if keep:
        console.print(f"kept: `cd {copy.directory} && slipway status {copy.name}`", style="dim", soft_wrap=True)


app = verb(rehearse)
