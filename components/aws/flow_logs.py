"""The record of who talked to whom in a VPC, encrypted with a key of its own."""

import pulumi
from pulumi_aws import cloudwatch, ec2, kms

from components.aws.documents import flow_log_document, flow_log_trust_document, log_key_document
from components.aws.roles import create_role
from components.naming import Service, physical_name
from components.tags import resource_tags


def flow_log_group(project: str, stack: str, name: str) -> str:
    """Name of the log group: known beforehand, because the key's policy names it."""
    return "/aws/vpc/" + physical_name(Service.LOG_GROUP, project, stack, name, "flow-logs")


def create_flow_log(
    name: str,
    account_id: str,
    region: str,
    vpc_id: pulumi.Output[str],
    retention_days: int,
    *,
    parent: pulumi.Resource,
) -> None:
    """Create key, log group, role and flow log as children of ``parent``; all traffic, one-minute intervals."""
    options = pulumi.ResourceOptions(parent=parent)
    group_name = flow_log_group(pulumi.get_project(), pulumi.get_stack(), name)
    key = kms.Key(
        f"{name}-flow-log-key",
        description=f"Encrypts {group_name}",
        enable_key_rotation=True,
        policy=log_key_document(account_id, region, [group_name]),
        tags=resource_tags(f"{name}-flow-log-key"),
        opts=options,
    )
    group = cloudwatch.LogGroup(
        f"{name}-flow-log-group",
        name=group_name,
        retention_in_days=retention_days,
        kms_key_id=key.arn,
        tags=resource_tags(f"{name}-flow-log-group"),
        opts=options,
    )
    role = create_role(
        f"{name}-flow-log-role",
        parent=parent,
        region=region,
        trust=flow_log_trust_document(account_id, region),
        description="VPC flow logs write to their log group",
        documents={"write": flow_log_document(account_id, region, group_name)},
    )
    ec2.FlowLog(
        f"{name}-flow-log",
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        max_aggregation_interval=60,
        tags=resource_tags(f"{name}-flow-log"),
        opts=options,
    )
