"""IAM: roles, inline and managed policies, and the AWS managed policies that every account can attach."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import UPPER_ALPHABET, arn, iso_time, refuse, unmodelled
from local.cloud.aws.iam_documents import text_of
from local.cloud.model import Account, Autoname, CloudObject, Context, Maker, Reference
from local.cloud.values import Json, is_unknown

ROLE_NAME_LENGTH = 64
MANAGED = (
    "AdministratorAccess",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKS_CNI_Policy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSServicePolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodeMinimalPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonFSxFullAccess",
    "AmazonS3FullAccess",
    "AmazonS3ReadOnlyAccess",
    "AmazonSSMManagedInstanceCore",
    "CloudWatchAgentServerPolicy",
    "ReadOnlyAccess",
    "service-role/AmazonEBSCSIDriverPolicy",
    "service-role/AmazonEFSCSIDriverPolicy",
)
"""AWS managed policies that GPU platforms attach (AWS managed policy reference); their documents are not modelled."""
EVICTED = "Cannot delete entity, must detach all policies first."


def managed_arn(name: str) -> str:
    """The ARN of an AWS managed policy."""
    return f"arn:aws:iam::aws:policy/{name}"


def seed(account: Account) -> None:
    """The AWS managed policies, which nobody made and nobody can delete."""
    for path in MANAGED:
        name = path.rpartition("/")[2]
        body = {
            "PolicyName": name,
            "Arn": managed_arn(path),
            "Path": f"/{path.rpartition('/')[0]}/" if "/" in path else "/",
            "IsAttachable": True,
            "DefaultVersionId": "v1",
        }
        account.put(
            CloudObject(kind="iam:Policy", id=managed_arn(path), region=account.region, body=body, maker=Maker.SERVICE)
        )


def _role_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    if inputs.get("inlinePolicies") or inputs.get("managedPolicyArns"):
        refuse("UnsupportedOperation", "the simulation takes aws.iam.RolePolicy and RolePolicyAttachment resources")
    boundary = inputs.get("permissionsBoundary")
    return {
        "RoleName": inputs.get("name"),
        "Path": inputs.get("path"),
        "AssumeRolePolicyDocument": text_of(inputs["assumeRolePolicy"]),
        "Description": inputs.get("description"),
        "MaxSessionDuration": inputs.get("maxSessionDuration"),
        "PermissionsBoundary": None if boundary is None else {"PermissionsBoundaryArn": boundary},
    }


def _compute_role(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["RoleId"] = account.new_id("AROA", alphabet=UPPER_ALPHABET)
    body["CreateDate"] = iso_time(account)
    body["Arn"] = arn("iam", f"role{body['Path']}{body['RoleName']}", account, region=False)


def _role_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    body = item.body
    return {
        "name": body.get("RoleName"),
        "assumeRolePolicy": body.get("AssumeRolePolicyDocument"),
        "uniqueId": body.get("RoleId"),
        "permissionsBoundary": (body.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
        "forceDetachPolicies": False,
        "inlinePolicies": [],
        "managedPolicyArns": [],
    }


ROLE = bind(
    "aws:iam/role:Role",
    "iam:Role",
    calls("CreateRole", "DeleteRole", "UpdateAssumeRolePolicy"),
    identity="{RoleName}",
    regional=False,
    create_only=("name", "path"),
    client_only=("forceDetachPolicies",),
    autoname=Autoname(property="name", max_length=ROLE_NAME_LENGTH),
    defaults={"Path": "/", "MaxSessionDuration": 3600},
    to_body=_role_body,
    compute=_compute_role,
    to_state=_role_state,
)


def role_name(value: Json) -> Json:
    """The name of a role that a property gives by name or by ARN."""
    return value if is_unknown(value) else str(value).rpartition("/")[2]


def role_of(account: Account, identifier: Json) -> CloudObject | None:
    """The role behind an ARN or a name."""
    return account.get("iam:Role", str(role_name(identifier)))


ROLE_REFERENCE = Reference(
    body_path="RoleName",
    kind="iam:Role",
    missing_code="NoSuchEntity",
    missing_message="The role with name {value} cannot be found.",
    in_use_code="DeleteConflict",
    in_use_message=EVICTED,
)


def _role_policy_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    return {
        "RoleName": role_name(inputs["role"]),
        "PolicyName": inputs.get("name"),
        "PolicyDocument": text_of(inputs["policy"]),
    }


ROLE_POLICY = bind(
    "aws:iam/rolePolicy:RolePolicy",
    "iam:RolePolicy",
    calls("PutRolePolicy", "DeleteRolePolicy", "PutRolePolicy"),
    identity="{RoleName}:{PolicyName}",
    overwrites=True,
    regional=False,
    create_only=("name", "role"),
    autoname=Autoname(property="name", max_length=128),
    tags=None,
    to_body=_role_policy_body,
    references=(
        Reference(
            body_path="RoleName",
            kind="iam:Role",
            missing_code=ROLE_REFERENCE.missing_code,
            missing_message=ROLE_REFERENCE.missing_message,
            in_use_code="DeleteConflict",
            in_use_message="Cannot delete entity, must delete policies first.",
        ),
    ),
    to_state=lambda item, _account: {
        "role": item.body["RoleName"],
        "name": item.body["PolicyName"],
        "policy": item.body["PolicyDocument"],
    },
)
ATTACHMENT = bind(
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "iam:AttachedPolicy",
    calls("AttachRolePolicy", "DetachRolePolicy"),
    identity="{RoleName}/{PolicyArn}",
    overwrites=True,
    regional=False,
    create_only=("role", "policyArn"),
    tags=None,
    to_body=lambda inputs, _context: {"RoleName": role_name(inputs["role"]), "PolicyArn": inputs["policyArn"]},
    references=(
        ROLE_REFERENCE,
        Reference(
            body_path="PolicyArn",
            kind="iam:Policy",
            by="Arn",
            missing_code="NoSuchEntity",
            missing_message="Policy {value} does not exist or is not attachable.",
            in_use_code="DeleteConflict",
            in_use_message="Cannot delete a policy attached to entities.",
        ),
    ),
    to_state=lambda item, _account: {"role": item.body["RoleName"], "policyArn": item.body["PolicyArn"]},
)


def _policy_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "namePrefix", instead="set `name`, or neither for a generated name")
    return {
        "PolicyName": inputs.get("name"),
        "Path": inputs.get("path"),
        "Description": inputs.get("description"),
        "PolicyDocument": text_of(inputs["policy"]),
    }


def _compute_policy(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["PolicyId"] = account.new_id("ANPA", alphabet=UPPER_ALPHABET)
    body["Arn"] = arn("iam", f"policy{body['Path']}{body['PolicyName']}", account, region=False)
    body["CreateDate"] = iso_time(account)
    body["DefaultVersionId"] = "v1"
    body["IsAttachable"] = True


POLICY = bind(
    "aws:iam/policy:Policy",
    "iam:Policy",
    calls("CreatePolicy", "DeletePolicy", "CreatePolicyVersion"),
    identity="{Arn}",
    regional=False,
    create_only=("name", "path", "description"),
    client_only=("delayAfterPolicyCreationInMs",),
    autoname=Autoname(property="name", max_length=128),
    defaults={"Path": "/"},
    to_body=_policy_body,
    compute=_compute_policy,
    to_state=lambda item, account: {
        "name": item.body.get("PolicyName"),
        "policy": item.body.get("PolicyDocument"),
        "attachmentCount": len(account.find("iam:AttachedPolicy", PolicyArn=item.id)),
    },
)
BINDINGS = (ROLE, ROLE_POLICY, ATTACHMENT, POLICY)


def attached(account: Account, role: str) -> set[str]:
    """Names of the managed policies attached to a role."""
    return {item.body["PolicyArn"].rpartition("/")[2] for item in account.find("iam:AttachedPolicy", RoleName=role)}
