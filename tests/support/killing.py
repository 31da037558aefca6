"""Kills the processes of a stack in the middle of its steps, and looks at what is left: for the kill matrix.

A planted ``hold`` stops one API call before or after it acts, until the victim is dead; so each kill lands in the
middle of a known step. One ``Bench`` per process: it works on the process's environment and working directory.
"""

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Any, Self

from rich.console import Console

from cli import session
from cli.account import open_account
from cli.checkpoint import pending, resources
from cli.engine import Outcome
from cli.events import urn_name
from cli.locks import locks
from cli.project import open_stack
from cli.recover import put_right
from local.cloud.faults import Fault, FaultType
from local.cloud.model import CloudObject, Maker
from local.cloud.plan import aws_package
from local.cloud.session import render
from local.cluster.environment import LocalEnvironment
from tests.support.processes import Process, beside, gone_within
from tests.support.sandbox import REPOSITORY, Sandbox

PROGRAMS = REPOSITORY / "tests" / "simulation" / "programs"
ORPHAN_SECONDS = 10.0
"""How long a process may outlive the one that it served."""
HELD_SECONDS = 120.0
"""How long a call is held at most: longer than anything that a test does meanwhile."""
SUPERVISOR = "local.cluster.supervisor"
_REWINDS = 3
_DELETIONS = ("Delete", "Detach")
_POLL_SECONDS = 0.02
_TOLD_SECONDS = 0.5


class Victim(StrEnum):
    """Which process is killed, by what its command line says."""

    ENGINE = "/bin/pulumi "
    PROGRAM = "/engine/program.py "
    PLUGIN = "local.cloud.plugin "
    SUPERVISOR = f"{SUPERVISOR} "


@dataclass(frozen=True)
class Phase:
    """One run of the engine."""

    name: str
    revision: int
    command: str
    calls: Sequence[str]
    """The API calls that it makes on the way from the phase before: its steps."""
    replaced: Sequence[str] = ()
    """Logical names of what it replaces."""
    before: "Phase | None" = None
    """What takes the stack back to where this phase begins; None: it begins with nothing."""

    @property
    def arguments(self) -> list[str]:
        """For ``pulumi``; one step at a time, so that a held call stops everything behind it."""
        return [self.command, "--yes", "--skip-preview", "--parallel", "1"]


@dataclass
class Cell:
    """What one kill led to."""

    phase: str
    call: str
    side: str
    killed: int = 0
    """How many processes; 0 when none of that kind was there."""
    problems: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """A stack, its account and its processes."""

    sandbox: Sandbox
    variables: dict[str, str] = field(default_factory=dict)
    said: StringIO = field(default_factory=StringIO)

    @classmethod
    @contextlib.contextmanager
    def of(cls, program: str, root: Path) -> Iterator[Self]:
        """A stack with that program below ``root``; its processes are gone afterwards."""
        sandbox = Sandbox.copy(root)
        shutil.copy(PROGRAMS / program / "__main__.py", sandbox.directory / "stacks" / "__main__.py")
        os.environ.update(sandbox.environment)
        # The program is not edited here: compiling it again for every run would be a third of the time.
        os.environ.pop("PYTHONDONTWRITEBYTECODE")
        os.chdir(sandbox.directory)
        bench = cls(sandbox)
        try:
            bench.start()
            yield bench
        finally:
            sandbox.close()

    def start(self) -> None:
        """Bring the environment up, or repair it: what every command does first."""
        self.stack = open_stack(self.sandbox.stack)
        self.engine = session.started(self.stack, Console(file=self.said))

    # --- runs ----------------------------------------------------------------------------------------------------

    def run(self, phase: Phase) -> Outcome:
        """Run the engine to its end, whichever that is."""
        variables = {**self.engine.environment, **self.variables, "STEPS_REVISION": str(phase.revision)}
        return replace(self.engine, environment=variables).follow(phase.arguments, lambda _: None)

    def converge(self, phase: Phase) -> list[str]:
        """Run it in peace, and once more: what is wrong with either."""
        first = self.run(phase)
        if first.status != 0:
            return [f"{phase.name} does not converge: {_words(first)}"]
        wrong = self.faults()
        if phase.command != "up":
            return wrong + [f"{left} outlived the stack" for left in self.sandbox.remaining()]
        again = self.run(phase)
        if again.status != 0 or again.picture.changes:
            wrong.append(f"a second {phase.name} had something to do: {list(again.picture.changes)} {_words(again)}")
        return wrong

    def recover(self) -> str:
        """``slipway recover --yes``; what it said."""
        with contextlib.redirect_stdout(StringIO()) as told, contextlib.redirect_stderr(told):
            self.start()
            put_right(self.stack, self.engine, yes=True)
        return told.getvalue()

    # --- kills ---------------------------------------------------------------------------------------------------

    def strike(self, phase: Phase, calls: Sequence[str], side: str, victim: Victim) -> Cell:
        """Kill ``victim`` in the first of ``calls`` that is met, recover, and say what is not as it should be."""
        cell = Cell(phase.name, "", side)
        with self._holding(calls, side, lambda call: self._kill_in(call, victim, cell), most=1):
            outcome = self.run(phase)
        left = gone_within(ORPHAN_SECONDS, self.engine_side)
        cell.problems += [f"outlived the {victim.name} by {ORPHAN_SECONDS:g} s: {item}" for item in left]
        if cell.killed == 0:
            cell.problems.append(
                f"no {victim.name} was there, or none was met of {', '.join(calls)}: {_words(outcome)}"
            )
        self.recover()
        cell.problems += [item for item in self.faults() if not _harmless(item, cell.call, victim)]
        return cell

    def _kill_in(self, call: str, victim: Victim, cell: Cell) -> None:
        cell.call = call
        self._kill(victim, cell)

    def restarts(self, phase: Phase, calls: Sequence[str]) -> list[Cell]:
        """Kill the supervisor in each of ``calls`` of one run of the engine, and start another: nobody may notice."""
        cells: list[Cell] = []

        def act(call: str) -> None:
            cells.append(Cell(phase.name, call, "after"))
            self._replace_supervisor(cells[-1])

        with self._holding(calls, "after", act, most=len(calls)):
            outcome = self.run(phase)
        missed = set(calls) - {cell.call for cell in cells}
        problems = [f"not met: {', '.join(sorted(missed))}"] if missed else []
        if outcome.status != 0:
            problems.append(f"the engine noticed: {_words(outcome)}")
        return [*cells, Cell(phase.name, "", "after", problems=problems + self.faults())]

    def _replace_supervisor(self, cell: Cell) -> None:
        ports = self._ports()
        served = beside(self.sandbox.state, SUPERVISOR, served=True)
        self._kill(Victim.SUPERVISOR, cell)
        gone = gone_within(ORPHAN_SECONDS, lambda: [item for item in self.sandbox.processes() if item in served])
        cell.problems += [f"outlived the supervisor: {item}" for item in gone]
        LocalEnvironment(self.sandbox.stack).up(Console(file=self.said))
        if self._ports() != ports:
            cell.problems.append(f"the engine's endpoint moved: {ports} became {self._ports()}")

    def _kill(self, victim: Victim, cell: Cell) -> None:
        found = [item for item in self.sandbox.processes() if victim in f"{item.command} "]
        for process in found:
            os.kill(process.pid, signal.SIGKILL)
        if victim is Victim.PROGRAM:
            # What it had asked for goes on until its host has told the engine; the held call must not end before.
            time.sleep(_TOLD_SECONDS)
        cell.killed = len(found)
        left = gone_within(ORPHAN_SECONDS, lambda: [item for item in self.sandbox.processes() if item in found])
        cell.problems += [f"does not die: {item}" for item in left]

    @contextlib.contextmanager
    def _holding(self, calls: Sequence[str], side: str, act: Callable[[str], None], *, most: int) -> Iterator[None]:
        """Hold each of ``calls`` when it is first made, do ``act``, let it go on; once ``most`` are done, hold none."""
        over = threading.Event()
        parameters = {"when": side, "realSeconds": HELD_SECONDS}

        def watch() -> None:
            with open_account(self.sandbox.stack) as store:
                for _ in range(most):
                    while not (held := [item for item in store.faults() if "heldBy" in item.parameters]):
                        if over.wait(_POLL_SECONDS):
                            return
                    act(held[0].operation)
                    store.clear_faults(held[0].id)
                store.clear_faults()

        with open_account(self.sandbox.stack) as store:
            for call in calls:
                store.add_fault(Fault(type=FaultType.HOLD, operation=call, parameters=parameters))
            watcher = threading.Thread(target=watch, name="watch held calls")
            watcher.start()
            try:
                yield
            finally:
                over.set()
                watcher.join()
                store.clear_faults()

    # --- looking -------------------------------------------------------------------------------------------------

    def engine_side(self) -> list[Process]:
        """The engine and what it started."""
        return beside(self.sandbox.state, SUPERVISOR)

    def state(self) -> dict[str, Any]:
        """The exported state."""
        document: dict[str, Any] = json.loads(self.engine.capture("stack", "export"))
        return document

    def identifiers(self) -> dict[str, str]:
        """Ids at the cloud by logical name."""
        return {
            urn_name(str(item["urn"])): str(item["id"])
            for item in resources(self.state())
            if item.get("custom") and not item.get("delete")
        }

    def instances(self) -> set[str]:
        """Ids of the machines in the account, when each is a node that is ready.

        Raises:
            AssertionError: machines without a ready node, or nodes without a machine.
        """
        with open_account(self.sandbox.stack) as store:
            found = {item.id for item in store.find("ec2:Instance")}
        ready = sum(cluster.nodes_ready for cluster in LocalEnvironment(self.sandbox.stack).status().clusters)
        assert ready == len(found), f"{ready} nodes are ready, and there are {len(found)} machines"
        return found

    def faults(self) -> list[str]:
        """What is wrong now: pending operations, locks, and what only one of state and account knows."""
        document = self.state()
        wrong = [f"pending: {one.kind} {one.urn}" for one in pending(document)]
        wrong += [f"lock: {lock}" for lock in locks(self.engine.environment, self.sandbox.stack)]
        entries = [item for item in resources(document) if item.get("custom") and str(item["type"]).startswith("aws:")]
        stated = {(str(item["type"]), str(item["id"])) for item in entries}
        # What the next update deletes may be gone already.
        needed = {(str(item["type"]), str(item["id"])) for item in entries if not item.get("delete")}
        there: set[tuple[str, str]] = set()
        with open_account(self.sandbox.stack) as store:
            for item in store.objects(maker=Maker.PROGRAM):
                named = _names(item)
                there |= named
                if named and not named & stated:
                    wrong.append(f"orphan: {item.kind} {item.id} of {item.urn}")
        return wrong + [f"missing: {token} {identifier}" for token, identifier in sorted(needed - there)]

    def _ports(self) -> Mapping[str, int]:
        status = LocalEnvironment(self.sandbox.stack).status()
        return next((item.ports for item in status.processes if item.name == "supervisor"), {})


def _harmless(problem: str, call: str, victim: Victim) -> bool:
    """What the next run puts right by itself.

    An engine that lives on tries a deletion again that had failed, and finds nothing. A setting of a bucket has no
    identity of its own: it is not listed, and simply put again.
    """
    if problem.startswith("orphan: s3:"):
        return not problem.startswith("orphan: s3:Bucket ")
    return victim is not Victim.ENGINE and call.startswith(_DELETIONS) and problem.startswith("missing: ")


def _names(item: CloudObject) -> set[tuple[str, str]]:
    """How a state may name the object: by type token and id."""
    found = (binding for binding in aws_package().bindings.values() if binding.kind == item.kind)
    return {(one.token, (render(one.pulumi_id, item.body) if one.pulumi_id else "") or item.id) for one in found}


def _words(outcome: Outcome) -> str:
    said = "; ".join(error.message for error in outcome.errors)
    return f"status {outcome.status}: {said}" if said else f"status {outcome.status}"


def killed_everywhere(phases: Sequence[Phase], victim: Victim, side: str, root: Path) -> list[Cell]:
    """Kill ``victim`` in every step of every phase, in a stack of its own."""
    cells: list[Cell] = []
    with Bench.of("steps", root) as bench:
        kept: dict[str, str] = {}
        for phase in phases:
            if victim is Victim.SUPERVISOR:
                cells += bench.restarts(phase, phase.calls)
            else:
                cells += _struck(bench, phase, side, victim)
            cells[-1].problems += bench.converge(phase)
            now = bench.identifiers()
            cells[-1].problems += _changed(kept, now, phase)
            kept = now
    return cells


def killed_with_a_cluster(up: Phase, update: Phase, destroy: Phase, root: Path) -> list[Cell]:
    """Kill the supervisor in every step that waits for it; in the first one no other is started until `recover`."""
    with Bench.of("steps", root) as bench:
        bench.variables["STEPS_CLUSTER"] = "1"
        cells = [bench.strike(up, up.calls[:1], "after", Victim.SUPERVISOR), *bench.restarts(up, up.calls[1:])]
        cells[-1].problems += bench.converge(up)
        before = bench.instances()
        cells += bench.restarts(update, update.calls)
        cells[-1].problems += bench.converge(update)
        cells[-1].problems += [f"lost: {instance}" for instance in before - bench.instances()]
        cells += bench.restarts(destroy, destroy.calls)
        cells[-1].problems += bench.converge(destroy)
    return cells


def _struck(bench: Bench, phase: Phase, side: str, victim: Victim) -> list[Cell]:
    """One cell per step. A run that gets past all others (steps that had been asked for) is taken back."""
    cells: list[Cell] = []
    left = _with(victim, phase.calls)
    rewound = 0
    while left:
        cell = bench.strike(phase, left, side, victim)
        if not cell.call and rewound < _REWINDS:
            rewound += 1
            bench.run(phase.before or Phase("back", 1, "destroy", ()))
            continue
        cells.append(cell)
        if not cell.call:
            break
        left.remove(cell.call)
    return cells


def _with(victim: Victim, calls: Iterable[str]) -> list[str]:
    """The steps in which such a process lives: a program has ended when the engine begins to delete."""
    return [call for call in calls if victim is not Victim.PROGRAM or not call.startswith(_DELETIONS)]


def _changed(before: Mapping[str, str], now: Mapping[str, str], phase: Phase) -> list[str]:
    """What has another id than in the phase before although it was not to be replaced."""
    return [
        f"{name} is another one: {before[name]} became {identifier}"
        for name, identifier in now.items()
        if before.get(name, identifier) != identifier and name not in phase.replaced
    ]
