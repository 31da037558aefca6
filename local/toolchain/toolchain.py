"""The one way in: `ensure` makes what is missing, `Toolchain.load` only looks."""

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rich.console import Console

from local.toolchain import workloads
from local.toolchain.child import termination_interrupts
from local.toolchain.errors import ToolMissingError
from local.toolchain.install import remove_halves
from local.toolchain.layout import cache_root, current_directories, logs_directory
from local.toolchain.locate import Located, find, pinned
from local.toolchain.lock import exclusive
from local.toolchain.make import make
from local.toolchain.pins import KUBERNETES_PLUGIN, KUBERNETES_PLUGIN_VERSION, TOOLS
from local.toolchain.progress import Progress, Step, clock
from local.toolchain.report import print_summary


@dataclass(frozen=True)
class Toolchain:
    """Executables that are all there.

    `pulumi-language-python` is not among them: it is a console script of this project, in the same environment as
    `slipway`.
    """

    tools: Mapping[str, Located]

    @classmethod
    def load(cls, names: Iterable[str] | None = None) -> Self:
        """The executables as they are now, all of them by default; builds nothing."""
        wanted = _wanted(names)
        found = {name: find(name) for name in wanted}
        missing = [name for name, located in found.items() if located is None]
        if missing:
            raise ToolMissingError(
                f"the local toolchain is not complete: {', '.join(missing)} missing",
                "run `make toolchain` (it builds them once, minutes on two cores)",
            )
        return cls({name: located for name, located in found.items() if located is not None})

    def path(self, name: str) -> Path:
        """The executable called `name`."""
        pinned(name)
        if name not in self.tools:
            raise ToolMissingError(f"{name} was not asked for when this toolchain was loaded", f"load it with {name!r}")
        return self.tools[name].path

    def bin_dirs(self) -> list[Path]:
        """The directories to put in front of PATH, each once; plugins are for `install_plugins`, not for PATH."""
        programs = (located for name, located in self.tools.items() if name != KUBERNETES_PLUGIN)
        return list(dict.fromkeys(located.path.parent for located in programs))

    def install_plugins(self, pulumi_home: Path) -> None:
        """Links the provider plugins to where the engine looks for them; the version in the path is the SDK's."""
        directory = pulumi_home / "plugins" / f"resource-kubernetes-v{KUBERNETES_PLUGIN_VERSION}"
        directory.mkdir(parents=True, exist_ok=True)
        link, target = directory / KUBERNETES_PLUGIN, self.path(KUBERNETES_PLUGIN)
        if link.is_symlink() and link.readlink() == target:
            return
        fresh = directory / f".{KUBERNETES_PLUGIN}.fresh"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)


def ensure(names: Iterable[str] | None = None, *, console: Console) -> Toolchain:
    """Returns the executables, all by default, after downloading or building what is missing.

    All of it includes the workloads' Python environment (``local.toolchain.workloads``).

    Raises a ToolchainError with a hint. Ctrl-C and SIGTERM end the compilers and leave no half file; the next call
    goes on from Go's build cache.
    """
    wanted = _wanted(names)
    if missing_of(wanted):
        with termination_interrupts(), exclusive(cache_root() / "lock", _waiter(console)):
            # Asked again: whoever held the lock may have made it all.
            missing = missing_of(wanted)
            if missing:
                remove_halves(cache_root())
                began = time.monotonic()
                made = make(missing, console=console)
                print_summary(made, console, seconds=time.monotonic() - began)
    if names is None:
        ensure_environment(console=console)
    return Toolchain.load(wanted)


def ensure_environment(*, console: Console) -> Path:
    """The prefix of the workloads' Python environment, made now when it is missing.

    Raises:
        local.toolchain.errors.ToolchainError: uv is missing, the disk is too small, or the packages cannot be had.
    """
    prefix = workloads.location()
    if workloads.is_whole(prefix):
        return prefix
    with termination_interrupts(), exclusive(cache_root() / "lock", _waiter(console)):
        if not workloads.is_whole(prefix):
            step = Step("the workloads' Python environment (torch and others, gigabytes)", workloads.MAKE_SECONDS)
            with Progress(console, [step]) as progress, progress.running(step):
                workloads.make(tick=progress.tick)
            console.print(f"the workloads' environment is complete after {clock(step.elapsed(0.0))}", highlight=False)
    return prefix


def clean(*, everything: bool = False) -> list[Path]:
    """Removes executables of older pins, or all with their logs; returns what was removed.

    Go's own caches stay: they are the user's, and `go clean -cache -modcache` empties them.
    """
    root = cache_root()
    if not root.exists():
        return []
    with exclusive(root / "lock", lambda _holder: None):
        kept = set() if everything else current_directories() | {logs_directory(), workloads.location()}
        removed = sorted(path for path in root.iterdir() if path.is_dir() and path not in kept)
        for path in removed:
            shutil.rmtree(path)
    return removed


def missing_of(names: Iterable[str]) -> list[str]:
    """Those of `names` that are neither in the cache nor usable on PATH."""
    return [name for name in names if find(name) is None]


def _wanted(names: Iterable[str] | None) -> list[str]:
    if names is None:
        return list(TOOLS)
    return [pinned(name).name for name in names]


def _waiter(console: Console) -> Callable[[str], None]:
    def say(holder: str) -> None:
        console.print(f"process {holder} is making the toolchain already: waiting for it", highlight=False)

    return say
