"""Where executables are kept: outside the checkout, a directory per module, named by a hash of what it is made from."""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path

from local.toolchain.pins import BUILD_FLAGS, KUBERNETES_PLUGIN, MODULE_OF, MODULES, PULUMI_VERSION, GoModule

_KEY_LENGTH = 16


def cache_root() -> Path:
    """The toolchain's directory in the user's cache: `$SLIPWAY_CACHE_DIR`, else the XDG place, plus `toolchain`."""
    own = os.environ.get("SLIPWAY_CACHE_DIR")
    if own:
        return Path(own).expanduser().resolve() / "toolchain"
    xdg = os.environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    return base / "slipway" / "toolchain"


def logs_directory() -> Path:
    """Where the output of every build goes."""
    return cache_root() / "logs"


def built_path(name: str) -> Path:
    """Where an executable lies once it is built; changing a pin of another module leaves it alone."""
    return _inside(_module_directory(MODULE_OF[name]), name)


def downloaded_path(name: str) -> Path:
    """Where an official download lies: apart from what is built, so that neither is mistaken for the other."""
    return _inside(_download_directory(), name)


def current_directories() -> set[Path]:
    """The directories that the present pins use; all others are leftovers of older pins."""
    return {_module_directory(module) for module in MODULES} | {_download_directory()}


def _module_directory(module: GoModule) -> Path:
    return cache_root() / f"{module.name}-{module_key(module)}"


def _download_directory() -> Path:
    return cache_root() / f"download-pulumi-{PULUMI_VERSION}"


def _inside(directory: Path, name: str) -> Path:
    """Plugins keep off PATH: the engine prefers one that it finds there, and warns about it on every run."""
    return directory / ("plugins" if name == KUBERNETES_PLUGIN else "bin") / name


@cache
def module_key(module: GoModule) -> str:
    """A hash of everything that decides what comes out of the compiler, save for the Go release itself.

    A new Go release rebuilds nothing: the pins decide what an executable is, not who compiled it.
    """
    digest = hashlib.sha256()
    for path in sorted(module.directory.rglob("*")):
        if path.is_file() and (path.name in {"go.mod", "go.sum"} or path.suffix == ".go"):
            _add(digest, path.relative_to(module.directory).as_posix().encode())
            _add(digest, path.read_bytes())
    for part in (platform.system(), platform.machine(), *BUILD_FLAGS):
        _add(digest, part.encode())
    for executable in module.builds:
        _add(digest, f"{executable.name} {executable.package} {executable.ldflags}".encode())
    for script in module.scripts:
        _add(digest, f"{script.name} {script.go_module} {script.file}".encode())
    return digest.hexdigest()[:_KEY_LENGTH]


def _add(digest: "hashlib._Hash", data: bytes) -> None:
    """Length first, so that no two lists of parts hash alike."""
    digest.update(len(data).to_bytes(8, "big"))
    digest.update(data)
