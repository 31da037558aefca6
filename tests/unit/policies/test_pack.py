from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2 as rpc

from policies.graph import SECRET, UNKNOWN, Resource
from policies.pack import COST, OPEN, SUPPRESSIONS, Pack
from policies.pack_cost import CostOfUpdate
from policies.rule import Context, Limits, Rule, Violation
from policies.rules import RULES
from policies.sources import values
from policies.sources.engine import from_struct
from stacks.problems import SettingsError
from tests.support.policy_probes import TODAY
from tests.unit.policies.test_evaluate import RULE, bucket

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
HIDDEN = {values.SIGNATURE: values.SECRET_SIGNATURE, "value": "hunter2"}


def _alone(resource: Resource, context: Context) -> Iterator[Violation]:
    if len(context.graph.of_type(resource.type)) < 2:
        yield Violation(message="it stands alone")


PAIR = replace(RULE, id="hygiene-buckets-in-pairs", title="Buckets come in pairs", check=_alone, whole_stack=True)


def pack(*rules: Rule, today: date = TODAY, config: Mapping[str, str] | None = None, dry_run: bool = False) -> Pack:
    made = Pack(rules or (RULE, PAIR), version="0.1.0", today=lambda: today)
    made.configure_stack(
        rpc.AnalyzerStackConfigureRequest(stack="dev", project="slipway", config=dict(config or {}), dry_run=dry_run)
    )
    return made


def request(item: Resource, **extra: Any) -> Any:
    properties = Struct()
    properties.update({**item.properties, **extra})
    return rpc.AnalyzeRequest(type=item.type, name=item.name, urn=item.urn, properties=properties)


def stack(*items: Resource) -> Any:
    resources = []
    for item in items:
        properties = Struct()
        properties.update(dict(item.properties))
        resources.append(rpc.AnalyzerResource(type=item.type, name=item.name, urn=item.urn, properties=properties))
    return rpc.AnalyzeStackRequest(resources=resources)


def test_a_violation_is_told_with_level_severity_resource_and_fix() -> None:
    (found,) = pack().analyze(request(bucket(lock={"mode": "off"}))).diagnostics
    assert (found.policyName, found.urn, found.enforcementLevel) == (RULE.id, bucket().urn, rpc.MANDATORY)
    assert found.severity == rpc.POLICY_SEVERITY_HIGH
    assert found.message.splitlines() == [
        "A bucket is locked",
        "lock.mode is off, allowed is on",
        "do: write lock.mode: on in the settings",
    ]
    assert list(pack().analyze(request(bucket(lock={"mode": "on"}))).diagnostics) == []


def test_rules_of_whole_stacks_wait_for_the_end_and_see_the_inputs_of_then() -> None:
    made = pack()
    made.analyze(request(bucket(lock={"mode": "off"})))
    found = list(made.analyze_stack(stack(bucket(arn="arn"))).diagnostics)
    assert [item.policyName for item in found] == [PAIR.id], "each rule is reported in one place only"
    assert list(made.analyze_stack(stack(bucket(), bucket("second"))).diagnostics) == []


def test_what_a_preview_does_not_know_is_one_line_and_no_violation() -> None:
    made = pack(RULE, dry_run=True)
    assert list(made.analyze(request(bucket(lock=UNKNOWN_TEXT))).diagnostics) == []
    (line,) = made.analyze_stack(stack(bucket(lock=UNKNOWN_TEXT))).diagnostics
    assert (line.policyName, line.enforcementLevel) == (OPEN, rpc.ADVISORY)
    assert line.message == "1 rules are decided at update: storage-bucket-locked (1)"


POLICIES = {
    "slipway:policies": '{"levels": {"storage": "advisory"}, "suppressions": [{"rule": "storage-bucket-locked", '
    '"resource": "lake", "reason": "because of a test", "owner": "me", "expires": "2026-12-01"}]}'
}


def test_levels_and_suppressions_come_from_the_stacks_own_settings() -> None:
    made = pack(RULE, config=POLICIES)
    assert list(made.analyze(request(bucket())).diagnostics) == [], "suppressed"
    (advice,) = made.analyze(request(bucket("other"))).diagnostics
    assert advice.enforcementLevel == rpc.ADVISORY
    assert {item.name: item.enforcementLevel for item in made.info().policies}[RULE.id] == rpc.ADVISORY


def test_a_suppression_whose_day_is_over_hides_nothing_and_is_refused_itself() -> None:
    made = pack(RULE, config=POLICIES, today=date(2026, 12, 2))
    assert len(made.analyze(request(bucket())).diagnostics) == 1
    found = {item.policyName: item for item in made.analyze_stack(stack(bucket())).diagnostics}
    assert found[SUPPRESSIONS].enforcementLevel == rpc.MANDATORY
    assert "ended on 2026-12-01 (me)" in found[SUPPRESSIONS].message


def test_a_suppression_of_no_rule_ends_the_preview_in_the_words_of_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"policies\.suppressions\[0\]\.rule: there is no rule of this id"):
        pack(PAIR, config=POLICIES)
    with pytest.raises(ValueError, match="slipway:policies cannot be used"):
        pack(RULE, config={"slipway:policies": '{"levels": 7}'})


def test_levels_of_the_command_line_go_before_those_of_the_settings() -> None:
    made = pack(RULE)
    made.configure(
        rpc.ConfigureAnalyzerRequest(policyConfig={RULE.id: rpc.PolicyConfig(enforcementLevel=rpc.DISABLED)})
    )
    assert list(made.analyze(request(bucket())).diagnostics) == []


REMEDIATE = {"slipway:policies": '{"levels": {"storage-bucket-locked": "remediate"}}'}


def test_a_remediation_puts_one_property_right_and_keeps_secret_and_unknown_values_as_they_were() -> None:
    made = pack(RULE, config=REMEDIATE)
    given = request(bucket(lock={"mode": "off"}), password=HIDDEN, zone=UNKNOWN_TEXT, list=["a", HIDDEN], n=3)
    (remedied,) = made.remediate(given).remediations
    assert remedied.policyName == RULE.id
    assert from_struct(remedied.properties) == {
        "lock": {"mode": "on"},
        "password": SECRET,
        "zone": UNKNOWN,
        "list": ["a", SECRET],
        "n": 3,
    }
    assert remedied.properties["password"]["value"] == "hunter2", "the engine gets its secret back, marked as one"
    again = rpc.AnalyzeRequest(type=given.type, name=given.name, urn=given.urn, properties=remedied.properties)
    assert list(made.analyze(again).diagnostics) == []
    assert list(made.remediate(again).remediations) == [], "what obeys is left alone"


def test_a_remediation_that_does_not_help_is_not_applied_and_the_violation_is_refused() -> None:
    def useless(inputs: Mapping[str, Any], _limits: Limits) -> dict[str, Any] | None:
        return dict(inputs)

    made = pack(replace(RULE, remediate=useless), config=REMEDIATE)
    assert list(made.remediate(request(bucket())).remediations) == []
    (found,) = made.analyze(request(bucket())).diagnostics
    assert found.enforcementLevel == rpc.MANDATORY


def test_secrets_are_never_part_of_a_message() -> None:
    made = pack(RULE)
    given = rpc.AnalyzeRequest(type=RULE.example.passing[0].type, name="lake", urn="urn", properties=Struct())
    given.properties.update({"lock": HIDDEN})
    assert list(made.analyze(given).diagnostics) == [], "a secret is decided by nobody"


def test_every_rule_of_the_kit_is_described_to_the_engine() -> None:
    info = pack(*RULES).info()
    by_name = {item.name: item for item in info.policies}
    assert set(by_name) >= {rule.id for rule in RULES}
    for rule in RULES:
        told = by_name[rule.id]
        assert told.severity != rpc.POLICY_SEVERITY_UNSPECIFIED, rule.id
        assert (told.description, told.remediation_steps) == (rule.title, rule.fix)
        assert told.url.endswith(f"#{rule.id}"), "the reference page has an anchor for each rule"
        assert not rule.references or told.framework.name == rule.references[0].framework


CLUSTER = Resource(
    type="aws:eks/cluster:Cluster",
    name="main",
    urn="urn:pulumi:dev::slipway::aws:eks/cluster:Cluster::main",
    properties={"region": "us-east-1", "name": "main"},
)


def money(state: Mapping[str, Any] | None, asked: list[str] | None = None) -> str:
    """The line about money of an update that will hold one cluster."""

    def exporter(stack: str) -> Mapping[str, Any] | None:
        if asked is not None:
            asked.append(stack)
        return state

    made = Pack((RULE,), version="0.1.0", today=lambda: TODAY, cost=CostOfUpdate(exporter))
    made.configure_stack(rpc.AnalyzerStackConfigureRequest(stack="dev", project="slipway", dry_run=True))
    made.analyze(request(CLUSTER))
    (line,) = made.analyze_stack(stack(CLUSTER)).diagnostics
    assert (line.policyName, line.enforcementLevel) == (COST, rpc.ADVISORY), "money is told, budgets are rules"
    return str(line.message)


def test_the_end_of_a_preview_says_what_the_update_adds() -> None:
    asked: list[str] = []
    assert money({"version": 3, "deployment": {"manifest": {}}}, asked).startswith("this update adds $0.10/h")
    assert asked == ["organization/slipway/dev"], "the state of this stack, on a backend without organizations"


def test_an_update_that_changes_no_cost_says_so() -> None:
    state = {"urn": CLUSTER.urn, "type": CLUSTER.type, "custom": True, "inputs": dict(CLUSTER.properties)}
    told = money({"version": 3, "deployment": {"resources": [state]}})
    assert told.startswith("this update changes no cost: $0.10/h"), told


def test_without_the_state_the_cost_of_the_whole_is_told() -> None:
    assert money(None).startswith("this stack costs $0.10/h, $73.00 a month")


def test_a_budget_of_the_settings_holds_in_the_engine() -> None:
    (rule,) = (item for item in RULES if item.id == "cost-within-budget")
    whole = Resource(type="pulumi:pulumi:Stack", name="slipway-dev", urn="urn:stack", custom=False)
    for limit, broken in (("50", [rule.id]), ("100", [])):
        made = pack(rule, config={"slipway:budget": f'{{"monthlyUsd": {limit}}}'})
        made.analyze(request(CLUSTER))
        found = made.analyze_stack(stack(whole, CLUSTER)).diagnostics
        assert [item.policyName for item in found] == broken, f"73 of {limit} dollars a month"
        assert all(item.enforcementLevel == rpc.MANDATORY for item in found), "nothing is made beyond the budget"
