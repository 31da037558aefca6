"""What IAM and key policies grant, and to whom."""

from collections.abc import Iterator
from typing import Any, Final

from policies.aws_types import (
    ACCESS_KEY,
    BUCKET_POLICY,
    KEY,
    POLICY,
    ROLE,
    ROLE_POLICY,
    ROLE_POLICY_ATTACHMENT,
)
from policies.examples import ACCOUNT, made
from policies.frameworks import cis_aws, fsbp, ml_lens, security_hub
from policies.graph import Resource
from policies.iam_documents import Statement, statements
from policies.reading import entries, flag, strings, text
from policies.rule import Context, Example, Rule, Severity, Violation

_GRANTS: Final = frozenset(
    {POLICY, ROLE_POLICY, ROLE, "aws:iam/userPolicy:UserPolicy", "aws:iam/groupPolicy:GroupPolicy"}
)
_ATTACHMENTS: Final = frozenset(
    {
        ROLE_POLICY_ATTACHMENT,
        ROLE,
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        "aws:iam/policyAttachment:PolicyAttachment",
    }
)
_RESOURCE_POLICIES: Final = {
    ROLE: "assumeRolePolicy",
    KEY: "policy",
    BUCKET_POLICY: "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
}
_UNLIMITED: Final = frozenset({"AdministratorAccess", "PowerUserAccess", "IAMFullAccess"})
_NARROWS: Final = frozenset(
    {
        "kms:calleraccount",
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
    }
)
"""Condition keys that leave only some of everybody (IAM user guide, AWS JSON policy elements: Principal)."""
_BORROWED: Final = {
    "vpc-flow-logs.amazonaws.com": "Amazon VPC user guide, IAM role for publishing flow logs to CloudWatch Logs",
    "pods.eks.amazonaws.com": "Amazon EKS user guide, Create IAM role with trust policy required by EKS Pod Identity",
    "scheduler.amazonaws.com": "EventBridge Scheduler user guide, Confused deputy prevention",
}
_SOURCES: Final = frozenset({"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid"})


def _document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def _granted(resource: Resource) -> Iterator[Statement]:
    if resource.type == ROLE:
        for path in entries(resource, "inlinePolicies"):
            yield from statements(resource, f"{path}.policy")
        return
    yield from statements(resource, "policy")


def _admin(statement: Statement) -> bool:
    everywhere = "*" in statement.values("Resource") or bool(statement.values("NotResource"))
    return everywhere and ("*" in statement.values("Action") or "*:*" in statement.values("Action"))


def _no_admin(resource: Resource, _: Context) -> Iterator[Violation]:
    for item in _granted(resource):
        if not item.allows:
            continue
        if _admin(item):
            yield Violation(message="the policy allows every action on every resource", property=item.path)
        elif item.values("NotAction") and "*" in item.values("Resource"):
            left_out = ", ".join(item.values("NotAction")[:3])
            yield Violation(message=f"NotAction allows everything but {left_out} on every resource", property=item.path)


_READS: Final = _document(Action="s3:GetObject", Resource="arn:aws:s3:::lake/*")

NO_ADMIN = Rule(
    id="identity-no-admin-policy",
    title="No policy allows everything",
    severity=Severity.CRITICAL,
    rationale="Whoever holds the role, or breaks into a pod that does, owns the account: data, backups, logs and bill.",
    source="IAM user guide, Security best practices: least-privilege permissions; AWS Security Hub IAM.1",
    fix="List the actions and the ARNs that are used; components/aws/documents.py has examples.",
    types=_GRANTS,
    check=_no_admin,
    references=(fsbp("IAM.1"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(made(ROLE_POLICY, "read", role="trainer", policy=_READS),),
        resource="read",
        changed="read",
        path="policy",
        value='{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
    ),
)


def _no_service_wildcard(resource: Resource, _: Context) -> Iterator[Violation]:
    for item in _granted(resource):
        if not item.allows or "*" not in item.values("Resource") or _admin(item):
            continue
        wide = [action for action in item.values("Action") if action.endswith(":*") and action != "*:*"]
        if wide and not item.condition_keys():
            yield Violation(
                message=f"{', '.join(sorted(wide))} on every resource, without a condition", property=item.path
            )


NO_SERVICE_WILDCARD = Rule(
    id="identity-no-service-wildcard",
    title="No policy allows all of a service on every resource",
    severity=Severity.HIGH,
    rationale="s3:* on * reads every bucket of the account and deletes them; ec2:* starts any machine that the quota "
    "allows.",
    source="IAM user guide, Security best practices; AWS Security Hub IAM.21",
    fix="List the actions, and the ARNs that the service account needs.",
    types=_GRANTS,
    check=_no_service_wildcard,
    references=(fsbp("IAM.21"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(made(ROLE_POLICY, "read", role="trainer", policy=_READS),),
        resource="read",
        changed="read",
        path="policy.Statement[0]",
        value={"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"},
    ),
)


def _no_admin_attached(resource: Resource, _: Context) -> Iterator[Violation]:
    name = "managedPolicyArns" if resource.type == ROLE else "policyArn"
    for arn in strings(resource, name):
        policy = arn.rsplit("/", 1)[-1]
        if policy in _UNLIMITED and ":aws:policy/" in arn:
            yield Violation(message=f"{policy} is attached", property=name)


NO_ADMIN_ATTACHED = Rule(
    id="identity-no-admin-attached",
    title="Nobody gets AWS's policies for administrators",
    severity=Severity.CRITICAL,
    rationale="AdministratorAccess, PowerUserAccess and IAMFullAccess make a role of the platform the owner of the "
    "account, "
    "or let it make itself so.",
    source="IAM user guide, AWS managed policies for job functions; AWS Security Hub IAM.1",
    fix="Attach a policy that lists what is used.",
    types=_ATTACHMENTS,
    check=_no_admin_attached,
    references=(fsbp("IAM.1"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(
            made(
                ROLE_POLICY_ATTACHMENT,
                "nodes-worker",
                role="nodes",
                policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
            ),
        ),
        resource="nodes-worker",
        changed="nodes-worker",
        path="policyArn",
        value="arn:aws:iam::aws:policy/AdministratorAccess",
    ),
)


def _named_principals(resource: Resource, _: Context) -> Iterator[Violation]:
    path = _RESOURCE_POLICIES[resource.type]
    for item in statements(resource, path):
        if item.allows and "*" in item.principals("AWS") and not item.condition_keys() & _NARROWS:
            yield Violation(message="everybody (principal *) is allowed, and no condition says who", property=path)


_TRUST: Final = _document(
    Principal={"Service": "pods.eks.amazonaws.com"},
    Action=["sts:AssumeRole", "sts:TagSession"],
    Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
)

NAMED_PRINCIPALS = Rule(
    id="identity-no-wildcard-principal",
    title="No policy of a resource allows everybody",
    severity=Severity.CRITICAL,
    rationale="Principal * means every AWS account, and with it everybody. On a trust policy they become the role; on "
    "a key or "
    "a bucket they read the data.",
    source="IAM user guide, AWS JSON policy elements: Principal (do not use * with Allow); AWS Security Hub KMS.5 and "
    "S3.6",
    fix="Name the account, role or service, or add a condition on aws:PrincipalOrgID or the caller's account.",
    types=frozenset(_RESOURCE_POLICIES),
    check=_named_principals,
    references=(fsbp("KMS.5"), fsbp("S3.6")),
    example=Example(
        passing=(made(ROLE, "trainer", assumeRolePolicy=_TRUST),),
        resource="trainer",
        changed="trainer",
        path="assumeRolePolicy.Statement[0]",
        value={"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
    ),
)


def _no_deputy(resource: Resource, _: Context) -> Iterator[Violation]:
    for item in statements(resource, "assumeRolePolicy"):
        if not item.allows:
            continue
        for service in item.principals("Service"):
            if service in _BORROWED and not item.condition_keys() & _SOURCES:
                yield Violation(
                    message=f"{service} may assume the role for any account: no condition on aws:SourceAccount or "
                    "aws:SourceArn",
                    property="assumeRolePolicy",
                )


NO_DEPUTY = Rule(
    id="identity-confused-deputy",
    title="Services that act for many accounts may assume a role for this one only",
    severity=Severity.MEDIUM,
    rationale="The service is the same for all customers. Without the condition somebody else may make it use this "
    "role, by "
    "naming its ARN in their own account.",
    source="IAM user guide, The confused deputy problem; " + "; ".join(_BORROWED.values()),
    fix="Add the condition aws:SourceAccount (components/aws/documents.py does).",
    types=frozenset({ROLE}),
    check=_no_deputy,
    example=Example(
        passing=(made(ROLE, "trainer", assumeRolePolicy=_TRUST),),
        resource="trainer",
        changed="trainer",
        path="assumeRolePolicy.Statement[0].Condition",
        value={"StringEquals": {"aws:PrincipalTag/team": "research"}},
    ),
)


def _one_account_name(resource: Resource, _: Context) -> Iterator[Violation]:
    for item in statements(resource, "assumeRolePolicy"):
        if not item.allows or "sts:AssumeRoleWithWebIdentity" not in item.values("Action"):
            continue
        issuers = [name for name in item.principals("Federated") if "oidc.eks." in name]
        if issuers and not any(key.endswith(":sub") for key in item.condition_keys()):
            yield Violation(
                message="every service account of the cluster may assume the role: no condition on the token's sub",
                property="assumeRolePolicy",
            )


_ISSUER: Final = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE"

ONE_ACCOUNT_NAME = Rule(
    id="identity-web-identity-subject",
    title="A role for a cluster's service accounts names the service account",
    severity=Severity.HIGH,
    rationale="The cluster's issuer signs tokens for all pods. Without a condition on sub every pod of every team can "
    "assume "
    "the role.",
    source="Amazon EKS user guide, Assign IAM roles to Kubernetes service accounts (associate-service-account-role)",
    fix="Use EKS Pod Identity (PodIdentity), or add the condition StringEquals on <issuer>:sub.",
    types=frozenset({ROLE}),
    check=_one_account_name,
    references=(ml_lens("MLSEC-03"),),
    example=Example(
        passing=(
            made(
                ROLE,
                "loader",
                assumeRolePolicy=_document(
                    Principal={"Federated": _ISSUER},
                    Action="sts:AssumeRoleWithWebIdentity",
                    Condition={
                        "StringEquals": {
                            "oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:research:loader"
                        }
                    },
                ),
            ),
        ),
        resource="loader",
        changed="loader",
        path="assumeRolePolicy.Statement[0].Condition",
        value={"StringEquals": {"oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE:aud": "sts.amazonaws.com"}},
    ),
)


def _no_long_keys(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "status", "Active") == "Active":
        yield Violation(message="an access key that never expires, and whose secret is in the state", property="status")


NO_LONG_KEYS = Rule(
    id="identity-no-access-keys",
    title="Stacks make no access keys",
    severity=Severity.HIGH,
    rationale="A key of a user works from everywhere, for ever, and is copied into files. Pods, runners and people can "
    "all "
    "have credentials that expire.",
    source="IAM user guide, Security best practices: use temporary credentials; AWS Security Hub IAM.3",
    fix="Use a role: Pod Identity for pods, OIDC for runners, IAM Identity Center for people.",
    types=frozenset({ACCESS_KEY}),
    check=_no_long_keys,
    references=(fsbp("IAM.3"),),
    example=Example(
        passing=(made(ACCESS_KEY, "old", user="ci", status="Inactive"),),
        resource="old",
        changed="old",
        path="status",
        value="Active",
    ),
)


def _rotated(resource: Resource, _: Context) -> Iterator[Violation]:
    symmetric = text(resource, "customerMasterKeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    if symmetric and not flag(resource, "enableKeyRotation", default=False):
        yield Violation(message="the key is never rotated", property="enableKeyRotation")


def _rotate(properties: Any, _: Any) -> dict[str, Any]:
    return {**properties, "enableKeyRotation": True}


ROTATED = Rule(
    id="identity-kms-rotation",
    title="Keys are rotated every year",
    severity=Severity.MEDIUM,
    rationale="Rotation limits how much one key ever encrypts, costs a dollar a month at most and breaks nothing: "
    "older data "
    "is still read with the older key material.",
    source="AWS KMS developer guide, Rotate AWS KMS keys; AWS Security Hub KMS.4",
    fix="Set enableKeyRotation to true (every key of the kit has it).",
    types=frozenset({KEY}),
    check=_rotated,
    remediate=_rotate,
    references=(cis_aws("3.6"), security_hub("KMS.4")),
    example=Example(
        passing=(made(KEY, "key", enableKeyRotation=True),),
        resource="key",
        changed="key",
        path="enableKeyRotation",
        value=False,
    ),
)
