"""A copy of the program with a state directory of its own: what a person's checkout is, for one test."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = ("Pulumi.yaml", "stacks", "components", "workloads")
BINARIES = Path(sys.executable).parent


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

    def slipway(self, *arguments: str, timeout: float = 280, extra: Mapping[str, str] | None = None) -> Answer:
        """Run the command; never raises for its exit status."""
        return self.run([str(BINARIES / "slipway"), *arguments], timeout=timeout, extra=extra)

    def run(self, command: list[str], *, timeout: float = 280, extra: Mapping[str, str] | None = None) -> Answer:
        """Run any command in the copy."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment | dict(extra or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def expect(self, *arguments: str, status: int = 0, timeout: float = 280) -> Answer:
        """Run the command and require its exit status, showing everything it said otherwise."""
        answer = self.slipway(*arguments, timeout=timeout)
        if answer.status != status:
            message = f"slipway {' '.join(arguments)}: exit {answer.status}\n{answer.output}\n{answer.errors}"
            raise AssertionError(message)
        return answer

    def close(self) -> None:
        """Stop whatever still runs and remove the state."""
        if self.state.exists():
            self.slipway("local", "down", "--discard", timeout=60)
