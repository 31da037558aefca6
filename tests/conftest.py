"""Tiers: what this machine cannot run now is said in the last lines, and with CI=true nothing may be left out."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

SIMULATION = pytest.StashKey[int]()

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would every process that the tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)

asyncio.set_event_loop(None)
"""What needs a current event loop where none runs fails at once, not only after a test that has called asyncio.run."""


def _toolchain_missing() -> str | None:
    from local.toolchain import Toolchain, ToolchainError
    from local.toolchain.workloads import environment

    try:
        Toolchain.load()
        environment()
    except ToolchainError as error:
        return str(error)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    simulation = [item for item in items if item.get_closest_marker("simulation")]
    if not simulation or (reason := _toolchain_missing()) is None:
        return
    if os.environ.get("CI") == "true":
        pytest.exit(f"CI=true leaves no tier out, but the simulation tier cannot run: {reason}", returncode=4)
    config.stash[SIMULATION] = len(simulation)
    for item in simulation:
        item.add_marker(pytest.mark.skip(reason=f"waits for `make toolchain`: {reason}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if waiting := config.stash.get(SIMULATION, 0):
        terminalreporter.write_line(f"{waiting} tests of the simulation tier wait for `make toolchain`", yellow=True)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parent.parent
