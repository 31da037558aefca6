"""What another revision's program runs with: the packages of its own ``uv.lock``, in a cache outside the checkout.

The simulation runs with the installed ones in every case: only the program's own process is the revision's.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.errors import UserError
from cli.exits import Exit
from local.cloud.plugin import install
from local.cluster.locking import exclusive
from local.paths import REPOSITORY
from local.toolchain.layout import cache_root
from local.toolchain.pins import KUBERNETES_PLUGIN
from local.toolchain.toolchain import Toolchain

LOCK: Final = "uv.lock"
FILES: Final = ("pyproject.toml", LOCK)
_KEY_LENGTH: Final = 16
_PROVIDERS: Final[tuple[str, ...]] = ("pulumi-aws", "pulumi-kubernetes")
_DRAWN: Final = " \u2502\u251c\u2570\u2500\u25b6\u00d7"
_WHAT_IT_NEEDS: Final = ("--frozen", "--no-default-groups", "--no-install-project")


@dataclass(frozen=True, kw_only=True)
class Packages:
    """A Python environment for a program."""

    prefix: Path
    """What ``runtime.options.virtualenv`` of Pulumi.yaml means."""
    told: str
    """One sentence for the report."""
    providers: Mapping[str, str] = field(default_factory=dict)
    """Versions of provider SDKs in it that are not the installed ones."""

    def serve(self, pulumi_home: Path) -> None:
        """Let the engine find provider plugins under the versions that this environment's SDKs ask for.

        The simulated cloud and the Kubernetes plugin of this toolchain answer to them; ``told`` says so.
        """
        if version := self.providers.get("pulumi-aws"):
            install(pulumi_home, version=version)
        if version := self.providers.get("pulumi-kubernetes"):
            target = pulumi_home / "plugins" / f"resource-kubernetes-v{version}"
            target.mkdir(parents=True, exist_ok=True)
            link = target / KUBERNETES_PLUGIN
            link.unlink(missing_ok=True)
            link.symlink_to(Toolchain.load([KUBERNETES_PLUGIN]).path(KUBERNETES_PLUGIN))


def installed() -> Packages:
    """Those of this very command."""
    return Packages(prefix=Path(sys.prefix), told="packages: the installed ones")


def packages_of(files: Mapping[str, bytes], *, revision: str, checkout: Path, console: Console) -> Packages:
    """The environment for the program of ``revision``; makes it when it is not in the cache.

    Args:
        files: ``FILES`` as the revision has them; those that it lacks are left out.
        revision: For messages.
        checkout: Whose lock file the installed packages follow.
        console: For what is being waited for.

    Raises:
        UserError: uv is not there, or the packages cannot be had.
    """
    if set(files) != set(FILES):
        return Packages(
            prefix=Path(sys.prefix), told=f"packages: the installed ones, because {revision} locks none ({LOCK})"
        )
    own = checkout / LOCK
    if own.is_file() and own.read_bytes() == files[LOCK]:
        return Packages(
            prefix=Path(sys.prefix), told=f"packages: the installed ones, which {revision} locks too ({LOCK})"
        )
    key = _key(files)
    place = cache_root().parent / "revisions" / key
    with exclusive(place.parent / f".{key}.lock", lambda: console.print("waiting: another command installs them")):
        _write(files, place / "project")
        if _sync(place, Path(sys.prefix), "--inexact", "--check").returncode == 0:
            told = f"packages: the installed ones, which are those that {revision} locks"
            return Packages(prefix=Path(sys.prefix), told=told)
        console.print(f"installing the packages that {revision} locks into {place}", style="dim", soft_wrap=True)
        done = _sync(place, place / "environment")
    if done.returncode != 0:
        raise UserError(
            f"the packages that {revision} locks cannot be had",
            where=f"`uv sync` into {place}",
            value=_last_words(done.stderr),
            allowed="packages from the index or from uv's cache",
            fix=f"reach the package index once and run it again, or go back to a checkout with the {LOCK} of that time",
        )
    return _own(place, files[LOCK], own.read_bytes() if own.is_file() else b"", revision)


def _own(place: Path, theirs: bytes, ours: bytes, revision: str) -> Packages:
    locked, here = _versions(theirs), _versions(ours)
    other = {name: locked[name] for name in _PROVIDERS if name in locked and locked[name] != here.get(name)}
    told = f"packages: those that {revision} locks"
    if other:
        stand_ins = ", ".join(f"{name} {version} is served by {here.get(name, '?')}" for name, version in other.items())
        told += f"; {stand_ins}"
    return Packages(prefix=place / "environment", told=told, providers=other)


def _versions(lock: bytes) -> dict[str, str]:
    return {
        str(item["name"]): str(item["version"])
        for item in tomllib.loads(lock.decode()).get("package", [])
        if "version" in item
    }


def _key(files: Mapping[str, bytes]) -> str:
    """Of everything that decides what is installed, the Python too."""
    text = files[LOCK] + files["pyproject.toml"] + sys.version.encode()
    return hashlib.sha256(text).hexdigest()[:_KEY_LENGTH]


def _write(files: Mapping[str, bytes], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_bytes(text)


def _sync(place: Path, environment: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [_uv(), "sync", *_WHAT_IT_NEEDS, "--python", sys.executable, *options],
        cwd=place / "project",
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(environment), "VIRTUAL_ENV": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _uv() -> str:
    found = shutil.which("uv") or shutil.which("uv", path=str(REPOSITORY / ".cache" / "uv" / "bin"))
    if found is None:
        raise UserError(
            "uv is not there, and another revision's packages are installed with it",
            where="PATH",
            fix="`make sync` installs it for this checkout",
            status=Exit.NO_TOOLCHAIN,
        )
    return found


def _last_words(text: str) -> str:
    # uv draws a tree of causes in front of its words.
    lines = [line.strip().lstrip(_DRAWN) for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
