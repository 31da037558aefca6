"""Small resource graphs, written by hand, for tests of prices."""

from typing import Any

from policies.graph import Resource, ResourceGraph

PROVIDER = "urn:pulumi:test::slipway::pulumi:providers:aws::aws"
REGION = "us-east-1"


def provider(region: str = REGION) -> Resource:
    return Resource(type="pulumi:providers:aws", name="aws", urn=PROVIDER, properties={"region": region})


def resource(token: str, name: str, properties: dict[str, Any] | None = None, **more: Any) -> Resource:
    aws = token.startswith("aws:")
    return Resource(
        type=token,
        name=name,
        urn=f"urn:pulumi:test::slipway::{token}::{name}",
        properties=properties or {},
        provider=PROVIDER if aws else "",
        **more,
    )


def graph(*resources: Resource, region: str = REGION) -> ResourceGraph:
    return ResourceGraph(resources=(provider(region), *resources), stack="test")


def node_group(name: str = "gpu", **changes: Any) -> Resource:
    sizes = changes.pop("sizes", (2, 2, 2))
    least, desired, most = sizes
    properties: dict[str, Any] = {
        "instanceTypes": ["p5.48xlarge"],
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": least, "desiredSize": desired, "maxSize": most},
        "launchTemplate": {"id": f"lt-{name}", "version": "1"},
        "labels": {"slipway.dev/pool": name},
        "clusterName": "main",
        **changes,
    }
    return resource("aws:eks/nodeGroup:NodeGroup", name, properties)


def launch_template(name: str = "gpu", **changes: Any) -> Resource:
    properties: dict[str, Any] = {
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeType": "gp3", "volumeSize": 200}}],
        **changes,
    }
    return resource("aws:ec2/launchTemplate:LaunchTemplate", f"{name}-template", properties, id=f"lt-{name}")
