"""Makes missing executables, in the order of the pins: download, else check everything, fetch, compile."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from local.toolchain.build import build, build_log, install_script
from local.toolchain.download import download
from local.toolchain.golang import Go, find_go
from local.toolchain.layout import cache_root, downloaded_path
from local.toolchain.locate import Located, Origin
from local.toolchain.pins import MODULES, TOOLS, GoModule, Script
from local.toolchain.preflight import check_disk, fetch
from local.toolchain.progress import Progress, Step


@dataclass(frozen=True, kw_only=True)
class Made:
    """One executable that was not there before, and the seconds that making it took."""

    located: Located
    seconds: float


def make(missing: Sequence[str], *, console: Console) -> list[Made]:
    """Downloads or builds every executable of `missing`; the caller holds the lock."""
    with Progress(console) as progress:
        began = time.monotonic()
        downloaded = download(set(missing), say=progress.say)
        spent = time.monotonic() - began
        made = [_made(name, downloaded_path(name), spent / len(downloaded), "download") for name in sorted(downloaded)]
        left = [name for name in missing if name not in downloaded]
        if left:
            made += _build_all(left, progress)
    return made


def _build_all(names: Sequence[str], progress: Progress) -> list[Made]:
    modules = [module for module in MODULES if any(tool.name in names for tool in module.tools)]
    # A module of which only a script is missing is neither compiled nor fetched as a whole.
    compiled = [module for module in modules if any(executable.name in names for executable in module.builds)]
    go = find_go()
    check_disk(go, compiled)
    fetching = Step("Go modules: download and verify", float(sum(module.fetch_seconds for module in compiled)))
    steps = {
        tool.name: Step(f"{tool.name} {tool.version}", tool.cpu_seconds, log=build_log(tool))
        for module in modules
        for tool in module.builds
        if tool.name in names
    }
    progress.steps = [fetching, *steps.values()]
    for log in (step.log for step in steps.values() if step.log):
        # Otherwise the progress counts the packages of an earlier run.
        log.unlink(missing_ok=True)
    with progress.running(fetching):
        for module in compiled:
            fetch(go, module, tick=progress.tick)
    made: list[Made] = []
    with _work_directory() as work:
        for module in modules:
            for tool in module.builds:
                if tool.name in names:
                    step = steps[tool.name]
                    with progress.running(step):
                        path = build(go, module, tool, work=work, tick=progress.tick)
                    made.append(_made(tool.name, path, step.elapsed(0.0), "build"))
            made += [_copy(go, module, script) for script in module.scripts if script.name in names]
    return made


@contextmanager
def _work_directory() -> Iterator[Path]:
    """Where go keeps its temporary files, so that even those of a killed build are found again and removed."""
    work = cache_root() / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _copy(go: Go, module: GoModule, script: Script) -> Made:
    began = time.monotonic()
    path = install_script(go, module, script)
    return _made(script.name, path, time.monotonic() - began, "build")


def _made(name: str, path: Path, seconds: float, origin: Origin) -> Made:
    return Made(located=Located(name=name, path=path, version=TOOLS[name].version, origin=origin), seconds=seconds)
