"""``pulumi-language-python``: runs Python programs for a Pulumi engine that came without its own host.

The engine starts it, reads a port from the first line of its output and calls ``LanguageRuntime`` there (service and
messages: ``pulumi/runtime/proto/language_pb2_grpc.py`` of the SDK). Nothing may be printed before the port. The program
itself is started through ``pulumi-language-python-exec``, the script that ships with the engine.
"""

# The service definition fixes the methods' names and parameters.
# ruff: noqa: ARG002, N802

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from local.engine.child import start
from local.engine.interpreter import InterpreterError, environment_for, interpreter
from local.process import end_with_parent

_RUNNER = str(Path(__file__).with_name("program.py"))
_EXEC = "pulumi-language-python-exec"
_ALREADY_REPORTED = 32
"""The script's exit status when the user has seen the error (``pulumi-language-python-exec``)."""
_MESSAGE_BYTES = 400 << 20
_WORKERS = 16
_CHUNK = 1 << 16


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The calls that engines 3.215 to 3.259 make; the base class answers all others with UNIMPLEMENTED."""

    def __init__(self, engine_address: str, exec_script: str | None = None) -> None:
        super().__init__()
        self._engine_address = engine_address
        self._exec_script = exec_script

    def Handshake(self, request: Any, context: Any) -> language_pb2.LanguageHandshakeResponse:
        """Learn the engine's address; engines before the handshake pass it as an argument instead."""
        self._engine_address = request.engine_address or self._engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> language_pb2.GetRequiredPackagesResponse:
        """None: the engine loads plugins when the program first asks for them, from PULUMI_HOME."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> language_pb2.GetRequiredPluginsResponse:
        """None, as above; asked by older engines."""
        return language_pb2.GetRequiredPluginsResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """The host has no release of its own; a version is only displayed."""
        return plugin_pb2.PluginInfo(version="1.0.0")

    def About(self, request: Any, context: Any) -> language_pb2.AboutResponse:
        """The interpreter that programs of this project run on (``pulumi about``)."""
        return language_pb2.AboutResponse(executable=sys.executable, version=sys.version.split()[0])

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Nothing to do: uv owns the environment."""
        return iter(())

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> language_pb2.RuntimeOptionsResponse:
        """No questions for ``pulumi new``."""
        return language_pb2.RuntimeOptionsResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> language_pb2.GetProgramDependenciesResponse:
        """Not listed; only ``pulumi about`` asks."""
        return language_pb2.GetProgramDependenciesResponse()

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """The engine ends us with a signal right after; the program goes with us."""
        return empty_pb2.Empty()

    def Run(self, request: Any, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        """Run the program to its end. An error that the program has reported is not reported again (``bail``)."""
        try:
            python = interpreter(request.info.root_directory, _options(request.info))
            command = [python, "-u", _RUNNER, self._exec_path(), *_program_arguments(request, self._engine_address)]
        except (InterpreterError, FileNotFoundError) as error:
            return language_pb2.RunResponse(error=str(error))
        environment = environment_for(python, os.environ) | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        child = start(command, cwd=request.info.program_directory, environment=environment)
        context.add_callback(lambda: _terminate(child))
        return _verdict(child.wait())

    def RunPlugin(self, request: Any, context: grpc.ServicerContext) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a policy pack (``analyzer``) or another plugin written in Python; stream its output, then its status."""
        options = _options(request.info)
        try:
            python = interpreter(request.info.root_directory or request.info.program_directory, options)
        except InterpreterError as error:
            yield language_pb2.RunPluginResponse(stderr=f"{error}\n".encode())
            yield language_pb2.RunPluginResponse(exitcode=1)
            return
        module = ["-m", "pulumi.policy", *request.args] if request.kind == "analyzer" else []
        command = [python, "-u", *module, request.info.program_directory, *([] if module else request.args)]
        given = dict(item.split("=", 1) for item in request.env) or dict(os.environ)
        child = start(
            command,
            cwd=request.pwd or request.info.program_directory,
            environment=environment_for(python, given),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(lambda: _terminate(child))
        yield from _stream(child)
        yield language_pb2.RunPluginResponse(exitcode=child.wait())

    def _exec_path(self) -> str:
        """The engine's script: given, on PATH, or beside the engine or this host."""
        beside = [Path(found).parent / _EXEC for name in ("pulumi", _EXEC) if (found := shutil.which(name))]
        candidates = [Path(self._exec_script or ""), *beside, Path(sys.argv[0]).parent / _EXEC]
        for candidate in candidates:
            if candidate.is_file():
                return str(candidate)
        raise FileNotFoundError(
            f"{_EXEC} is neither on PATH nor beside `pulumi`; it ships with the engine: `slipway toolchain build`"
        )


def _program_arguments(request: Any, engine_address: str) -> list[str]:
    info = request.info
    arguments = ["--monitor", request.monitor_address, "--engine", engine_address]
    arguments += ["--project", request.project, "--stack", request.stack, "--pwd", request.pwd]
    arguments += ["--dry_run", str(request.dryRun).lower(), "--parallel", str(request.parallel)]
    if request.organization:
        arguments += ["--organization", request.organization]
    if info.root_directory:
        arguments += ["--root_directory", info.root_directory]
    return [*arguments, str(Path(info.program_directory, info.entry_point)), *request.args]


def _options(info: Any) -> Mapping[str, Any]:
    return dict(json_format.MessageToDict(info.options)) if info.HasField("options") else {}


def _verdict(status: int) -> language_pb2.RunResponse:
    if status == 0:
        return language_pb2.RunResponse()
    if status == _ALREADY_REPORTED:
        return language_pb2.RunResponse(bail=True)
    if status < 0:
        return language_pb2.RunResponse(error=f"Program was ended by {signal.Signals(-status).name}")
    return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {status}")


def _terminate(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.terminate()


def _stream(child: "subprocess.Popen[bytes]") -> Iterator[language_pb2.RunPluginResponse]:
    """Both outputs of ``child`` as they come, until it has closed them."""
    answers: queue.SimpleQueue[language_pb2.RunPluginResponse | None] = queue.SimpleQueue()

    def pump(pipe: IO[bytes], field: str) -> None:
        while data := os.read(pipe.fileno(), _CHUNK):
            answers.put(
                language_pb2.RunPluginResponse(stdout=data)
                if field == "stdout"
                else language_pb2.RunPluginResponse(stderr=data)
            )
        answers.put(None)

    pipes = [(pipe, name) for pipe, name in ((child.stdout, "stdout"), (child.stderr, "stderr")) if pipe is not None]
    for pipe, name in pipes:
        threading.Thread(target=pump, args=(pipe, name), daemon=True).start()
    open_pipes = len(pipes)
    while open_pipes:
        answer = answers.get()
        if answer is None:
            open_pipes -= 1
        else:
            yield answer


def serve(engine_address: str, *, exec_script: str | None = None) -> tuple[grpc.Server, int]:
    """A started server on a free loopback port, and that port."""
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS), options=[("grpc.max_receive_message_length", _MESSAGE_BYTES)]
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine_address, exec_script), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Entry point of ``pulumi-language-python``; the engine's address is the last argument."""
    # The engine ends its plugins with SIGINT: a KeyboardInterrupt traceback would land in the user's output.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    end_with_parent()
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    server, port = serve(addresses[-1] if addresses else "")
    print(port, flush=True)  # noqa: T201 (the plugin protocol)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
