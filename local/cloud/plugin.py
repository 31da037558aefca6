"""The simulator as a Pulumi resource provider plugin: ``python -m local.cloud.plugin aws ENGINE_ADDRESS``.

The engine starts one process for every provider instance; they share nothing but the account's file, which
``$SLIPWAY_ACCOUNT`` names. Nothing but the port may go to standard output.
"""

import asyncio
import importlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2_grpc

from local.cloud.calls import kill_parent
from local.cloud.failures import CloudError
from local.cloud.lifecycle import Effects
from local.cloud.model import CloudPackage
from local.cloud.provider import Provider
from local.cloud.schema import SdkSchemas
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from local.paths import ACCOUNT_VARIABLE, REPOSITORY
from local.process import end_with_parent

EFFECTS_VARIABLE = "SLIPWAY_EFFECTS"
"""``instant`` where no supervisor runs (tests, benchmarks); by default creations wait for it."""
_GRACE_SECONDS = 0.5
_LOG_SECONDS = 5.0
_USAGE = 2
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@cache
def load_package(name: str) -> CloudPackage:
    """The cloud package of that name (``local/cloud/<name>/package.py``)."""
    package: CloudPackage = importlib.import_module(f"local.cloud.{name}.package").PACKAGE
    return package


def connect(package: CloudPackage) -> Simulator:
    """A simulator over the environment's account.

    Raises:
        CloudError: the environment names no account.
    """
    path = os.environ.get(ACCOUNT_VARIABLE)
    if not path:
        raise CloudError(
            f"{ACCOUNT_VARIABLE} is not set, so there is no simulated account to work with: bring the environment up "
            'with "slipway local up" and run pulumi with the variables of "slipway local env"'
        )
    effects = Effects(os.environ.get(EFFECTS_VARIABLE, Effects.SUPERVISOR))
    return Simulator(package, SqliteStore(path), effects, kill=kill_parent, served=_supervised(Path(path)))


def _supervised(account: Path) -> Callable[[], bool]:
    """Whether the supervisor of the account's environment lives, by the record that it keeps beside the account."""

    def served() -> bool:
        from local.cluster.daemon import running
        from local.cluster.layout import SupervisorFiles
        from local.paths import StatePaths

        return running(SupervisorFiles(StatePaths(account.parent.name, account.parent))) is not None

    return served


def announcer(engine_address: str) -> Callable[[str], None]:
    """Writes to the engine's log, once; an engine that does not answer is not worth a failed update."""
    said = threading.Event()

    def announce(text: str) -> None:
        if said.is_set() or not engine_address:
            return
        said.set()
        with grpc.insecure_channel(engine_address) as channel:
            request = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text)
            try:
                engine_pb2_grpc.EngineStub(channel).Log(request, timeout=_LOG_SECONDS)
            except grpc.RpcError as error:
                sys.stderr.write(f"{text} (the engine's log did not answer: {error})\n")

    return announce


async def serve(provider: Provider, *, ready: Callable[[int], None], stop: asyncio.Event) -> None:
    """Serve on a free loopback port until ``stop``; ``ready`` gets the port."""
    server = grpc.aio.server(options=_UNLIMITED)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready(port)
    await stop.wait()
    await server.stop(_GRACE_SECONDS)


def install(pulumi_home: Path, *, name: str = "aws", version: str | None = None) -> Path:
    """Write the plugin's executable where the engine looks for it; returns its path.

    The version is by default the SDK's own, because the engine asks for exactly that.
    """
    plugin, own = SdkSchemas(load_package(name).sdk).plugin
    version = version or own
    executable = pulumi_home / "plugins" / f"resource-{plugin}-v{version}" / f"pulumi-resource-{plugin}"
    executable.parent.mkdir(parents=True, exist_ok=True)
    # -P: the engine starts plugins in the program's directory, whose modules must not shadow the standard library.
    command = shlex.join([sys.executable, "-P", "-m", "local.cloud.plugin", name])
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))} exec {command} "$@"\n'
    executable.write_text(text)
    executable.chmod(0o755)
    return executable


async def _main(name: str, engine_address: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    provider = Provider(lambda: load_package(name), connect, announcer(engine_address))
    await serve(provider, ready=lambda port: print(port, flush=True), stop=stop)  # noqa: T201 the protocol


def main(arguments: list[str]) -> int:
    """Entry point: the package's name, and the engine's address."""
    if not arguments:
        sys.stderr.write("usage: python -m local.cloud.plugin PACKAGE [ENGINE_ADDRESS]\n")
        return _USAGE
    end_with_parent()
    engine_address = next((argument for argument in reversed(arguments[1:]) if not argument.startswith("-")), "")
    asyncio.run(_main(arguments[0], engine_address))
    # Calls that still wait for the supervisor must not hold the process.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
