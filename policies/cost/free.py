"""Resource types that cost nothing by themselves, and why."""

from typing import Final

_CONFIGURES: Final = "configures another resource"
_IAM: Final = "IAM and EKS access cost nothing"
_NETWORK: Final = "VPC building blocks cost nothing"
_KUBERNETES: Final = "an object in the cluster: what it runs on is billed as nodes"

_WITH_REASON: Final = {
    _IAM: (
        "aws:eks/accessEntry:AccessEntry",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:eks/identityProviderConfig:IdentityProviderConfig",
    ),
    _NETWORK: (
        "aws:ec2/subnet:Subnet",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/defaultRouteTable:DefaultRouteTable",
        "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        "aws:ec2/networkAcl:NetworkAcl",
        "aws:ec2/networkInterface:NetworkInterface",
        "aws:ec2/placementGroup:PlacementGroup",
        "aws:ec2/vpcDhcpOptions:VpcDhcpOptions",
        "aws:ec2/vpcDhcpOptionsAssociation:VpcDhcpOptionsAssociation",
        "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation",
        "aws:ec2/vpcEndpointSubnetAssociation:VpcEndpointSubnetAssociation",
        "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
        "aws:ec2/customerGateway:CustomerGateway",
        "aws:ec2/vpnGateway:VpnGateway",
        "aws:ec2transitgateway/transitGateway:TransitGateway",
    ),
    "billed with the nodes that use it": ("aws:ec2/launchTemplate:LaunchTemplate",),
    "runs on the cluster's nodes": ("aws:eks/addon:Addon",),
    "billed as the file system and as requests to the bucket": (
        "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation",
    ),
    "a name for a key": ("aws:kms/alias:Alias", "aws:kms/grant:Grant"),
    _CONFIGURES: (
        "aws:ec2/eipAssociation:EipAssociation",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:lb/listener:Listener",
        "aws:lb/targetGroup:TargetGroup",
        "aws:lb/targetGroupAttachment:TargetGroupAttachment",
        "aws:secretsmanager/secretVersion:SecretVersion",
        "aws:secretsmanager/secretPolicy:SecretPolicy",
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "aws:ebs/encryptionByDefault:EncryptionByDefault",
        "aws:ssm/parameter:Parameter",
        "aws:autoscaling/schedule:Schedule",
    ),
    "a budget without actions costs nothing": ("aws:budgets/budget:Budget",),
    "anomaly detection costs nothing": (
        "aws:costexplorer/anomalyMonitor:AnomalyMonitor",
        "aws:costexplorer/anomalySubscription:AnomalySubscription",
    ),
    "messages of alarms stay in the free tier": (
        "aws:sns/topic:Topic",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:sns/topicSubscription:TopicSubscription",
    ),
}
_BY_TYPE: Final = {token: why for why, tokens in _WITH_REASON.items() for token in tokens}


def why_free(token: str) -> str | None:
    """Why a type costs nothing by itself; None when it does, or when that is not known here."""
    if token in _BY_TYPE:
        return _BY_TYPE[token]
    if token.startswith("aws:iam/"):
        return _IAM
    if token.startswith("aws:s3/bucket"):
        # The bucket itself has a pricer, which is asked first.
        return _CONFIGURES
    if token.startswith("kubernetes:"):
        return _KUBERNETES
    if token.startswith(("random:", "tls:", "time:", "command:", "pulumi")):
        return "exists in the state only"
    return None


_HOLDS_DATA_OR_GPUS: Final = (
    "aws:fsx/",
    "aws:efs/",
    "aws:ebs/",
    "aws:s3",
    "aws:ec2/",
    "aws:eks/",
    "aws:autoscaling/",
    "aws:sagemaker/",
    "aws:batch/",
    "aws:backup/",
    "aws:parallelcluster/",
    "aws:rds/",
    "aws:dynamodb/",
    "aws:elasticache/",
    "aws:datasync/",
    "gcp:",
    "azure",
)


def concerns_gpu_or_storage(token: str) -> bool:
    """Whether a type that nobody here knows may hold accelerators or data."""
    return token.startswith(_HOLDS_DATA_OR_GPUS)
