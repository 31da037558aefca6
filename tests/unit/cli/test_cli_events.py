"""The engine's event log, as engine 3.215 wrote it, folded into one picture."""

import json

import pytest
from rich.console import Console

from cli.drift import changes_json, differences, drift, planned
from cli.events import Diagnostic, Picture, short_type, urn_name, urn_type
from cli.hints import hint_for
from cli.policy_check import print_notes
from cli.progress import told

VPC = "urn:pulumi:local::slipway::slipway:aws:Network$aws:ec2/vpc:Vpc::network-vpc"
GROUP = "urn:pulumi:local::slipway::slipway:aws:GpuNodePool$aws:eks/nodeGroup:NodeGroup::training"
STACK = "urn:pulumi:local::slipway::pulumi:pulumi:Stack::slipway-local"


def step(event: str, operation: str, urn: str, when: int = 0, **more: object) -> str:
    metadata = {
        "op": operation,
        "urn": urn,
        "type": urn_type(urn),
        "old": None,
        "new": {},
        "detailedDiff": None,
        **more,
    }
    return json.dumps({"sequence": 0, "timestamp": when, event: {"metadata": metadata}})


def diagnostic(message: str, urn: str = "", severity: str = "error") -> str:
    return json.dumps({"timestamp": 0, "diagnosticEvent": {"severity": severity, "message": message, "urn": urn}})


def fed(*lines: str) -> Picture:
    picture = Picture()
    for line in lines:
        picture.feed(line)
    return picture


def test_a_creation_counts_once_it_has_ended() -> None:
    begun = fed(step("resourcePreEvent", "create", STACK), step("resourcePreEvent", "create", VPC, 100))
    assert begun.counts() == {}
    assert [(item.type, item.name, item.began) for item in begun.running] == [("aws:ec2/vpc:Vpc", "network-vpc", 100)]
    assert told(begun) == "1 in progress"
    begun.feed(step("resOutputsEvent", "create", VPC, 104))
    assert begun.counts() == {"created": 1}
    assert begun.running == []
    assert told(begun) == "1 created"


def test_a_failed_step_is_neither_running_nor_counted() -> None:
    picture = fed(step("resourcePreEvent", "create", VPC), step("resOpFailedEvent", "create", VPC))
    assert (picture.counts(), picture.running) == ({}, [])


def test_each_error_is_kept_once_and_the_engines_last_word_is_dropped() -> None:
    picture = fed(
        diagnostic("creating EC2 VPC: VpcLimitExceeded\n", VPC),
        diagnostic("creating EC2 VPC: VpcLimitExceeded", VPC),
        diagnostic("update failed", STACK),
        diagnostic("using pulumi-language-python from $PATH at /x", severity="warning"),
        diagnostic("registering resource", severity="debug"),
        diagnostic("a tag is deprecated", VPC, severity="warning"),
    )
    assert picture.errors == [Diagnostic("error", "creating EC2 VPC: VpcLimitExceeded", VPC)]
    assert [item.message for item in picture.diagnostics if item.severity == "warning"] == ["a tag is deprecated"]


@pytest.mark.parametrize("line", ["", "{", '{"timestamp": 1, "resOutputsEvent": {"metad', "[]", "null"])
def test_half_a_line_of_a_killed_engine_is_passed_over(line: str) -> None:
    assert fed(line).steps == {}


def test_drift_is_named_by_its_property_when_a_refresh_says_update() -> None:
    old = {"outputs": {"scalingConfig": {"desiredSize": 4, "maxSize": 4}, "arn": "a"}}
    new = {"outputs": {"scalingConfig": {"desiredSize": 3, "maxSize": 4}, "arn": "a"}}
    picture = fed(
        step("resourcePreEvent", "refresh", GROUP, old=old, new=old),
        step("resOutputsEvent", "update", GROUP, old=old, new=new),
        step("resourcePreEvent", "refresh", VPC),
        step("resOutputsEvent", "same", VPC),
    )
    (change,) = drift(picture)
    assert (change.type, change.name, change.operation) == ("eks:NodeGroup", "training", "update")
    assert [str(item) for item in change.properties] == ["scalingConfig.desiredSize: 4 -> 3"]
    assert planned(picture) == []


def test_a_refresh_within_a_preview_is_drift_and_the_update_after_it_is_the_plan() -> None:
    """In `preview --refresh` the step's operation stays `refresh`; only its diff tells."""
    old, new = {"inputs": {"size": 4}, "outputs": {"size": 4}}, {"inputs": {"size": 3}, "outputs": {"size": 3}}
    picture = fed(
        step("resourcePreEvent", "refresh", GROUP, old=old, new=old),
        step("resOutputsEvent", "refresh", GROUP, old=old, new=new, diffs=["size"]),
        step("resourcePreEvent", "update", GROUP, old=new),
        step("resOutputsEvent", "update", GROUP, old=new, new=old, diffs=["size"]),
        step("resourcePreEvent", "refresh", VPC, old=old, new=old),
        step("resOutputsEvent", "refresh", VPC, old=old, new=old),
    )
    assert [str(item) for change in drift(picture) for item in change.properties] == ["size: 4 -> 3"]
    assert [str(item) for change in planned(picture) for item in change.properties] == ["size: 3 -> 4"]


def test_an_object_deleted_behind_pulumis_back_is_drift_of_the_whole_resource() -> None:
    picture = fed(
        step("resourcePreEvent", "refresh", VPC), step("resOutputsEvent", "delete", VPC, old={"outputs": {}}, new=None)
    )
    assert changes_json(drift(picture)) == [{"urn": VPC, "operation": "delete", "properties": []}]


def test_a_secret_that_differs_is_named_and_not_shown() -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "abc"}
    found = list(differences({"password": secret, "size": 1}, {"password": "plain", "size": 1}))
    assert [(item.path, item.before) for item in found] == [("password", "[secret]")]
    assert "abc" not in str(found)


def test_differences_name_the_leaf_in_lists_and_what_is_absent() -> None:
    before, after = {"rules": [{"port": 1}, {"port": 2}]}, {"rules": [{"port": 1}, {"port": 3, "to": "a"}]}
    assert [str(item) for item in differences(before, after)] == ["rules[1].port: 2 -> 3", "rules[1].to: absent -> 'a'"]


def test_urns_and_types_are_told_in_short() -> None:
    assert (urn_type(VPC), urn_name(VPC)) == ("aws:ec2/vpc:Vpc", "network-vpc")
    assert urn_name("urn:pulumi:s::p::t::name::with::colons") == "name::with::colons"
    assert short_type("aws:ec2/vpc:Vpc") == "ec2:Vpc"
    assert short_type("kubernetes:batch/v1:Job") == "Job"
    assert short_type("slipway:aws:Network") == "slipway:aws:Network"


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("the stack is currently locked by 1 lock(s)", "slipway recover local"),
        ("the engine was killed (SIGKILL)", "slipway recover local"),
        ("operation error EKS: InsufficientInstanceCapacity: no capacity", "reservation"),
        ("read tcp: connection reset by peer", "slipway recover local"),
        ("could not load plugin for aws provider", "slipway toolchain build"),
    ],
)
def test_known_failures_come_with_a_remedy(message: str, word: str) -> None:
    assert word in (hint_for([Diagnostic("error", message)], stack="local") or "")


def test_a_claim_that_stays_is_told_with_what_holds_it_and_other_waits_are_not() -> None:
    late = "timed out waiting for the condition"
    claim = Diagnostic("error", late, "urn:pulumi:s::p::kubernetes:core/v1:PersistentVolumeClaim::scratch")
    release = Diagnostic("error", late, "urn:pulumi:s::p::kubernetes:helm.sh/v3:Release::kueue")
    assert "slipway train stop NAME --delete" in (hint_for([release, claim], stack="local") or "")
    assert hint_for([release], stack="local") is None


def test_an_unknown_failure_gets_no_made_up_remedy() -> None:
    assert hint_for([Diagnostic("error", "something new")], stack="local") is None


def test_what_rules_say_is_kept_once_and_told_by_weight(capsys: pytest.CaptureFixture[str]) -> None:
    picture = Picture()
    notes = (
        ("storage-locked", "mandatory", "the bucket is open"),
        ("hygiene-tidy", "advisory", "untidy"),
        ("hygiene-tidy", "advisory", "untidy too"),
        ("slipway-cost-of-update", "advisory", "this update adds $3.00/h"),
    )
    for rule, level, message in (*notes, notes[0]):
        event = {
            "policyName": rule,
            "enforcementLevel": level,
            "message": f"{message}\n",
            "resourceUrn": "a::b::c::lake",
        }
        picture.feed(json.dumps({"timestamp": 1, "policyEvent": event}))
    assert len(picture.policies) == len(notes), "the engine repeats itself, we do not"
    print_notes(picture.policies, Console(width=200))
    told = capsys.readouterr().out
    assert "storage-locked on lake: the bucket is open" in told, "what refuses the update is told in full"
    assert "hygiene-tidy (2)" in told, "advice is counted"
    assert "this update adds $3.00/h" in told, "and the money is in its own words"
