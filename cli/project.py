"""Which stack a command is about: its settings file, checked before anything else happens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.errors import UserError
from cli.exits import Exit
from local.paths import REPOSITORY
from stacks.settings import Settings, load_file

PROJECT: Final = "slipway"
_PREFIX: Final = "Pulumi."
_SUFFIX: Final = ".yaml"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One stack of this checkout, with settings that were found good."""

    name: str
    directory: Path
    """Where Pulumi.yaml is."""
    file: Path
    settings: Settings

    @property
    def account(self) -> str:
        """The account of the stack's place."""
        return str(getattr(self.settings.place, "account_id", ""))

    @property
    def simulated(self) -> bool:
        """Whether the account is the one that no cloud has."""
        return self.settings.simulated

    @property
    def description(self) -> str:
        """For headers: what it is and where it lives."""
        region = str(getattr(self.settings.place, "region", ""))
        kind = "simulated account" if self.simulated else "account"
        return f"{self.settings.place.cloud} {region}, {kind} {self.account}"


def project_directory() -> Path:
    """The nearest directory upwards that holds Pulumi.yaml (a copy of the checkout counts), else this checkout."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / "Pulumi.yaml").is_file() and (directory / "stacks" / "config").is_dir():
            return directory
    return REPOSITORY


def stack_names(directory: Path) -> list[str]:
    """The stacks that have a settings file."""
    files = (directory / "stacks" / "config").glob(f"{_PREFIX}*{_SUFFIX}")
    return sorted(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX) for path in files)


def settings_file(directory: Path, name: str) -> Path:
    """Where the settings of the stack ``name`` are, or would be."""
    return directory / "stacks" / "config" / f"{_PREFIX}{name}{_SUFFIX}"


def open_stack(name: str) -> Stack:
    """The stack called ``name``.

    Raises:
        UserError: there is no such settings file.
        stacks.problems.SettingsError: the settings cannot be used.
    """
    directory = project_directory()
    file = settings_file(directory, name)
    if not file.is_file():
        known = stack_names(directory)
        raise UserError(
            "there is no environment of this name",
            where=str(directory / "stacks" / "config"),
            value=name,
            allowed=", ".join(known) or "none yet",
            fix=f"choose one of them, or write {file.name}",
            status=Exit.USAGE,
        )
    return Stack(name=name, directory=directory, file=file, settings=load_file(file))
