"""Model services in the settings: each mistake gets exactly its own problems."""

from typing import Any

import pytest

from stacks.settings import SettingsError, validate
from stacks.sources import Raw, from_mapping

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _raw(document: dict[str, Any]) -> Raw:
    return from_mapping({f"slipway:{key}": value for key, value in document.items()}, source="test")


def problems(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(SettingsError) as error:
        validate(_raw(document), encrypted_values_are_clear=False)
    return [(problem.path, problem.rule) for problem in error.value.problems]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"team": "sales"}, ("slipway:inference[0].team", "team-unknown")),
        ({"pool": "served"}, ("slipway:inference[0].pool", "pool-unknown")),
        ({"gpusPerReplica": 5}, ("slipway:inference[0].gpusPerReplica", "inference-gpus")),
        ({"maxReplicas": 1}, ("slipway:inference[0].maxReplicas", "inference-replicas")),
        ({"minReplicas": 0}, ("slipway:inference[0].minReplicas", "out-of-range")),
        ({"startupMinutes": 6}, ("slipway:inference[0].startupMinutes", "inference-startup")),
        (
            {"server": {"kind": "runtime", "runtime": "kserve-hugginfaceserver"}},
            ("slipway:inference[0].server.runtime", "inference-runtime"),
        ),
    ],
)
def test_a_mistake_gets_its_own_problem(
    document: dict[str, Any], change: dict[str, Any], expected: tuple[str, str]
) -> None:
    document["inference"][0].update(change)
    assert problems(document) == [expected]


def test_replicas_beyond_the_pool_and_the_team_are_told_with_both_limits(document: dict[str, Any]) -> None:
    document["inference"][0]["maxReplicas"] = 5
    assert problems(document) == [
        ("slipway:inference[0].maxReplicas", "inference-capacity"),
        ("slipway:inference[0].maxReplicas", "inference-quota"),
    ]


@pytest.mark.parametrize(
    "uri",
    ["s3://models/chat/latest", "s3://models/chat", "hf://owner/model", "hf://owner/model:main", "oci://registry/a:v1"],
)
def test_an_address_that_may_hold_another_model_tomorrow_is_refused(document: dict[str, Any], uri: str) -> None:
    document["inference"][0]["model"]["uri"] = uri
    assert problems(document) == [("slipway:inference[0].model.uri", "model-uri-immutable")]


@pytest.mark.parametrize(
    "uri", [f"hf://owner/model:{COMMIT}", "s3://models/chat/v3", "pvc://claim/chat-2", f"oci://r/a@sha256:{'0' * 64}"]
)
def test_an_address_of_one_version_is_accepted(document: dict[str, Any], uri: str) -> None:
    document["inference"][0]["model"]["uri"] = uri
    settings = validate(_raw(document), encrypted_values_are_clear=False)
    assert settings.inference[0].model.uri == uri
