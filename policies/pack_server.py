"""Serves the pack to an engine: a port on the first line of output, then gRPC until the engine goes."""

# The service definition fixes the methods' names and parameters.
# ruff: noqa: ARG002, N802

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from concurrent import futures
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as rpc
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2

from policies.pack import NAME, Pack
from policies.pack_cost import CostOfUpdate
from policies.rules import RULES

_MESSAGE_BYTES: Final = 400 << 20
_WORKERS: Final = 4
_LOOK_SECONDS: Final = 5.0
"""How often the engine is looked for: a killed one sends no signal, and a pack must not outlive it."""


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """The engine's calls; the base class answers all others with UNIMPLEMENTED."""

    def __init__(self, pack: Pack) -> None:
        super().__init__()
        self._pack = pack
        # The engine analyses resources side by side; the rules are quick, and their pack keeps one memory.
        self._lock = threading.Lock()

    def Handshake(self, request: Any, context: Any) -> Any:
        """Nothing is agreed on."""
        return rpc.AnalyzerHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The kit's version."""
        return plugin_pb2.PluginInfo(version=_version())

    def GetAnalyzerInfo(self, request: Any, context: Any) -> Any:
        """What the rules are."""
        with self._lock:
            return self._pack.info()

    def ConfigureStack(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The stack's settings; what is wrong with them ends the preview, in their own words."""
        from stacks.problems import SettingsError  # noqa: PLC0415 -- only to tell what went wrong

        with self._lock:
            try:
                self._pack.configure_stack(request)
            except (SettingsError, ValueError) as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return rpc.AnalyzerStackConfigureResponse()

    def Configure(self, request: Any, context: Any) -> Any:
        """Levels from ``--policy-pack-config``."""
        with self._lock:
            self._pack.configure(request)
        return empty_pb2.Empty()

    def Remediate(self, request: Any, context: Any) -> Any:
        """Put one resource's inputs right."""
        with self._lock:
            return self._pack.remediate(request)

    def Analyze(self, request: Any, context: Any) -> Any:
        """Check one resource's inputs."""
        with self._lock:
            return self._pack.analyze(request)

    def AnalyzeStack(self, request: Any, context: Any) -> Any:
        """Check the whole stack."""
        with self._lock:
            return self._pack.analyze_stack(request)

    def Cancel(self, request: Any, context: Any) -> Any:
        """The engine ends us right after."""
        return empty_pb2.Empty()


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0.0.1"


def _today() -> date:
    return datetime.now(UTC).date()


def serve() -> None:
    """Serve until the engine is gone; its address is the first argument."""
    # The engine ends its plugins with SIGINT: a traceback would land in the user's output.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS), options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    )
    pack = Pack(RULES, version=_version(), today=_today, cost=CostOfUpdate())
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Analyzer(pack), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    _outlive_no_engine(sys.argv[1] if len(sys.argv) > 1 else "")
    server.stop(0)


def _outlive_no_engine(address: str) -> None:
    """Return when nobody listens at the engine's address any more."""
    host, _, port = address.rpartition(":")
    while True:
        time.sleep(_LOOK_SECONDS)
        if not port.isdigit():
            continue
        with contextlib.suppress(TimeoutError):
            try:
                socket.create_connection((host or "127.0.0.1", int(port)), timeout=_LOOK_SECONDS).close()
            except ConnectionError:
                return
