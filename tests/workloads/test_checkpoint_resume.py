"""Runs of several processes that are killed, stopped, or go on with another number of processes."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.training import gang

STEPS = 12
TOLERANCE = 1e-4
"""Relative difference of losses between numbers of processes: gradients are summed in another order, in float32."""


def floats(losses: dict[int, str]) -> list[float]:
    return [float.fromhex(losses[step]) for step in range(1, STEPS + 1)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Losses of two processes that nothing happens to."""
    directory = tmp_path_factory.mktemp("undisturbed")
    gang.run(2, directory)
    return gang.losses(directory)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves whose rank 1 was killed between backward and optimizer step of step 7."""
    directory = tmp_path_factory.mktemp("killed")
    attempt = gang.start(2, directory, "--mid-step", "1:7", "--wait")
    attempt.until(directory / "mid-step.json")
    marker = json.loads((directory / "mid-step.json").read_text())
    assert marker == {"rank": 1, "step": 7, "pid": attempt.processes[1].pid, "after": "backward"}
    attempt.kill(rank=1)
    codes = [code for code, _ in attempt.wait()]
    assert codes[1] == -signal.SIGKILL, "rank 1 was killed where it stood: after backward, before the optimizer's step"
    assert codes[0] != 0, "the other rank notices that its peer is gone"
    done = gang.losses(directory)
    assert max(done) == 6, "step 7 had begun and was not finished, so the kill landed in mid-step"
    assert [event["step"] for event in gang.events(directory, "checkpoint")] == [4]
    return directory


def resumed(killed: Path, directory: Path, *arguments: str) -> dict[int, str]:
    shutil.copytree(killed, directory)
    gang.run(2, directory, *arguments)
    (event,) = gang.events(directory, "resume")
    assert (event["step"], event["attempt"], event["same_layout"]) == (4, 2, True)
    return gang.losses(directory)


def test_a_run_killed_in_mid_step_equals_an_undisturbed_one_bit_for_bit(
    killed: Path, undisturbed: dict[int, str], tmp_path: Path
) -> None:
    assert resumed(killed, tmp_path / "run") == undisturbed


@pytest.mark.parametrize("forgotten", ["generators", "data"])
def test_a_run_that_does_not_restore_everything_is_found_unequal(
    killed: Path, undisturbed: dict[int, str], tmp_path: Path, forgotten: str
) -> None:
    losses = resumed(killed, tmp_path / "run", "--forget", forgotten)
    equal = {step for step in losses if losses[step] == undisturbed[step]}
    assert equal == set(range(1, 5)), f"what was replayed after step 4 differs, since {forgotten} began anew"


def consumed(directory: Path, world: int) -> dict[int, list[int]]:
    """Samples by step, in the order of the global batch."""
    steps: dict[int, list[int]] = {}
    for rank in range(world):
        for line in (directory / f"data-{rank}.jsonl").read_text().splitlines():
            document = json.loads(line)
            steps.setdefault(document["step"], []).extend(document["ids"])
    return steps


def test_four_processes_become_two_and_then_three_with_the_same_data_and_losses(tmp_path: Path) -> None:
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    gang.run(4, whole, "--dropout", "0")
    seen: dict[int, list[int]] = {}
    for world, until, layout in ((4, 4, "fsdp"), (2, 8, "ddp"), (3, 12, "fsdp")):
        gang.run(world, moved, "--dropout", "0", "--steps", str(until), "--layout", layout)
        seen |= {step: ids for step, ids in consumed(moved, world).items() if step > until - 4}
        for rank in range(world):
            (moved / f"data-{rank}.jsonl").unlink()
    assert seen == consumed(whole, 4), "each step's global batch is the same samples in the same order"
    assert floats(gang.losses(moved)) == pytest.approx(floats(gang.losses(whole)), rel=TOLERANCE)
    resumes = [(event["step"], event["saved_world_size"]) for event in gang.events(moved, "resume")]
    assert resumes == [(4, 4), (8, 2)]
    assert [event["same_layout"] for event in gang.events(moved, "resume")] == [False, False]


def test_sigterm_to_one_rank_saves_the_same_step_on_all_and_ends_with_143(tmp_path: Path) -> None:
    attempt = gang.start(2, tmp_path, "--steps", "100000", "--every", "100000", "--step-seconds", "0.01")
    attempt.until(tmp_path / "data-1.jsonl")
    attempt.kill(rank=1, number=signal.SIGTERM)
    assert [code for code, _ in attempt.wait()] == [143, 143]
    (end,) = gang.events(tmp_path, "end")
    assert end["reason"] == "stopped"
    assert gang.steps_of(list(tmp_path.glob("step-*"))) == [f"step-{end['step']:08d}"]
