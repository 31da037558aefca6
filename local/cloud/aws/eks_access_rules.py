"""What EKS refuses of add-ons, access entries, access policies and pod identities."""

import json

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.eks_facts import ACCESS_POLICIES, ACCESS_POLICY_PREFIX, ADDONS, VERSION_FORM
from local.cloud.aws.iam import role_of
from local.cloud.aws.iam_documents import trusts
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Request

RULES = RuleBook()
INVALID = "InvalidParameterException"
_BASE = on.CLUSTER
_ADDON = {"clusterName": "${cluster.name}", "addonName": "vpc-cni"}
_ENTRY = {"clusterName": "${cluster.name}", "principalArn": "${admin.arn}"}
_ADMIN = (on.ROLE_TOKEN, "admin", {"name": "admin", "assumeRolePolicy": on.trust("ec2.amazonaws.com")})
_HAS_ENTRY = (on.ENTRY_TOKEN, "entry", _ENTRY)
_GRANT = {
    "clusterName": "${cluster.name}",
    "principalArn": "${admin.arn}",
    "policyArn": f"{ACCESS_POLICY_PREFIX}AmazonEKSClusterAdminPolicy",
    "accessScope": {"type": "cluster"},
}
_MAP_CLUSTER = (
    *on.BEFORE_CLUSTER,
    (on.CLUSTER_TOKEN, "cluster", {**on.CLUSTER_INPUTS, "accessConfig": {"authenticationMode": "CONFIG_MAP"}}),
)
_POD_ROLE = (
    on.ROLE_TOKEN,
    "prole",
    {
        "name": "pods",
        "assumeRolePolicy": on.trust("pods.eks.amazonaws.com", actions=("sts:AssumeRole", "sts:TagSession")),
    },
)
_IDENTITY = {
    "clusterName": "${cluster.name}",
    "namespace": "kube-system",
    "serviceAccount": "aws-node",
    "roleArn": "${prole.arn}",
}


@RULES.rule(
    "eks-addon-name",
    on.ADDON_TOKEN,
    CREATE,
    INVALID,
    source="EKS user guide, Available Amazon EKS add-ons; DescribeAddonVersions",
    accepts=on.creation(_ADDON, *_BASE),
    refuses=on.creation({**_ADDON, "addonName": "nvidia-device-plugin"}, *_BASE),
)
def _addon_name(request: Request) -> None:
    name = get(request.body, "addonName")
    if name not in ADDONS:
        refuse(INVALID, f"Addon name {name} specified is not supported")


@RULES.rule(
    "eks-addon-version",
    on.ADDON_TOKEN,
    WRITE,
    INVALID,
    source="EKS CreateAddon: Addon version specified is not supported; version form of DescribeAddonVersions",
    accepts=on.creation({**_ADDON, "addonVersion": "v1.21.1-eksbuild.1"}, *_BASE),
    refuses=on.creation({**_ADDON, "addonVersion": "1.21.1"}, *_BASE),
)
def _addon_version(request: Request) -> None:
    version = get(request.body, "addonVersion")
    if version is not None and not VERSION_FORM.fullmatch(str(version)):
        refuse(INVALID, "Addon version specified is not supported")


@RULES.rule(
    "eks-addon-configuration",
    on.ADDON_TOKEN,
    WRITE,
    INVALID,
    source="EKS API reference, CreateAddon, configurationValues: JSON or YAML of the add-on's schema",
    accepts=on.creation({**_ADDON, "configurationValues": '{"enableNetworkPolicy": "true"}'}, *_BASE),
    refuses=on.creation({**_ADDON, "configurationValues": '{"enableNetworkPolicy": '}, *_BASE),
)
def _addon_configuration(request: Request) -> None:
    text = str(get(request.body, "configurationValues", ""))
    if text.lstrip().startswith("{"):
        try:
            json.loads(text)
        except ValueError:
            refuse(INVALID, "ConfigurationValue is not in valid JSON or YAML format.")


@RULES.rule(
    "eks-addon-exists",
    on.ADDON_TOKEN,
    CREATE,
    "ResourceInUseException",
    source="botocore eks CreateAddon: ResourceInUseException",
    accepts=on.creation({**_ADDON, "addonName": "coredns"}, *_BASE, (on.ADDON_TOKEN, "cni", _ADDON)),
    refuses=on.creation(_ADDON, *_BASE, (on.ADDON_TOKEN, "cni", _ADDON)),
)
def _addon_once(request: Request) -> None:
    cluster, name = get(request.body, "clusterName"), get(request.body, "addonName")
    if request.account.get("eks:Addon", f"{cluster}:{name}") is not None:
        refuse("ResourceInUseException", "Addon already exists.", status=409)


@RULES.rule(
    "eks-access-entry-mode",
    (on.ENTRY_TOKEN, on.ACCESS_POLICY_TOKEN),
    CREATE,
    "InvalidRequestException",
    source="EKS CreateAccessEntry: The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]",
    accepts=on.creation(_ENTRY, *_BASE, _ADMIN),
    refuses=on.creation(_ENTRY, *_MAP_CLUSTER, _ADMIN),
)
def _entry_mode(request: Request) -> None:
    cluster = request.account.get("eks:Cluster", str(get(request.body, "clusterName")))
    if cluster is not None and get(cluster.body, "accessConfig.authenticationMode", "CONFIG_MAP") == "CONFIG_MAP":
        refuse(
            "InvalidRequestException",
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this "
            "operation.",
        )


@RULES.rule(
    "eks-access-entry-exists",
    on.ENTRY_TOKEN,
    CREATE,
    "ResourceInUseException",
    source="EKS CreateAccessEntry: The specified access entry resource is already in use on this cluster.",
    accepts=on.creation({**_ENTRY, "principalArn": "${crole.arn}"}, *_BASE, _ADMIN, _HAS_ENTRY),
    refuses=on.creation(_ENTRY, *_BASE, _ADMIN, _HAS_ENTRY),
)
def _entry_once(request: Request) -> None:
    cluster, principal = get(request.body, "clusterName"), get(request.body, "principalArn")
    if request.account.get("eks:AccessEntry", f"{cluster}:{principal}") is not None:
        refuse(
            "ResourceInUseException",
            "The specified access entry resource is already in use on this cluster.",
            status=409,
        )


@RULES.rule(
    "eks-access-entry-groups",
    on.ENTRY_TOKEN,
    WRITE,
    "InvalidParameterException",
    source="EKS API reference, CreateAccessEntry: no kubernetesGroups unless the type is STANDARD; no system: groups",
    accepts=on.creation({**_ENTRY, "kubernetesGroups": ["viewers"]}, *_BASE, _ADMIN),
    refuses=on.creation({**_ENTRY, "kubernetesGroups": ["system:masters"]}, *_BASE, _ADMIN),
)
def _entry_groups(request: Request) -> None:
    groups = get(request.body, "kubernetesGroups", [])
    if get(request.body, "type", "STANDARD") != "STANDARD" and groups:
        refuse(INVALID, "You cannot specify kubernetesGroups for this access entry type.")
    for group in groups:
        if str(group).startswith("system:"):
            refuse(INVALID, f"The kubernetes group name {group} is invalid, it cannot start with system:")


@RULES.rule(
    "eks-access-policy-entry",
    on.ACCESS_POLICY_TOKEN,
    CREATE,
    "ResourceNotFoundException",
    source="EKS AssociateAccessPolicy: The specified principalArn could not be found",
    accepts=on.creation(_GRANT, *_BASE, _ADMIN, _HAS_ENTRY),
    refuses=on.creation(_GRANT, *_BASE, _ADMIN),
)
def _policy_entry(request: Request) -> None:
    cluster, principal = get(request.body, "clusterName"), get(request.body, "principalArn")
    if request.account.get("eks:AccessEntry", f"{cluster}:{principal}") is None:
        refuse(
            "ResourceNotFoundException",
            f"The specified principalArn could not be found. You can view your available access entries with "
            f"'list-access-entries'. ({principal})",
            status=404,
        )


@RULES.rule(
    "eks-access-policy-name",
    on.ACCESS_POLICY_TOKEN,
    CREATE,
    "ResourceNotFoundException",
    source="EKS user guide, Review access policy permissions: the list of access policies",
    accepts=on.creation(_GRANT, *_BASE, _ADMIN, _HAS_ENTRY),
    refuses=on.creation(
        {**_GRANT, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, *_BASE, _ADMIN, _HAS_ENTRY
    ),
)
def _policy_name(request: Request) -> None:
    policy = str(get(request.body, "policyArn"))
    known = policy.startswith(ACCESS_POLICY_PREFIX) and policy.removeprefix(ACCESS_POLICY_PREFIX) in ACCESS_POLICIES
    if not known:
        refuse("ResourceNotFoundException", f"The policyArn {policy} could not be found.", status=404)


@RULES.rule(
    "eks-access-policy-scope",
    on.ACCESS_POLICY_TOKEN,
    CREATE,
    INVALID,
    source="EKS API reference, AccessScope: namespaces if and only if the type is namespace",
    accepts=on.creation(
        {**_GRANT, "accessScope": {"type": "namespace", "namespaces": ["team"]}}, *_BASE, _ADMIN, _HAS_ENTRY
    ),
    refuses=on.creation({**_GRANT, "accessScope": {"type": "namespace"}}, *_BASE, _ADMIN, _HAS_ENTRY),
)
def _policy_scope(request: Request) -> None:
    wanted = get(request.body, "accessScope.type") == "namespace"
    if wanted != bool(get(request.body, "accessScope.namespaces", [])):
        refuse(INVALID, "The access scope must have namespaces if, and only if, its type is namespace.")


@RULES.rule(
    "eks-pod-identity-trust",
    on.POD_IDENTITY_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Pod Identity role: trusts pods.eks.amazonaws.com for sts:AssumeRole and sts:TagSession",
    accepts=on.creation(_IDENTITY, *_BASE, _POD_ROLE),
    refuses=on.creation({**_IDENTITY, "roleArn": "${crole.arn}"}, *_BASE, _POD_ROLE),
)
def _identity_trust(request: Request) -> None:
    role = role_of(request.account, get(request.body, "roleArn"))
    if role is None:
        return
    document = role.body["AssumeRolePolicyDocument"]
    if not all(trusts(document, "pods.eks.amazonaws.com", action) for action in ("sts:AssumeRole", "sts:TagSession")):
        refuse(
            INVALID,
            "Trust policy of the role must allow the actions sts:AssumeRole and sts:TagSession to the principal "
            "pods.eks.amazonaws.com",
        )


@RULES.rule(
    "eks-addon-identity-trust",
    on.ADDON_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Pod Identity role; CreateAddon makes the associations it is given",
    accepts=on.creation(
        {**_ADDON, "podIdentityAssociations": [{"serviceAccount": "aws-node", "roleArn": "${prole.arn}"}]},
        *_BASE,
        _POD_ROLE,
    ),
    refuses=on.creation(
        {**_ADDON, "podIdentityAssociations": [{"serviceAccount": "aws-node", "roleArn": "${crole.arn}"}]},
        *_BASE,
        _POD_ROLE,
    ),
)
def _addon_identity(request: Request) -> None:
    for given in get(request.body, "podIdentityAssociations", []):
        role = role_of(request.account, get(given, "roleArn"))
        if role is None or not trusts(role.body["AssumeRolePolicyDocument"], "pods.eks.amazonaws.com"):
            refuse(INVALID, f"Role {get(given, 'roleArn')} cannot be assumed by pods.eks.amazonaws.com")


@RULES.rule(
    "eks-pod-identity-exists",
    on.POD_IDENTITY_TOKEN,
    CREATE,
    "ResourceInUseException",
    source="EKS CreatePodIdentityAssociation: Association already exists",
    accepts=on.creation(
        {**_IDENTITY, "serviceAccount": "other"}, *_BASE, _POD_ROLE, (on.POD_IDENTITY_TOKEN, "first", _IDENTITY)
    ),
    refuses=on.creation(_IDENTITY, *_BASE, _POD_ROLE, (on.POD_IDENTITY_TOKEN, "first", _IDENTITY)),
)
def _identity_once(request: Request) -> None:
    where = {name: get(request.body, name) for name in ("clusterName", "namespace", "serviceAccount")}
    taken = request.account.find("eks:PodIdentityAssociation", **where)
    if taken:
        refuse("ResourceInUseException", f"Association already exists: {taken[0].id}", status=409)
