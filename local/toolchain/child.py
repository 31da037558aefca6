"""Children that end when we end: each in a process group of its own, its output in a log."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

_TICK_SECONDS: Final = 0.2
_GRACE_SECONDS: Final = 10
_PR_SET_PDEATHSIG: Final = 1
_C_LIBRARY: Final = ctypes.CDLL(None)


def run_logged(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    log: Path,
    tick: Callable[[], None],
) -> int:
    """Runs a command with all its output in `log`, calling `tick` a few times a second; returns its exit status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal would otherwise reach go and its compilers before we have said so.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 (nothing here holds a lock across the fork)
        )
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return child.wait(_TICK_SECONDS)
                tick()
        except BaseException:
            _end_group(child)
            raise


def _end_with_parent() -> None:
    """Runs in the child: a killed parent cannot end it, so the kernel does; a shell's `&` had SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Asks first, with SIGINT: on that signal go removes its work directory."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_GRACE_SECONDS)
            break
    # The leader is gone; whatever it left in its group is not needed either.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


@contextlib.contextmanager
def termination_interrupts() -> Iterator[None]:
    """Makes SIGTERM and a closed terminal end the block as Ctrl-C does, so that children and half files go too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
