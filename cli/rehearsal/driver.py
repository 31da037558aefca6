"""The rehearsed stack's engine, account and clusters, as the stages use them."""

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml
from rich.console import Console

from cli import session
from cli.account import open_account
from cli.engine import Engine, Outcome
from cli.errors import UserError
from cli.gate import wait_until_ready
from cli.observe import look
from cli.outputs import parse_exports
from cli.progress import UpdateProgress, told
from cli.project import Stack
from cli.recover import put_right
from cli.rehearsal.copying import Copy
from cli.rehearsal.judge import left, replaced
from cli.rehearsal.report import Reason, Report, Stage
from cli.terminal import clock
from local.cloud.aws.residue import residue
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.environment import LocalEnvironment

READY_SECONDS: Final = 180.0
ABSENT: Final = "nothing"


class RehearsalEndedError(Exception):
    """Going on makes no sense; the reason is among the findings."""


@dataclass(kw_only=True)
class Driver:
    """One copy with everything behind it."""

    copy: Copy
    stack: Stack
    engine: Engine
    report: Report
    console: Console
    seeded: Sequence[str] = ()

    @classmethod
    def start(cls, copy: Copy, report: Report, secrets: Sequence[str], console: Console) -> "Driver":
        """Bring the simulated environment up and make the copy's stack."""
        seeded = copy.prepare_account()
        stack = copy.as_stack()
        engine = session.started(stack, console)
        engine = replace(engine, environment={**engine.environment, "PYTHONPATH": str(copy.directory)})
        driver = cls(copy=copy, stack=stack, engine=engine, report=report, console=console, seeded=seeded)
        driver.settle_file(secrets)
        return driver

    def renew(self, stage: Stage) -> None:
        """Throw the simulated account away with all that is in it, and begin with an empty one."""
        LocalEnvironment(self.copy.name).down(self.console)
        anew = Driver.start(self.copy, self.report, self.copy.fill(None).secrets, self.console)
        self.stack, self.engine, self.seeded = anew.stack, anew.engine, anew.seeded
        stage.note("in a new account")

    def change_settings(self, change: Callable[[dict[str, Any]], str]) -> str:
        """Let ``change`` edit the copy's settings in place; returns what it says about that."""
        document = yaml.safe_load(self.copy.file.read_text())
        said = change(document["config"])
        self.copy.write(document)
        return said

    def settle_file(self, secrets: Sequence[str]) -> None:
        """What only the running environment knows: the tunnel's address, and placeholders in the place of secrets."""
        self.copy.through_tunnel(LocalEnvironment(self.copy.name).tunnel())
        from stacks.fields import PLACEHOLDER

        for path in secrets:
            self.engine.capture("config", "set", "--secret", "--path", path, PLACEHOLDER)

    def update(self, *arguments: str, stage: Stage, said: str = "") -> Outcome:
        """One run of the engine; what it did goes into the stage, replacements into the report.

        ``said`` is what the stage calls it, in the place of the command's first words.
        """
        with UpdateProgress(self.console, arguments[0]) as progress:
            outcome = self.engine.follow(arguments, progress.show)
            elapsed = progress.elapsed
        if outcome.interrupted:
            raise KeyboardInterrupt
        stage.note(f"{said or ' '.join(arguments[:2])}: {told(outcome.picture)} in {clock(elapsed)}")
        if outcome.status == 0 and arguments[0] == "up":
            self.report.replacements += replaced(outcome.picture, stage=stage.title)
        return outcome

    def up(self, stage: Stage, *extra: str) -> Outcome:
        """An update that must succeed and leave everything ready.

        Raises:
            RehearsalEndedError: it failed.
        """
        outcome = self.update("up", "--yes", "--skip-preview", *extra, stage=stage)
        self.require(outcome, stage)
        self.ready(stage)
        return outcome

    def require(self, outcome: Outcome, stage: Stage) -> None:
        """Raise ``RehearsalEndedError`` unless the update succeeded."""
        if outcome.status == 0:
            return
        for error in outcome.errors:
            self.report.find(Reason.FAILED, first_line(error.message), stage)
        raise RehearsalEndedError(f"engine log {outcome.log}")

    def ready(self, stage: Stage, *, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait for nodes, accelerators, volumes and runs; what does not come is a finding."""
        exports = json.loads(self.engine.capture("stack", "output", "--json") or "{}")
        if "clusters" not in exports:
            # A program of your own: nothing says what it promises.
            return
        outputs = parse_exports(exports, stack=self.stack.name)
        began = time.monotonic()
        state = wait_until_ready(
            lambda: look(outputs, self.engine.environment, simulated=True),
            self.console,
            timeout_seconds=timeout_seconds,
            until_complete=True,
        )
        if state.ready:
            stage.note(f"ready after {clock(time.monotonic() - began)}")
            return
        for reason in state.reasons or ["something is not ready"]:
            self.report.find(Reason.NOT_READY, str(reason), stage)

    def recover(self, stage: Stage) -> None:
        """``slipway recover --yes`` on the copy.

        Raises:
            RehearsalEndedError: it does not recover.
        """
        try:
            # Its words are for a person who recovers, and standard output may be a JSON document of ours.
            with contextlib.redirect_stdout(sys.stderr):
                put_right(self.stack, self.engine, yes=True)
        except UserError as error:
            self.report.find(Reason.LEFT, f"recover: {error.what} {error.where}".strip(), stage)
            raise RehearsalEndedError(error.what) from error

    def state(self) -> dict[str, Any]:
        """The exported state."""
        document: dict[str, Any] = json.loads(self.engine.capture("stack", "export"))
        return document

    @contextmanager
    def account(self) -> Iterator[SqliteStore]:
        """The simulated account."""
        with open_account(self.copy.name) as store:
            yield store

    def objects(self) -> list[CloudObject]:
        """Everything in the account that an empty one does not hold."""
        with self.account() as store:
            return residue(store)

    def leftovers(self) -> list[str]:
        """What outlived the stack."""
        return left(self.objects(), self.seeded)


def first_line(text: str) -> str:
    """Enough of an engine's error for a report."""
    return next((line.strip() for line in text.splitlines() if line.strip()), text)[:300]
