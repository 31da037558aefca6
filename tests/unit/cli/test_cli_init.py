"""`slipway init`: what it asks, what it refuses, and that what it writes loads."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from rich.prompt import Prompt

from cli import init, terminal
from cli.exits import Exit
from cli.init_document import NONE, problems, render
from cli.init_questions import QUESTIONS, defaults
from cli.main import run
from stacks.queueing import Queueing, TrainingOperator
from stacks.settings import load_file, validate
from stacks.sources import from_mapping


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without environments; returns where their files go."""
    config = tmp_path / "stacks" / "config"
    config.mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    # No credentials, and no search for any.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return config


ANSWERS = {
    "ttl": ("8h", NONE),
    "account": ("000000000000", "111122223333"),
    "region": ("us-east-1", "eu-west-1"),
    "access": ("public", "tunnel", "runner"),
    "gpu_type": ("p5.48xlarge", "g6e.12xlarge"),
    "capacity": ("onDemand", "spot", "reservation", "capacityBlock"),
    "storage_gib": ("1200", "4800", NONE),
    "queues": ("BestEffortFIFO", NONE),
}


def combinations() -> Iterator[dict[str, str]]:
    for values in itertools.product(*ANSWERS.values()):
        yield {**dict(zip(ANSWERS, values, strict=True)), "reservation": "cr-0123456789abcdef0"}


def test_every_combination_of_good_answers_is_a_file_without_problems() -> None:
    for given in combinations():
        answers = defaults({"environment": "x", **given})
        assert problems("x", answers) == [], given


def test_the_written_file_loads_with_what_was_answered(checkout: Path) -> None:
    options = ["--account", "111122223333", "--ttl", NONE, "--gpu-type", "p5.48xlarge", "--gpu-nodes", "4"]
    assert run(["init", "team-a", "--yes", *options]) == Exit.OK
    settings = load_file(checkout / "Pulumi.team-a.yaml")
    pool = settings.pools[1]
    assert (settings.environment, settings.protect, settings.ttl) == ("team-a", True, None)
    assert (pool.instance_type, pool.nodes, pool.fabric) == ("p5.48xlarge", 4, "efa")
    assert settings.access.kind == "tunnel", "what is protected is private unless somebody says otherwise"
    assert settings.teams[0].gpus == 32
    assert settings.state_backend.url == "s3://slipway-state-111122223333?region=us-east-1"
    assert not settings.simulated


@pytest.mark.parametrize("strategy", ["BestEffortFIFO", "StrictFIFO"])
def test_one_answer_brings_queues_and_the_operator_whose_runs_they_admit(checkout: Path, strategy: str) -> None:
    assert run(["init", "try", "--yes", "--queues", strategy]) == Exit.OK
    settings = load_file(checkout / "Pulumi.try.yaml")
    assert settings.queueing == Queueing(strategy=strategy)
    assert settings.training_operator == TrainingOperator()


def test_without_queues_runs_are_jobs_for_which_nothing_is_installed(checkout: Path) -> None:
    assert run(["init", "try", "--yes", "--queues", NONE]) == Exit.OK
    settings = load_file(checkout / "Pulumi.try.yaml")
    assert (settings.queueing, settings.training_operator) == (None, None)


@pytest.mark.parametrize("kind", ["g6e.12xlarge", "p5.48xlarge"])
@pytest.mark.parametrize("queues", ["BestEffortFIFO", NONE])
def test_a_run_of_the_first_team_may_take_every_node_of_the_pool(kind: str, queues: str) -> None:
    answers = defaults({"environment": "x", "gpu_type": kind, "gpu_nodes": "4", "queues": queues})
    config = yaml.safe_load(render("x", answers))["config"]
    run_of_all = {"name": "all", "team": "research", "pool": "gpu", "nodes": 4, "storage": "scratch"}
    config["slipway:training"] = [{**run_of_all, "image": "slipway/trainer:0.1.0", "script": "train.py"}]
    settings = validate(from_mapping(config, source="x"), encrypted_values_are_clear=False)
    assert settings.training[0].nodes == 4


def test_it_shows_the_file_and_the_next_three_commands(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "try", "--yes"]) == Exit.OK
    shown = capsys.readouterr().out
    written = (checkout / "Pulumi.try.yaml").read_text()
    assert [line for line in written.splitlines() if line.strip() and line.strip() not in shown] == []
    commands = [line.split()[:3] for line in shown.rstrip().splitlines()[-3:]]
    assert commands == [["slipway", "plan", "try"], ["slipway", "rehearse", "try"], ["slipway", "up", "try"]]


def test_a_file_that_exists_is_left_as_it_is(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = checkout / "Pulumi.mine.yaml"
    file.write_text("mine")
    assert run(["init", "mine", "--yes"]) == Exit.USAGE
    assert file.read_text() == "mine"
    assert "has a settings file already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--account", "1234"], "aws-account-id"),
        (["--region", "us-eest-1"], "did you mean us-"),
        (["--zones", "us-east-1a"], "too-few"),
        (["--cidr", "8.8.0.0/16"], "vpc-cidr-private"),
        (["--allow", "0.0.0.0/0"], "public-access-open"),
        (["--gpu-type", "p5.48xlarg"], "instance-type-known"),
        (["--gpu-nodes", "many"], "number-expected"),
        (["--gpu-nodes", "0"], "out-of-range"),
        (["--capacity", "free"], "choice-unknown"),
        (["--capacity", "reservation"], "aws-reservation-id"),
        (["--storage-gib", "1300"], "lustre-sizing"),
        (["--team", "kube-system"], "namespace-reserved"),
        (["--ttl", "2w"], "ttl-format"),
        (["--queues", "fifo"], "choice-unknown"),
        (["--owner", 'a"\nslipway:protect: true'], "tag-value"),
    ],
)
def test_a_wrong_option_is_refused_with_the_rules_words_and_writes_nothing(
    checkout: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert run(["init", "try", "--yes", *options]) == Exit.USAGE
    assert words in capsys.readouterr().err
    assert list(checkout.iterdir()) == []


@pytest.mark.parametrize("name", ["Prod", "../up", "a" * 21, "a b"])
def test_a_name_that_is_none_is_refused(checkout: Path, name: str) -> None:
    assert run(["init", "--yes", name]) == Exit.USAGE
    assert list(checkout.iterdir()) == []


def test_without_anybody_to_ask_it_says_how_to_go_on(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", "try"]) == Exit.USAGE
    assert "--yes" in capsys.readouterr().err


def person(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Sequence[str]]) -> list[str]:
    """Somebody who gives these answers, one after the other, and takes defaults elsewhere; returns what was asked."""
    asked: list[str] = []
    left = {key: list(values) for key, values in answers.items()}

    def ask(question: str, **options: object) -> str:
        key = next(item.key for item in QUESTIONS if item.text == question)
        asked.append(key)
        return left[key].pop(0) if left.get(key) else str(options["default"] or "")

    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    monkeypatch.setattr(Prompt, "ask", ask)
    return asked


def test_a_wrong_answer_is_told_at_once_and_asked_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = person(monkeypatch, {"region": ["mars-1", "eu-west-1"], "gpu_nodes": ["9999", "3"]})
    assert run(["init", "try"]) == Exit.OK
    assert (asked.count("region"), asked.count("gpu_nodes"), asked.count("owner")) == (2, 2, 1)
    assert "environment" not in asked, "the name was given already"
    told = capsys.readouterr().err
    assert "[aws-region]" in told
    assert "[out-of-range]" in told
    settings = load_file(checkout / "Pulumi.try.yaml")
    assert settings.pools[1].nodes == 3
    assert settings.pools[1].zones == ("eu-west-1a",), "defaults follow from earlier answers"


def test_only_what_matters_is_asked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = person(monkeypatch, {"access": ["runner"]})
    assert run(["init", "try", "--owner", "me"]) == Exit.OK
    assert {"owner", "allow", "proxy_url", "reservation"} & set(asked) == set()


def test_an_answer_that_spoils_an_earlier_one_is_asked_again(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = person(monkeypatch, {"cidr": ["10.64.0.0/22"], "gpu_nodes": ["450", "1"]})
    assert run(["init", "try"]) == Exit.OK
    assert asked.count("gpu_nodes") == 2, "450 nodes need more addresses than the network has"


def test_every_answer_is_an_option() -> None:
    import inspect

    assert {question.key for question in QUESTIONS} - {"environment"} <= set(inspect.signature(init.init).parameters)


def test_rendering_twice_gives_the_same_text() -> None:
    answers = defaults({"environment": "x"})
    assert render("x", answers) == render("x", answers)
