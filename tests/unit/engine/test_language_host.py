"""The language host in this process, asked over gRPC as the engine asks it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from local.engine.language_host import serve

RECORDER = """
import json, os, sys
json.dump({"argv": sys.argv[1:], "cwd": os.getcwd(), "config": json.loads(os.environ["PULUMI_CONFIG"]),
           "secrets": json.loads(os.environ["PULUMI_CONFIG_SECRET_KEYS"])}, open(os.environ["RECORD"], "w"))
sys.exit(int(os.environ.get("STATUS", "0")))
"""


@pytest.fixture
def exec_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "pulumi-language-python-exec"
    script.write_text(RECORDER)
    monkeypatch.setenv("RECORD", str(tmp_path / "record.json"))
    return script


@pytest.fixture
def host(exec_script: Path) -> Iterator[Any]:
    server, port = serve("127.0.0.1:1", exec_script=str(exec_script))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield language_pb2_grpc.LanguageRuntimeStub(channel)
    server.stop(None).wait()


def program(directory: Path, **options: str) -> language_pb2.ProgramInfo:
    return language_pb2.ProgramInfo(
        root_directory=str(directory),
        program_directory=str(directory),
        entry_point=".",
        options=json_format.ParseDict(options, struct_pb2.Struct()),
    )


def run_request(directory: Path, **options: str) -> language_pb2.RunRequest:
    return language_pb2.RunRequest(
        project="slipway",
        stack="local",
        pwd=str(directory),
        config={"slipway:owner": "ml-platform"},
        configSecretKeys=["slipway:token"],
        dryRun=True,
        parallel=16,
        monitor_address="127.0.0.1:2",
        organization="organization",
        info=program(directory, **options),
    )


def test_a_program_gets_its_arguments_configuration_and_directory(host: Any, tmp_path: Path) -> None:
    assert host.Run(run_request(tmp_path)) == language_pb2.RunResponse()
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["cwd"] == str(tmp_path)
    assert record["config"] == {"slipway:owner": "ml-platform"}
    assert record["secrets"] == ["slipway:token"]
    assert record["argv"] == [
        *("--monitor", "127.0.0.1:2", "--engine", "127.0.0.1:1", "--project", "slipway", "--stack", "local"),
        *("--pwd", str(tmp_path), "--dry_run", "true", "--parallel", "16", "--organization", "organization"),
        *("--root_directory", str(tmp_path), str(tmp_path)),
    ]


def test_the_engine_address_of_a_handshake_wins_over_the_argument(host: Any, tmp_path: Path) -> None:
    host.Handshake(language_pb2.LanguageHandshakeRequest(engine_address="127.0.0.1:9"))
    host.Run(run_request(tmp_path))
    argv = json.loads((tmp_path / "record.json").read_text())["argv"]
    assert argv[argv.index("--engine") + 1] == "127.0.0.1:9"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("0", language_pb2.RunResponse()),
        ("32", language_pb2.RunResponse(bail=True)),
        ("1", language_pb2.RunResponse(error="Program exited with non-zero exit code: 1")),
    ],
)
def test_an_error_that_the_program_reported_is_not_reported_again(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, expected: language_pb2.RunResponse
) -> None:
    monkeypatch.setenv("STATUS", status)
    assert host.Run(run_request(tmp_path)) == expected


def test_a_run_error_is_told_once(
    host: Any, exec_script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine's script logs a RunError itself and then exits with 1."""
    exec_script.write_text("import sys, pulumi\npulumi.log.error('the settings cannot be used')\nsys.exit(1)\n")
    assert host.Run(run_request(tmp_path)) == language_pb2.RunResponse(bail=True)


def test_a_missing_virtual_environment_is_named_with_what_to_do(host: Any, tmp_path: Path) -> None:
    answer = host.Run(run_request(tmp_path, virtualenv="gone"))
    assert f"names 'gone', and there is no {tmp_path}/gone/bin/python: run `uv sync`" in answer.error
    assert not (tmp_path / "record.json").exists()


def test_a_missing_exec_script_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    server, port = serve("127.0.0.1:1")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = language_pb2_grpc.LanguageRuntimeStub(channel).Run(run_request(tmp_path))
    server.stop(None).wait()
    assert answer.error.startswith("pulumi-language-python-exec is neither on PATH nor beside `pulumi`")
    assert "\n" not in answer.error


def test_no_plugin_is_required_before_the_program_asks_for_it(host: Any) -> None:
    assert list(host.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest()).packages) == []
    assert list(host.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest()).plugins) == []
    assert list(host.InstallDependencies(language_pb2.InstallDependenciesRequest())) == []
    assert host.About(language_pb2.AboutRequest()).executable == sys.executable
    assert host.Cancel(empty_pb2.Empty()) == empty_pb2.Empty()


def test_a_plugin_streams_both_outputs_and_then_its_status(host: Any, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import os, sys\nprint('port', sys.argv[1], os.environ['GIVEN'])\n"
        "print('warned', file=sys.stderr)\nsys.exit(7)\n"
    )
    request = language_pb2.RunPluginRequest(
        pwd=str(tmp_path),
        args=["4711"],
        env=["GIVEN=a=b", f"PATH={os.environ['PATH']}"],
        kind="resource",
        info=program(tmp_path),
    )
    answers = list(host.RunPlugin(request))
    assert b"".join(answer.stdout for answer in answers) == b"port 4711 a=b\n"
    assert b"".join(answer.stderr for answer in answers) == b"warned\n"
    assert answers[-1].exitcode == 7


def test_a_policy_pack_is_run_through_the_sdk_module(host: Any, tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("import sys\nprint('pack of', sys.argv)\n")
    request = language_pb2.RunPluginRequest(
        pwd=str(tmp_path), args=["127.0.0.1:3"], kind="analyzer", info=program(tmp_path)
    )
    said = b"".join(answer.stdout for answer in host.RunPlugin(request))
    assert said.startswith(b"pack of [")


def test_the_program_ends_when_the_host_is_killed(tmp_path: Path) -> None:
    """The host as the engine starts it: a process whose first line is the port."""
    script = tmp_path / "pulumi-language-python-exec"
    script.write_text("import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)\n")
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script.chmod(0o755)
    host = subprocess.Popen(
        [sys.executable, "-m", "local.engine.language_host", "127.0.0.1:1"], stdout=subprocess.PIPE, env=environment
    )
    assert host.stdout is not None
    port = int(host.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        # A call that nobody holds is cancelled when it is collected.
        running = language_pb2_grpc.LanguageRuntimeStub(channel).Run.future(run_request(tmp_path))
        pid = int(_wait_for_text(tmp_path / "pid"))
        host.kill()
        host.wait()
        assert _ends(pid)
        assert running.exception() is not None


def test_an_interrupt_ends_the_host_without_a_word(tmp_path: Path) -> None:
    host = subprocess.Popen(
        [sys.executable, "-m", "local.engine.language_host", "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert host.stdout is not None
    host.stdout.readline()
    host.send_signal(signal.SIGINT)
    _, said = host.communicate(timeout=10)
    assert (host.returncode, said) == (0, b"")


def _wait_for_text(path: Path) -> str:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    pytest.fail(f"{path} was not written")


def _ends(pid: int) -> bool:
    """Whether the process goes away (or stays only as a zombie of an adopting init)."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
