"""Whole processes that end for a reason: numbers that are none, collectives that hang, checkpoints that do not fit."""

from pathlib import Path

from tests.support.training import gang
from workloads.trainer.launch import exit_code
from workloads.trainer.state import ExitCode


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
