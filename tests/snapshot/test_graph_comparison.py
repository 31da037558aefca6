"""The comparison of graphs finds what differs, and only lets pass what chance made."""

from typing import Any

import pytest

from tests.support.graphs import Comparison, Row, as_the_engine_keeps_it

FIRST, SECOND, THIRD = "0" * 17, "1" * 17, "2" * 17


def row(name: str, kind: str = "aws:ec2/subnet:Subnet", **inputs: Any) -> Row:
    return Row(kind, name, f"urn:{name}", "urn:parent", inputs)


def compared(left: list[Row], right: list[Row]) -> list[str]:
    comparison = Comparison()
    comparison.resources(left, right)
    return comparison.differences


def test_made_up_ids_may_differ() -> None:
    assert compared([row("a", vpcId=f"vpc-{FIRST}")], [row("a", vpcId=f"vpc-{SECOND}")]) == []


def test_two_references_to_one_object_must_stay_one_object() -> None:
    left = [row("a", vpcId=f"vpc-{FIRST}"), row("b", vpcId=f"vpc-{FIRST}")]
    right = [row("a", vpcId=f"vpc-{SECOND}"), row("b", vpcId=f"vpc-{THIRD}")]
    assert compared(left, right) == [f"b.vpcId: 'vpc-{FIRST}' and 'vpc-{THIRD}'"]


def test_references_to_two_objects_must_not_become_one() -> None:
    left = [row("a", vpcId=f"vpc-{FIRST}"), row("b", vpcId=f"vpc-{SECOND}")]
    right = [row("a", vpcId=f"vpc-{THIRD}"), row("b", vpcId=f"vpc-{THIRD}")]
    assert compared(left, right) == [f"b.vpcId: 'vpc-{SECOND}' and 'vpc-{THIRD}'"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"cidrBlock": "10.0.1.0/24"}, "a.cidrBlock: '10.0.0.0/24' and '10.0.1.0/24'"),
        ({}, "a.cidrBlock: '10.0.0.0/24' and '(absent)'"),
        ({"cidrBlock": "10.0.0.0/24", "tags": {"a": "b"}}, "a.tags: '(absent)' and {'a': 'b'}"),
    ],
)
def test_another_input_is_told_by_its_path(changed: dict[str, Any], told: str) -> None:
    assert compared([row("a", cidrBlock="10.0.0.0/24")], [row("a", **changed)]) == [told]


def test_a_resource_that_only_one_side_has_is_told() -> None:
    assert compared([row("a"), row("b")], [row("a")]) == ["only in the first: urn:b"]


def test_the_kubernetes_providers_spelling_is_no_difference() -> None:
    plan = row("q", "kubernetes:core/v1:ResourceQuota", spec={"hard": {"pods": "1000"}}, storageClassName="")
    engine = row("q", "kubernetes:core/v1:ResourceQuota", spec={"hard": {"pods": "1k"}})
    assert compared([as_the_engine_keeps_it(plan)], [as_the_engine_keeps_it(engine)]) == []
