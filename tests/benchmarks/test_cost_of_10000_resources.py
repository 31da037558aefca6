"""How long an estimate of 10,000 resources takes, against loading their graph's types once over."""

import pytest

from policies.cost.catalogue import Catalogue
from policies.cost.estimate import estimate
from policies.graph import Resource
from tests.benchmarks.measure import report, seconds
from tests.support.priced import graph, launch_template, node_group, resource

pytestmark = pytest.mark.benchmark
TARGET_SECONDS = 1.0
RESOURCES = 10_000


def many(count: int) -> tuple[Resource, ...]:
    """A tenth pools with their templates, the rest what surrounds them."""
    made: list[Resource] = []
    for number in range(count // 10):
        name = f"r{number}"
        zones = {"vpcEndpointType": "Interface", "subnetIds": ["a", "b", "c"]}
        lustre = {"deploymentType": "PERSISTENT_2", "storageCapacity": 1200, "perUnitStorageThroughput": 250}
        made += [
            node_group(name),
            launch_template(name),
            resource("aws:fsx/lustreFileSystem:LustreFileSystem", name, lustre),
            resource("aws:ec2/natGateway:NatGateway", name),
            resource("aws:ec2/vpcEndpoint:VpcEndpoint", name, zones),
            resource("aws:cloudwatch/logGroup:LogGroup", name, {"retentionInDays": 30}),
            resource("aws:s3/bucket:Bucket", name),
            resource("aws:iam/role:Role", name),
            resource("aws:ec2/subnet:Subnet", name),
            resource("kubernetes:batch/v1:Job", name),
        ]
    return tuple(made)


def test_cost_of_10000_resources() -> None:
    whole, tenth = graph(*many(RESOURCES)), graph(*many(RESOURCES // 10))
    Catalogue.load()

    def best(found: object) -> float:
        return min(seconds(lambda: estimate(found, catalogue=Catalogue.load())) for _ in range(5))  # type: ignore[arg-type]

    large, small = best(whole), best(tenth)
    report(
        f"slipway cost, estimate of {RESOURCES:,} resources",
        {"seconds": f"{large:.2f}", f"seconds for {RESOURCES // 10:,}": f"{small:.3f}"},
        ratio=f"{large / small:.1f} times a tenth of them",
        target=f"{TARGET_SECONDS:.0f} s",
    )
