"""Runs of people: what is made, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.errors import UserError
from cli.train_access import Platform
from cli.train_spec import profile_of
from cli.train_submit import as_yaml, check, objects, submit
from stacks.problems import SettingsError
from tests.support.train_platform import PROFILE, api, made_platform, spec
from workloads.specs import Runner


@pytest.fixture
def platform() -> Platform:
    return made_platform()


# --- what is to run ------------------------------------------------------------------------------------------------
def test_a_recipe_goes_to_the_team_and_the_pool_with_the_teams_file_system(platform: Platform) -> None:
    made = spec(platform, options={"steps": 30})
    assert (made.namespace, made.pool, made.runner, made.processes) == ("research", "cpu", Runner.TRAINER, 2)
    assert "--steps=30" in made.args
    assert made.mount is not None
    assert made.checkpoint_directory == "/shared/research/checkpoints/debug"


@pytest.mark.parametrize(
    ("wishes", "what", "where"),
    [
        ({"recipe": None}, "one recipe or one file", ""),
        ({"recipe": "debgu"}, "no recipe of this name", "--recipe"),
        ({"team": "reserch"}, "no team of this name", "--team"),
        ({"team": None}, "several teams are possible", "--team"),
        ({"pool": "cpus"}, "no pool of this name", "--pool"),
        ({"recipe": "lora_finetune"}, "missing 1 required keyword-only argument: 'base'", ""),
        ({"recipe": "fsdp_4x8", "options": {"nodes": 2}}, "unexpected keyword argument 'nodes'", ""),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_error_of_usage(
    platform: Platform, wishes: dict[str, Any], what: str, where: str
) -> None:
    with pytest.raises(UserError, match=what) as caught:
        spec(platform, **wishes)
    assert (caught.value.where, int(caught.value.status)) == (where, 2)
    assert caught.value.fix


def test_a_recipe_that_does_not_fit_is_told_as_settings_are(platform: Platform) -> None:
    with pytest.raises(SettingsError) as caught:
        spec(platform, options={"nodes": 3})
    (found,) = [item for item in caught.value.problems if item.rule == "training-nodes"]
    assert (found.path, found.value, found.allowed) == ("run.nodes", "3", "1 to 2")


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"queue": "other"}, ("run.queue", "queue-unknown")),
        ({"priority": "hihg"}, ("run.priority", "priority-unknown")),
        ({"pool": "system", "options": {"nodes": 2}}, ("run.nodes", "queue-run-fits")),
        ({"name": "pretrain-demo"}, ("run.name", "name-unique")),
    ],
)
def test_a_recipe_that_its_queue_would_never_admit_is_refused(
    platform: Platform, wishes: dict[str, Any], expected: tuple[str, str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        spec(platform, **wishes)
    assert expected in [(item.path, item.rule) for item in caught.value.problems]


def test_a_recipe_may_name_the_teams_queue_and_a_priority_that_there_is(platform: Platform) -> None:
    made = spec(platform, queue="default", priority="high")
    assert (made.queue, made.priority_class) == ("default", "high")


def test_a_priority_is_refused_where_nothing_queues(platform: Platform) -> None:
    bare = platform.stack.settings.model_copy(update={"queueing": None, "training_operator": None})
    with pytest.raises(SettingsError) as caught:
        spec(replace(platform, stack=replace(platform.stack, settings=bare)), priority="high")
    assert [(item.path, item.rule) for item in caught.value.problems] == [("run.priority", "training-queue")]


@pytest.mark.parametrize("runner", ["job", "trainer"])
def test_a_priority_in_a_file_is_one_of_the_queues_for_each_runner(
    platform: Platform, tmp_path: Path, runner: str
) -> None:
    file = tmp_path / "run.yaml"
    entry = {"name": "mine", "team": "research", "pool": "training", "nodes": 2, "image": "slipway/trainer:0.1.0"}
    file.write_text(yaml.safe_dump({**entry, "script": "x.py", "runner": runner, "priority": "hihg"}))
    with pytest.raises(SettingsError) as caught:
        spec(platform, recipe=None, team=None, pool=None, file=file)
    assert [(item.path, item.rule) for item in caught.value.problems] == [("run.priority", "priority-unknown")]
    made = spec(platform, recipe=None, team=None, pool=None, file=file, priority="high")
    assert made.priority_class == "high"


def test_a_file_has_the_keys_of_the_settings_and_the_same_errors(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    entry = {"name": "mine", "team": "research", "pool": "training", "nodes": 2, "image": "slipway/trainer:0.1.0"}
    file.write_text(yaml.safe_dump({**entry, "script": "workloads/trainer/main.py"}))
    made = spec(platform, recipe=None, team=None, pool=None, file=file)
    assert (made.name, made.nodes, made.world_size) == ("mine", 2, 16)
    file.write_text(yaml.safe_dump({**entry, "script": "x.py", "image": "slipway/trainer", "node": 1}))
    with pytest.raises(SettingsError) as caught:
        spec(platform, recipe=None, team=None, pool=None, file=file)
    assert {item.path: item.rule for item in caught.value.problems} == {
        "run.image": "image-pinned",
        "run.node": "unknown-key",
    }


def test_the_profile_of_a_pool_survives_the_stacks_exports() -> None:
    assert profile_of("cpu", {"cpu": PROFILE.to_json()}) == replace(PROFILE, topology_label_keys=())
    with pytest.raises(UserError, match="not up"):
        profile_of("gpu", {"cpu": PROFILE.to_json()})


# --- submit --------------------------------------------------------------------------------------------------------
def test_submitted_objects_are_marked_and_belong_to_the_run(platform: Platform) -> None:
    made = objects(spec(platform), PROFILE)
    assert [item["kind"] for item in made] == ["NetworkPolicy", "TrainJob"]
    assert {item["metadata"]["labels"]["slipway.dev/origin"] for item in made} == {"submitted"}
    assert not any("pulumi.com/skipAwait" in item["metadata"]["annotations"] for item in made)
    submit(platform, made)
    merged = [call for call in api(platform).calls if call[0].startswith("merge")]
    assert len(merged) == 1, "the policy goes when the run goes"
    assert "ownerReferences" in merged[0][0]
    assert [*yaml.safe_load_all(as_yaml(made))] == made, "what is printed can be applied"


def test_a_run_that_is_refused_leaves_nothing_behind(platform: Platform) -> None:
    api(platform).refuse = "trainjobs"
    made = objects(spec(platform), PROFILE)
    with pytest.raises(UserError, match="admission webhook denied"):
        submit(platform, made)
    name = made[0]["metadata"]["name"]
    policies = "/apis/networking.k8s.io/v1/namespaces/research/networkpolicies"
    assert ("delete", f"{policies}/{name}") in api(platform).calls


def test_the_same_run_twice_is_told_with_what_to_do(platform: Platform) -> None:
    made = objects(spec(platform), PROFILE)
    submit(platform, made)
    with pytest.raises(UserError, match="this run is there already") as caught:
        submit(platform, made)
    assert "--delete" in caught.value.fix


def test_a_check_asks_the_server_and_makes_nothing(platform: Platform) -> None:
    check(platform, objects(spec(platform), PROFILE))
    assert [kind for kind, _ in api(platform).calls] == ["dry run", "dry run"]
    assert api(platform).kept == {}
