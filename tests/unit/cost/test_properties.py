"""What must hold for every graph: sums add up exactly, more nodes cost more, order means nothing, no float anywhere."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.cost.catalogue import Catalogue
from policies.cost.estimate import Estimate, estimate
from policies.cost.model import Range
from policies.graph import Resource, ResourceGraph
from tests.support.priced import graph, launch_template, node_group, provider, resource

CATALOGUE = Catalogue.load()
QUIET = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
TYPES = ("p5.48xlarge", "g6e.12xlarge", "m7i.2xlarge", "p5e.48xlarge", "x9.huge")
REGIONS = st.sampled_from(["us-east-1", "eu-west-1", "ap-northeast-1", "sa-east-1"])
sizes = st.lists(st.integers(0, 40), min_size=3, max_size=3).map(sorted)


@st.composite
def resources(draw: st.DrawFn) -> tuple[Resource, ...]:
    """A few resources of every kind that refers to nothing but its own launch template."""
    made: list[Resource] = []
    for number in range(draw(st.integers(1, 5))):
        name = f"r{number}"
        kind = draw(st.sampled_from(["pool", "fs", "nat", "log", "endpoint", "claim", "odd"]))
        if kind == "pool":
            market = draw(st.sampled_from(["ON_DEMAND", "SPOT", "CAPACITY_BLOCK"]))
            types = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=2))
            made += [
                node_group(name, sizes=tuple(draw(sizes)), instanceTypes=types, capacityType=market),
                launch_template(name),
            ]
        elif kind == "fs":
            tier = draw(st.sampled_from([125, 250, 500, 1000]))
            size = draw(st.integers(1, 100)) * 1200
            properties = {"deploymentType": "PERSISTENT_2", "storageCapacity": size, "perUnitStorageThroughput": tier}
            made.append(resource("aws:fsx/lustreFileSystem:LustreFileSystem", name, properties))
        elif kind == "log":
            days = draw(st.sampled_from([1, 7, 90, 365, 400]))
            made.append(resource("aws:cloudwatch/logGroup:LogGroup", name, {"retentionInDays": days}))
        elif kind == "endpoint":
            zones = ["s"] * draw(st.integers(1, 6))
            properties = {"vpcEndpointType": "Interface", "subnetIds": zones}
            made.append(resource("aws:ec2/vpcEndpoint:VpcEndpoint", name, properties))
        elif kind == "claim":
            wanted = draw(st.sampled_from(["1Gi", "500G", "333Mi", "7"]))
            spec = {"storageClassName": "gp3", "resources": {"requests": {"storage": wanted}}}
            made.append(resource("kubernetes:core/v1:PersistentVolumeClaim", name, {"spec": spec}))
        elif kind == "nat":
            made.append(resource("aws:ec2/natGateway:NatGateway", name))
        else:
            made.append(resource("aws:sqs/queue:Queue", name))
    return tuple(made)


def priced(found: ResourceGraph) -> Estimate:
    return estimate(found, catalogue=CATALOGUE)


@QUIET
@given(resources(), REGIONS)
def test_cost_is_additive_over_resources(made: tuple[Resource, ...], region: str) -> None:
    templates = [item for item in made if "LaunchTemplate" in item.type]
    whole = priced(graph(*made, region=region))
    parts = [priced(graph(item, *templates, region=region)) for item in made if item not in templates]
    assert whole.total == sum((part.total for part in parts), Range()), "exactly, to the last digit"
    assert whole.gpu_hours == sum((part.gpu_hours for part in parts), Range())
    assert sorted(item.what for item in whole.unpriced) == sorted(item.what for part in parts for item in part.unpriced)


@QUIET
@given(st.sampled_from(TYPES[:3]), sizes, st.integers(0, 5))
def test_more_nodes_never_cost_less(instance_type: str, nodes: list[int], more: int) -> None:
    def cost(extra: int) -> Range:
        group = node_group(sizes=tuple(size + extra for size in nodes), instanceTypes=[instance_type])
        return priced(graph(group, launch_template())).total

    before, after = cost(0), cost(more)
    assert before.low <= before.expected <= before.high
    assert after.low >= before.low
    assert after.expected >= before.expected
    assert after.high >= before.high
    assert (after.expected > before.expected) == (more > 0), "every node costs something"


@QUIET
@given(resources(), st.randoms(use_true_random=False))
def test_the_order_of_the_graph_changes_nothing(made: tuple[Resource, ...], random: Any) -> None:
    shuffled = [provider(), *made]
    random.shuffle(shuffled)
    assert priced(ResourceGraph(resources=tuple(shuffled), stack="test")) == priced(graph(*made))


def values(found: Any) -> Iterator[Any]:
    if is_dataclass(found):
        for item in fields(found):
            yield from values(getattr(found, item.name))
    elif isinstance(found, dict):
        for item in found.values():
            yield from values(item)
    elif isinstance(found, tuple | list):
        for item in found:
            yield from values(item)
    else:
        yield found


@QUIET
@given(resources(), REGIONS)
def test_money_is_decimal_everywhere(made: tuple[Resource, ...], region: str) -> None:
    found = priced(graph(*made, region=region))
    leaves = [*values(found), *values(found.total.hourly), *values(found.by_category)]
    assert [item for item in leaves if isinstance(item, float)] == [], "a float would round somewhere"
    assert any(isinstance(item, Decimal) for item in leaves)
