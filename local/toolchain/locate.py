"""Where an executable is right now, without making anything."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from local.toolchain.errors import ToolchainError
from local.toolchain.layout import built_path, cache_root, downloaded_path
from local.toolchain.pins import TOOLS, Executable, PathRule, Script

Origin = Literal["cache", "path", "download", "build"]
_PROBE_SECONDS: Final = 10
_VERSION: Final = re.compile(r"\bv?(\d+\.\d+\.\d+)")


@dataclass(frozen=True, kw_only=True)
class Located:
    """One executable that can be started, and where it came from."""

    name: str
    path: Path
    version: str
    origin: Origin


def pinned(name: str) -> Executable | Script:
    """The pin of an executable, or an error that lists the names there are."""
    if name not in TOOLS:
        raise ToolchainError(f"the toolchain has no executable called {name!r}", f"it has: {', '.join(TOOLS)}")
    return TOOLS[name]


def find(name: str) -> Located | None:
    """The executable in our cache, else one on PATH that is recent enough and says so, else None."""
    tool = pinned(name)
    for path in (built_path(name), downloaded_path(name)):
        if _is_executable(path):
            return Located(name=name, path=path, version=tool.version, origin="cache")
    return _script_on_path(tool) if isinstance(tool, Script) else _executable_on_path(tool)


def _executable_on_path(tool: Executable) -> Located | None:
    found = shutil.which(tool.name)
    if tool.path_rule is None or found is None:
        return None
    path = Path(found)
    if path.resolve().is_relative_to(cache_root()):
        # A shell that still has the directory of older pins on PATH: its executables are not the user's own.
        return None
    version = _reported_version(path, tool.path_rule)
    if version is None or not tool.path_rule.accepts(version):
        return None
    return Located(name=tool.name, path=path, version=version, origin="path")


def _script_on_path(tool: Script) -> Located | None:
    """A script says no version: it counts only beside the executable that it shipped with."""
    owner = find(tool.beside)
    if owner is None or owner.origin != "path" or not _is_executable(owner.path.parent / tool.name):
        return None
    return Located(name=tool.name, path=owner.path.parent / tool.name, version=owner.version, origin="path")


def _reported_version(path: Path, rule: PathRule) -> str | None:
    try:
        asked = subprocess.run(
            [str(path), *rule.version_args],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            check=False,
            # Otherwise `pulumi version` goes to the network for the newest release.
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = _VERSION.search(asked.stdout)
    return answer[1] if asked.returncode == 0 and answer else None


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
