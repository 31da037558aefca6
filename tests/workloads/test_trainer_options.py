"""Options: what cannot work is refused with one sentence before any process waits for another."""

import subprocess
import sys
from pathlib import Path

import pytest

from workloads.parallelism import Parallelism, Schedule
from workloads.trainer.checks import wrong_with
from workloads.trainer.choices import Precision
from workloads.trainer.options import parse
from workloads.trainer.state import ExitCode


@pytest.mark.parametrize(
    ("line", "processes", "words"),
    [
        ("--model huge", 1, "--model huge: no such size; choose one of tiny, small"),
        ("--batch 0", 1, "--batch 0: must be at least 1"),
        ("--micro-batch 0", 1, "--micro-batch 0: must be at least 1"),
        ("--steps -5", 1, "--steps -5: must be at least 1"),
        ("--keep 0", 1, "--keep 0: must be at least 1"),
        ("--learning-rate 0", 1, "--learning-rate 0.0: must be more than 0"),
        ("--learning-rate nan", 1, "--learning-rate nan: must be more than 0"),
        ("--clip -1", 1, "--clip -1.0: must not be negative"),
        ("--context -64", 1, "--context -64: must not be negative"),
        ("--dropout 1", 1, "--dropout 1.0: must be from 0 to below 1"),
        ("--beta2 1.5", 1, "--beta2 1.5: must be from 0 to below 1"),
        ("--final-share 2", 1, "--final-share 2.0: must be from 0 to 1"),
        ("--validation-share 0", 1, "--validation-share 0.0: must be between 0 and 1"),
        ("--vocabulary 100", 1, "--vocabulary 100: must be at least 257"),
        ("--metrics-port 70000", 1, "--metrics-port 70000: must be 0 (none) or a port"),
        ("--shards 1 --offload", 1, "--offload keeps shards in the host's memory, and --shards is 1"),
        ("--batch 10", 4, "--batch 10 does not divide among 4 processes that read data (replicas 1 x shards 4)"),
        ("--replicas 3 --shards 1", 2, "replicas 3 x shards 1 x tensor 1 x pipeline 1 = 3, but there are 1 nodes x 2"),
        ("--tensor 4 --model small", 4, "--tensor 4 does not divide the query heads of small (5)"),
        ("--tensor 2 --context 65", 2, "--tensor 2 does not divide the context"),
        ("--tensor 2 --tied", 2, "--tied with --tensor 2: embedding and head are cut differently"),
        ("--pipeline 2 --tied", 2, "--tied with --pipeline 2: embedding and head are on different stages"),
        ("--pipeline 8 --batch 16", 8, "--pipeline 8: tiny has 4 layers, fewer than stages"),
        ("--pipeline 4 --batch 2", 4, "--batch 2 gives each of 1 pipelines 2 sequences, fewer than its 4 stages"),
        ("--tensor 2 --precision float8", 2, "--precision float8 with --tensor 2 is not offered"),
        ("--tensor 2 --compile", 2, "--compile with --tensor 2 computes wrong gradients in torch 2.15"),
        ("--lora-rank 4", 1, "--lora-rank 4 trains beside weights that exist: name a checkpoint"),
        ("--start-from x", 1, "--start-from without --tokenizer-file"),
    ],
)
def test_what_cannot_work_gets_one_clear_sentence(line: str, processes: int, words: str) -> None:
    found = wrong_with(parse(line.split(), ""), processes=processes, processes_per_node=processes)
    assert [words in problem for problem in found].count(True) == 1, found


@pytest.mark.parametrize("line", ["--tensor 3", "--tensor 2 --pipeline 2"])
def test_only_the_degrees_are_told_when_they_do_not_fit(line: str) -> None:
    found = wrong_with(parse(line.split(), ""), processes=2, processes_per_node=2)
    assert len(found) >= 1, "what follows from degrees that do not exist would only confuse"
    assert all("parallelism" in problem for problem in found)


@pytest.mark.parametrize(
    "line",
    ["", "--tied", "--tokenizer bytes --vocabulary 0", "--warmup 0", "--seed 0", "--batch 1 --micro-batch 1"],
)
def test_what_works_is_not_refused(line: str) -> None:
    assert wrong_with(parse(line.split(), ""), processes=1, processes_per_node=1) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--precision fp16", "argument --precision: 'fp16' is none of fp32, bf16, float8"),
        ("--schedule zigzag", "'zigzag' is none of 1F1B, GPipe"),
        ("--batch many", "argument --batch: invalid int value: 'many'"),
        ("--bach 12", "unrecognized arguments: --bach 12"),
        ("--step 12", "unrecognized arguments: --step 12"),
    ],
)
def test_a_word_that_is_wrong_ends_with_the_code_that_is_not_tried_again(
    line: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(line.split(), "")
    assert ended.value.code == ExitCode.REFUSED, "restarting would not help"
    assert words in capsys.readouterr().err


def test_a_command_line_becomes_typed_options() -> None:
    options = parse(
        [
            "--precision",
            "bf16",
            "--schedule",
            "GPipe",
            "--replicas",
            "2",
            "--shards",
            "4",
            "--no-compile",
            "--clip",
            "0.5",
        ],
        "",
    )
    assert options.compute.precision is Precision.BF16
    assert options.parallelism == Parallelism(replicas=2, shards=4, schedule=Schedule.GPIPE)
    assert options.learning.clip == 0.5


def test_the_directory_comes_from_the_environment_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_CHECKPOINTS", "/data/team/run")
    assert parse([], "").directory == Path("/data/team/run"), "what the run's pods say"
    assert parse(["--directory", "here"], "").data_directory == Path("here/data"), "text beside the checkpoints"


def test_the_grace_period_is_torchruns_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", raising=False)
    assert parse([], "").grace_seconds == 30, "what torchrun waits by itself"
    monkeypatch.setenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "110")
    assert parse([], "").grace_seconds == 110, "what the pods tell it"
    assert parse(["--grace-seconds", "5"], "").grace_seconds == 5


def test_help_answers_without_torch_and_tells_every_option(repository: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from workloads.trainer.options import parse\n"
        "parse(['--help'], 'The description.')"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "The description." in told.stdout
    for flag in ("--learning-rate", "--precision", "--pipeline", "--checkpoint-every", "--lora-rank"):
        assert flag in told.stdout, f"{flag} is not told"
    assert "(default: 0.003)" in told.stdout, "defaults are shown"
