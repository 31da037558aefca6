"""Running an engine: a stand-in `pulumi` that writes events, fails, or waits for Ctrl-C."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from cli.engine import Engine
from cli.errors import UserError
from cli.events import Picture
from cli.update import UpdateFailedError, run_update

STAND_IN = """#!{python}
import json, os, signal, sys, time
arguments = sys.argv[1:]
log = arguments[arguments.index("--event-log") + 1] if "--event-log" in arguments else None
def event(**body):
    with open(log, "a") as file:
        file.write(json.dumps({{"timestamp": 0, **body}}) + "\\n")
{body}
"""


@pytest.fixture
def engine(tmp_path: Path, request: pytest.FixtureRequest) -> Engine:
    executable = tmp_path / "pulumi"
    executable.write_text(STAND_IN.format(python=sys.executable, body=request.param))
    executable.chmod(0o755)
    return Engine(
        executable=str(executable),
        environment=dict(os.environ),
        directory=tmp_path,
        stack="local",
        logs=tmp_path / "logs",
        simulated=True,
    )


def plain_console() -> Console:
    return Console(stderr=True, width=200)


URN = "urn:pulumi:local::slipway::aws:ec2/vpc:Vpc::wide"
CREATES = f"""
event(resourcePreEvent={{"metadata": {{"op": "create", "urn": "{URN}"}}}})
event(resOutputsEvent={{"metadata": {{"op": "create", "urn": "{URN}"}}}})
assert os.environ["PULUMI_DEBUG_COMMANDS"] == "true"
"""
FAILS = f"""
for _ in range(2):
    event(diagnosticEvent={{"severity": "error", "urn": "{URN}", "message": "VpcLimitExceeded: too many"}})
event(diagnosticEvent={{"severity": "error", "message": "update failed"}})
sys.exit(255)
"""
LOCKED = """
print("error: the stack is currently locked by 1 lock(s)", file=sys.stderr)
sys.exit(255)
"""
WAITS = """
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
open("started", "w").close()
while not asked:
    time.sleep(0.02)
time.sleep(0.5)
open("asked", "w").write(str(len(asked)))
sys.exit(255)
"""
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize("engine", [CREATES], indirect=True)
def test_an_update_shows_its_exact_command_and_what_it_did(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = run_update(engine, ["up", "--yes", "--skip-preview"], plain_console())
    said = capsys.readouterr().err
    assert "$ pulumi up --yes --skip-preview --stack local" in said
    assert "1 created in 0:0" in said
    assert outcome.log.parent == engine.logs
    assert outcome.picture.counts() == {"created": 1}


@pytest.mark.parametrize("engine", [FAILS], indirect=True)
def test_a_failure_tells_each_error_once_and_where_the_rest_is(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UpdateFailedError) as caught:
        run_update(engine, ["up", "--yes"], plain_console())
    said = capsys.readouterr().err
    assert said.count("VpcLimitExceeded: too many") == 1
    assert "where:   ec2:Vpc wide" in said
    assert caught.value.what == "`up` of local failed: 1 error"
    assert str(engine.logs) in caught.value.where
    assert "ask for a higher quota" in caught.value.fix


@pytest.mark.parametrize("engine", [LOCKED], indirect=True)
def test_an_error_before_the_first_event_comes_from_the_log(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UpdateFailedError) as caught:
        run_update(engine, ["up", "--yes"], plain_console())
    assert "the stack is currently locked by 1 lock(s)" in capsys.readouterr().err
    assert "slipway recover local" in caught.value.fix


@pytest.mark.parametrize("engine", [KILLED], indirect=True)
def test_a_killed_engine_is_told_as_killed(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UpdateFailedError) as caught:
        run_update(engine, ["up", "--yes"], plain_console())
    assert "the engine was killed (SIGKILL)" in capsys.readouterr().err
    assert "slipway recover local" in caught.value.fix


@pytest.mark.parametrize("engine", [WAITS], indirect=True)
def test_ctrl_c_reaches_the_engine_once_and_it_may_finish(engine: Engine) -> None:
    def press_twice() -> None:
        while not (engine.directory / "started").exists():
            time.sleep(0.02)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    pressing = threading.Thread(target=press_twice)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        run_update(engine, ["up", "--yes"], plain_console())
    pressing.join()
    assert (engine.directory / "asked").read_text() == "1"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("engine", [LOCKED], indirect=True)
def test_a_short_command_that_fails_is_an_error_with_its_command(engine: Engine) -> None:
    with pytest.raises(UserError, match="currently locked") as caught:
        engine.capture("stack", "export")
    assert "pulumi stack export --stack local" in caught.value.where


def test_an_empty_picture_is_just_starting() -> None:
    from cli.progress import told

    assert told(Picture()) == "starting"
