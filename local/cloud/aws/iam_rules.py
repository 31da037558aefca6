"""What IAM refuses: malformed documents, taken names, used-up quotas."""

import json

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import arn, get, refuse
from local.cloud.aws.iam_documents import Kind, principals, problem
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Request

RULES = RuleBook()
MALFORMED = "MalformedPolicyDocument"
_ROLE = {"name": "jobs", "assumeRolePolicy": on.trust("ec2.amazonaws.com")}
_INLINE = {"role": "${nrole.name}", "name": "data", "policy": on.permissions()}


def _trusting(principal: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    named = {"AWS": f"arn:aws:iam::000000000000:{principal}"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Principal": named}]})


_GUIDE = "IAM user guide, Troubleshoot IAM policies; botocore iam "


@RULES.rule(
    "iam-role-trust-document",
    on.ROLE_TOKEN,
    WRITE,
    MALFORMED,
    source=f"{_GUIDE}CreateRole: MalformedPolicyDocumentException",
    accepts=on.creation(_ROLE),
    refuses=on.creation({**_ROLE, "assumeRolePolicy": on.permissions()}),
)
def _trust_document(request: Request) -> None:
    text = problem(get(request.body, "AssumeRolePolicyDocument"), Kind.TRUST)
    if text:
        refuse(MALFORMED, text)


@RULES.rule(
    "iam-role-trust-principal",
    on.ROLE_TOKEN,
    WRITE,
    MALFORMED,
    source="IAM user guide, principal element: a role ARN in a trust policy must exist when it is saved",
    accepts=on.creation(
        {
            "name": "jobs",
            "assumeRolePolicy": _trusting("root"),
        }
    ),
    refuses=on.creation(
        {
            "name": "jobs",
            "assumeRolePolicy": _trusting("role/nobody"),
        }
    ),
)
def _trust_principal(request: Request) -> None:
    own = arn("iam", "role/", request.account, region=False)
    for principal in principals(get(request.body, "AssumeRolePolicyDocument")):
        if principal.startswith(own) and request.account.get("iam:Role", principal.rpartition("/")[2]) is None:
            refuse(MALFORMED, f'Invalid principal in policy: "AWS":"{principal}"')


@RULES.rule(
    "iam-role-exists",
    on.ROLE_TOKEN,
    CREATE,
    "EntityAlreadyExists",
    source="botocore iam CreateRole: EntityAlreadyExistsException",
    accepts=on.creation(_ROLE, on.NODE_ROLE),
    refuses=on.creation({**_ROLE, "name": "nodes"}, on.NODE_ROLE),
)
def _role_once(request: Request) -> None:
    name = get(request.body, "RoleName")
    if request.account.get("iam:Role", str(name)) is not None:
        refuse("EntityAlreadyExists", f"Role with name {name} already exists.", status=409)


@RULES.rule(
    "iam-role-quota",
    on.ROLE_TOKEN,
    CREATE,
    "LimitExceeded",
    source="IAM user guide, IAM and STS quotas: 1,000 roles per account",
    accepts=on.creation(_ROLE, on.NODE_ROLE),
    refuses=on.creation(_ROLE, on.NODE_ROLE, quota__iam__roles=1),
)
def _role_quota(request: Request) -> None:
    limit = quota(request.account, "iam:roles")
    if request.account.count("iam:Role") >= limit:
        exceeded("LimitExceeded", f"Cannot exceed quota for RolesPerAccount: {limit}")


@RULES.rule(
    "iam-policy-document",
    (on.ROLE_POLICY_TOKEN, on.POLICY_TOKEN),
    WRITE,
    MALFORMED,
    source=f"{_GUIDE}PutRolePolicy, CreatePolicy: MalformedPolicyDocumentException",
    accepts=on.creation(_INLINE, on.NODE_ROLE),
    refuses=on.creation({**_INLINE, "policy": on.permissions("GetObject")}, on.NODE_ROLE),
)
def _policy_document(request: Request) -> None:
    text = problem(get(request.body, "PolicyDocument"), Kind.IDENTITY)
    if text:
        refuse(MALFORMED, text)


@RULES.rule(
    "iam-policy-exists",
    on.POLICY_TOKEN,
    CREATE,
    "EntityAlreadyExists",
    source="botocore iam CreatePolicy: EntityAlreadyExistsException",
    accepts=on.creation(
        {"name": "second", "policy": on.permissions()},
        (on.POLICY_TOKEN, "first", {"name": "first", "policy": on.permissions()}),
    ),
    refuses=on.creation(
        {"name": "first", "policy": on.permissions()},
        (on.POLICY_TOKEN, "first", {"name": "first", "policy": on.permissions()}),
    ),
)
def _policy_once(request: Request) -> None:
    name = get(request.body, "PolicyName")
    own = arn("iam", "policy", request.account, region=False)
    if any(item.id.startswith(own) for item in request.account.find("iam:Policy", PolicyName=name)):
        refuse(
            "EntityAlreadyExists",
            f"A policy called {name} already exists. Duplicate names are not allowed.",
            status=409,
        )


@RULES.rule(
    "iam-attachments-quota",
    on.ATTACHMENT_TOKEN,
    CREATE,
    "LimitExceeded",
    source="IAM user guide, IAM and STS quotas: 10 managed policies per role",
    accepts=on.creation({"role": "${nrole.name}", "policyArn": on.EKS_POLICY}, on.NODE_ROLE, *on.NODE_POLICIES),
    refuses=on.creation(
        {"role": "${nrole.name}", "policyArn": on.EKS_POLICY},
        on.NODE_ROLE,
        *on.NODE_POLICIES,
        **{"quota__iam__policies-per-role": 3},
    ),
)
def _attachments(request: Request) -> None:
    limit = quota(request.account, "iam:policies-per-role")
    if len(request.account.find("iam:AttachedPolicy", RoleName=get(request.body, "RoleName"))) >= limit:
        exceeded("LimitExceeded", f"Cannot exceed quota for PoliciesPerRole: {limit}")
