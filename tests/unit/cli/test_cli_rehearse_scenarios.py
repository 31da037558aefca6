"""Scenario files: every one of the kit can be used, and a bad one gets one clear error."""

from pathlib import Path
from typing import Any

import pytest

from cli.errors import UserError
from cli.exits import Exit
from cli.rehearsal.building import builds
from cli.rehearsal.scenarios import KillScenario, RunningScenario, UpdateScenario, choose, load, names
from stacks.settings import Settings, load_file

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def local() -> Settings:
    return load_file(REPOSITORY / "stacks" / "config" / "Pulumi.local.yaml")


def without(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update=changes)


def test_the_kit_brings_the_seven_scenarios() -> None:
    assert names() == [
        "capacity",
        "control-plane-restart",
        "drift",
        "kill",
        "node-loss",
        "throttle",
        "zone-loss",
    ]
    assert [load(name).name for name in names()] == names()
    assert isinstance(load("capacity"), UpdateScenario)
    assert isinstance(load("kill"), KillScenario)
    assert isinstance(load("zone-loss"), RunningScenario)


def test_all_of_them_apply_to_local(local: Settings) -> None:
    chosen = choose(["all"], local)
    assert [item.name for item in chosen.play] == names()
    assert chosen.skipped == {}


def test_none_is_none_and_a_name_twice_is_once(local: Settings) -> None:
    assert choose(["none"], local).play == []
    assert [item.name for item in choose(["kill", "kill"], local).play] == ["kill"]


def test_the_loss_of_a_zone_says_why_it_means_nothing_to_a_stack_in_one(local: Settings) -> None:
    pools = tuple(pool.model_copy(update={"zones": ("us-east-1a",)}) for pool in local.pools)
    chosen = choose(["zone-loss", "drift"], without(local, pools=pools))
    assert [item.name for item in chosen.play] == ["drift"]
    assert chosen.skipped == {
        "zone-loss": "no pool of the stack spans two zones, so the loss of a zone is the loss of the pool"
    }


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UserError) as caught:
        load("flood")
    assert (caught.value.value, caught.value.status) == ("flood", Exit.USAGE)
    assert "node-loss" in caught.value.allowed


def test_every_absorbed_scenario_shares_the_first_deployment_and_each_refused_one_has_its_own() -> None:
    throttle, capacity = load("throttle"), load("capacity")
    assert isinstance(throttle, UpdateScenario)
    assert isinstance(capacity, UpdateScenario)
    other = capacity.model_copy(update={"name": "other"})
    assert builds([capacity, throttle, other]) == [[throttle, capacity], [other]]
    assert builds([throttle]) == [[throttle]]
    assert builds([]) == []


def test_kills_hit_every_kind_of_update() -> None:
    kill = load("kill")
    assert isinstance(kill, KillScenario)
    assert [str(step) for step in kill.steps] == ["up", "update", "refresh", "destroy"]


GOOD = "name: mine\ntitle: Mine\nduring: up\nfaults: [{type: throttle}]\nexpect: absorbed\n"
BAD = {
    "an unknown member": (GOOD + "colour: red\n", "colour: Extra inputs are not permitted"),
    "an unknown fault": (GOOD.replace("throttle", "flood"), "faults.0.type: Input should be"),
    "no fault": (GOOD.replace("[{type: throttle}]", "[]"), "faults: Tuple should have at least 1 item"),
    "a bad expectation": (GOOD.replace("absorbed", "hope"), "expect: Input should be 'absorbed' or 'refused'"),
    "no moment": (GOOD.replace("during: up\n", ""), "Unable to extract tag using discriminator 'during'"),
    "no mapping": ("- a\n", "Input should be a valid dictionary"),
    "no YAML": ("name: [", "while parsing a flow node"),
    "never": ("name: m\ntitle: M\nduring: kill\nevery: 0\n", "every: Input should be greater than or equal to 1"),
    "no step": ("name: m\ntitle: M\nduring: kill\nevery: 1\nsteps: []\n", "steps: Tuple should have at least 1 item"),
    "a bad name": (GOOD.replace("mine", "My Name"), "name: String should match pattern"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_cannot_be_used_gets_one_error_with_its_place(case: str, tmp_path: Path) -> None:
    text, expected = BAD[case]
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load(str(file))
    assert expected in caught.value.what
    assert caught.value.where == str(file)
    assert caught.value.status == Exit.USAGE


def test_a_file_of_your_own_is_named_by_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD)
    assert load(str(file)).title == "Mine"
