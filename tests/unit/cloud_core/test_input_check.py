import json

import pytest

from local.cloud.check import AutonameMode, AutonameOptions, constraint_failures
from local.cloud.model import Constraint
from local.cloud.schema import UnknownTokenError
from local.cloud.simulator import Simulator
from local.cloud.values import UNKNOWN, Json, Secret
from tests.unit.cloud_core.toy import CLUSTER, SUBNET, VPC

ROLE = "aws:iam/role:Role"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def _reasons(simulator: Simulator, token: str, inputs: dict[str, Json]) -> dict[str, str]:
    return {failure.property: failure.reason for failure in simulator.check(token, "it", inputs).failures}


def test_an_unknown_property_is_refused_with_the_nearest_name(simulator: Simulator) -> None:
    assert _reasons(simulator, VPC, {"cidrBlok": "10.0.0.0/16"}) == {
        "cidrBlok": "is not a property of this type; did you mean 'cidrBlock'?"
    }


def test_an_unknown_nested_property_is_refused_with_its_path(simulator: Simulator) -> None:
    reasons = _reasons(simulator, TEMPLATE, {"networkInterfaces": [{"deviceIndex": 0}, {"device_index": 1}]})
    assert reasons == {
        "networkInterfaces[1].device_index": "is not a property of this type; did you mean 'deviceIndex'?"
    }


@pytest.mark.parametrize(
    ("inputs", "path", "reason"),
    [
        ({"cidrBlock": ["10.0.0.0/16"]}, "cidrBlock", "is ['10.0.0.0/16'] (a list): expected a string"),
        ({"enableDnsSupport": "yes"}, "enableDnsSupport", "is 'yes' (a string): expected true or false"),
        ({"ipv4NetmaskLength": "1.5"}, "ipv4NetmaskLength", "is '1.5' (a string): expected an integer"),
        ({"tags": "x"}, "tags", "is 'x' (a string): expected a map of keys to values"),
        ({"tags": {"a b": []}}, 'tags["a b"]', "is [] (a list): expected a string"),
    ],
)
def test_a_wrong_type_is_refused_with_path_value_and_what_is_expected(
    simulator: Simulator, inputs: dict[str, Json], path: str, reason: str
) -> None:
    assert _reasons(simulator, VPC, inputs) == {path: reason}


def test_values_that_lose_nothing_are_converted_as_the_provider_does(simulator: Simulator) -> None:
    checked = simulator.check(VPC, "it", {"enableDnsSupport": "true", "ipv4NetmaskLength": "20", "tags": {"n": 1}})
    assert checked.failures == []
    assert checked.inputs == {"enableDnsSupport": True, "ipv4NetmaskLength": 20, "tags": {"n": "1"}}


def test_missing_required_properties_are_named(simulator: Simulator) -> None:
    reasons = _reasons(simulator, CLUSTER, {"vpcConfig": {}})
    assert reasons == {
        "roleArn": "is missing: it is required, give it a value",
        "vpcConfig.subnetIds": "is missing: it is required, give it a value",
    }


def test_an_unlisted_value_says_what_is_allowed(simulator: Simulator) -> None:
    reasons = _reasons(simulator, VPC, {"instanceTenancy": "dedicatd"})
    assert reasons == {
        "instanceTenancy": "is 'dedicatd': allowed are default, dedicated; did you mean 'dedicated'? "
        "(botocore ec2 Tenancy)"
    }


@pytest.mark.parametrize(
    ("constraint", "value", "reason"),
    [
        (Constraint(path="n", minimum=1, maximum=10), 11, "is 11: allowed is 1 to 10"),
        (Constraint(path="n", maximum=10), 11, "is 11: allowed is at most 10"),
        (Constraint(path="n", min_length=3), "ab", "is 'ab': it has 2 characters, allowed is at least 3"),
        (Constraint(path="n", max_length=1), [1, 2], "is [1, 2]: it has 2 items, allowed is at most 1"),
        (Constraint(path="n", pattern="^a"), Secret("b"), "is a secret: it must match ^a"),
    ],
)
def test_ranges_lengths_and_patterns(constraint: Constraint, value: Json, reason: str) -> None:
    assert [failure.reason for failure in constraint_failures(constraint, {"n": value})] == [reason]


def test_unknown_values_pass_every_check(simulator: Simulator) -> None:
    inputs = {"roleArn": UNKNOWN, "vpcConfig": {"subnetIds": [UNKNOWN], "publicAccessCidrs": UNKNOWN}, "tags": UNKNOWN}
    assert simulator.check(CLUSTER, "it", inputs).failures == []


def test_secrets_stay_wrapped_and_are_not_shown_in_a_refusal(simulator: Simulator) -> None:
    checked = simulator.check(VPC, "it", {"cidrBlock": Secret("10.0.0.0/16"), "enableDnsSupport": Secret("hunter2")})
    assert checked.inputs["cidrBlock"] == Secret("10.0.0.0/16")
    assert [failure.reason for failure in checked.failures] == ["is a secret (a string): expected true or false"]


def test_a_policy_given_as_an_object_becomes_a_document(simulator: Simulator) -> None:
    checked = simulator.check(ROLE, "it", {"assumeRolePolicy": {"Version": "2012-10-17", "Statement": []}})
    assert checked.failures == []
    assert json.loads(checked.inputs["assumeRolePolicy"]) == {"Version": "2012-10-17", "Statement": []}


def test_a_type_that_does_not_exist_is_refused_with_near_ones(simulator: Simulator) -> None:
    with pytest.raises(UnknownTokenError, match=r"'aws:ec2/vpc:Vcp' does not exist .* near: aws:ec2/vpc:Vpc"):
        simulator.check("aws:ec2/vpc:Vcp", "it", {})


CLUSTER_INPUTS = {"roleArn": "arn:x", "vpcConfig": {"subnetIds": ["subnet-1"]}}


def test_names_are_made_from_the_engines_seed(simulator: Simulator) -> None:
    one = simulator.check(CLUSTER, "main", CLUSTER_INPUTS, seed=b"1").inputs["name"]
    same = simulator.check(CLUSTER, "main", CLUSTER_INPUTS, seed=b"1").inputs["name"]
    other = simulator.check(CLUSTER, "main", CLUSTER_INPUTS, seed=b"2").inputs["name"]
    assert one == same != other
    assert one.startswith("main-")
    assert len(one) == len("main-") + 7


def test_a_made_name_beyond_the_services_limit_is_refused_not_cut(simulator: Simulator) -> None:
    [failure] = simulator.check(CLUSTER, "a-long-name-it-is", CLUSTER_INPUTS, seed=b"1").failures
    assert failure.property == "name"
    assert failure.reason.endswith(
        "that is 25 characters, at most 20 are allowed; shorten the logical name 'a-long-name-it-is' or set name"
    )


def test_a_made_name_stays_and_a_given_name_that_is_dropped_does_not(simulator: Simulator) -> None:
    made = simulator.check(CLUSTER, "c", CLUSTER_INPUTS, seed=b"1").inputs
    assert simulator.check(CLUSTER, "c", CLUSTER_INPUTS, olds=made, seed=b"2").inputs["name"] == made["name"]
    given = {**CLUSTER_INPUTS, "name": "mine"}
    assert simulator.check(CLUSTER, "c", CLUSTER_INPUTS, olds=given, seed=b"1").inputs["name"] != "mine"


def test_the_engines_autonaming_setting_is_honoured(simulator: Simulator) -> None:
    proposed = AutonameOptions("exactly-this", AutonameMode.ENFORCE)
    assert simulator.check(CLUSTER, "c", CLUSTER_INPUTS, autoname=proposed).inputs["name"] == "exactly-this"
    long = AutonameOptions("x" * 30, AutonameMode.ENFORCE)
    reason = simulator.check(CLUSTER, "c", CLUSTER_INPUTS, autoname=long).failures[0].reason
    assert "that is 30 characters, at most 20 are allowed" in reason
    disabled = simulator.check(CLUSTER, "c", CLUSTER_INPUTS, autoname=AutonameOptions("", AutonameMode.DISABLE))
    assert [failure.property for failure in disabled.failures] == ["name"]


def test_default_tags_are_merged_below_the_resources_own(simulator: Simulator) -> None:
    simulator.configure(
        {"allowedAccountIds": ["000000000000"], "defaultTags": {"tags": {"owner": "ml", "team": "default"}}}
    )
    checked = simulator.check(VPC, "v", {"cidrBlock": "10.0.0.0/16", "tags": {"team": "own"}})
    assert checked.inputs["tags"] == {"owner": "ml", "team": "own"}
    assert simulator.check(VPC, "v", {"tags": UNKNOWN}).inputs["tags"] is UNKNOWN
    untagged = "aws:ec2/route:Route"
    assert "tags" not in simulator.check(untagged, "r", {"routeTableId": "rtb-1"}).inputs


def test_several_problems_are_reported_together(simulator: Simulator) -> None:
    reasons = _reasons(simulator, SUBNET, {"cidrBlok": "x", "mapPublicIpOnLaunch": "maybe"})
    assert sorted(reasons) == ["cidrBlok", "mapPublicIpOnLaunch", "vpcId"]
