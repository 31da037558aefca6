"""A copy of the program with a state directory of its own: what a person's checkout is, for one test."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.kubernetes import Kubernetes
from local.cloud.lifecycle import Effects
from local.cloud.plan import aws_package
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from tests.support.processes import Process, with_state

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = ("Pulumi.yaml", "stacks", "components", "workloads")
BINARIES = Path(sys.executable).parent
TIMEOUT = 900.0
"""When a command counts as hung: several times what the longest takes on two idle cores."""


@dataclass(frozen=True)
class Answer:
    """What one command said."""

    status: int
    output: str
    """Standard output."""
    errors: str

    @property
    def text(self) -> str:
        """Everything a person would see, without the line breaks that a narrow terminal makes."""
        return " ".join(f"{self.output}\n{self.errors}".split())

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.output)


@dataclass
class Sandbox:
    """Runs ``slipway`` and ``pulumi`` on a copied program. Call ``close`` in every case."""

    directory: Path
    state: Path
    stack: str = "local"
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def copy(cls, root: Path) -> "Sandbox":
        """Copy the program below ``root``; imports of the copy win over the installed ones."""
        directory = root / "program"
        for name in PROGRAM:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                directory.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, directory / name)
        (directory / ".venv").symlink_to(Path(sys.prefix))
        return cls(directory, root / "state")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command."""
        keep = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "SLIPWAY_", "AWS_"))}
        cache = {key: os.environ[key] for key in ("SLIPWAY_CACHE_DIR",) if key in os.environ}
        path = f"{BINARIES}{os.pathsep}{os.environ['PATH']}"
        return (
            keep
            | cache
            | {
                "PATH": path,
                "PYTHONPATH": str(self.directory),
                # A file that a test puts back within the same second has the same stamp: caches would lie.
                "PYTHONDONTWRITEBYTECODE": "1",
                "SLIPWAY_STATE_DIR": str(self.state),
                "NO_COLOR": "1",
                "COLUMNS": "200",
            }
            | self.extra
        )

    @property
    def settings_file(self) -> Path:
        """The stack's file."""
        return self.directory / "stacks" / "config" / f"Pulumi.{self.stack}.yaml"

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace ``old``, which must stand exactly once in the file ``path`` of the copy."""
        file = self.directory / path
        text = file.read_text()
        if text.count(old) != 1:
            message = f"{path}: expected once, found {text.count(old)} times: {old!r}"
            raise AssertionError(message)
        file.write_text(text.replace(old, new))

    def restore(self, path: str) -> None:
        """Put the checkout's own text of ``path`` back."""
        shutil.copy(REPOSITORY / path, self.directory / path)

    def settings(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change the stack's settings; ``edit`` gets them without the prefix ``slipway:`` and changes them in place."""
        document = yaml.safe_load(self.settings_file.read_text())
        config = document["config"]
        known = {key.removeprefix("slipway:"): value for key, value in config.items() if key.startswith("slipway:")}
        edit(known)
        others = {key: value for key, value in config.items() if not key.startswith("slipway:")}
        document["config"] = others | {f"slipway:{key}": value for key, value in known.items()}
        self.settings_file.write_text(yaml.safe_dump(document, sort_keys=False))

    def shrink(self) -> None:
        """The same platform in two zones, with two GPU nodes, without endpoints, model service, queues: quicker."""
        self.settings(_small)

    def slipway(self, *arguments: str, timeout: float = TIMEOUT, extra: Mapping[str, str] | None = None) -> Answer:
        """Run the command; never raises for its exit status."""
        return self.run([str(BINARIES / "slipway"), *arguments], timeout=timeout, extra=extra)

    def variables(self) -> dict[str, str]:
        """The variables that ``slipway local env`` prints."""
        lines = self.expect("local", "env", "--env", self.stack).output.splitlines()
        pairs = (line.removeprefix("export ").partition("=") for line in lines)
        return {name: "".join(shlex.split(value)) for name, _, value in pairs}

    def pulumi(self, *arguments: str) -> Answer:
        """Run plain ``pulumi`` with those variables."""
        return self.run(["pulumi", *arguments, "--stack", self.stack], extra=self.variables())

    def kubernetes(self) -> Kubernetes:
        """The API server of the stack's first cluster, asked as the deployer."""
        (cluster, *_) = self.pulumi("stack", "output", "clusters", "--json").json
        return Kubernetes.of(cluster["kubeconfig"], self.environment | self.variables())

    def run(self, command: list[str], *, timeout: float = TIMEOUT, extra: Mapping[str, str] | None = None) -> Answer:
        """Run any command in the copy."""
        environment = self.environment | dict(extra or {})
        done = subprocess.run(
            [shutil.which(command[0], path=environment["PATH"]) or command[0], *command[1:]],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def expect(self, *arguments: str, status: int = 0, timeout: float = TIMEOUT) -> Answer:
        """Run the command and require its exit status, showing everything it said otherwise."""
        answer = self.slipway(*arguments, timeout=timeout)
        if answer.status != status:
            message = f"slipway {' '.join(arguments)}: exit {answer.status}\n{answer.output}\n{answer.errors}"
            raise AssertionError(message)
        return answer

    @property
    def account(self) -> Path:
        """The simulated account's file."""
        return self.state / self.stack / "account.db"

    @contextmanager
    def store(self) -> Iterator[SqliteStore]:
        """The simulated account, as the tests look into it."""
        store = SqliteStore(self.account)
        try:
            yield store
        finally:
            store.close()

    @contextmanager
    def another_caller(self) -> Iterator[Simulator]:
        """The cloud as somebody else calls it: what is made here, no stack knows of."""
        with self.store() as store:
            yield Simulator(aws_package(), store, Effects.INSTANT)

    def remaining(self) -> list[str]:
        """Objects that a new account does not hold: counted here from the store, not by what the command says of it.

        Keys that wait for their deletion stay for days, as at AWS.
        """
        package = aws_package()
        new = SqliteStore(":memory:")
        if package.seed is not None:
            package.seed(new)
        seeded = {(item.kind, item.id) for item in new.objects()}
        new.close()
        with self.store() as store:
            return [
                f"{item.kind} {item.id}"
                for item in store.objects()
                if (item.kind, item.id) not in seeded and item.body.get("KeyState") != "PendingDeletion"
            ]

    def processes(self) -> list[Process]:
        """Every living process that works on this state directory."""
        return with_state(self.state)

    def close(self) -> None:
        """Stop whatever still runs and remove the state."""
        if self.state.exists():
            self.slipway("local", "down", "--discard", "--env", self.stack, timeout=60)


def _small(settings: dict[str, Any]) -> None:
    network = settings["place"]["network"]
    network["zones"] = network["zones"][:2]
    network["interfaceEndpoints"] = False
    settings["inference"] = []
    settings["pools"] = [pool for pool in settings["pools"] if pool["name"] not in ("serving", "cpu")]
    settings["training"] = [run for run in settings["training"] if run["pool"] != "cpu"]
    settings.pop("queueing")
    settings.pop("trainingOperator")
    settings["teams"] = [team for team in settings["teams"] if team["name"] != "chat"]
    for pool in settings["pools"]:
        pool["nodes"] = 2
    for team in settings["teams"]:
        team["gpus"] = 16
    for run in settings["training"]:
        run["nodes"] = 2
