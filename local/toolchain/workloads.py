"""The Python environment of the workloads: what the trainer and the model server import, and what their tests need.

It is a resolution of its own (see ``tool.uv.conflicts`` in pyproject.toml) and gigabytes large, so it lies in the
user's cache beside the executables, named by what decides it. ``slipway toolchain build`` makes it with uv from
uv.lock; code of this repository is not installed in it but imported from source.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from local.toolchain.child import run_logged
from local.toolchain.errors import DiskSpaceError, ToolchainError, ToolMissingError
from local.toolchain.layout import cache_root, logs_directory

GROUP: Final = "workloads-test"
"""The dependency group of pyproject.toml: ``workloads``, and what runs its tests."""
NAME: Final = "workloads"
ROOT: Final = Path(__file__).resolve().parents[2]
NEEDED_MIB: Final = 6 * 1024
"""Unpacked packages with their bytecode: 5,881 MiB on 2026-11-21, most of it the CUDA libraries that torch needs."""
MAKE_SECONDS: Final = 150
"""CPU seconds, for estimates: 66 s on 2 busy cores on 2026-11-21, half of it for bytecode."""
_PROJECT: Final = "slipway"
_WHOLE: Final = ".slipway-complete"
_KEY_LENGTH: Final = 16
_SYSTEM_CERTIFICATES: Final = ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")
_MIB: Final = 1 << 20
_NO_SPACE: Final = ("No space left on device", "os error 28", "Disk quota exceeded")
_NO_NETWORK: Final = (
    "dns error",
    "error sending request",
    "Failed to fetch",
    "tcp connect error",
    "timed out",
    "Could not connect",
)


class EnvironmentFailedError(ToolchainError):
    """uv could not make the workloads' environment; the message holds its own words."""


def environment() -> Path:
    """The prefix of the environment: ``bin/python`` and ``bin/torchrun`` lie in it.

    Raises:
        ToolMissingError: nobody has made it for this uv.lock and this Python yet.
        ToolchainError: uv.lock is missing or cannot be read.
    """
    prefix = location()
    if not is_whole(prefix):
        raise ToolMissingError(
            f"the workloads' Python environment is missing: {prefix}",
            "run `slipway toolchain build` (it needs uv, the network and 6 GB of disk, once)",
        )
    return prefix


def location() -> Path:
    """Where the environment lies once it is made; the same for every checkout with the same locked packages."""
    return cache_root() / f"{NAME}-{_key(ROOT / 'uv.lock')}"


def is_whole(prefix: Path) -> bool:
    """Whether an environment was made to its end, and the Python that it was made with is still there."""
    return (prefix / _WHOLE).is_file() and os.access(prefix / "bin" / "python", os.X_OK)


def log_path() -> Path:
    """Where uv's words go."""
    return logs_directory() / f"{NAME}-environment.log"


def make(*, tick: Callable[[], None]) -> Path:
    """Makes the environment; the caller holds the toolchain's lock.

    It is made in its final place, because scripts such as ``torchrun`` name the interpreter by its path; a marker that
    is written last tells a whole one. What an interrupted run downloaded is in uv's cache, what it installed stays.

    Raises:
        ToolchainError: uv is missing, the disk is too small, or uv failed.
    """
    uv = _uv()
    prefix = location()
    _check_disk(prefix, uv)
    prefix.mkdir(parents=True, exist_ok=True)
    (prefix / _WHOLE).unlink(missing_ok=True)
    command = [uv, "sync", "--frozen", "--only-group", GROUP, "--no-progress", "--project", str(ROOT)]
    log = log_path()
    variables = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    variables |= {"UV_PROJECT_ENVIRONMENT": str(prefix), "UV_PYTHON": _interpreter(), "NO_COLOR": "1"}
    for name in _SYSTEM_CERTIFICATES:
        # As in the Makefile: sites behind an inspecting proxy have their own CA in the system store.
        variables.setdefault(name, "1")
    status = run_logged(command, cwd=ROOT, environment=variables, log=log, tick=tick)
    if status != 0:
        raise _explain(status, log)
    (prefix / _WHOLE).write_text(f"{_interpreter()}\n")
    return prefix


def _uv() -> str:
    """The uv on PATH, else the one that started us (it says so in ``UV``), else the one that `make` installed."""
    candidates = (shutil.which("uv"), os.environ.get("UV"), str(ROOT / ".cache" / "uv" / "bin" / "uv"))
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise ToolMissingError(
        "uv is needed to make the workloads' Python environment, and there is no `uv` on PATH",
        "run `make toolchain`, which brings one, or install uv (https://docs.astral.sh/uv)",
    )


def _interpreter() -> str:
    """The Python that ours was made from, so that the environment does not depend on a checkout's."""
    return getattr(sys, "_base_executable", "") or sys.executable


def _check_disk(prefix: Path, uv: str) -> None:
    """The packages are unpacked into uv's cache and linked from there, or copied where that is another disk."""
    asked = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=False)
    places = {prefix, Path(asked.stdout.strip())} if asked.returncode == 0 else {prefix}
    have = _installed_mib(prefix)
    for place in places:
        existing = next(candidate for candidate in (place, *place.parents) if candidate.exists())
        free = shutil.disk_usage(existing).free // _MIB
        if free + have < NEEDED_MIB:
            raise DiskSpaceError(
                f"the workloads' Python environment needs {NEEDED_MIB} MiB on the file system of {existing}, "
                f"and {free} MiB are free there",
                "free some space, or point SLIPWAY_CACHE_DIR and UV_CACHE_DIR to a larger disk",
            )


def _installed_mib(prefix: Path) -> int:
    """What an interrupted run left."""
    return sum(path.stat().st_size for path in prefix.rglob("*") if path.is_file()) // _MIB if prefix.exists() else 0


def _explain(status: int, log: Path) -> ToolchainError:
    output = log.read_text(errors="replace")
    words = [line.strip() for line in output.splitlines() if line.strip()]
    rest = f"uv's whole answer is in {log}; run the same command again to go on from here"
    if any(sign in output for sign in _NO_SPACE):
        return DiskSpaceError(
            "the disk filled up while the workloads' environment was made", f"free some space; {rest}"
        )
    start = next(
        (index for index, line in enumerate(words) if line.startswith(("error:", "\u00d7"))), max(0, len(words) - 5)
    )
    message = (
        f"uv could not make the workloads' environment (exit status {status}): {' '.join(words[start : start + 6])}"
    )
    if any(sign in output for sign in _NO_NETWORK):
        return EnvironmentFailedError(
            message, f"check the network, and UV_DEFAULT_INDEX if your site has a package index of its own; {rest}"
        )
    return EnvironmentFailedError(message, rest)


@cache
def _key(lock: Path) -> str:
    """A hash of the locked packages that the group can reach, of the Python, and of the machine.

    Markers are not evaluated: a package for another platform that is reachable counts too, which costs a rare rebuild
    and never a stale environment. Other groups of the lock file do not count.
    """
    try:
        packages: list[dict[str, Any]] = tomllib.loads(lock.read_text())["package"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise ToolchainError(
            f"{lock} does not tell the workloads' packages: {type(error).__name__}: {error}",
            "restore the committed uv.lock, or run `uv lock`",
        ) from error
    by_name: dict[str, list[dict[str, Any]]] = {}
    for package in packages:
        by_name.setdefault(package["name"], []).append(package)
    groups = by_name.get(_PROJECT, [{}])[0].get("dev-dependencies", {})
    if GROUP not in groups:
        raise ToolchainError(f"{lock} has no dependency group {GROUP}", "restore pyproject.toml, and run `uv lock`")
    reached: set[str] = set()
    waiting = [item["name"] for item in groups[GROUP]]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for package in by_name.get(name, []):
            extras = package.get("optional-dependencies", {}).values()
            waiting += [item["name"] for items in (package.get("dependencies", []), *extras) for item in items]
    digest = hashlib.sha256()
    version = f"{sys.implementation.name} {sys.version_info.major}.{sys.version_info.minor}"
    lines = [f"{name} {package.get('version', '')}" for name in sorted(reached) for package in by_name.get(name, [])]
    for part in (version, platform.system(), platform.machine(), *lines):
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()[:_KEY_LENGTH]
