"""The end of ``up``: waits until what was promised is there, or says precisely what is not."""

import time
from collections.abc import Callable
from typing import Final

from rich.console import Console
from rich.status import Status

from cli.readiness import EnvironmentState
from cli.terminal import clock
from cli.training import FINISHED, TrainingState

_EVERY_SECONDS: Final = 1.0
_LINE_EVERY_SECONDS: Final = 15.0


def wait_until_ready(
    look: Callable[[], EnvironmentState], console: Console, *, timeout_seconds: float, until_complete: bool
) -> EnvironmentState:
    """Look again and again until all is ready, a run has failed, or the time is over; returns the last look.

    Args:
        look: One look at the environment.
        console: For what is being waited for.
        timeout_seconds: Wall-clock limit.
        until_complete: Also wait for training runs to end, which makes sense where they end in seconds.
    """
    began = said = time.monotonic()
    with console.status("waiting for nodes, volumes and runs") as status:
        while True:
            state = look()
            waiting = _waiting(state, until_complete=until_complete)
            now = time.monotonic()
            if not waiting or _hopeless(state) or now - began >= timeout_seconds:
                return state
            said = _tell(f"{clock(now - began)}  waiting: {waiting[0]}", console, status, said)
            time.sleep(_EVERY_SECONDS)


def _tell(text: str, console: Console, status: Status, said: float) -> float:
    status.update(text)
    now = time.monotonic()
    if console.is_terminal or now - said < _LINE_EVERY_SECONDS:
        return said
    console.print(f"  {text}", style="dim", soft_wrap=True)
    return now


def _waiting(state: EnvironmentState, *, until_complete: bool) -> list[str]:
    waiting = list(state.reasons)
    if not waiting and not state.ready:
        waiting = ["something is not ready"]
    if until_complete:
        waiting += [_told(run) for run in state.stack_runs if run.phase not in FINISHED]
    return waiting


def _told(run: TrainingState) -> str:
    return f"run {run.run} is {run.phase}" + (f", step {run.progress.text}" if run.progress else "")


def _hopeless(state: EnvironmentState) -> bool:
    """A failed run stays failed."""
    return any(run.phase == "Failed" for run in state.stack_runs)
