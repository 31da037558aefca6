"""Resources of distinct behaviour, for tests that kill something at every step.

One that others are in, autonamed ones, one that holds data, attachments that no tag can mark. ``STEPS_REVISION`` 2
changes two in place, replaces one, deletes one and creates one. With ``STEPS_CLUSTER`` others instead: those that take
time, because a supervisor makes them real. Without the AWS SDK, whose import takes three seconds.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.aws.documents import trust_document
from components.tags import resource_tags, stack_tags

ACCOUNT = "000000000000"
REGION = "us-east-1"


class Steps:
    """Declares resources by type token, with the provider that every slipway stack has."""

    def __init__(self) -> None:
        name = pulumi.get_stack()
        tags = stack_tags(
            project=pulumi.get_project(), stack=name, environment=name, owner="ml-platform", cost_center="cc-0000"
        )
        # Providers take their configuration as JSON texts.
        config = {
            "region": REGION,
            "allowedAccountIds": json.dumps([ACCOUNT]),
            "defaultTags": json.dumps({"tags": tags}),
        }
        self._provider = pulumi.ProviderResource("aws", "aws", config)

    def declare(
        self,
        token: str,
        name: str,
        properties: Mapping[str, Any],
        *,
        tags: Mapping[str, str] | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """A resource with the kit's own tags and ``tags``."""
        return self.attach(token, name, {**properties, "tags": resource_tags(name, tags)}, after=after)

    def attach(
        self, token: str, name: str, properties: Mapping[str, Any], *, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.CustomResource:
        """A resource that cannot carry tags."""
        opts = pulumi.ResourceOptions(provider=self._provider, depends_on=list(after))
        return pulumi.CustomResource(token, name, dict(properties), opts)

    def role(self, name: str, service: str, *, tags: Mapping[str, str] | None = None) -> pulumi.CustomResource:
        """A role that ``service`` may take."""
        # A property without a value becomes an output.
        properties = {"assumeRolePolicy": trust_document(service), "arn": None}
        return self.declare("aws:iam/role:Role", name, properties, tags=tags)

    def policy(self, role: pulumi.CustomResource, name: str) -> pulumi.CustomResource:
        """One of AWS's policies, attached to ``role``."""
        properties = {"role": role.id, "policyArn": f"arn:aws:iam::aws:policy/{name}"}
        return self.attach("aws:iam/rolePolicyAttachment:RolePolicyAttachment", name, properties)


def plain(steps: Steps, *, later: bool) -> None:
    """What is ready at once."""
    vpc = steps.declare("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.0.0.0/16"})
    subnet = {"vpcId": vpc.id, "cidrBlock": "10.0.0.0/24", "availabilityZone": f"{REGION}a"}
    steps.declare("aws:ec2/subnet:Subnet", "subnet", subnet)
    # A group's description cannot be changed: the second revision replaces it.
    description = "Batch jobs, second edition" if later else "Batch jobs"
    steps.declare("aws:ec2/securityGroup:SecurityGroup", "group", {"vpcId": vpc.id, "description": description})
    role = steps.role("role", "ec2.amazonaws.com", tags={"edition": "2" if later else "1"})
    bucket = steps.declare("aws:s3/bucket:Bucket", "bucket", {"forceDestroy": True})
    steps.declare("aws:cloudwatch/logGroup:LogGroup", "logs", {"retentionInDays": 14 if later else 7})
    if later:
        block = {"bucket": bucket.id, "blockPublicAcls": True}
        steps.attach("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "block", block)
    else:
        steps.policy(role, "AmazonS3ReadOnlyAccess")


def cluster(steps: Steps, *, later: bool) -> None:
    """A cluster with an add-on and a node group, which the second revision makes larger."""
    vpc = steps.declare("aws:ec2/vpc:Vpc", "vpc", {"cidrBlock": "10.0.0.0/16"})
    subnets = [
        steps.declare(
            "aws:ec2/subnet:Subnet",
            f"subnet-{zone}",
            {"vpcId": vpc.id, "cidrBlock": f"10.0.{number}.0/24", "availabilityZone": f"{REGION}{zone}"},
        ).id
        for number, zone in enumerate("ab")
    ]
    role = steps.role("cluster-role", "eks.amazonaws.com")
    allowed = steps.policy(role, "AmazonEKSClusterPolicy")
    made = steps.declare(
        "aws:eks/cluster:Cluster",
        "main",
        {"roleArn": role.arn, "vpcConfig": {"subnetIds": subnets}},  # type: ignore[attr-defined] # from the properties
        after=[allowed],
    )
    workers = steps.role("node-role", "ec2.amazonaws.com")
    policies = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryReadOnly", "AmazonEKS_CNI_Policy")
    steps.declare(
        "aws:eks/nodeGroup:NodeGroup",
        "nodes",
        {
            "clusterName": made.id,
            "nodeRoleArn": workers.arn,  # type: ignore[attr-defined] # from the properties
            "subnetIds": subnets,
            "instanceTypes": ["m7i.large"],
            "scalingConfig": {"minSize": 1, "maxSize": 4, "desiredSize": 3 if later else 2},
        },
        after=[steps.policy(workers, name) for name in policies],
    )
    steps.declare("aws:eks/addon:Addon", "proxy", {"clusterName": made.id, "addonName": "kube-proxy"})


if __name__ == "__main__":
    build = cluster if os.environ.get("STEPS_CLUSTER") else plain
    build(Steps(), later=os.environ.get("STEPS_REVISION") == "2")
