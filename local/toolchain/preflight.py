"""Everything that can stop a build is asked before the first minute of compiling is spent."""

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from local.toolchain.child import run_logged
from local.toolchain.errors import DiskSpaceError, ModuleRefusedError, ToolchainError
from local.toolchain.golang import Go, environment
from local.toolchain.layout import cache_root, logs_directory
from local.toolchain.pins import BUILD_FLAGS, GoModule

_MIB: Final = 1 << 20
# Not the tail of a path into the module cache, which looks the same but for what is in front of it.
_VERSIONED: Final = re.compile(r"(?<![\w./-])([\w-]+\.[\w.-]+(?:/[\w.~!-]+)*)@(v[\w.+-]+)")
_PACKAGE: Final = re.compile(r"providing package ([\w./~!-]+)")
_UNREACHABLE: Final = re.compile(
    r"dial tcp|no such host|connection refused|i/o timeout|TLS handshake|network is unreachable|context deadline|EOF$"
)
_CHECKSUM: Final = re.compile(r"checksum mismatch|SECURITY ERROR|verifying module|invalid checksum")
_REFUSED: Final = re.compile(
    r"\b(?:40[0-9]|410|451|5\d\d) \w+|module lookup disabled|unrecognized import path|not found:"
)


def check_disk(go: Go, modules: Iterable[GoModule]) -> None:
    """Refuses when a file system cannot hold what the builds add to it.

    What is cached already is not subtracted: Go does not say which of its files belong to which build.
    """
    wanted = list(modules)
    needs = (
        (go.module_cache, sum(module.disk.sources_mib for module in wanted)),
        (go.build_cache, sum(module.disk.compiled_mib for module in wanted)),
        (cache_root(), sum(module.disk.installed_mib for module in wanted)),
    )
    by_device: dict[int, list[tuple[Path, int]]] = {}
    for directory, mib in needs:
        existing = _nearest_existing(directory)
        by_device.setdefault(existing.stat().st_dev, []).append((existing, mib))
    for shares in by_device.values():
        place, needed = shares[0][0], sum(mib for _, mib in shares)
        free = shutil.disk_usage(place).free // _MIB
        if free < needed:
            raise DiskSpaceError(
                f"building needs up to {needed} MiB on the file system of {place}, and {free} MiB are free there",
                "free some space, or point GOMODCACHE, GOCACHE and SLIPWAY_CACHE_DIR to a larger disk",
            )


def fetch(go: Go, module: GoModule, *, tick: Callable[[], None]) -> None:
    """Downloads and verifies the Go modules that the builds of `module` compile, and nothing else of its graph."""
    log = logs_directory() / f"fetch-{module.name}.log"
    tags = next(flag for flag in BUILD_FLAGS if flag.startswith("-tags"))
    packages = [build.package for build in module.builds]
    command = [str(go.executable), "list", tags, "-deps", "-f", "", *packages]
    if run_logged(command, cwd=module.directory, environment=environment(), log=log, tick=tick) != 0:
        raise explain_refusal(log.read_text(errors="replace"), log)


def explain_refusal(output: str, log: Path) -> ToolchainError:
    """Turns go's words about a module that did not come into one error that names it."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("go: downloading")]
    rest = f"go's whole answer is in {log}"
    for line in lines:
        named = _VERSIONED.search(line)
        module = f"{named[1]}@{named[2]}" if named else None
        if _CHECKSUM.search(line):
            return ModuleRefusedError(
                f"the checksum of {module or 'a Go module'} is not the one in our go.sum: {line}",
                f"do not turn verification off: ask who runs your module proxy what it serves for it; {rest}",
                module,
            )
        if "missing go.sum entry" in line:
            package = _PACKAGE.search(line)
            return ModuleRefusedError(
                f"our go.sum has no checksum for {package[1] if package else 'a Go module'}: {line}",
                f"restore the committed go.sum; after changing a pin, run `go mod tidy` in its directory; {rest}",
                module,
            )
        if _UNREACHABLE.search(line):
            return ModuleRefusedError(
                f"the Go module registry cannot be reached for {module or 'a Go module'}: {line}",
                f"check the network, and GOPROXY (`go env GOPROXY`) if your site has a registry of its own; {rest}",
                module,
            )
        if _REFUSED.search(line):
            return ModuleRefusedError(
                f"the Go module registry refuses {module or 'a Go module'}: {line}",
                f"ask who runs the registry (`go env GOPROXY`) to serve that version; {rest}",
                module,
            )
    tail = "\n".join(lines[-20:])
    return ToolchainError(f"go cannot load the pinned modules:\n{tail}", rest)


def _nearest_existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())
