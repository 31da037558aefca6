"""The user's own Go compiler: where it is, whether it is new enough, and the environment that it is run with."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.toolchain.errors import GoMissingError, GoTooOldError, ToolchainError
from local.toolchain.pins import MINIMUM_GO

_GIB: Final = 1 << 30
_GET_GO: Final = (
    f"install Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or newer from https://go.dev/dl (unpack it, put its bin directory on "
    "PATH), then run the same command again"
)


@dataclass(frozen=True, kw_only=True)
class Go:
    """A usable Go: the executable, its release, and where it keeps what it downloads and compiles."""

    executable: Path
    version: str
    module_cache: Path
    build_cache: Path


def find_go() -> Go:
    """The `go` on PATH, or an error that says how to get one."""
    found = shutil.which("go")
    if found is None:
        raise GoMissingError("Go is needed to build the local toolchain, and there is no `go` on PATH", _GET_GO)
    asked = subprocess.run(
        [found, "env", "-json", "GOVERSION", "GOMODCACHE", "GOCACHE"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if asked.returncode != 0:
        raise ToolchainError(
            f"`{found} env` failed: {asked.stderr.strip()}", "check that this Go installation is whole"
        )
    answer: dict[str, str] = json.loads(asked.stdout)
    version = answer["GOVERSION"]
    numbers = re.search(r"go(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < MINIMUM_GO:
        wanted = ".".join(map(str, MINIMUM_GO))
        raise GoTooOldError(f"{found} is {version}, the pinned modules need Go {wanted} or newer", _GET_GO)
    return Go(
        executable=Path(found),
        version=version,
        module_cache=Path(answer["GOMODCACHE"]),
        build_cache=Path(answer["GOCACHE"]),
    )


def environment(work: Path | None = None) -> dict[str, str]:
    """The environment of every `go` that we run: the user's, minus what would change the output or the pins.

    Proxies, credentials and checksum settings stay the user's own. `work` is where go puts its temporary files.
    """
    kept = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOEXPERIMENT"}}
    fixed = {
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        # Also replaces the user's GOFLAGS: a -race in there would compile everything anew, a -mod=mod move the pins.
        "GOFLAGS": "-mod=readonly",
        # Compilers live for seconds: collecting their garbage costs a quarter of the build.
        "GOGC": "off",
        "GOMEMLIMIT": str(memory_limit()),
    }
    if work is not None:
        # A small /tmp in memory is common, and what an interrupted build leaves must be found again.
        fixed["GOTMPDIR"] = str(work)
    return kept | fixed


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_limit() -> int:
    """Bytes of heap that one compiler may fill before it collects: one runs per core, all on half of memory."""
    share = _physical_memory() // (2 * cores())
    return max(_GIB // 2, min(share, 4 * _GIB))


def _physical_memory() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return physical
    return min(physical, int(limit)) if limit.isdigit() else physical
