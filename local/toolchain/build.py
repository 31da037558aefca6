"""Compiles one executable with the user's Go, or copies one script out of a Go module."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from local.toolchain.child import run_logged
from local.toolchain.errors import BuildFailedError, DiskSpaceError, ToolchainError
from local.toolchain.golang import Go, environment
from local.toolchain.install import publish, temporary, write_executable
from local.toolchain.layout import built_path, logs_directory
from local.toolchain.pins import BUILD_FLAGS, Executable, GoModule, Script
from local.toolchain.preflight import explain_refusal

_LAST_LINES: Final = 20


def build_log(executable: Executable) -> Path:
    """Where the compiler's output for one executable goes."""
    return logs_directory() / f"{executable.name}.log"


def build(go: Go, module: GoModule, executable: Executable, *, work: Path, tick: Callable[[], None]) -> Path:
    """Builds one executable and gives it its final name only once it is whole.

    What was compiled before an interruption is in Go's build cache, so the next run goes on from there.
    """
    target = built_path(executable.name)
    half = temporary(target)
    # -v only for the progress: go then names each package that it compiles.
    command = [str(go.executable), "build", "-v", *BUILD_FLAGS, f"-ldflags={executable.ldflags}", "-o", str(half)]
    log = build_log(executable)
    try:
        status = run_logged(
            [*command, executable.package],
            cwd=module.directory,
            environment=environment(work),
            log=log,
            tick=tick,
        )
        if status != 0:
            raise _explain_failure(executable, status, log)
        publish(half, target)
    finally:
        half.unlink(missing_ok=True)
    return target


def install_script(go: Go, module: GoModule, script: Script) -> Path:
    """Copies a script out of the pinned Go module; its content is verified by go.sum like all other sources."""
    source = source_directory(go, module, script.go_module, log_name=script.name) / script.file
    if not source.is_file():
        raise ToolchainError(
            f"{script.go_module} {script.version} has no file {script.file}",
            "the pin in local/toolchain/pins.py and the go.mod beside it do not fit together",
        )
    target = built_path(script.name)
    write_executable(target, source.read_bytes())
    return target


def source_directory(go: Go, module: GoModule, go_module: str, *, log_name: str) -> Path:
    """Where Go keeps the verified sources of ``go_module``, in the pinned version; fetches them if needed."""
    command = [str(go.executable), "mod", "download", "-json", go_module]
    asked = subprocess.run(
        command, cwd=module.directory, env=environment(), capture_output=True, text=True, check=False
    )
    log = logs_directory() / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(asked.stdout + asked.stderr)
    if asked.returncode != 0:
        raise explain_refusal(asked.stdout + asked.stderr, log)
    return Path(json.loads(asked.stdout)["Dir"])


def _explain_failure(executable: Executable, status: int, log: Path) -> ToolchainError:
    output = log.read_text(errors="replace")
    rest = f"the whole log is {log}"
    if "no space left on device" in output:
        return DiskSpaceError(f"the disk filled up while {executable.name} was built", f"free some space; {rest}")
    tail = "\n".join(output.splitlines()[-_LAST_LINES:])
    message = f"building {executable.name} {executable.version} failed (exit status {status}); its last lines:\n{tail}"
    if "signal: killed" in output:
        rest = f"something killed the compiler, most often for lack of memory (2 GiB per core are enough); {rest}"
    return BuildFailedError(message, f"{rest}; run the same command again to go on from here")
