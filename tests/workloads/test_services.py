"""Whole processes that end for a reason: numbers that are none, collectives that hang, checkpoints that do not fit."""

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.training import gang
from workloads.trainer.checkpoint.manifest import Manifest
from workloads.trainer.launch import exit_code
from workloads.trainer.state import ExitCode, TrainerError


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(tmp_path: Path) -> None:
    ((_, output),) = gang.run(1, tmp_path, "--nan-at", "8", code=ExitCode.DIVERGED)
    assert gang.steps_of(list(tmp_path.glob("step-*"))) == ["step-00000004"], "step 8 was due, and would have been bad"
    (guard,) = gang.events(tmp_path, "guard")
    assert (guard["guard"], guard["step"], guard["fatal"]) == ("nonfinite", 8, True)
    assert gang.events(tmp_path, "end")[0]["reason"] == "diverged"
    assert "trainer: the loss is nan at step 8" in output.splitlines()[-1]


def test_a_rank_that_hangs_makes_the_gang_leave_with_its_stacks(tmp_path: Path) -> None:
    results = gang.start(2, tmp_path, "--hang-at", "1:6", "--hang-seconds", "4").wait()
    codes = [code for code, _ in results]
    assert ExitCode.HUNG in codes, results
    assert all(codes), "no rank may go on or end well"
    hung = [output for code, output in results if code == ExitCode.HUNG]
    for output in hung:
        assert "made no progress for" in output.splitlines()[-1]
        assert "in train" in output, "the stack shows where the loop stood"
    assert gang.steps_of(list(tmp_path.glob("step-*"))) == ["step-00000004"]


def test_another_models_checkpoint_ends_every_rank_with_one_line(tmp_path: Path) -> None:
    gang.run(1, tmp_path, "--steps", "4")
    ((_, output),) = gang.run(1, tmp_path, "--width", "24", code=ExitCode.REFUSED)
    assert "trainer: " in output.splitlines()[-1]
    assert "width is 16 there and 24 here" in output.splitlines()[-1]
    assert gang.steps_of(list(tmp_path.glob("step-*"))) == ["step-00000004"]


def test_a_refusal_reaches_the_other_ranks_as_it_was() -> None:
    handed_on = pickle.loads(pickle.dumps(TrainerError("no room", ExitCode.REFUSED)))  # noqa: S301  # our own
    assert (str(handed_on), handed_on.exit_code) == ("no room", ExitCode.REFUSED), "as Side.from_first does it"


def test_what_one_rank_meets_all_ranks_agree_on(tmp_path: Path) -> None:
    gang.run(2, tmp_path, "--full-at", "1:8", "--wait")
    assert gang.steps_of(list(tmp_path.glob("step-*"))) == ["step-00000004", "step-00000012"]
    (guard,) = gang.events(tmp_path, "guard")
    assert (guard["guard"], guard["step"], guard["fatal"]) == ("checkpoint", 8, False)
    assert "rank 1: OSError: [Errno 28] No space left on device" in str(guard["message"])
    # Two ranks share the check: this file is among those that rank 1 reads.
    newest = tmp_path / "step-00000012"
    victim = sorted(Manifest.read(newest).files)[1]
    content = bytearray((newest / victim).read_bytes())
    content[len(content) // 3] ^= 4
    (newest / victim).write_bytes(content)
    results = gang.run(2, tmp_path, "--steps", "16")
    (resume,) = gang.events(tmp_path, "resume")
    assert resume["step"] == 4
    assert f"skipped step-00000012: {victim} does not match its checksum" in results[0][1]
    assert (tmp_path / "step-00000016").is_dir()


def test_a_finished_run_that_is_started_again_does_nothing(tmp_path: Path) -> None:
    gang.run(1, tmp_path, "--steps", "6")
    before = gang.losses(tmp_path)
    gang.run(1, tmp_path, "--steps", "6")
    assert gang.losses(tmp_path) == before
    assert [event["attempt"] for event in gang.events(tmp_path, "end")] == [1, 2]


def test_the_launcher_hands_on_the_code_that_says_why() -> None:
    assert exit_code([-15, 65]) == ExitCode.DIVERGED, "the rank that was ended by SIGTERM is a consequence"
    assert exit_code([-9, 1]) == 137, "otherwise the first, a signal as a shell counts it"
    assert exit_code([1, 75, 1]) == ExitCode.HUNG
    assert exit_code([]) == 1


def test_a_launched_job_ends_with_the_trainers_code_where_torchrun_would_say_1(tmp_path: Path) -> None:
    script = tmp_path / "diverged.py"
    script.write_text(f"import sys\nsys.exit({ExitCode.DIVERGED.value})\n")
    command = [sys.executable, "-m", "workloads.trainer.launch", "--nproc-per-node", "2", str(script)]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, capture_output=True, text=True)
    assert ended.returncode == ExitCode.DIVERGED, ended.stderr
    assert "ended with 65" in ended.stderr


def test_sigterm_to_the_launcher_reaches_the_processes_and_ends_it_with_143(tmp_path: Path) -> None:
    script = tmp_path / "waits.py"
    script.write_text(
        "import pathlib, signal, sys, threading\n"
        "told = threading.Event()\n"
        "signal.signal(signal.SIGTERM, lambda *_: told.set())\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).write_text('yes')\n"
        "while not told.wait(0.1): pass\n"
        f"pathlib.Path({str(tmp_path / 'saved')!r}).write_text('yes')\n"
        "sys.exit(143)\n"
    )
    command = [sys.executable, "-m", "workloads.trainer.launch", "--nproc-per-node", "1", str(script)]
    launched = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "ready").exists():
        assert launched.poll() is None, launched.communicate()
        time.sleep(0.05)
    launched.send_signal(signal.SIGTERM)
    _, errors = launched.communicate(timeout=240)
    assert (tmp_path / "saved").exists(), errors
    assert launched.returncode == 143, errors
