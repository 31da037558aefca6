"""The language host under the real engine: programs that end well, badly, and not at all."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.toolchain.errors import ToolMissingError
from local.toolchain.toolchain import Toolchain

pytestmark = pytest.mark.simulation

PROJECT = "name: empty\nruntime: python\nmain: program/\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "program").mkdir()
    (tmp_path / "backend").mkdir()
    return tmp_path


@pytest.fixture
def environment(project: Path) -> dict[str, str]:
    try:
        toolchain = Toolchain.load(["pulumi", "pulumi-language-python-exec"])
    except ToolMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    directories = [str(Path(sys.executable).parent), *map(str, toolchain.bin_dirs()), os.environ["PATH"]]
    return {
        **os.environ,
        "PATH": os.pathsep.join(directories),
        "PULUMI_HOME": str(project / "home"),
        "PULUMI_BACKEND_URL": (project / "backend").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "simulated",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def pulumi(project: Path, environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["pulumi", *arguments, "--stack", "test", "--non-interactive", "--color", "never"]
    return subprocess.run(
        command, cwd=project, env=dict(environment), capture_output=True, text=True, check=False, timeout=120
    )


def up(project: Path, environment: Mapping[str, str], program: str) -> "subprocess.CompletedProcess[str]":
    (project / "program" / "__main__.py").write_text(program)
    created = pulumi(project, environment, "stack", "select", "--create", "--secrets-provider", "passphrase")
    assert created.returncode == 0, created.stderr
    return pulumi(project, environment, "up", "--yes", "--skip-preview")


def test_an_empty_program_goes_up_and_exports(project: Path, environment: Mapping[str, str]) -> None:
    done = up(project, environment, "import pulumi\npulumi.export('answer', 42)\n")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = pulumi(project, environment, "stack", "output", "answer")
    assert shown.stdout.strip() == "42"


@pytest.mark.parametrize("error", ["ValueError", "pulumi.RunError"])
def test_a_failing_program_tells_its_error_once(project: Path, environment: Mapping[str, str], error: str) -> None:
    done = up(project, environment, f"import pulumi\nraise {error}('the pool is ' + 'too large')\n")
    assert done.returncode != 0
    diagnostics = done.stdout.partition("Diagnostics:")[2]
    assert diagnostics.count("the pool is too large") == 1
    assert diagnostics.count("error:") == 1


def test_a_program_sees_its_configuration_and_its_own_folder(project: Path, environment: Mapping[str, str]) -> None:
    (project / "program" / "beside.py").write_text("value = 'imported'\n")
    (project / "Pulumi.test.yaml").write_text("config:\n  empty:owner: ml-platform\n")
    program = (
        "import os, pulumi, beside\n"
        "pulumi.export('owner', pulumi.Config().require('owner'))\n"
        "pulumi.export('beside', beside.value)\n"
        "pulumi.export('folder', os.path.basename(os.getcwd()))\n"
    )
    done = up(project, environment, program)
    assert done.returncode == 0, done.stdout + done.stderr
    values = [
        pulumi(project, environment, "stack", "output", name).stdout.strip() for name in ("owner", "beside", "folder")
    ]
    assert values == ["ml-platform", "imported", "program"]


def test_a_killed_engine_leaves_no_program_and_no_host(project: Path, environment: Mapping[str, str]) -> None:
    program = (
        "import os, pathlib, time, pulumi\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {os.getppid()}')\n"
        "time.sleep(120)\n"
    )
    (project / "program" / "__main__.py").write_text(program)
    pulumi(project, environment, "stack", "select", "--create", "--secrets-provider", "passphrase")
    engine = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", "test", "--non-interactive"],
        cwd=project,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        pids = [int(text) for text in _written(project / "program" / "pids").split()]
        assert all(_alive(pid) for pid in pids)
    finally:
        engine.send_signal(signal.SIGKILL)
        engine.wait()
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [pid for pid in pids if _alive(pid)] == []


def _written(path: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.1)
    pytest.fail(f"{path} was not written: the program did not start")


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
