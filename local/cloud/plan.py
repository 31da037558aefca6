"""Runs a Pulumi program in this process and returns what it declared: no engine, no plugin, no cloud."""

import asyncio
import contextlib
import contextvars
import gc
import inspect
import json
import logging
import runpy
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc_manager, settings
from pulumi.runtime.config import set_all_config
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from local.cloud.model import CloudPackage
from local.cloud.monitor import ResourceFailure, SimulatorMonitor
from local.cloud.recording import Recording
from local.cloud.store import SqliteStore
from local.cloud.values import Json, Secret, plain

_ALREADY_REPORTED = 32
"""Exit code of a program that has told its user (sdk/python/cmd/pulumi-language-python-exec)."""
_SETTLE_SECONDS = 30.0


class PlanError(Exception):
    """The program declares what cannot be.

    Attributes:
        failures: one for each resource, in the order in which they were found.
    """

    def __init__(self, failures: list[ResourceFailure]) -> None:
        super().__init__("\n".join(str(failure) for failure in failures))
        self.failures = failures


class ProgramRefusedError(Exception):
    """The program told its user what is wrong and ended; what it said is the message."""

    hint = "correct the settings, or the arguments that the program passes on"


def record(
    build: Callable[[], Any],
    *,
    packages: Mapping[str, CloudPackage] | None = None,
    project: str = "slipway",
    stack: str = "test",
    config: Mapping[str, Json] | None = None,
    stack_references: Mapping[str, Mapping[str, Json]] | None = None,
    store: SqliteStore | None = None,
) -> Recording:
    """Run ``build`` as a Pulumi program and return all that it declared, once everything is settled.

    Every call has an event loop, a Pulumi runtime and (unless given) an account of its own.

    Args:
        build: the program; may be a coroutine function. What it returns is resolved into ``Recording.result``.
        packages: simulated packages by name; by default the AWS package.
        project: name of the Pulumi project.
        stack: name of the stack.
        config: stack configuration by full key (``slipway:owner``); values that are not text become JSON, a
            ``Secret`` becomes a secret.
        stack_references: outputs of other stacks, by the name that the program gives.
        store: an account prepared by the caller.

    Raises:
        PlanError: resources that the simulator refuses.
        Exception: whatever the program raises.
    """
    context = contextvars.copy_context()
    known = {"aws": aws_package()} if packages is None else packages
    given = config or {}
    recording = Recording(project=project, stack=stack)
    monitor = SimulatorMonitor(
        recording,
        packages=known,
        store=store or SqliteStore(":memory:"),
        config=_texts(given),
        stack_references=stack_references or {},
    )
    context.run(_run, build, monitor, given)
    return recording


def run_program(main: Path, *, project: str, stack: str, config: Mapping[str, Json], **options: Any) -> Recording:
    """Execute a program directory (its ``__main__.py``) as ``pulumi up`` would, in this process; see ``record``."""
    directory = main.resolve()

    def execute() -> None:
        with contextlib.chdir(directory):
            runpy.run_path(str(directory), run_name="__main__")

    with _collector_paused():
        return record(execute, project=project, stack=stack, config=config, **options)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Importing the SDKs makes millions of objects that stay: looking for garbage among them is a sixth of a plan."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # The SDKs stay as long as the process: the first collection afterwards would look through all of them. Once is
        # enough; what later plans leave behind is collected.
        if not gc.get_freeze_count():
            gc.freeze()
        if was_on:
            gc.enable()


def aws_package() -> CloudPackage:
    """The AWS package, imported when it is needed."""
    from local.cloud.aws.package import PACKAGE

    return PACKAGE


def _run(build: Callable[[], Any], monitor: SimulatorMonitor, config: Mapping[str, Json]) -> None:
    recording = monitor.recording
    _configure_runtime(monitor)
    set_all_config(_texts(config), [name for name, value in config.items() if isinstance(value, Secret)])

    async def program() -> None:
        result = build()
        if inspect.isawaitable(result):
            result = await result
        recording.result = await pulumi.Output.from_input(result).future()

    loop = asyncio.new_event_loop()
    # One refusal reaches dozens of futures that nobody will read; it is raised once, below.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run_in_stack(program))
    except SystemExit as end:
        # A real engine shows what was logged; here nobody has seen it yet.
        said = [message for level, message in recording.logs if level == "error"]
        if end.code == _ALREADY_REPORTED and said:
            raise ProgramRefusedError("\n".join(said)) from None
        raise
    except Exception:
        # The SDK reports a refused resource again for everything that needed it: the monitor knows the cause.
        if monitor.failures:
            raise PlanError(monitor.failures) from None
        raise
    finally:
        loop.run_until_complete(_settle())
        _close(loop)
    if monitor.failures:
        raise PlanError(monitor.failures)


async def _settle() -> None:
    """Wait for the registrations under way: the SDK stops at the first refusal, and all of them are to be told.

    Those that depend on a refused one end with its error. The limit is for a program that waits for something that
    never comes, which is not told apart here.
    """
    manager = settings._get_rpc_manager()  # noqa: SLF001 -- the SDK offers no other way
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_SETTLE_SECONDS):
            while manager.rpcs:
                with contextlib.suppress(Exception):
                    await manager.rpcs.pop()


def _configure_runtime(monitor: SimulatorMonitor) -> None:
    """What ``pulumi.runtime.set_mocks`` does, but with the root stack left to the program's run."""
    features = set(monitor.GetDeploymentInfo(None).supportedFeatures)  # type: ignore[no-untyped-call] # SDK's mocks
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call] # SDK's mocks
            monitor=monitor,
            monitor_features=features,
            engine=mocks.MockEngine(_RecordingLogger(monitor.recording)),
            project=monitor.recording.project,
            stack=monitor.recording.stack,
            dry_run=False,
            organization="organization",
            callbacks=None,
        )
    )
    SETTINGS.rpc_manager = rpc_manager.RPCManager()  # type: ignore[no-untyped-call] # untyped in the SDK
    SETTINGS.outputs = set()
    SETTINGS.lock = threading.Lock()
    set_root_resource(None)  # type: ignore[arg-type] # the SDK's own default, which its annotation leaves out


def _close(loop: asyncio.AbstractEventLoop) -> None:
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    if pending:
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    asyncio.set_event_loop(None)


class _RecordingLogger(logging.Logger):
    """Keeps what the program logs to the engine."""

    def __init__(self, recording: Recording) -> None:
        super().__init__("pulumi-program")
        self._recording = recording

    def handle(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.DEBUG:
            self._recording.logs.append((record.levelname.lower(), record.getMessage()))


def _texts(config: Mapping[str, Json]) -> dict[str, str]:
    """As the engine hands configuration over: text as it is, everything else as JSON."""
    values = {name: plain(value) for name, value in config.items()}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
