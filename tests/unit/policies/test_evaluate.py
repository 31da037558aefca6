from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from policies.evaluate import Evaluation, Levels, evaluate
from policies.graph import UNKNOWN, Operation, Resource, ResourceGraph
from policies.rule import Context, Example, Limits, Rule, Severity, Violation
from stacks.governance import PolicyLevel, Suppression
from tests.support.policy_probes import TODAY, example_faults, junk_faults, metadata_faults, unknown_faults

_BUCKET = "aws:s3/bucket:Bucket"


def bucket(name: str = "lake", **properties: Any) -> Resource:
    return Resource(type=_BUCKET, name=name, urn=f"urn:pulumi:test::slipway::{_BUCKET}::{name}", properties=properties)


def _locked(resource: Resource, _context: Context) -> Iterator[Violation]:
    if resource.get("lock.mode") != "on":
        yield Violation(message=f"lock.mode is {resource.get('lock.mode')}, allowed is on", property="lock.mode")


def _lock(inputs: Mapping[str, Any], _limits: Limits) -> dict[str, Any] | None:
    return {**inputs, "lock": {"mode": "on"}}


RULE = Rule(
    id="storage-bucket-locked",
    title="A bucket is locked",
    severity=Severity.HIGH,
    rationale="An open bucket loses what lies in it when somebody runs the wrong script.",
    source="made up for this test, 2026",
    fix="write lock.mode: on in the settings",
    types=frozenset({_BUCKET}),
    check=_locked,
    example=Example(
        passing=(bucket(lock={"mode": "on"}),), resource="lake", changed="lake", path="lock.mode", value="off"
    ),
    remediate=_lock,
)


def run(
    *resources: Resource,
    rule: Rule = RULE,
    level: PolicyLevel | None = None,
    suppressions: tuple[Suppression, ...] = (),
    today: date = TODAY,
) -> Evaluation:
    levels = Levels(named={rule.id: level} if level else {})
    return evaluate(ResourceGraph(resources=resources), [rule], levels=levels, suppressions=suppressions, today=today)


def excuse(resource: str, *, expires: str = "2026-12-31", rule: str = RULE.id) -> Suppression:
    given = {"rule": rule, "resource": resource, "reason": "because of the test", "owner": "team", "expires": expires}
    return Suppression.model_validate(given)


def test_a_rule_with_a_good_example_withstands_every_probe() -> None:
    assert [*metadata_faults(RULE), *example_faults(RULE), *unknown_faults(RULE), *junk_faults(RULE)] == []


def test_an_example_whose_change_is_not_seen_is_told() -> None:
    blind = replace(RULE, check=lambda _resource, _context: [])
    assert example_faults(blind) == ["the change of lock.mode is not seen"]


def test_an_example_that_changes_another_property_than_the_rule_cites_is_told() -> None:
    sideways = replace(RULE, check=lambda item, _: [Violation(message="x", property="a")] if item.get("b") else [])
    sideways = replace(sideways, example=replace(RULE.example, path="b", value=True))
    assert example_faults(sideways) == ["cites a and the example changes b"]


def test_a_rule_that_takes_an_unknown_for_a_violation_is_told() -> None:
    hasty = replace(
        RULE, check=lambda item, _: [Violation(message="bad")] if item.properties["lock"] != {"mode": "on"} else []
    )
    assert "lake: lock.mode = <known at update>: called a violation: bad" in unknown_faults(hasty)


def test_a_rule_that_trips_over_junk_is_told() -> None:
    trusting = replace(RULE, check=lambda item, _: [Violation(message="")] if item.properties["lock"]["mode"] else [])
    assert any("broke: TypeError" in fault for fault in junk_faults(trusting)), "None has no items"


def test_a_violation_names_rule_resource_and_property() -> None:
    (finding,) = run(bucket(lock={"mode": "off"})).violations
    assert (finding.rule.id, finding.resource.name, finding.violation.property) == (RULE.id, "lake", "lock.mode")
    assert finding.stops, "high severity is mandatory unless the settings say otherwise"


def test_an_unknown_value_is_decided_at_update() -> None:
    result = run(bucket(lock={"mode": UNKNOWN}), bucket("other", lock=UNKNOWN))
    assert [(item.resource.name, item.property) for item in result.undecided] == [
        ("lake", "lock.mode"),
        ("other", "lock.mode"),
    ]
    assert result.violations == ()


def test_a_rule_that_raises_is_a_fault_and_hides_no_other_resource() -> None:
    def fragile(resource: Resource, _context: Context) -> Iterator[Violation]:
        if resource.name == "first":
            raise KeyError("mode")
        yield Violation(message="wrong")

    result = run(bucket("first"), bucket("second"), rule=replace(RULE, check=fragile))
    assert [(item.resource.name, item.error) for item in result.faults] == [("first", "KeyError: 'mode'")]
    assert [item.resource.name for item in result.violations] == ["second"]


def test_what_is_about_to_be_deleted_breaks_no_rule() -> None:
    assert run(replace(bucket(), operation=Operation.DELETE)).violations == ()


def test_a_disabled_rule_is_not_looked_at() -> None:
    result = run(bucket(), level=PolicyLevel.DISABLED)
    assert (result.rules, result.violations) == ((), ())


def test_a_rule_goes_before_its_family() -> None:
    levels = Levels(named={"storage": PolicyLevel.DISABLED, RULE.id: PolicyLevel.ADVISORY})
    assert levels.of(RULE) is PolicyLevel.ADVISORY
    assert Levels(named={"storage": PolicyLevel.DISABLED}).of(RULE) is PolicyLevel.DISABLED
    assert Levels().of(replace(RULE, severity=Severity.MEDIUM)) is PolicyLevel.ADVISORY


def test_what_the_engine_will_put_right_stops_nothing() -> None:
    (finding,) = run(bucket(), level=PolicyLevel.REMEDIATE).violations
    assert finding.remedied
    assert not finding.stops
    (helpless,) = run(bucket(), rule=replace(RULE, remediate=None), level=PolicyLevel.REMEDIATE).violations
    assert helpless.stops, "without a remedy the level is as strict as mandatory"


def test_a_suppression_holds_by_name_by_urn_and_by_pattern() -> None:
    for text in ("lake", bucket().urn, "la*", "*::lake", "urn:pulumi:*::lake"):
        result = run(bucket(), suppressions=(excuse(text),))
        assert (result.violations, len(result.suppressed)) == ((), 1), text
    assert len(run(bucket(), suppressions=(excuse("lak"),)).violations) == 1, "part of a name is another name"
    assert len(run(bucket("a[0]"), suppressions=(excuse("a[0]"),)).suppressed) == 1, "brackets are plain text"


def test_a_suppression_holds_on_its_last_day_and_fails_on_the_next() -> None:
    given = (excuse("lake", expires="2026-11-21"),)
    assert run(bucket(), suppressions=given).expired == ()
    late = run(bucket(), suppressions=given, today=date(2026, 11, 22))
    assert late.expired == given
    assert len(late.violations) == 1, "what it hid is seen again"


def test_a_suppression_that_hides_nothing_is_told() -> None:
    given = (excuse("lake"),)
    assert run(bucket(lock={"mode": "on"}), suppressions=given).unused == given
    assert run(bucket(lock=UNKNOWN), suppressions=given).unused == (), "the update may still need it"
