"""Stack files as people save them, and settings as the engine hands them over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import config as engine_config

from stacks.fields import PLACEHOLDER
from stacks.settings import Settings, SettingsError, load, load_file

CONFIG = Path(__file__).parents[3] / "stacks" / "config"
STACKS = sorted(CONFIG.glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("path", STACKS, ids=[path.stem.removeprefix("Pulumi.") for path in STACKS])
def test_every_checked_in_stack_loads(path: Path) -> None:
    assert load_file(path).environment, "a stack belongs to an environment"


def test_the_local_stack_is_32_gpus_on_a_simulated_account() -> None:
    settings = load_file(CONFIG / "Pulumi.local.yaml")
    training = next(pool for pool in settings.pools if pool.name == "training")
    assert settings.simulated, "twelve zeros are no real account"
    assert (training.nodes, training.instance_type, training.fabric) == (4, "p5.48xlarge", "efa")
    assert training.zones == ("us-east-1a",), "EFA stays in one zone"
    assert settings.charts.mirror == "env:SLIPWAY_CHARTS_MIRROR", "without an engine the reference stays a reference"


def save(folder: Path, document: dict[str, Any], **more: object) -> Path:
    path = folder / "Pulumi.test.yaml"
    config = {f"slipway:{key}": value for key, value in document.items()}
    path.write_text(yaml.safe_dump({"config": config, **more}), encoding="utf-8")
    return path


TEXTS = [
    ("an empty file", b"", "file-mapping", "the file is empty"),
    ("a list", b"- a\n", "file-mapping", "the file holds no mapping"),
    ("no config", b"encryptionsalt: v1:x\n", "file-config", "`config:` holds no settings"),
    ("an empty config", b"config:\n", "file-config", "`config:` holds no settings"),
    ("a key twice", b"config:\n  slipway:ttl: 1h\n  slipway:ttl: 2h\n", "file-duplicate-key", "stands twice (line 3)"),
    ("tabs", b"config:\n\tslipway:ttl: 1h\n", "file-tabs", "line 2 is indented with a tab"),
    ("no YAML", b"config:\n  slipway:ttl: [1h\n", "file-yaml", "this is no YAML (line 3"),
    ("another encoding", "config:\n  slipway:owner: Zoë\n".encode("latin-1"), "file-utf8", "not UTF-8"),
    ("a circle", b"config: {slipway:pools: &a [*a]}\n", "file-yaml", "recursive node"),
    ("an unknown tag", b"config: !!python/object:os.system {}\n", "file-yaml", "this is no YAML (line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "rule", "words"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_a_broken_file_gets_one_clear_problem(tmp_path: Path, text: bytes, rule: str, words: str) -> None:
    path = tmp_path / "Pulumi.test.yaml"
    path.write_bytes(text)
    with pytest.raises(SettingsError) as error:
        load_file(path)
    (problem,) = error.value.problems
    assert (problem.path, problem.rule) == ("Pulumi.test.yaml", rule)
    assert words in problem.what


def test_a_missing_file_names_the_stacks_that_exist(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dev.yaml").touch()
    with pytest.raises(SettingsError) as error:
        load_file(tmp_path / "Pulumi.div.yaml")
    (problem,) = error.value.problems
    assert (problem.rule, problem.allowed) == ("file-missing", "Pulumi.dev.yaml")


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("slipwy:owner", "write slipway:owner"),
        ("owner", "write slipway:owner"),
        ("aws:region", "remove it: providers are made from slipway:place, and read no configuration of their own"),
    ],
)
def test_a_key_of_another_namespace_is_refused(tmp_path: Path, document: dict[str, Any], key: str, fix: str) -> None:
    path = save(tmp_path, document)
    content = yaml.safe_load(path.read_text())
    content["config"][key] = "x"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SettingsError) as error:
        load_file(path)
    (problem,) = error.value.problems
    assert (problem.path, problem.rule, problem.fix) == (key, "key-namespace", fix)


def test_a_setting_outside_config_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, document, **{"slipway:owner": "me"}))
    (problem,) = error.value.problems
    assert (problem.rule, problem.fix) == ("file-key", "indent it below `config:`")


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path, document: dict[str, Any]) -> None:
    del document["owner"]
    document["pools"][1]["instanceType"] = "p5.48xlarg"
    document["storage"][0]["capacityGib"] = 5000
    document["access"]["cidrs"] = ["0.0.0.0/0"]
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, document))
    assert {problem.path for problem in error.value.problems} == {
        "slipway:owner",
        "slipway:access.cidrs[0]",
        "slipway:pools[1].instanceType",
        "slipway:storage[0].capacityGib",
    }, "a fault in one section hides none in another"
    assert "4 problems in the settings, so nothing was done" in str(error.value)


def test_an_unknown_key_is_answered_with_the_nearest_known_one(tmp_path: Path, document: dict[str, Any]) -> None:
    document["pools"][1]["instanceTyp"] = document["pools"][1].pop("instanceType")
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, document))
    by_rule = {problem.rule: problem for problem in error.value.problems}
    assert set(by_rule) == {"unknown-key", "setting-missing"}
    assert by_rule["unknown-key"].fix == "did you mean `instanceType`? Rename or remove it"


def test_a_misspelt_type_is_answered_with_the_nearest_known_one(tmp_path: Path, document: dict[str, Any]) -> None:
    document["pools"][1]["instanceType"] = "p5.48xlarg"
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, document))
    (problem,) = error.value.problems
    assert problem.value == '"p5.48xlarg"'
    assert "p5.48xlarge" in problem.fix


def test_yaml_is_read_as_pulumi_reads_it(tmp_path: Path, document: dict[str, Any]) -> None:
    path = save(tmp_path, document)
    text = path.read_text().replace("slipway:costCenter: '0000'", "slipway:costCenter: on")
    path.write_text(text)
    assert load_file(path).cost_center == "on", "YAML 1.2 has no on, off, yes and no"


# --- secrets -------------------------------------------------------------------------------------------------------
def with_credentials(document: dict[str, Any], password: object) -> dict[str, Any]:
    return {**document, "registry": {"prefix": "r/x", "credentials": {"username": "u", "password": password}}}


def test_an_encrypted_value_becomes_a_placeholder_without_an_engine(tmp_path: Path, document: dict[str, Any]) -> None:
    settings = load_file(save(tmp_path, with_credentials(document, {"secure": "v1:abc"})))
    assert settings.registry.credentials is not None
    assert settings.registry.credentials.password.get_secret_value() == PLACEHOLDER
    assert PLACEHOLDER not in repr(settings), "secrets do not show when settings are printed"


@pytest.mark.parametrize(
    "registry",
    [
        {"prefix": "r/x", "credentials": {"username": "u", "pasword": "hunter2"}},
        {"prefix": "r/x", "credential": {"username": "u", "password": "hunter2"}},
        {"prefix": "r/x", "token": "hunter2"},
    ],
)
def test_a_misspelt_secret_is_not_printed_either(
    tmp_path: Path, document: dict[str, Any], registry: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, {**document, "registry": registry}))
    assert "hunter2" not in str(error.value)


# --- the engine ----------------------------------------------------------------------------------------------------
@pytest.fixture
def engine() -> Iterator[None]:
    before = engine_config.CONFIG.get()
    yield
    engine_config.set_all_config(before, [])


def hand_over(document: dict[str, Any], secrets: list[str] | None = None) -> pulumi.Config:
    texts = {
        f"slipway:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in document.items()
    }
    engine_config.set_all_config(texts, secrets or [])
    return pulumi.Config("slipway")


MIRROR = {"SLIPWAY_CHARTS_MIRROR": "http://127.0.0.1:8080/charts"}


def test_the_engine_and_the_file_give_the_same_settings(engine: None, document: dict[str, Any], tmp_path: Path) -> None:
    from_engine = load(hand_over(document), environ=MIRROR)
    from_file = load_file(save(tmp_path, document))
    assert from_engine.charts.mirror == MIRROR["SLIPWAY_CHARTS_MIRROR"]
    assert from_engine.model_copy(update={"charts": from_file.charts}) == from_file


def test_a_variable_that_is_not_set_is_one_problem(engine: None, document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        load(hand_over(document), environ={})
    (problem,) = error.value.problems
    assert (problem.path, problem.rule) == ("slipway:charts.mirror", "environment-variable")
    assert "SLIPWAY_CHARTS_MIRROR is not set" in problem.value


def test_a_variable_that_refers_to_a_variable_is_refused(engine: None, document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        load(hand_over(document), environ={"SLIPWAY_CHARTS_MIRROR": "env:OTHER"})
    assert [problem.rule for problem in error.value.problems] == ["environment-variable"]


def test_a_decrypted_secret_arrives_and_stays_hidden(engine: None, document: dict[str, Any]) -> None:
    config = hand_over(with_credentials(document, "hunter2"), secrets=["slipway:registry"])
    settings = load(config, environ=MIRROR)
    assert settings.registry.credentials is not None
    assert settings.registry.credentials.password.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_a_secret_that_was_never_encrypted_is_refused(engine: None, document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        load(hand_over(with_credentials(document, "hunter2")), environ=MIRROR)
    (problem,) = error.value.problems
    assert problem.rule == "secret-in-plain-text"
    assert "hunter2" not in str(problem)


def test_a_secret_where_none_belongs_is_refused_from_the_file(tmp_path: Path, document: dict[str, Any]) -> None:
    document["owner"] = {"secure": "v1:abc"}
    with pytest.raises(SettingsError) as error:
        load_file(save(tmp_path, document))
    assert [(item.path, item.rule, item.value) for item in error.value.problems] == [
        ("slipway:owner", "secret-unexpected", "(secret)")
    ]


def test_a_secret_where_none_belongs_is_refused_from_the_engine(engine: None, document: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as error:
        load(hand_over(document, secrets=["slipway:owner"]), environ=MIRROR)
    assert [(item.path, item.rule, item.value) for item in error.value.problems] == [
        ("slipway:owner", "secret-unexpected", "(secret)")
    ]


def test_a_fault_beside_a_secret_shows_no_value_of_that_section(engine: None, document: dict[str, Any]) -> None:
    broken = with_credentials(document, "hunter2")
    broken["registry"]["extra"] = {"inner": "hunter2"}
    with pytest.raises(SettingsError) as error:
        load(hand_over(broken, secrets=["slipway:registry"]), environ=MIRROR)
    assert [(problem.rule, problem.value) for problem in error.value.problems] == [("unknown-key", "(secret)")]


def test_settings_are_frozen(tmp_path: Path, document: dict[str, Any]) -> None:
    settings: Settings = load_file(save(tmp_path, document))
    with pytest.raises(ValueError, match="frozen"):
        settings.owner = "x"  # type: ignore[misc]  # the very thing that must fail
