"""Who is who on a cluster: roles of nodes and add-ons, instance metadata, and how people get in."""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.aws_types import (
    ADDON,
    CLUSTER,
    INSTANCE,
    LAUNCH_TEMPLATE,
    NODE_GROUP,
    ROLE,
    ROLE_POLICY,
    ROLE_POLICY_ATTACHMENT,
)
from policies.examples import addon, cluster, made, pool, template
from policies.frameworks import cis_eks, fsbp, ml_lens
from policies.graph import Json, Resource, ResourceGraph, UndecidedError
from policies.reading import entries, flag, number, strings, targets, text, with_all
from policies.rule import REMOVED, Context, Example, Limits, Rule, Severity, Violation

_METADATA: Final = {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1}
_OWN_ROLE: Final = frozenset(
    {
        "vpc-cni",
        "aws-ebs-csi-driver",
        "aws-efs-csi-driver",
        "aws-fsx-csi-driver",
        "aws-mountpoint-s3-csi-driver",
        "amazon-cloudwatch-observability",
    }
)
"""Add-ons whose pods call AWS (Amazon EKS user guide, IAM roles of add-ons)."""
_NODE_POLICIES: Final = frozenset(
    {
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKSWorkerNodeMinimalPolicy",
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEC2ContainerRegistryReadOnly",
        "AmazonSSMManagedInstanceCore",
    }
)
"""What a node itself needs (Amazon EKS user guide, Amazon EKS node IAM role), and Session Manager."""


def _tokens_required(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "metadataOptions.httpEndpoint") == "disabled":
        return
    given = text(resource, "metadataOptions.httpTokens", "optional")
    if given != "required":
        yield Violation(
            message=f"httpTokens is {given}: IMDSv1 answers any request that a server can be tricked into making",
            property="metadataOptions.httpTokens",
        )


def _require_tokens(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_all(properties, "metadataOptions", {"httpTokens": "required"})


TOKENS_REQUIRED = Rule(
    id="identity-imds-v2",
    title="Machines answer metadata requests with a session token only (IMDSv2)",
    severity=Severity.HIGH,
    rationale="With IMDSv1 one forged request, from a model server that fetches URLs for example, returns the "
    "credentials of "
    "the node's role.",
    source="Amazon EC2 user guide, Use the Instance Metadata Service: IMDSv2; AWS Security Hub EC2.170 and EC2.8",
    fix="Set metadataOptions.httpTokens to required (the kit's pools do).",
    types=frozenset({LAUNCH_TEMPLATE, INSTANCE}),
    check=_tokens_required,
    remediate=_require_tokens,
    references=(fsbp("EC2.170"), fsbp("EC2.8")),
    example=Example(
        passing=(template(metadataOptions=_METADATA),),
        resource="template",
        changed="template",
        path="metadataOptions.httpTokens",
        value="optional",
    ),
)


def _one_hop(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "metadataOptions.httpEndpoint") == "disabled":
        return
    hops = number(resource, "metadataOptions.httpPutResponseHopLimit")
    if hops != 1:
        given = "is not set, and images that demand IMDSv2 then take 2" if hops is None else f"is {hops}"
        yield Violation(
            message=f"httpPutResponseHopLimit {given}: pods can become the node", property="metadataOptions"
        )


def _limit_hops(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_all(properties, "metadataOptions", {"httpPutResponseHopLimit": 1})


ONE_HOP = Rule(
    id="identity-imds-one-hop",
    title="Metadata answers reach the machine, not its pods",
    severity=Severity.HIGH,
    rationale="A pod is one network hop behind its node. With a limit of 2 every pod gets the credentials of the "
    "node's role; "
    "pods have Pod Identity for that.",
    source="Amazon EKS best practices guide, Identity and Access Management: restrict access to the instance profile "
    "assigned to the worker node",
    fix="Set metadataOptions.httpPutResponseHopLimit to 1 (the kit's pools do).",
    types=frozenset({LAUNCH_TEMPLATE, INSTANCE}),
    check=_one_hop,
    remediate=_limit_hops,
    references=(cis_eks("5.2.1"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(template(metadataOptions=_METADATA),),
        resource="template",
        changed="template",
        path="metadataOptions.httpPutResponseHopLimit",
        value=2,
    ),
)


def _own_role(resource: Resource, _: Context) -> Iterator[Violation]:
    name = text(resource, "addonName")
    if name not in _OWN_ROLE:
        return
    associated = any(True for _path in entries(resource, "podIdentityAssociations"))
    if not associated and resource.properties.get("serviceAccountRoleArn") is None:
        yield Violation(
            message=f"add-on {name} calls AWS and has no role of its own: it works only while its node's role is too "
            "wide",
            property="podIdentityAssociations",
        )


OWN_ROLE = Rule(
    id="identity-addons-own-role",
    title="Add-ons that call AWS have a role of their own",
    severity=Severity.HIGH,
    rationale="Without one they take the node's role, whose rights then every pod on the host network has, on every "
    "node; and "
    "with one metadata hop they get no credentials at all.",
    source="Amazon EKS user guide, Attach an IAM role to an Amazon EKS add-on using Pod Identity (add-ons-iam)",
    fix="Give the add-on podIdentityAssociations (the kit does).",
    types=frozenset({ADDON}),
    check=_own_role,
    references=(cis_eks("5.2.1"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(
            addon(
                "vpc-cni", podIdentityAssociations=[{"serviceAccount": "aws-node", "roleArn": "arn:aws:iam::1:role/c"}]
            ),
        ),
        resource="vpc-cni",
        changed="vpc-cni",
        path="podIdentityAssociations",
        value=REMOVED,
    ),
)


def _node_roles(graph: ResourceGraph) -> tuple[frozenset[str], bool]:
    """URNs of roles that node groups have, and whether some are still unknown."""
    found, undecided = set(), False
    for group in graph.of_type(NODE_GROUP):
        try:
            found |= {role.urn for role in targets(graph, group, "nodeRoleArn", ROLE)}
        except UndecidedError:
            undecided = True
    return frozenset(found), undecided


def _is_node_role(resource: Resource, context: Context) -> bool:
    roles, undecided = context.graph.derived(_node_roles)
    mine = targets(context.graph, resource, "role", ROLE)
    if mine and undecided and mine[0].urn not in roles:
        raise UndecidedError("role")
    return any(role.urn in roles for role in mine)


def _small_node_role(resource: Resource, context: Context) -> Iterator[Violation]:
    if resource.type == ROLE_POLICY:
        if _is_node_role(resource, context):
            yield Violation(message="an inline policy on the role of nodes", property="role")
        return
    policy = text(resource, "policyArn").rsplit("/", 1)[-1]
    if policy and policy not in _NODE_POLICIES and _is_node_role(resource, context):
        yield Violation(
            message=f"{policy} is attached to the role of nodes; allowed there: {', '.join(sorted(_NODE_POLICIES))}",
            property="policyArn",
        )


SMALL_NODE_ROLE = Rule(
    id="identity-node-role-minimal",
    title="The role of nodes may only what a node does itself",
    severity=Severity.HIGH,
    rationale="What the node may, everything on the host network may, and whoever breaks out of a pod. "
    "AmazonEKS_CNI_Policy "
    "there lets them rewire the network; access to buckets lets them read every team's data.",
    source="Amazon EKS user guide, Amazon EKS node IAM role; Amazon EKS best practices guide, Identity and Access "
    "Management",
    fix="Give the right to the pods that need it, with PodIdentity.",
    types=frozenset({ROLE_POLICY_ATTACHMENT, ROLE_POLICY}),
    check=_small_node_role,
    whole_stack=True,
    references=(cis_eks("5.2.1"), ml_lens("MLSEC-03")),
    example=Example(
        passing=(
            made(ROLE, "nodes", resource_id="nodes"),
            template(),
            pool(nodeRoleArn="nodes"),
            made(
                ROLE_POLICY_ATTACHMENT,
                "worker",
                role="nodes",
                policyArn="arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
            ),
        ),
        resource="worker",
        changed="worker",
        path="policyArn",
        value="arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
    ),
)


def _api_only(resource: Resource, _: Context) -> Iterator[Violation]:
    mode = text(resource, "accessConfig.authenticationMode", "CONFIG_MAP")
    if mode != "API":
        yield Violation(
            message=f"authentication mode {mode}: whoever may edit the ConfigMap aws-auth makes themselves "
            "administrator",
            property="accessConfig.authenticationMode",
        )


_ACCESS: Final = {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}

API_ONLY = Rule(
    id="identity-cluster-access-api",
    title="Clusters know who gets in from access entries only",
    severity=Severity.MEDIUM,
    rationale="The ConfigMap lies in the cluster, is in no log of AWS, and one typing error in it locks everybody out. "
    "Access "
    "entries are resources of the stack.",
    source="Amazon EKS user guide, Grant IAM users access to Kubernetes with EKS access entries; the API's default is "
    "CONFIG_MAP",
    fix="Set accessConfig.authenticationMode to API (Cluster does).",
    types=frozenset({CLUSTER}),
    check=_api_only,
    references=(cis_eks("4.1.7"),),
    example=Example(
        passing=(cluster(accessConfig=_ACCESS),),
        resource="main",
        changed="main",
        path="accessConfig.authenticationMode",
        value="API_AND_CONFIG_MAP",
    ),
)


def _no_creator(resource: Resource, _: Context) -> Iterator[Violation]:
    if flag(resource, "accessConfig.bootstrapClusterCreatorAdminPermissions", default=True):
        yield Violation(
            message="whoever creates the cluster becomes its administrator for good, and no access entry of the stack "
            "says so",
            property="accessConfig",
        )


NO_CREATOR = Rule(
    id="identity-no-creator-admin",
    title="Creating a cluster makes nobody its administrator",
    severity=Severity.MEDIUM,
    rationale="The creator is often a pipeline's role, or a person's on the first day. The right stays when they move "
    "on.",
    source="Amazon EKS API reference, CreateAccessConfigRequest.bootstrapClusterCreatorAdminPermissions (default true)",
    fix="Set it to false and name administrators in access.admins (Cluster does).",
    types=frozenset({CLUSTER}),
    check=_no_creator,
    references=(cis_eks("4.1.7"), cis_eks("4.1.1")),
    example=Example(
        passing=(cluster(accessConfig=_ACCESS),),
        resource="main",
        changed="main",
        path="accessConfig.bootstrapClusterCreatorAdminPermissions",
        value=True,
    ),
)


def _encrypted_secrets(resource: Resource, _: Context) -> Iterator[Violation]:
    for path in entries(resource, "encryptionConfig"):
        if "secrets" in strings(resource, f"{path}.resources"):
            return
    yield Violation(message="Kubernetes secrets are not encrypted with a key of your own", property="encryptionConfig")


ENCRYPTED_SECRETS = Rule(
    id="identity-secrets-encrypted",
    title="Clusters encrypt secrets with a KMS key of their own",
    severity=Severity.MEDIUM,
    rationale="EKS encrypts etcd with a key of AWS's. With a key of the stack its use is logged, its policy says who "
    "may, and "
    "it can be switched off in an incident.",
    source="Amazon EKS user guide, Encrypt Kubernetes secrets with KMS on existing clusters; AWS Security Hub EKS.3",
    fix="Set encryptionConfig with resources [secrets] and a key (Cluster does).",
    types=frozenset({CLUSTER}),
    check=_encrypted_secrets,
    references=(cis_eks("5.3.1"), fsbp("EKS.3")),
    example=Example(
        passing=(cluster(encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": "arn:aws:kms:key/1"}}),),
        resource="main",
        changed="main",
        path="encryptionConfig.resources",
        value=[],
    ),
)
