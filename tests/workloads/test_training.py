"""The trainer as a command: it learns from real text, stops when told, and goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workloads.trainer.main import main
from workloads.trainer.state import ExitCode

pytestmark = pytest.mark.timeout(900)
"""A minute on two idle cores."""
SMALL = ["--context", "64", "--tokenizer", "bytes", "--device", "cpu", "--hang-seconds", "0"]


def events(directory: Path, kind: str) -> list[dict[str, Any]]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [found for line in lines if (found := json.loads(line))["event"] == kind]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps on the language reference, tokenized by byte pairs."""
    directory = tmp_path_factory.mktemp("base")
    arguments = ["--steps", "60", "--context", "64", "--device", "cpu", "--evaluate-every", "30"]
    assert main([*arguments, "--directory", str(directory)]) == ExitCode.DONE
    return directory


def test_the_loss_falls_on_real_text(base: Path) -> None:
    losses = [event["loss"] for event in events(base, "step")]
    assert losses[0] == pytest.approx(6.93, abs=0.05), "log(1024): every token is as likely"
    assert losses[-1] < 5.9, "the commonest words are known after 60 steps"


def test_text_that_training_never_saw_becomes_likelier(base: Path) -> None:
    evaluations = {event["step"]: event["loss"] for event in events(base, "evaluation")}
    assert evaluations.keys() == {30, 60}, "as often as was asked for"
    assert evaluations[60] < evaluations[30] < 6.6, "it learns the language, not the sequences"


def test_adapters_fine_tune_a_model_on_another_text(base: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The queue admits a gang of pods when all of them fit. " * 400)
    tokenizer = base / "tokenizer.json"
    tuning = ["--steps", "15", "--context", "64", "--device", "cpu", "--corpus", str(text), "--evaluation-batches", "0"]
    adapters = ["--lora-rank", "4", "--start-from", str(base), "--tokenizer-file", str(tokenizer), "--warmup", "2"]
    assert main([*tuning, *adapters, "--directory", str(tmp_path / "tuned")]) == ExitCode.DONE
    losses = [event["loss"] for event in events(tmp_path / "tuned", "step")]
    assert losses[0] < 6.9, "it starts from what the base run learned"
    assert losses[-1] < losses[0] - 0.3, "the adapters learn the new text"


def test_weights_come_from_the_newest_whole_checkpoint_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, shared = tmp_path / "base", ["--data", str(tmp_path / "data")]
    assert main([*SMALL, *shared, "--steps", "2", "--checkpoint-every", "1", "--directory", str(base)]) == ExitCode.DONE
    newest = base / "step-00000002"
    _flip_a_bit(newest / "__0_0.distcp")

    printed = {}
    for name, start in (("run", base), ("checkpoint", base / "step-00000001"), ("damaged", newest)):
        arguments = [*SMALL, *shared, "--start-from", str(start)]
        code = main([*arguments, "--steps", "1", "--directory", str(tmp_path / name)])
        assert code == (ExitCode.REFUSED if name == "damaged" else ExitCode.DONE)
        printed[name] = capsys.readouterr()
    losses = {name: events(tmp_path / name, "step")[0]["loss"] for name in ("run", "checkpoint")}
    assert losses["run"] == losses["checkpoint"], "what was damaged is not read"
    damage = "step-00000002: __0_0.distcp does not match its checksum"
    assert f"--start-from {base}: skipped {damage}" in printed["run"].out
    assert "skipped" not in printed["checkpoint"].out
    assert f"--start-from {newest}: no whole checkpoint there ({damage}" in printed["damaged"].err


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_weights_of_another_shape_are_refused(base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*SMALL, "--start-from", str(base), "--steps", "1", "--directory", str(tmp_path)]
    assert main(arguments) == ExitCode.REFUSED
    assert "it has no model.embedding.weight of shape [320, 96]" in capsys.readouterr().err, "bytes, not pairs"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--batch", "0"], "error: --batch 0: must be at least 1"),
        (["--corpus", "/no/such/text"], "error: rank 0: corpus /no/such/text: no such file or folder"),
        (["--precision", "float8"], "error: rank 0: --precision float8 needs a GPU"),
        (["--context", "1000000"], "less than one sequence of 1000000"),
    ],
)
def test_a_run_that_cannot_start_says_why_and_is_not_tried_again(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--directory", str(tmp_path), *arguments]) == ExitCode.REFUSED
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


def test_a_directory_that_cannot_be_made_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    arguments = ["--data", str(tmp_path / "data"), "--directory", str(tmp_path / "file" / "run"), "--steps", "1"]
    assert main([*SMALL, *arguments]) == ExitCode.REFUSED
    assert "error: rank 0: --directory cannot be made: " in capsys.readouterr().err


def test_a_run_that_asks_for_fewer_steps_than_were_done_leaves_them_as_they_are(tmp_path: Path) -> None:
    arguments = [*SMALL, "--directory", str(tmp_path), "--evaluation-batches", "0"]
    assert main([*arguments, "--steps", "3"]) == ExitCode.DONE
    assert main([*arguments, "--steps", "2"]) == ExitCode.DONE
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000003"], "no step 2 with the state of step 3"


def test_a_run_that_was_told_to_stop_goes_on_bit_for_bit(tmp_path: Path, repository: Path) -> None:
    def command(directory: Path) -> list[str]:
        # With dropout, so that the random generators matter.
        options = [
            *SMALL,
            "--steps",
            "30",
            "--dropout",
            "0.1",
            "--checkpoint-every",
            "1000",
            "--evaluation-batches",
            "0",
        ]
        return [sys.executable, "workloads/trainer/main.py", *options, "--directory", str(directory)]

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    subprocess.run(command(undisturbed), cwd=repository, env=environment, check=True, capture_output=True)

    running = subprocess.Popen(command(stopped), cwd=repository, env=environment, stdout=subprocess.DEVNULL)
    while not (stopped / "metrics.jsonl").exists() or len(events(stopped, "step")) < 5:
        assert running.poll() is None, "it ended before its fifth step"
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    assert running.wait() == ExitCode.STOPPED, "restart policies tell it from a failure"
    reached = events(stopped, "step")[-1]["step"]
    assert 5 <= reached < 30, "the signal came in the middle"
    assert (stopped / f"step-{reached:08d}").is_dir(), "what was done is on disk"

    subprocess.run(command(stopped), cwd=repository, env=environment, check=True, capture_output=True)
    (resume,) = events(stopped, "resume")
    assert resume["step"] == reached
    hexes = [{event["step"]: event["loss_hex"] for event in events(run, "step")} for run in (undisturbed, stopped)]
    assert hexes[0] == hexes[1], "every loss, to the last bit, each step once"
