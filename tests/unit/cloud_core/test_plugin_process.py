"""The plugin as a process: how it starts, what it prints, and when it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc
from pulumi.runtime.proto import provider_pb2 as rpc

from local.cloud.plugin import announcer, install
from local.cloud.store import SqliteStore
from local.cloud.wire import to_struct
from local.paths import REPOSITORY
from tests.support.processes import gone_within, with_state
from tests.unit.cloud_core.toy import MARKED, PACKAGE, VPC, urn_of

_PLUGIN = """
import sys
import local.cloud.plugin as plugin
from tests.unit.cloud_core.toy import MARKED, PACKAGE, urn_of
plugin.load_package = lambda name: PACKAGE
sys.exit(plugin.main(["aws", *sys.argv[1:]]))
"""


def _start(tmp_path: Path, *prefix: str, account: bool = True) -> "subprocess.Popen[str]":
    environment = {**os.environ, "SLIPWAY_EFFECTS": "instant"}
    environment.pop("SLIPWAY_ACCOUNT", None)
    if account:
        environment["SLIPWAY_ACCOUNT"] = str(tmp_path / "account.db")
    command = [*prefix, sys.executable, "-c", _PLUGIN]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_plugin_prints_only_its_port_and_ends_quietly(tmp_path: Path) -> None:
    plugin = _start(tmp_path)
    assert plugin.stdout is not None
    port = int(plugin.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))
        stub.Create(rpc.CreateRequest(urn=urn_of(VPC, "v"), properties=to_struct({"cidrBlock": "10.0.0.0/16"})))
    plugin.send_signal(signal.SIGINT)
    assert plugin.wait(timeout=10) == 0
    assert plugin.stdout.read() == ""
    assert len(SqliteStore(tmp_path / "account.db").find("ec2:Vpc")) == 1


def test_without_an_account_the_plugin_says_what_to_do(tmp_path: Path) -> None:
    plugin = _start(tmp_path, account=False)
    assert plugin.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(plugin.stdout.readline())}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        with pytest.raises(grpc.RpcError, match=r'SLIPWAY_ACCOUNT is not set.*"slipway local up"'):
            stub.Configure(rpc.ConfigureRequest(args=to_struct(MARKED)))
    plugin.terminate()
    plugin.wait(timeout=10)


def test_the_plugin_ends_with_its_parent(tmp_path: Path) -> None:
    parent = _start(tmp_path, sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    assert parent.stdout is not None
    port = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                stub.Handshake(rpc.ProviderHandshakeRequest(), timeout=1)
            except grpc.RpcError:
                return
            time.sleep(0.1)
    pytest.fail("the plugin outlived its parent by 10 seconds")


def test_a_plugin_whose_engine_died_before_it_could_look_ends_all_the_same(tmp_path: Path) -> None:
    # The parent ends while the plugin still imports: no pid tells, only the pipe that nobody reads any more.
    script = "import subprocess, sys; subprocess.Popen(sys.argv[1:]); print('started', flush=True)"
    parent = _start(tmp_path, sys.executable, "-c", script)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    parent.wait()
    parent.stdout.close()
    assert gone_within(10, lambda: with_state(tmp_path)) == []


def test_the_executable_is_where_the_engine_looks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.cloud.plugin.load_package", lambda name: PACKAGE)
    executable = install(tmp_path)
    assert executable == tmp_path / "plugins" / "resource-aws-v7.51.1" / "pulumi-resource-aws"
    assert os.access(executable, os.X_OK)
    assert "local.cloud.plugin aws" in executable.read_text()


def test_the_engines_log_hears_it_once() -> None:
    heard: list[str] = []

    class Engine(engine_pb2_grpc.EngineServicer):
        def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
            from google.protobuf import empty_pb2

            heard.append(request.message)
            return empty_pb2.Empty()

    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(1))
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    announce = announcer(f"127.0.0.1:{port}")
    announce("simulated")
    announce("simulated")
    server.stop(None)
    assert heard == ["simulated"]
