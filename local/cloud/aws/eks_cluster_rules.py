"""What EKS refuses of clusters."""

from ipaddress import IPv4Network

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.ec2_network_rules import network_of
from local.cloud.aws.eks_facts import CLOSED_ZONE_IDS, VERSIONS, minor, usable_zones
from local.cloud.aws.iam import role_of
from local.cloud.aws.iam_documents import trusts
from local.cloud.aws.kms import key_of
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, DELETE, UPDATE, WRITE, RuleBook, prior_id
from local.cloud.model import CloudObject, Request
from local.cloud.values import Json

RULES = RuleBook()
INVALID = "InvalidParameterException"
_BASE = on.BEFORE_CLUSTER
_API = "EKS API reference, CreateCluster; "
_SAME_ZONE = on.subnet("a2", 7, "us-east-1a")
_CLOSED = on.subnet("e", 8, "us-east-1e")
_OTHER_SUBNET = (
    on.SUBNET_TOKEN,
    "o",
    {"vpcId": "${other}", "cidrBlock": "10.9.0.0/24", "availabilityZone": "us-east-1b"},
)


def _with(**config: Json) -> dict[str, Json]:
    return {**on.CLUSTER_INPUTS, "vpcConfig": {"subnetIds": ["${a}", "${b}"], **config}}


def _subnets(request: Request) -> list[CloudObject]:
    found = [
        request.account.get("ec2:Subnet", str(name)) for name in get(request.body, "resourcesVpcConfig.subnetIds", [])
    ]
    return [subnet for subnet in found if subnet is not None]


@RULES.rule(
    "eks-cluster-two-zones",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, VPC and subnet requirements: subnets in at least two Availability Zones",
    accepts=on.creation(on.CLUSTER_INPUTS, *_BASE),
    refuses=on.creation(_with(subnetIds=["${a}", "${a2}"]), *_BASE, _SAME_ZONE),
)
def _two_zones(request: Request) -> None:
    if len({subnet.body["AvailabilityZone"] for subnet in _subnets(request)}) == 1:
        refuse(INVALID, "Subnets specified must be in at least two different AZs")


@RULES.rule(
    "eks-cluster-one-vpc",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, VPC and subnet requirements: all subnets of one VPC",
    accepts=on.creation(on.CLUSTER_INPUTS, *_BASE),
    refuses=on.creation(_with(subnetIds=["${a}", "${o}"]), *_BASE, on.SECOND_VPC, _OTHER_SUBNET),
)
def _one_vpc(request: Request) -> None:
    if len({subnet.body["VpcId"] for subnet in _subnets(request)}) > 1:
        refuse(INVALID, "Subnets specified must belong to the same VPC")


@RULES.rule(
    "eks-cluster-closed-zone",
    on.CLUSTER_TOKEN,
    CREATE,
    "UnsupportedAvailabilityZoneException",
    source="botocore eks CreateCluster: UnsupportedAvailabilityZoneException; EKS user guide, use1-az3 is not usable",
    accepts=on.creation(on.CLUSTER_INPUTS, *_BASE),
    refuses=on.creation(_with(subnetIds=["${a}", "${e}"]), *_BASE, _CLOSED),
)
def _closed_zone(request: Request) -> None:
    for subnet in _subnets(request):
        if subnet.body["AvailabilityZoneId"] in CLOSED_ZONE_IDS:
            zone, name = subnet.body["AvailabilityZone"], get(request.body, "name")
            refuse(
                "UnsupportedAvailabilityZoneException",
                f"Cannot create cluster '{name}' because {zone}, the targeted availability zone, does not currently "
                "have sufficient capacity to support the cluster. Retry and choose from these availability zones: "
                f"{joined(zone.name for zone in usable_zones(request.account.region))}",
            )


@RULES.rule(
    "eks-cluster-version",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Kubernetes release calendar",
    accepts=on.creation(on.CLUSTER_INPUTS, *_BASE),
    refuses=on.creation({**on.CLUSTER_INPUTS, "version": "1.22"}, *_BASE),
)
def _version(request: Request) -> None:
    version = get(request.body, "version")
    if version is not None and version not in VERSIONS:
        refuse(INVALID, f"unsupported Kubernetes version: {version}; supported are {joined(VERSIONS)}")


@RULES.rule(
    "eks-cluster-version-step",
    on.CLUSTER_TOKEN,
    UPDATE,
    INVALID,
    source="EKS user guide, Update cluster: one minor version at a time, and no way back",
    accepts=on.change({**on.CLUSTER_INPUTS, "version": "1.35"}, on.CLUSTER_INPUTS, *_BASE),
    refuses=on.change({**on.CLUSTER_INPUTS, "version": "1.34"}, on.CLUSTER_INPUTS, *_BASE),
)
def _version_step(request: Request) -> None:
    wanted = get(request.body, "version")
    now = str(request.prior.body["version"]) if request.prior else None
    if wanted is not None and now is not None and minor(wanted) - minor(now) not in (0, 1):
        refuse(INVALID, f"Unsupported Kubernetes minor version update from {now} to {wanted}")


@RULES.rule(
    "eks-cluster-role-trust",
    on.CLUSTER_TOKEN,
    CREATE,
    INVALID,
    source="EKS user guide, cluster IAM role; wording: hashicorp/terraform-provider-aws issues",
    accepts=on.creation(on.CLUSTER_INPUTS, *_BASE),
    refuses=on.creation({**on.CLUSTER_INPUTS, "roleArn": "${nrole.arn}"}, *_BASE, on.NODE_ROLE),
)
def _role_trust(request: Request) -> None:
    wanted = get(request.body, "roleArn")
    role = role_of(request.account, wanted)
    if role is None or not trusts(role.body["AssumeRolePolicyDocument"], "eks.amazonaws.com"):
        refuse(
            INVALID,
            f"Role with arn: {wanted}, could not be assumed because it does not exist or the trusted entity is not "
            "correct",
        )


@RULES.rule(
    "eks-cluster-exists",
    on.CLUSTER_TOKEN,
    CREATE,
    "ResourceInUseException",
    source="botocore eks CreateCluster: ResourceInUseException",
    accepts=on.creation({**on.CLUSTER_INPUTS, "name": "second"}, *on.CLUSTER),
    refuses=on.creation(on.CLUSTER_INPUTS, *on.CLUSTER),
)
def _cluster_once(request: Request) -> None:
    name = get(request.body, "name")
    if request.account.get("eks:Cluster", str(name)) is not None:
        refuse("ResourceInUseException", f"Cluster already exists with name: {name}", status=409)


@RULES.rule(
    "eks-cluster-quota",
    on.CLUSTER_TOKEN,
    CREATE,
    "ResourceLimitExceededException",
    source="botocore eks CreateCluster: ResourceLimitExceededException; EKS service quotas: 100 clusters",
    accepts=on.creation({**on.CLUSTER_INPUTS, "name": "second"}, *on.CLUSTER),
    refuses=on.creation({**on.CLUSTER_INPUTS, "name": "second"}, *on.CLUSTER, quota__eks__clusters=1),
)
def _cluster_quota(request: Request) -> None:
    limit = quota(request.account, "eks:clusters")
    if request.account.count("eks:Cluster") >= limit:
        exceeded("ResourceLimitExceededException", f"Cluster limit of {limit} exceeded for account")


@RULES.rule(
    "eks-cluster-endpoint",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Cluster endpoint access control: at least one of public and private",
    accepts=on.creation(_with(endpointPublicAccess=False, endpointPrivateAccess=True), *_BASE),
    refuses=on.creation(_with(endpointPublicAccess=False), *_BASE),
)
def _endpoint(request: Request) -> None:
    config = get(request.body, "resourcesVpcConfig", {})
    if not get(config, "endpointPublicAccess", True) and not get(config, "endpointPrivateAccess", False):
        refuse(INVALID, "Private and public endpoint access cannot be both disabled")


@RULES.rule(
    "eks-cluster-public-cidrs",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Cluster endpoint access control: public access CIDRs cannot include reserved addresses",
    accepts=on.creation(_with(publicAccessCidrs=["203.0.113.0/24"]), *_BASE),
    refuses=on.creation(_with(publicAccessCidrs=["10.0.0.0/8"]), *_BASE),
)
def _public_cidrs(request: Request) -> None:
    reserved = [IPv4Network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
    for cidr in get(request.body, "resourcesVpcConfig.publicAccessCidrs", []):
        network = network_of(cidr)
        if network is None or any(network.subnet_of(block) for block in reserved):
            refuse(INVALID, f"The following CIDRs are invalid in publicAccessCidrs: [{cidr}]")


@RULES.rule(
    "eks-cluster-service-range",
    on.CLUSTER_TOKEN,
    CREATE,
    INVALID,
    source=f"{_API}serviceIpv4Cidr: within 10/8, 172.16/12 or 192.168/16, /24 to /12, no overlap with the VPC",
    accepts=on.creation({**on.CLUSTER_INPUTS, "kubernetesNetworkConfig": {"serviceIpv4Cidr": "172.20.0.0/16"}}, *_BASE),
    refuses=on.creation({**on.CLUSTER_INPUTS, "kubernetesNetworkConfig": {"serviceIpv4Cidr": "10.0.0.0/20"}}, *_BASE),
)
def _service_range(request: Request) -> None:
    cidr = get(request.body, "kubernetesNetworkConfig.serviceIpv4Cidr")
    if cidr is None:
        return
    network = network_of(cidr)
    if network is None or not network.is_private or not 12 <= network.prefixlen <= 24:  # noqa: PLR2004 - the API's limits
        refuse(INVALID, f"The specified serviceIpv4Cidr is invalid: {cidr}")
    for subnet in _subnets(request):
        vpc = request.account.get("ec2:Vpc", subnet.body["VpcId"])
        if vpc is not None and network.overlaps(IPv4Network(vpc.body["CidrBlock"])):
            refuse(INVALID, f"The serviceIpv4Cidr {cidr} overlaps with the VPC CIDR {vpc.body['CidrBlock']}")


@RULES.rule(
    "eks-cluster-key",
    on.CLUSTER_TOKEN,
    WRITE,
    INVALID,
    source="EKS user guide, Encrypt Kubernetes secrets: a symmetric key of the same account and Region",
    accepts=on.creation(
        {**on.CLUSTER_INPUTS, "encryptionConfig": {"provider": {"keyArn": "${key.arn}"}, "resources": ["secrets"]}},
        *_BASE,
        (on.KEY_TOKEN, "key", {}),
    ),
    refuses=on.creation(
        {
            **on.CLUSTER_INPUTS,
            "encryptionConfig": {
                "provider": {"keyArn": "arn:aws:kms:us-east-1:000000000000:key/6d8d8b8e-0000-4000-8000-000000000000"},
                "resources": ["secrets"],
            },
        },
        *_BASE,
    ),
)
def _key(request: Request) -> None:
    for config in get(request.body, "encryptionConfig", []):
        wanted = get(config, "provider.keyArn")
        if key_of(request.account, wanted) is None:
            refuse(INVALID, f"Invalid key ARN: key {wanted} does not exist")


@RULES.rule(
    "eks-cluster-auth-mode-step",
    on.CLUSTER_TOKEN,
    UPDATE,
    "InvalidRequestException",
    source="EKS user guide, Change authentication mode: from CONFIG_MAP to API_AND_CONFIG_MAP to API, never back",
    accepts=on.change(
        {**on.CLUSTER_INPUTS, "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}},
        {**on.CLUSTER_INPUTS, "accessConfig": {"authenticationMode": "API"}},
        *_BASE,
    ),
    refuses=on.change(
        {**on.CLUSTER_INPUTS, "accessConfig": {"authenticationMode": "API"}},
        {**on.CLUSTER_INPUTS, "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}},
        *_BASE,
    ),
)
def _auth_step(request: Request) -> None:
    order = ("CONFIG_MAP", "API_AND_CONFIG_MAP", "API")
    wanted = get(request.body, "accessConfig.authenticationMode")
    now = get(request.prior.body, "accessConfig.authenticationMode") if request.prior else None
    if wanted in order and now in order and order.index(wanted) < order.index(now):
        refuse("InvalidRequestException", f"Unsupported authentication mode update from {now} to {wanted}")


@RULES.rule(
    "eks-cluster-deletion-protection",
    on.CLUSTER_TOKEN,
    DELETE,
    "InvalidRequestException",
    source="EKS API reference, DeleteCluster: deletionProtection must be disabled first",
    accepts=on.removal("cluster", *on.CLUSTER),
    refuses=on.removal(
        "cluster", *_BASE, (on.CLUSTER_TOKEN, "cluster", {**on.CLUSTER_INPUTS, "deletionProtection": True})
    ),
)
def _protected(request: Request) -> None:
    if request.prior is not None and request.prior.body.get("deletionProtection"):
        refuse(
            "InvalidRequestException",
            f"Cluster {prior_id(request)} has deletion protection enabled: disable it before you delete the cluster",
        )
