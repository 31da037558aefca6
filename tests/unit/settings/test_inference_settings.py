"""Model services in the settings: each mistake gets exactly its own problems."""

from typing import Any

import pytest

from tests.support.edits import accepted, problems, refused

COMMIT = "0123456789abcdef0123456789abcdef01234567"


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
        (
            {"model": {"uri": f"oci://r/a@sha256:{'0' * 64}", "sizeGib": 60}},
            ("slipway:inference[0].model.uri", "inference-model-image"),
        ),
        (
            {"server": {"kind": "runtime", "runtime": "kserve-tritonserver"}},
            ("slipway:inference[0].server.modelFormat", "inference-model-format"),
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
    ["s3://models/chat/latest", "s3://models/chat", "hf://owner/model", "hf://owner/model:main"],
)
def test_an_address_that_may_hold_another_model_tomorrow_is_refused(document: dict[str, Any], uri: str) -> None:
    document["inference"][0]["model"]["uri"] = uri
    assert problems(document) == [("slipway:inference[0].model.uri", "model-uri-immutable")]


@pytest.mark.parametrize(
    "uri",
    [f"hf://owner/model:{COMMIT}", "lake://models/assistant/v4", "pvc://claim/chat-2"],
)
def test_an_address_of_one_version_is_accepted(document: dict[str, Any], uri: str) -> None:
    document["inference"][0]["model"]["uri"] = uri
    settings = accepted(document)
    assert settings.inference[0].model.uri == uri


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://models/assistant/v3", "add modelAccess: [{bucket: models, prefix: assistant/}] to the team chat"),
        ("lake://models/other/v3", "add modelAccess: [{prefix: models/other/}] to the team chat"),
        ("lake://models/assistant-2/v3", "add modelAccess: [{prefix: models/assistant-2/}] to the team chat"),
    ],
)
def test_a_model_that_no_role_may_read_is_refused_with_what_would_let_it(
    document: dict[str, Any], uri: str, expected: str
) -> None:
    document["inference"][0]["model"]["uri"] = uri
    (problem,) = refused(document).problems
    assert (problem.path, problem.rule) == ("slipway:inference[0].model.uri", "inference-model-access")
    assert problem.fix.startswith(expected)
    assert "modelAccess covers lake://models/assistant/" in problem.what


def test_a_team_without_any_access_is_told_so(document: dict[str, Any]) -> None:
    del document["teams"][1]["modelAccess"]
    assert problems(document) == [("slipway:inference[0].model.uri", "inference-model-access")]


@pytest.mark.parametrize("prefix", ["assistant/", "assistant/v3/"])
def test_a_services_own_access_takes_the_place_of_its_teams(document: dict[str, Any], prefix: str) -> None:
    service = document["inference"][0]
    service["model"]["uri"] = "s3://models/assistant/v3"
    service["modelAccess"] = [{"bucket": "models", "prefix": prefix}]
    assert accepted(document).inference[0].model_access[0].prefix == prefix
    service["model"]["uri"] = "lake://models/assistant/v3"
    assert problems(document) == [("slipway:inference[0].model.uri", "inference-model-access")]


def test_without_a_lake_nothing_can_lie_in_it(document: dict[str, Any]) -> None:
    del document["dataLake"]
    document["storage"][0]["dataRepositories"] = []
    assert problems(document) == [
        ("slipway:teams[1].modelAccess[0]", "model-access-lake"),
        ("slipway:inference[0].model.uri", "inference-model-access"),
    ]


def test_the_lakes_key_is_nobodys_setting(document: dict[str, Any]) -> None:
    key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    document["teams"][1]["modelAccess"][0]["keyArn"] = key
    # The service above it is not judged: its team is broken.
    assert problems(document) == [("slipway:teams[1].modelAccess[0].keyArn", "model-access-key")]
    document["teams"][1]["modelAccess"].append({"bucket": "models", "prefix": "chat/", "keyArn": key})
    del document["teams"][1]["modelAccess"][0]["keyArn"]
    assert accepted(document).teams[1].model_access[1].key_arn == key
