"""A program without a cluster, for tests about the engine: network, security group, role and data lake."""

import pulumi
import pulumi_aws as aws

from components.aws.data_lake import DataLake, DataLakeArgs
from components.aws.documents import trust_document
from components.aws.network import Network, NetworkArgs
from components.tags import resource_tags, stack_tags
from stacks.places import AwsPlace
from stacks.settings import Settings, load


def _provider(settings: Settings, place: AwsPlace) -> aws.Provider:
    tags = stack_tags(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        environment=settings.environment,
        owner=settings.owner,
        cost_center=settings.cost_center,
        ttl=settings.ttl,
        extra=settings.tags,
    )
    return aws.Provider(
        "aws",
        region=place.region,
        allowed_account_ids=[place.account_id],
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags),
    )


def main() -> None:
    """About forty resources."""
    settings = load(pulumi.Config())
    place = settings.place
    if not isinstance(place, AwsPlace):
        raise TypeError("this program is for AWS")
    provider = _provider(settings, place)
    opts = pulumi.ResourceOptions(providers=[provider])
    alone = pulumi.ResourceOptions(provider=provider)
    network = Network(
        "network",
        NetworkArgs(
            account_id=place.account_id,
            region=place.region,
            zones=place.network.zones[:2],
            cidr=place.network.cidr,
            nat_per_zone=False,
            interface_endpoints=(),
            flow_log_retention_days=7,
        ),
        opts,
    )
    group = aws.ec2.SecurityGroup(
        "jobs", description="Batch jobs", vpc_id=network.vpc_id, tags=resource_tags("jobs"), opts=alone
    )
    role = aws.iam.Role(
        "jobs-role",
        assume_role_policy=trust_document("ec2.amazonaws.com"),
        tags=resource_tags("jobs-role"),
        opts=alone,
    )
    lake = DataLake(
        "lake",
        DataLakeArgs(
            account_id=place.account_id,
            region=place.region,
            force_destroy=not settings.protect,
            protect=settings.protect,
        ),
        opts,
    )
    pulumi.export("vpc", network.vpc_id)
    pulumi.export("group", group.id)
    pulumi.export("role", role.arn)
    pulumi.export("bucket", lake.bucket_name)


if __name__ == "__main__":
    main()
