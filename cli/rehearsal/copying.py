"""The copy that a rehearsal works on: program and file, below the rehearsal's own state directory."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from cli.errors import UserError
from cli.exits import Exit
from cli.project import Stack
from cli.rehearsal.packages import FILES, Packages, installed, packages_of
from cli.rehearsal.rewrite import TUNNEL, Rewritten, rehearsed, reservations
from cli.reservations import Bought, give
from local.cloud.store import SqliteStore
from local.paths import StatePaths
from stacks.settings import load_file

_PROGRAM: Final = ("Pulumi.yaml", "stacks", "components", "workloads")
_SALT: Final = "encryptionsalt"


def rehearsal_name(environment: str) -> str:
    """The stack and the state directory of an environment's rehearsal."""
    return f"{environment}-rehearsal"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """One copy; its program can be exchanged for another revision's."""

    stack: Stack
    """The original."""
    name: str

    @property
    def directory(self) -> Path:
        """Where the copied Pulumi.yaml is."""
        return StatePaths.of(self.name).root / "program"

    @property
    def file(self) -> Path:
        """The copied settings."""
        return self.directory / "stacks" / "config" / f"Pulumi.{self.name}.yaml"

    def fill(self, revision: str | None, packages: Packages | None = None) -> Rewritten:
        """Put the program and the file of ``revision`` (None: as they are in the checkout) there.

        Args:
            revision: Anything that git knows.
            packages: What the program runs with; by default what is installed.

        Raises:
            UserError: git does not know the revision, or it has no such file.
        """
        salt = yaml.safe_load(self.file.read_text()).get(_SALT) if self.file.exists() else None
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        if revision is None:
            _copy(self.stack.directory, self.directory)
        else:
            _extract(self.stack.directory, revision, self.directory)
        (self.directory / ".venv").symlink_to((packages or installed()).prefix)
        original = self.file.with_name(self.stack.file.name)
        if not original.is_file():
            raise UserError(
                f"{revision} has no settings of {self.stack.name}",
                where=f"stacks/config/{original.name}",
                fix="name a revision in which the environment exists",
                status=Exit.USAGE,
            )
        made = rehearsed(yaml.safe_load(original.read_text()) or {}, name=self.name)
        for path in self.file.parent.glob("Pulumi.*.yaml"):
            path.unlink()
        self.write({**made.document, **({_SALT: salt} if salt else {})})
        return made

    def packages(self, revision: str, console: Console) -> Packages:
        """What the program of ``revision`` ran with.

        Raises:
            UserError: they cannot be had.
        """
        files = {name: text for name in FILES if (text := _show(self.stack.directory, revision, name)) is not None}
        return packages_of(files, revision=revision, checkout=self.stack.directory, console=console)

    def write(self, document: Mapping[str, Any]) -> None:
        """Write the copied settings."""
        self.file.write_text(yaml.safe_dump(dict(document), sort_keys=False))

    def through_tunnel(self, url: str) -> None:
        """Put the simulated tunnel's address into the settings."""
        self.file.write_text(self.file.read_text().replace(TUNNEL, url))

    def as_stack(self) -> Stack:
        """The copy as a stack, with the settings of the checkout: an older revision's may have another shape.

        Raises:
            stacks.problems.SettingsError: the settings cannot be used.
        """
        made = rehearsed(yaml.safe_load(self.stack.file.read_text()) or {}, name=self.name)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / self.file.name
            path.write_text(yaml.safe_dump(dict(made.whole), sort_keys=False))
            settings = load_file(path)
        return Stack(name=self.name, directory=self.directory, file=self.file, settings=settings)

    def prepare_account(self) -> list[str]:
        """A simulated account in the stack's region with the reservations that its pools name; returns their ids."""
        document = yaml.safe_load(self.file.read_text())
        place = document["config"].get("slipway:place") or {}
        region = str(place.get("region", "us-east-1"))
        StatePaths.of(self.name).root.mkdir(parents=True, exist_ok=True)
        store = SqliteStore(StatePaths.of(self.name).account, region=region)
        zones = [str(zone) for zone in (place.get("network") or {}).get("zones") or []]
        try:
            return give(
                store, [_bought(identifier, pool, zones) for identifier, pool in reservations(document["config"])]
            )
        finally:
            store.close()


def _copy(source: Path, target: Path) -> None:
    for name in _PROGRAM:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / name, target / name)


def _extract(repository: Path, revision: str, target: Path) -> None:
    done = subprocess.run(
        ["git", "archive", "--format=tar", revision, "--", *_PROGRAM],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(
            "git cannot give that revision",
            where=str(repository),
            value=revision,
            allowed="a commit, tag or branch of this repository that holds the program",
            fix=done.stderr.decode(errors="replace").strip().partition("\n")[0],
            status=Exit.USAGE,
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(target, filter="data")


def _show(repository: Path, revision: str, name: str) -> bytes | None:
    """A file of a revision; None when it has none, or git does not know it."""
    done = subprocess.run(["git", "show", f"{revision}:./{name}"], cwd=repository, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _bought(identifier: str, pool: Mapping[str, Any], zones: list[str]) -> Bought:
    """The reservation that a pool names; a real one is bought, not made by the stack."""
    return Bought(
        id=identifier,
        instance_type=str(pool["instanceType"]),
        nodes=int(pool["nodes"]),
        zone=str(next(iter(pool.get("zones") or zones), "")),
        block=pool["capacity"]["kind"] == "capacityBlock",
    )
