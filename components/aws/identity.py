"""A role for the pods of one service account, by EKS Pod Identity: no key, no node role, no OIDC provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import eks

from components import tokens
from components.aws.documents import pod_identity_trust_document
from components.aws.outputs import AwsClusterOutputs
from components.aws.roles import Role, create_role
from components.ordering import ready
from components.outputs import WorkloadIdentity
from components.problems import refuse
from components.tags import resource_tags

AGENT = ("169.254.170.23", 80)
"""Where the agent of every node hands out credentials (EKS user guide, Set up the Amazon EKS Pod Identity Agent)."""


@dataclass(frozen=True, kw_only=True)
class PodIdentityArgs:
    """Who gets the role and what it may do."""

    cluster: AwsClusterOutputs
    namespace: str
    service_account: str
    documents: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Inline policies (JSON text) by a stable key; see ``components/aws/documents.py``."""
    managed_policies: Sequence[str] = ()
    """Names of AWS managed policies."""


class PodIdentity(pulumi.ComponentResource):
    """A least-privilege role and its association with one service account.

    Raises:
        ValueError: the identity grants nothing, or a name is empty.
    """

    role_arn: pulumi.Output[str]
    association_id: pulumi.Output[str]
    outputs: WorkloadIdentity

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("PodIdentity", name, _problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        role = self._create_role(name, args)
        association = self._create_association(name, args, role)
        self.role_arn = role.arn
        self.association_id = association.association_id
        self.outputs = WorkloadIdentity(
            namespace=args.namespace,
            service_account=args.service_account,
            role=ready(role.arn, association),
            credential_endpoints=(AGENT,),
        )
        self.register_outputs({"role_arn": self.role_arn, "association_id": self.association_id})

    def _create_role(self, name: str, args: PodIdentityArgs) -> Role:
        return create_role(
            f"{name}-role",
            parent=self,
            region=args.cluster.region,
            trust=pod_identity_trust_document(args.cluster.account_id),
            description=f"Pods of {args.namespace}/{args.service_account}",
            managed_policies=args.managed_policies,
            documents=args.documents,
        )

    def _create_association(self, name: str, args: PodIdentityArgs, role: Role) -> eks.PodIdentityAssociation:
        return eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=args.cluster.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            tags=resource_tags(f"{name}-association"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _problems(args: PodIdentityArgs) -> list[str]:
    problems = [
        f"{label} is empty: name the {label} whose pods get the role"
        for label, value in (("namespace", args.namespace), ("service account", args.service_account))
        if not value
    ]
    if not args.documents and not args.managed_policies:
        problems.append(
            "no policy is given: a role that may do nothing is a mistake; give documents or managed_policies"
        )
    return problems
