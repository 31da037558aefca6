import pytest

from components.tags import resource_tags, stack_tags


def tags(*, ttl: str | None = None, extra: dict[str, str] | None = None) -> dict[str, str]:
    return stack_tags(
        project="slipway",
        stack="dev",
        environment="development",
        owner="ml-platform",
        cost_center="4711",
        ttl=ttl,
        extra=extra,
    )


def test_a_resource_is_tagged_with_its_logical_name_twice() -> None:
    assert resource_tags("main-vpc", {"kubernetes.io/role/elb": "1"}) == {
        "Name": "main-vpc",
        "slipway:resource": "main-vpc",
        "kubernetes.io/role/elb": "1",
    }


def test_stack_tags_name_stack_environment_owner_cost_centre_and_end() -> None:
    assert tags(ttl="2026-12-01", extra={"team": "vision"}) == {
        "slipway:stack": "slipway/dev",
        "slipway:environment": "development",
        "owner": "ml-platform",
        "cost-center": "4711",
        "slipway:ttl": "2026-12-01",
        "team": "vision",
    }


def test_a_stack_without_an_end_has_no_ttl_tag() -> None:
    assert "slipway:ttl" not in tags()


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"aws:x": "1"}, "'aws:x' is reserved"),
        ({"slipway:stack": "other"}, "'slipway:stack' is reserved"),
        ({"owner": "me"}, "'owner' is reserved"),
        ({"Name": "x"}, "'Name' is reserved"),
        ({"k" * 129: "1"}, "129 characters"),
        ({"": "1"}, "0 characters"),
        ({"k": "v" * 257}, "257 characters"),
        ({f"k{index}": "1" for index in range(45)}, "more than the 50"),
    ],
)
def test_tags_that_aws_or_the_kit_cannot_take_are_refused(extra: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tags(extra=extra)
