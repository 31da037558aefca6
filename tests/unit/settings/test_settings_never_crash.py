"""Whatever stands in a settings file, the answer is settings or a list of problems: never a traceback."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacks.problems import Problem
from stacks.settings import SettingsError, load_file, validate
from stacks.sources import from_mapping

LOCAL = Path(__file__).parents[3] / "stacks" / "config" / "Pulumi.local.yaml"
DOCUMENT: dict[str, Any] = {
    key: value
    for key, value in yaml.safe_load(LOCAL.read_text(encoding="utf-8"))["config"].items()
    if key.startswith("slipway:")
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place of the document at which something stands."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in [(*path, key), *places(item, (*path, key))]]
    if isinstance(value, list):
        return [place for key, item in enumerate(value) for place in [(*path, key), *places(item, (*path, key))]]
    return []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=4,
)


@given(place=st.sampled_from(places(DOCUMENT)), value=VALUES)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_at_any_place_is_accepted_or_told(place: tuple[str | int, ...], value: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    target: Any = document
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    problems = told(document)
    assert all(problem.path.startswith("slipway") and problem.allowed and problem.fix for problem in problems)


def told(document: dict[str, Any]) -> list[Problem]:
    try:
        validate(from_mapping(document, source="test"), encrypted_values_are_clear=False)
    except SettingsError as error:
        return error.problems
    return []


@given(text=st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_told_fault(tmp_path_factory: Any, text: bytes) -> None:
    path = tmp_path_factory.mktemp("stack") / "Pulumi.test.yaml"
    path.write_bytes(text)
    with pytest.raises(SettingsError):
        load_file(path)
