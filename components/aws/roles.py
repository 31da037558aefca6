"""Roles as parts of other components: one role with its grants, created under the component that needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import iam

from components.aws.partition import managed_policy
from components.naming import Service, physical_name
from components.ordering import ready
from components.tags import resource_tags

AUTONAME_SUFFIX = 8
"""A hyphen and seven hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role that is complete: whoever uses ``arn`` waits for its policies too."""

    arn: pulumi.Output[str]
    name: pulumi.Output[str]


def create_role(
    name: str,
    *,
    parent: pulumi.Resource,
    region: str,
    trust: str,
    description: str,
    managed_policies: Sequence[str] = (),
    documents: Mapping[str, pulumi.Input[str]] | None = None,
) -> Role:
    """Create the role ``name`` and its policies as children of ``parent``.

    Args:
        name: Logical name; the physical one is Pulumi's.
        parent: The component that owns the role.
        region: Decides the partition of managed policies.
        trust: Trust policy as JSON text.
        description: What the role is for.
        managed_policies: Names of AWS managed policies.
        documents: Inline policies by a stable key.
    """
    options = pulumi.ResourceOptions(parent=parent)
    role = iam.Role(
        name,
        name=_physical(name),
        assume_role_policy=trust,
        description=description,
        tags=resource_tags(name),
        opts=options,
    )
    grants: list[pulumi.Resource] = [
        iam.RolePolicyAttachment(
            f"{name}-{policy.rsplit('/', 1)[-1]}",
            role=role.name,
            policy_arn=managed_policy(policy, region),
            opts=options,
        )
        for policy in managed_policies
    ]
    grants += [
        iam.RolePolicy(f"{name}-{key}", role=role.name, policy=document, opts=options)
        for key, document in (documents or {}).items()
    ]
    return Role(arn=ready(role.arn, *grants), name=role.name)


def _physical(name: str) -> str | None:
    """None, for a name of Pulumi's making, unless that would break IAM's limit: Pulumi refuses instead of cutting."""
    if len(name) + AUTONAME_SUFFIX <= Service.IAM_ROLE.value.length:
        return None
    return physical_name(Service.IAM_ROLE, pulumi.get_project(), pulumi.get_stack(), name)
