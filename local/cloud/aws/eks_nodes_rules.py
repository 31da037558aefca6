"""What EKS refuses of managed node groups before it asks EC2 for instances."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.ec2_templates import template_data
from local.cloud.aws.eks_facts import minor
from local.cloud.aws.eks_launch import launch, merged
from local.cloud.aws.facts import instance
from local.cloud.aws.iam import attached, role_of
from local.cloud.aws.iam_documents import trusts
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, WRITE, RuleBook
from local.cloud.model import Account, Request

RULES = RuleBook()
INVALID, BAD_REQUEST = "InvalidParameterException", "InvalidRequestException"
WORKER = ("AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy")
PULL = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEC2ContainerRegistryReadOnly")
CNI = "AmazonEKS_CNI_Policy"
_BASE = on.BEFORE_NODES
_TEMPLATES = "EKS user guide, Customize managed nodes with launch templates; "


def template(**data: object) -> on.Step:
    """A launch template step named ``lt``."""
    return (on.TEMPLATE_TOKEN, "lt", {"name": "pool", **data})


@RULES.rule(
    "eks-nodes-exists",
    on.NODE_GROUP_TOKEN,
    CREATE,
    "ResourceInUseException",
    source="botocore eks CreateNodegroup: ResourceInUseException",
    accepts=on.creation({**on.NODE_INPUTS, "nodeGroupName": "b"}, *_BASE, (on.NODE_GROUP_TOKEN, "p", on.NODE_INPUTS)),
    refuses=on.creation(on.NODE_INPUTS, *_BASE, (on.NODE_GROUP_TOKEN, "p", on.NODE_INPUTS)),
)
def _nodes_once(request: Request) -> None:
    cluster, name = get(request.body, "clusterName"), get(request.body, "nodegroupName")
    if request.account.get("eks:Nodegroup", f"{cluster}:{name}") is not None:
        refuse(
            "ResourceInUseException",
            f"NodeGroup already exists with name {name} and cluster name {cluster}",
            status=409,
        )


@RULES.rule(
    "eks-nodes-quota",
    on.NODE_GROUP_TOKEN,
    CREATE,
    "ResourceLimitExceededException",
    source="EKS service quotas: managed node groups per cluster",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation(on.NODE_INPUTS, *_BASE, **{"quota__eks__node-groups-per-cluster": 0}),
)
def _nodes_quota(request: Request) -> None:
    cluster, limit = get(request.body, "clusterName"), quota(request.account, "eks:node-groups-per-cluster")
    if len(request.account.find("eks:Nodegroup", clusterName=cluster)) >= limit:
        exceeded("ResourceLimitExceededException", f"NodeGroup limit of {limit} exceeded for cluster {cluster}")


@RULES.rule(
    "eks-nodes-scaling",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID,
    source="EKS API reference, NodegroupScalingConfig: minSize <= desiredSize <= maxSize",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation({**on.NODE_INPUTS, "scalingConfig": {"minSize": 1, "maxSize": 2, "desiredSize": 3}}, *_BASE),
)
def _scaling(request: Request) -> None:
    low, high, wanted = (get(request.body, f"scalingConfig.{name}") for name in ("minSize", "maxSize", "desiredSize"))
    if low > high:
        refuse(INVALID, f"Minimum capacity {low} can't be greater than maximum size {high}")
    if wanted > high:
        refuse(INVALID, f"desired capacity {wanted} can't be greater than max size {high}")
    if wanted < low:
        refuse(INVALID, f"desired capacity {wanted} can't be less than minimum capacity {low}")


@RULES.rule(
    "eks-nodes-size-quota",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "ResourceLimitExceededException",
    source="EKS service quotas: 450 nodes per managed node group",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation(on.NODE_INPUTS, *_BASE, **{"quota__eks__nodes-per-node-group": 0}),
)
def _size_quota(request: Request) -> None:
    limit = quota(request.account, "eks:nodes-per-node-group")
    if get(request.body, "scalingConfig.maxSize", 0) > limit:
        exceeded("ResourceLimitExceededException", f"Maximum size of a managed node group is limited to {limit} nodes")


@RULES.rule(
    "eks-nodes-role-trust",
    on.NODE_GROUP_TOKEN,
    CREATE,
    INVALID,
    source="EKS CreateNodegroup: Following required service principals [ec2.amazonaws.com] were not found",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation({**on.NODE_INPUTS, "nodeRoleArn": "${crole.arn}"}, *_BASE),
)
def _role_trust(request: Request) -> None:
    wanted = get(request.body, "nodeRole")
    role = role_of(request.account, wanted)
    if role is None:
        refuse(INVALID, f"The role with name {str(wanted).rpartition('/')[2]} cannot be found. (Code: NoSuchEntity)")
    if not trusts(role.body["AssumeRolePolicyDocument"], "ec2.amazonaws.com"):
        refuse(
            INVALID,
            "Following required service principals [ec2.amazonaws.com] were not found in the trust relationships of "
            f"nodeRole {wanted}",
        )


def _cni_has_role(account: Account, cluster: str) -> bool:
    """Whether the VPC CNI's own service account has a role, so that the node role needs no CNI policy."""
    addon = account.get("eks:Addon", f"{cluster}:vpc-cni")
    roles = [addon.body.get("serviceAccountRoleArn")] if addon else []
    roles += [
        item.body["roleArn"]
        for item in account.find("eks:PodIdentityAssociation", clusterName=cluster, serviceAccount="aws-node")
    ]
    return any(role and CNI in attached(account, str(role).rpartition("/")[2]) for role in roles)


@RULES.rule(
    "eks-nodes-role-policies",
    on.NODE_GROUP_TOKEN,
    CREATE,
    "NodeCreationFailure",
    source="EKS user guide, node IAM role and Troubleshooting: Instances failed to join the kubernetes cluster",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation(on.NODE_INPUTS, *on.CLUSTER, on.NODE_ROLE, *on.NODE_POLICIES[1:]),
)
def _role_policies(request: Request) -> None:
    role = role_of(request.account, get(request.body, "nodeRole"))
    if role is None:
        return
    held = attached(request.account, role.id)
    missing = [names[0] for names in (WORKER, PULL) if not held.intersection(names)]
    if CNI not in held and not _cni_has_role(request.account, str(get(request.body, "clusterName"))):
        missing.append(CNI)
    if missing:
        refuse(
            "NodeCreationFailure",
            "Instances failed to join the kubernetes cluster: "
            f"node role {role.id} lacks {joined(missing)} (attach them before the node group is created)",
        )


@RULES.rule(
    "eks-nodes-template-version",
    on.NODE_GROUP_TOKEN,
    WRITE,
    BAD_REQUEST,
    source="EC2 API error codes: InvalidLaunchTemplateId.VersionNotFound",
    accepts=on.creation(on.TEMPLATE_NODE_INPUTS, *_BASE, template(instanceType="m7i.2xlarge")),
    refuses=on.creation(
        {**on.TEMPLATE_NODE_INPUTS, "launchTemplate": {"id": "${lt}", "version": "7"}},
        *_BASE,
        template(instanceType="m7i.2xlarge"),
    ),
)
def _template_version(request: Request) -> None:
    wanted = get(request.body, "launchTemplate")
    if wanted is not None and template_data(request.account, wanted) is None:
        refuse(
            BAD_REQUEST,
            f"Could not find the specified version {get(wanted, 'version')} for the launch template with ID "
            f"{get(wanted, 'id') or get(wanted, 'name')}. (Code: InvalidLaunchTemplateId.VersionNotFound)",
        )


@RULES.rule(
    "eks-nodes-template-forbidden",
    on.NODE_GROUP_TOKEN,
    WRITE,
    BAD_REQUEST,
    source=f"{_TEMPLATES}prohibited: subnets, IAM instance profile, shutdown behaviour, hibernation",
    accepts=on.creation(on.TEMPLATE_NODE_INPUTS, *_BASE, template(instanceType="m7i.2xlarge")),
    refuses=on.creation(
        on.TEMPLATE_NODE_INPUTS,
        *_BASE,
        template(instanceType="m7i.2xlarge", networkInterfaces=[{"deviceIndex": 0, "subnetId": "${a}"}]),
    ),
)
def _template_forbidden(request: Request) -> None:
    found = launch(request)
    if any(get(card, "SubnetId") is not None for card in found.interfaces):
        refuse(
            BAD_REQUEST, "Launch template should not specify a subnet: network interfaces with SubnetId are prohibited"
        )
    for member, name in (
        ("IamInstanceProfile", "IAM instance profile"),
        ("InstanceInitiatedShutdownBehavior", "shutdown behavior"),
        ("HibernationOptions", "hibernation behavior"),
    ):
        if get(found.data, member) is not None:
            refuse(BAD_REQUEST, f"Launch template should not specify an {name}.")


@RULES.rule(
    "eks-nodes-template-exclusive",
    on.NODE_GROUP_TOKEN,
    CREATE,
    INVALID,
    source=f"{_TEMPLATES}botocore eks CreateNodegroup, diskSize and remoteAccess",
    accepts=on.creation(on.TEMPLATE_NODE_INPUTS, *_BASE, template(instanceType="m7i.2xlarge")),
    refuses=on.creation({**on.TEMPLATE_NODE_INPUTS, "diskSize": 100}, *_BASE, template(instanceType="m7i.2xlarge")),
)
def _template_exclusive(request: Request) -> None:
    if get(request.body, "launchTemplate") is None:
        return
    if get(request.body, "diskSize") is not None:
        refuse(INVALID, "Disk size must be specified within the launch template.")
    if get(request.body, "remoteAccess") is not None:
        refuse(INVALID, "Remote access configuration cannot be specified with a launch template.")


@RULES.rule(
    "eks-nodes-type-once",
    on.NODE_GROUP_TOKEN,
    CREATE,
    BAD_REQUEST,
    source="terraform-aws-modules/terraform-aws-eks#1386: instance types in launch template and API request",
    accepts=on.creation(on.TEMPLATE_NODE_INPUTS, *_BASE, template(instanceType="m7i.2xlarge")),
    refuses=on.creation(
        {**on.TEMPLATE_NODE_INPUTS, "instanceTypes": ["m7i.2xlarge"]}, *_BASE, template(instanceType="m7i.2xlarge")
    ),
)
def _type_once(request: Request) -> None:
    if get(request.body, "instanceTypes") and get(launch(request).data, "InstanceType") is not None:
        refuse(BAD_REQUEST, "Cannot specify instance types in launch template and API request")


@RULES.rule(
    "eks-nodes-custom-image",
    on.NODE_GROUP_TOKEN,
    CREATE,
    INVALID,
    source=f"{_TEMPLATES}botocore eks CreateNodegroup: no amiType, version, releaseVersion with a custom AMI",
    accepts=on.creation(
        {**on.TEMPLATE_NODE_INPUTS, "amiType": "CUSTOM"},
        *_BASE,
        template(instanceType="m7i.2xlarge", imageId="ami-0123456789abcdef0"),
    ),
    refuses=on.creation(
        {**on.TEMPLATE_NODE_INPUTS, "version": "1.36"},
        *_BASE,
        template(instanceType="m7i.2xlarge", imageId="ami-0123456789abcdef0"),
    ),
)
def _custom_image(request: Request) -> None:
    if get(launch(request).data, "ImageId") is None:
        return
    for name in ("amiType", "version", "releaseVersion"):
        if get(request.body, name) not in (None, "CUSTOM"):
            refuse(INVALID, f"You cannot specify {name} when the launch template specifies an image id.")


@RULES.rule(
    "eks-nodes-instance-type",
    on.NODE_GROUP_TOKEN,
    CREATE,
    "Ec2InstanceTypeDoesNotExist",
    source="botocore eks NodegroupIssueCode: Ec2InstanceTypeDoesNotExist",
    accepts=on.creation(on.NODE_INPUTS, *_BASE),
    refuses=on.creation({**on.NODE_INPUTS, "instanceTypes": ["p5.47xlarge"]}, *_BASE),
)
def _instance_type(request: Request) -> None:
    unknown = [name for name in launch(request).types if instance(name) is None]
    if unknown:
        refuse(
            "Ec2InstanceTypeDoesNotExist", f"The following supplied instance types do not exist: [{joined(unknown)}]"
        )


@RULES.rule(
    "eks-nodes-architecture",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID,
    source="EKS CreateNodegroup: [type] is not a valid instance type for requested amiType",
    accepts=on.creation({**on.NODE_INPUTS, "amiType": "AL2023_x86_64_STANDARD"}, *_BASE),
    refuses=on.creation({**on.NODE_INPUTS, "amiType": "AL2023_ARM_64_STANDARD"}, *_BASE),
)
def _architecture(request: Request) -> None:
    image = str(get(merged(request), "amiType", ""))
    wanted = "arm64" if "ARM_64" in image else "x86_64"
    for name in launch(request).types:
        facts = instance(name)
        if facts is not None and image not in ("", "CUSTOM") and wanted not in facts.architectures:
            refuse(INVALID, f"[{name}] is not a valid instance type for requested amiType {image}")


@RULES.rule(
    "eks-nodes-version",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID,
    source="Kubernetes version skew policy: nodes are never newer than the control plane, three minors older at most",
    accepts=on.creation({**on.NODE_INPUTS, "version": "1.35"}, *_BASE),
    refuses=on.creation(
        {**on.NODE_INPUTS, "version": "1.36"},
        *on.BEFORE_CLUSTER,
        (on.CLUSTER_TOKEN, "cluster", {**on.CLUSTER_INPUTS, "version": "1.35"}),
        on.NODE_ROLE,
        *on.NODE_POLICIES,
    ),
)
def _version(request: Request) -> None:
    cluster = request.account.get("eks:Cluster", str(get(merged(request), "clusterName")))
    wanted = get(request.body, "version")
    if cluster is None or wanted is None:
        return
    behind = minor(cluster.body["version"]) - minor(str(wanted))
    if not 0 <= behind <= 3:  # noqa: PLR2004 - the kubelet skew of Kubernetes
        refuse(
            INVALID,
            f"Requested Nodegroup version {wanted} is not supported with cluster version {cluster.body['version']}",
        )


@RULES.rule(
    "eks-nodes-taint-limit",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID,
    source="EKS API reference, CreateNodegroup: no two taints of one key, value and effect",
    accepts=on.creation({**on.NODE_INPUTS, "taints": [{"key": "gpu", "value": "x", "effect": "NO_SCHEDULE"}]}, *_BASE),
    refuses=on.creation(
        {**on.NODE_INPUTS, "taints": [{"key": "gpu", "value": "x", "effect": "NO_SCHEDULE"}] * 2}, *_BASE
    ),
)
def _taints(request: Request) -> None:
    seen = [(get(item, "key"), get(item, "effect")) for item in get(request.body, "taints", [])]
    if len(set(seen)) != len(seen):
        refuse(INVALID, "Taints must be unique by key and effect.")
