import pulumi
from pulumi_aws import ec2

from components.ordering import after, ready
from local.cloud.plan import record


def test_after_makes_a_resource_wait_without_giving_it_a_value() -> None:
    def program() -> None:
        first = ec2.PlacementGroup("first", strategy="cluster")
        second = ec2.PlacementGroup("second", strategy="cluster")
        options = pulumi.ResourceOptions(depends_on=after(first.id, second))
        ec2.PlacementGroup("third", strategy="cluster", opts=options)

    found = record(program)
    third = found.get("aws:ec2/placementGroup:PlacementGroup", "third")
    names = {found.by_urn(urn).name for urn in third.dependencies}
    assert names == {"first", "second"}
    assert all(not urns for urns in third.property_dependencies.values())


def test_ready_keeps_the_value_and_adds_what_must_exist_first() -> None:
    def program() -> pulumi.Output[str]:
        first = ec2.PlacementGroup("first", strategy="cluster")
        second = ec2.PlacementGroup("second", strategy="cluster")
        value = ready(first.name, second)
        options = pulumi.ResourceOptions(depends_on=after(value))
        ec2.PlacementGroup("third", strategy="cluster", opts=options)
        return value

    found = record(program)
    third = found.get("aws:ec2/placementGroup:PlacementGroup", "third")
    assert found.result == found.get("aws:ec2/placementGroup:PlacementGroup", "first").outputs["name"]
    assert {found.by_urn(urn).name for urn in third.dependencies} == {"first", "second"}
