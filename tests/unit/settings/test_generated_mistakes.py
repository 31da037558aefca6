"""Generated mistakes: a valid file is broken at one known place, and the answer names that place and a rule.

Every field of the settings is broken at least once; `CI=true` makes 1,500 examples, a normal run fewer.
"""

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stacks.governance import Usage
from stacks.problems import yaml_path
from stacks.settings import Settings, SettingsError
from tests.support.edits import accepted
from tests.support.settings_fields import Place, every_field, leaves
from tests.support.valid_governance import AMOUNTS

CONFIG = Path(__file__).parents[3] / "stacks" / "config"
EXAMPLES = 1500 if os.environ.get("CI") == "true" else 200
RULE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_FULL: dict[str, Any] = {
    "budget": {
        "monthlyUsd": 250000,
        "hourlyUsd": 400.5,
        "gpuHours": 40000,
        "warnPercent": 75,
        "notify": {
            "emails": ["gpu-costs@example.com"],
            "topicArn": "arn:aws:sns:us-east-1:000000000000:costs",
            "anomalyUsd": 250,
        },
    },
    "usage": {
        **dict.fromkeys(AMOUNTS, 1),
        "runs": [{"name": "pretrain-demo", "expectedHours": 20, "runsPerMonth": 2, "restartOverheadPercent": 5}],
        "services": [{"name": "assistant", "tokensPerSecond": 1500, "requestsPerSecond": 3, "busyPercent": 40}],
    },
    "registry": {"prefix": "r/x", "credentials": {"username": "u", "password": {"secure": "v1:x"}}},
    "tags": {"purpose": "try-out"},
    "queueing": {
        "cohort": "teams",
        "fairSharing": True,
        "strategy": "StrictFIFO",
        "preemption": {"reclaimWithinCohort": "LowerPriority", "withinClusterQueue": "Never"},
        "priorities": {"low": -10, "high": 10},
        "waitMinutes": 30,
        "recoveryMinutes": 5,
        "requeues": 3,
    },
    "trainingOperator": {"installJobset": False},
}
QUEUE = {"nodes": {"training": 4}, "borrowingLimit": {"system": 1}, "lendingLimit": {"training": 2}, "weight": 2}

FREE_TEXT = {"Registry.prefix", "RegistryCredentials.username", "Suppression.resource", "Suppression.reason"}
"""Fields that take every short text; they are broken by type, not by form."""


@cache
def documents() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Valid settings that, taken together, set every field: the checked-in files and two completed ones."""
    found: list[tuple[str, dict[str, Any]]] = []
    for path in sorted(CONFIG.glob("Pulumi.*.yaml")):
        config = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
        values = {key.removeprefix("slipway:"): item for key, item in config.items() if key.startswith("slipway:")}
        found.append((path.stem, values))
    by_name = dict(found)
    local, prod = copy.deepcopy(by_name["Pulumi.local"]), copy.deepcopy(by_name["Pulumi.prod"])
    local.update(copy.deepcopy(_FULL))
    local["cluster"]["addonVersions"] = {"vpc-cni": "v1.18.5-eksbuild.1"}
    local["pools"][1].update(placementGroup=True, diskGib=200, nodeRepair=True, capacity={"kind": "onDemand"})
    local["pools"][1].update(replacement="createFirst", amiRelease="1.36.1-20261105")
    local["pools"][1].update(labels={"example.com/rack": "r7"}, dedicated=True)
    local["pools"][1]["scaling"] = {"owner": "settings", "minNodes": 0}
    local["training"][0].update(gpusPerNode=8, processesPerNode=8, environment={"NCCL_DEBUG": "INFO"}, priority="high")
    local["training"][0].update(launcher="torchrun", runner="job", minNodes=2, queue="default")
    local["training"][0]["topology"] = {"level": "kubernetes.io/hostname", "required": False}
    local["training"][0]["parallelism"] = {"replicas": 1, "shards": -1, "tensor": 4, "pipeline": 2, "schedule": "1F1B"}
    local["storage"][0].update(backupDays=0, finalBackup=False)
    local["storage"][0]["dataRepositories"][0]["autoExport"] = False
    key = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"
    access = [{"prefix": "models/assistant/"}, {"bucket": "models", "prefix": "assistant/", "keyArn": key}]
    local["teams"][0]["queue"] = QUEUE
    local["teams"][1]["modelAccess"] = local["inference"][0]["modelAccess"] = access
    local["policies"] = {
        "levels": {"gpu": "advisory", "storage-bucket-private": "remediate"},
        "limits": {
            "regions": ["us-east-1"],
            "instanceTypes": ["p5.48xlarge"],
            "maxGpus": 64,
            "requiredTags": ["team"],
            "privilegedNamespaces": ["monitoring"],
        },
        "suppressions": [
            {
                "rule": "storage-bucket-private",
                "resource": "lake-*",
                "reason": "public data set",
                "owner": "data-team",
                "expires": "2027-03-31",
            }
        ],
    }
    prod["usage"] = {"capacityBlockFees": {"cr-0a1b2c3d4e5f6a7bb": 64189.44}}
    prod["access"] = {"kind": "runner", "admins": prod["access"]["admins"]}
    runtime = copy.deepcopy(local)
    for service in local["inference"]:
        service.update(startupMinutes=30, environment={"LOG": "info"})
        service["server"] = {"kind": "container", "image": "slipway/server:0.1.0", "args": ["--quick"]}
    for service in runtime["inference"]:
        service["server"] = {"kind": "runtime", "runtime": "kserve-huggingfaceserver", "args": ["--quick"]}
        service["server"]["modelFormat"] = "huggingface"
    return (*found, ("local, all set", local), ("runtime", runtime), ("prod from a runner", prod))


def problems(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(path, rule, whole text) of every problem; anything but a SettingsError fails the test as what it is."""
    try:
        accepted(document)
    except SettingsError as error:
        return [(item.path, item.rule, str(item)) for item in error.problems]
    return []


@cache
def places() -> tuple[tuple[int, Place, str], ...]:
    """Every place that can be broken: (document, place, field)."""
    return tuple(
        (number, place, field)
        for number, (_, document) in enumerate(documents())
        for place, field in leaves(Settings, document)
    )


def broken(document: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    target: Any = made
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return made


def wrong_values(found: Any) -> st.SearchStrategy[Any]:
    """Values that nothing of the kind of ``found`` may be: of another type, or far out of form or range."""
    nested = st.just([["x"]])
    if isinstance(found, bool):
        return st.one_of(st.sampled_from(["yes", "maybe", 7]), nested)
    if isinstance(found, int | float):
        return st.one_of(st.integers(max_value=-1), st.integers(min_value=10**7, max_value=10**9), st.just("many"))
    if isinstance(found, str):
        junk = st.text(alphabet="\x01\x07§{}|<>", min_size=1, max_size=12)
        return st.one_of(junk, st.just({"a": 1}), nested)
    return st.one_of(st.text(alphabet="abc", min_size=1, max_size=5), st.integers(1, 99), st.just(True))


ACCEPT_HUGE = {
    "Budget.monthly_usd",
    "Budget.hourly_usd",
    "Budget.gpu_hours",
    "BudgetNotice.anomaly_usd",
    "LustreStorage.capacity_gib",  # in steps of 2,400 GiB; how many is a quota's business
    "RunUsage.expected_hours",
    "RunUsage.runs_per_month",
    "ServiceUsage.tokens_per_second",
    "ServiceUsage.requests_per_second",
    *(f"Usage.{name}" for name in Usage.model_fields if name != "bucket_cold_percent"),
    "Team.gpus",
    "Team.cpus",
    "Team.memory_gib",
}


THE_REST = {"ParallelismSettings.replicas", "ParallelismSettings.shards"}
"""Fields in which -1 means whatever the others leave."""
FACTORS = "ParallelismSettings."
"""Fields that are wrong together only: their product is, which is told of the section."""


def judge(document: dict[str, Any], place: Place, field: str, value: Any) -> None:
    huge = isinstance(value, int) and not isinstance(value, bool) and value > 0
    # Not mistakes: these are left out of the count, and hypothesis makes others in their place.
    assume(not (huge and field in ACCEPT_HUGE))
    assume(not (isinstance(value, str) and field in FREE_TEXT | {"Training.script"}))
    assume(not (value == -1 and field in THE_REST))
    found = problems(broken(document, place, value))
    expected = yaml_path(place)
    section = yaml_path(place[:-1]) if field.startswith(FACTORS) else expected
    assert found, f"{expected} = {value!r} was accepted"
    assert any(
        path in (expected, section) or path.startswith((f"{expected}[", f"{expected}.")) for path, _, _ in found
    ), found
    assert all(RULE.fullmatch(rule) for _, rule, _ in found), found
    assert not any("Traceback" in text for _, _, text in found)
    assert all("do:" in text and "allowed:" in text for _, _, text in found)


def test_the_documents_are_valid() -> None:
    assert {name: problems(document) for name, document in documents()} == {name: [] for name, _ in documents()}


def test_every_field_of_the_settings_is_set_somewhere() -> None:
    assert set(every_field()) - {field for _, _, field in places()} == set(), "set it in one of the documents"


@given(choice=st.data())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_a_generated_mistake_is_told_where_it_is(choice: st.DataObject) -> None:
    number, place, field = choice.draw(st.sampled_from(places()))
    document = documents()[number][1]
    target: Any = document
    for step in place:
        target = target[step]
    judge(document, place, field, choice.draw(wrong_values(target)))


ONE_EACH = {field: (number, place) for number, place, field in places()}


@pytest.mark.parametrize("field", sorted(ONE_EACH))
def test_every_field_refuses_what_it_cannot_be(field: str) -> None:
    number, place = ONE_EACH[field]
    judge(documents()[number][1], place, field, [[{"x": 1}]])


@given(choice=st.data())
@settings(max_examples=EXAMPLES // 4, deadline=None, derandomize=True, database=None)
def test_an_unknown_key_is_told_by_its_name_wherever_it_stands(choice: st.DataObject) -> None:
    number, place, _ = choice.draw(st.sampled_from([item for item in places() if len(item[1]) > 1]))
    key = choice.draw(st.text(alphabet="abcdefxyz", min_size=3, max_size=9)) + "Q"
    document = documents()[number][1]
    told = {(path, rule) for path, rule, _ in problems(broken(document, (*place[:-1], key), "x"))}
    assert (yaml_path((*place[:-1], key)), "unknown-key") in told
