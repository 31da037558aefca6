"""VPC endpoints: S3 by route, other services by an interface in every zone's private subnet."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import pulumi
from pulumi_aws import ec2, vpc

from components.tags import resource_tags

DEFAULT_INTERFACE_ENDPOINTS = ("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "fsx", "kms", "logs", "sts")
"""What nodes, their agents and the add-ons of this kit call (EKS user guide, private clusters)."""


class HasId(Protocol):
    """Anything with a provider's id."""

    @property
    def id(self) -> pulumi.Output[str]:
        """The provider's id."""


def endpoint_problems(services: Sequence[str]) -> list[str]:
    """What is wrong with a list of interface endpoints."""
    problems = [
        f"interface endpoint {service!r} is listed twice"
        for service in sorted({s for s in services if services.count(s) > 1})
    ]
    problems += [
        f"interface endpoint {service!r}: write the service's short name, for example ecr.api"
        for service in services
        if service.startswith(("com.amazonaws", "aws.")) or not service
    ]
    if "s3" in services:
        problems.append(
            "interface endpoint 's3' is not needed: the network has S3's gateway endpoint, which costs nothing"
        )
    return problems


def create_endpoints(
    name: str,
    services: Sequence[str],
    *,
    parent: pulumi.Resource,
    region: str,
    network: ec2.Vpc,
    cidr_block: str,
    tables: Mapping[str, HasId],
    subnet_ids: Mapping[str, pulumi.Output[str]],
) -> None:
    """Create the gateway endpoint of S3 and the interface endpoints of ``services`` as children of ``parent``."""
    options = pulumi.ResourceOptions(parent=parent)
    ec2.VpcEndpoint(
        f"{name}-endpoint-s3",
        vpc_id=network.id,
        service_name=f"com.amazonaws.{region}.s3",
        vpc_endpoint_type="Gateway",
        route_table_ids=[table.id for table in tables.values()],
        tags=resource_tags(f"{name}-endpoint-s3"),
        opts=options,
    )
    if not services:
        return
    group_id = _create_security_group(f"{name}-endpoints", network, cidr_block, options)
    for service in services:
        logical = f"{name}-endpoint-{service.replace('.', '-')}"
        ec2.VpcEndpoint(
            logical,
            vpc_id=network.id,
            service_name=f"com.amazonaws.{region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=list(subnet_ids.values()),
            security_group_ids=[group_id],
            tags=resource_tags(logical),
            opts=options,
        )


def _create_security_group(
    name: str, network: ec2.Vpc, cidr_block: str, options: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    group = ec2.SecurityGroup(
        f"{name}-security-group",
        description="HTTPS from the VPC to interface endpoints",
        vpc_id=network.id,
        tags=resource_tags(f"{name}-security-group"),
        opts=options,
    )
    vpc.SecurityGroupIngressRule(
        f"{name}-https",
        security_group_id=group.id,
        description="HTTPS from anywhere in the VPC",
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        cidr_ipv4=cidr_block,
        tags=resource_tags(f"{name}-https"),
        opts=options,
    )
    return group.id
