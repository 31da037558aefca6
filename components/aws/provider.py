"""The AWS provider of one stack: one account, one region, every resource tagged."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws


def provider(
    name: str,
    *,
    account_id: str,
    region: str,
    tags: Mapping[str, str],
    role_arn: str | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> aws.Provider:
    """A provider that refuses every account but ``account_id``, whatever credentials the shell happens to hold.

    Args:
        name: Logical name.
        account_id: Twelve digits. Twelve zeros are the simulated account, which no credentials of AWS belong to.
        region: For example ``us-east-1``.
        tags: On every resource that takes tags.
        role_arn: Role to assume first; None uses the ambient credentials.
        opts: Options of the provider resource.
    """
    return aws.Provider(
        name,
        region=region,
        allowed_account_ids=[account_id],
        assume_roles=[aws.ProviderAssumeRoleArgs(role_arn=role_arn)] if role_arn else None,
        default_tags=aws.ProviderDefaultTagsArgs(tags=dict(tags)),
        opts=opts,
    )
