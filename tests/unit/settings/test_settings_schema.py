"""The committed JSON Schema: current, accepting every checked-in file, refusing what no setting may be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cfnlint.jsonschema import StandardValidator

from cli.main import run
from cli.schema import text
from stacks.schema import DIALECT
from stacks.sections import Pool
from stacks.settings import Settings

CONFIG = Path(__file__).parents[3] / "stacks" / "config"
STACKS = sorted(CONFIG.glob("Pulumi.*.yaml"))
NAMES = [path.stem.removeprefix("Pulumi.") for path in STACKS]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONFIG / "schema.json").read_text(encoding="utf-8"))
    return found


def faults(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    return [".".join(map(str, error.path)) for error in StandardValidator(schema).iter_errors(document)]


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


def test_the_committed_schema_is_that_of_the_models() -> None:
    assert (CONFIG / "schema.json").read_text(encoding="utf-8") == text(), "run `slipway schema --write`"


def test_the_verb_prints_the_same_document(capsys: pytest.CaptureFixture[str], schema: dict[str, Any]) -> None:
    assert run(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema
    assert schema["$schema"] == DIALECT


@pytest.mark.parametrize("path", STACKS, ids=NAMES)
def test_every_checked_in_file_is_valid_and_names_the_schema(path: Path, schema: dict[str, Any]) -> None:
    assert faults(schema, read(path)) == []
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    ("steps", "value"),
    [
        (("slipway:onwer",), "x"),
        (("slipway:environment",), "Prod"),
        (("slipway:place", "region"), "us-eest-1"),
        (("slipway:place", "cloud"), "gcp"),
        (("slipway:cluster", "logRetentionDays"), 8),
        (("slipway:pools", 0, "instanceType"), "p5.48xlarg"),
        (("slipway:pools", 0, "nodes"), 0),
        (("slipway:pools", 0, "instanceTyp"), "x"),
        (("slipway:registry", "credentials", "password"), "hunter2"),
    ],
)
def test_what_no_setting_may_be_is_refused(steps: tuple[str | int, ...], value: object, schema: dict[str, Any]) -> None:
    document = read(CONFIG / "Pulumi.prod.yaml")
    target: Any = document["config"]
    for step in steps[:-1]:
        target = target[step]
    target[steps[-1]] = value
    assert faults(schema, document) != []


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("type") == "object" and "properties" in value:
            yield value
        for item in value.values():
            yield from objects(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


def test_no_object_takes_a_key_that_nobody_reads(schema: dict[str, Any]) -> None:
    assert [item.get("description") for item in objects(schema) if item.get("additionalProperties") is not False] == []


def test_every_setting_is_in_the_schema_with_its_description(schema: dict[str, Any]) -> None:
    for name, info in Settings.model_fields.items():
        found = schema["properties"]["config"]["properties"][f"slipway:{info.alias or name}"]
        if info.description:
            assert found["description"].startswith(info.description.split("`")[0].split("\n")[0][:20])
    assert set(schema["$defs"]["Pool"]["properties"]) == {info.alias for info in Pool.model_fields.values()}
