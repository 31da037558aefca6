from dataclasses import replace
from typing import Any

import pytest

from policies.configured import configured
from policies.rule import Family
from stacks.governance import Policies, PolicyLevel
from stacks.problems import SettingsError
from tests.unit.policies.test_evaluate import RULE

RULES = [RULE, replace(RULE, id="gpu-pool-in-one-zone")]


def policies(**given: Any) -> Policies:
    return Policies.model_validate(given)


def suppression(rule: str) -> dict[str, str]:
    return {"rule": rule, "resource": "*", "reason": "because of a test", "owner": "me", "expires": "2027-01-01"}


def test_limits_and_levels_come_from_the_section_and_add_to_what_the_kit_demands() -> None:
    given = policies(
        levels={"gpu": "advisory"},
        limits={"regions": ["us-east-1"], "maxGpus": 64, "requiredTags": ["team"], "privilegedNamespaces": ["logs"]},
    )
    made = configured(given, RULES, protect=False, tags={"owner": "a"}, source="Pulumi.dev.yaml")
    assert made.limits.required_tags == {"owner", "cost-center", "slipway:environment", "team"}
    assert "logs" in made.limits.privileged_namespaces
    assert (made.limits.regions, made.limits.max_gpus) == (frozenset({"us-east-1"}), 64)
    assert (made.limits.production, made.limits.tags) == (False, {"owner": "a"})
    assert made.levels.of(RULES[1]) is PolicyLevel.ADVISORY


def test_names_of_no_rule_are_refused_with_the_nearest_one() -> None:
    given = policies(
        levels={"gpus": "advisory", Family.GPU: "mandatory"},
        suppressions=[suppression("storage-bucket-locked"), suppression("storage-bucket-loked"), suppression("zzz")],
    )
    with pytest.raises(SettingsError) as caught:
        configured(given, RULES, protect=True, tags={}, source="Pulumi.dev.yaml")
    assert [(item.path, item.fix) for item in caught.value.problems] == [
        ("slipway:policies.levels.gpus", "did you mean gpu?"),
        ("slipway:policies.suppressions[1].rule", "did you mean storage-bucket-locked?"),
        ("slipway:policies.suppressions[2].rule", "look it up with `slipway policy rules`"),
    ]


def test_a_suppression_without_a_reason_an_owner_or_an_end_is_refused() -> None:
    for name in ("reason", "owner", "expires"):
        given = {key: value for key, value in suppression("x").items() if key != name}
        with pytest.raises(ValueError, match=name):
            policies(suppressions=[given])
    with pytest.raises(ValueError, match="no day"):
        policies(suppressions=[{**suppression("x"), "expires": "31.12.2027"}])
