"""The command line as a whole: help, exit statuses, one clear error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import main as cli_main
from cli.errors import UserError
from cli.exits import MEANINGS, Exit
from cli.main import VERBS, run

GROUPS = {
    "local": [
        "up",
        "down",
        "status",
        "logs",
        "env",
        "kubeconfig",
        "journal",
        "faults add",
        "drift set",
        "drift delete",
    ],
    "toolchain": ["list", "build", "clean"],
}
COMMANDS = [[verb] for verb in VERBS if verb not in GROUPS] + [
    [group, *name.split()] for group, names in GROUPS.items() for name in names
]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("SLIPWAY_DEBUG", raising=False)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_help_teaches_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == Exit.OK
    text = capsys.readouterr().out
    assert "Example" in text
    assert f"slipway {command[0]}" in text.partition("Example")[2]


def test_the_help_lists_every_verb_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == Exit.OK
    text = capsys.readouterr().out
    assert [verb for verb in VERBS if f" {verb} " not in text] == []
    assert [int(status) for status in MEANINGS if f" {int(status)}  {MEANINGS[status][:20]}" not in text] == []


def test_the_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from cli.main import run; run(['--help'])\n"
        "print([name for name in ('pulumi', 'pydantic', 'boto3', 'grpc') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]", "these take seconds, and help should answer at once"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["launch"], "error: No such command 'launch'"),
        (["plna"], "Did you mean 'plan'?"),
        (["plan", "--colour"], "No such option: --colour"),
        (["kube-token", "--cluster", "main"], "Missing option '--region'"),
        (["local", "faults", "add", "earthquake"], "'earthquake' is not one of"),
    ],
)
def test_a_wrong_command_line_is_one_error_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == Exit.USAGE
    said = capsys.readouterr().err
    assert message in said
    assert "do this: see `slipway" in said
    assert "Traceback" not in said


def test_an_unknown_environment_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "prodd"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "error: there is no environment of this name" in said
    assert "value:   prodd" in said
    assert "allowed: " in said.replace("\n", " ")
    assert "local" in said.partition("allowed:")[2].splitlines()[0]


def test_wrong_settings_are_told_with_path_rule_value_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(cli_main.__file__).parent.parent
    (tmp_path / "stacks" / "config").mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text((source / "Pulumi.yaml").read_text())
    good = (source / "stacks" / "config" / "Pulumi.local.yaml").read_text()
    bad = good.replace("instanceType: p5.48xlarge", "instanceType: p5.47xlarge")
    assert bad != good
    (tmp_path / "stacks" / "config" / "Pulumi.local.yaml").write_text(bad)
    monkeypatch.chdir(tmp_path)
    assert run(["up", "local"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "slipway:pools[1].instanceType" in said
    assert 'value:   "p5.47xlarge"' in said
    assert "do this:" in said
    assert not (tmp_path / "state").exists(), "nothing may be started before the settings are good"


def test_a_user_error_shows_its_parts_in_order_and_nothing_empty(capsys: pytest.CaptureFixture[str]) -> None:
    from cli.errors import show
    from cli.terminal import messages

    error = UserError("the zone is unknown", where="pools[0]", value="us-east-1z", fix="choose us-east-1a")
    assert show(error, messages()) == Exit.FAILED
    assert capsys.readouterr().err.splitlines() == [
        "error: the zone is unknown",
        "  where:   pools[0]",
        "  value:   us-east-1z",
        "  do this: choose us-east-1a",
    ]


def test_a_fault_of_our_own_is_one_line_and_a_traceback_only_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli_main, "app", broken)
    assert run(["plan"]) == Exit.FAILED
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv("SLIPWAY_DEBUG", "1")
    assert run(["plan"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "error: ZeroDivisionError: division by zero" in said


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_main, "app", interrupted)
    assert run(["up"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_missing_toolchain_is_status_4_with_its_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from local.toolchain.errors import GoMissingError

    def no_go(*_: object, **__: object) -> None:
        raise GoMissingError("there is no `go` on PATH", "install Go 1.26")

    monkeypatch.setattr(cli_main, "app", no_go)
    assert run(["up"]) == Exit.NO_TOOLCHAIN
    assert capsys.readouterr().err.splitlines() == ["error: there is no `go` on PATH", "  do this: install Go 1.26"]


def test_output_to_a_pipe_or_with_no_color_holds_no_escape_codes() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "FORCE_COLOR": ""}
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "toolchain", "list"], capture_output=True, env=environment, check=False
    )
    assert b"\x1b[" not in done.stdout + done.stderr
    assert b"kube-apiserver" in done.stdout


def test_the_version_is_printed_without_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out.startswith("slipway 0.")


def test_a_state_directory_that_cannot_be_made_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(in_the_way))
    assert run(["local", "up"]) == Exit.FAILED
    told = capsys.readouterr().err
    assert "File exists" in told
    assert str(in_the_way) in told
    assert "SLIPWAY_STATE_DIR" in told
    assert "Traceback" not in told
