"""Commands whose life is bound to ours: the program and the policy packs of a language host, an engine of the CLI."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_TETHER = str(Path(__file__).with_name("tether.py"))


def tethered(command: Sequence[str], *, on_parent_death: signal.Signals = signal.SIGTERM) -> list[str]:
    """``command``, wrapped so that the kernel sends it ``on_parent_death`` when this process dies (Linux)."""
    return [sys.executable, "-I", "-S", _TETHER, str(os.getpid()), str(int(on_parent_death)), *command]


def start(
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str],
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start ``command`` tethered to this process; its output is ours unless told otherwise."""
    return subprocess.Popen(
        tethered(command),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )
