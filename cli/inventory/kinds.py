"""Which Pulumi types stand for which kind of object, and what a kind's ids look like.

Ids are those that the state keeps. Source: the "Import" section of each resource in the Pulumi registry, and
hashicorp/terraform-provider-aws v6 where the state's id is another one (routes, associations).
"""

import zlib
from typing import Final

TYPES: Final[dict[str, tuple[str, ...]]] = {
    "autoscaling:ScheduledUpdateGroupAction": ("aws:autoscaling/schedule:Schedule",),
    "budgets:Budget": ("aws:budgets/budget:Budget",),
    "ce:AnomalyMonitor": ("aws:costexplorer/anomalyMonitor:AnomalyMonitor",),
    "ce:AnomalySubscription": ("aws:costexplorer/anomalySubscription:AnomalySubscription",),
    "ec2:Address": ("aws:ec2/eip:Eip",),
    "ec2:CapacityReservation": (
        "aws:ec2/capacityReservation:CapacityReservation",
        "aws:ec2/capacityBlockReservation:CapacityBlockReservation",
    ),
    "ec2:FlowLog": ("aws:ec2/flowLog:FlowLog",),
    "ec2:InternetGateway": ("aws:ec2/internetGateway:InternetGateway",),
    "ec2:LaunchTemplate": ("aws:ec2/launchTemplate:LaunchTemplate",),
    "ec2:NatGateway": ("aws:ec2/natGateway:NatGateway",),
    "ec2:PlacementGroup": ("aws:ec2/placementGroup:PlacementGroup",),
    "ec2:Route": ("aws:ec2/route:Route",),
    "ec2:RouteTable": ("aws:ec2/routeTable:RouteTable",),
    "ec2:RouteTableAssociation": ("aws:ec2/routeTableAssociation:RouteTableAssociation",),
    "ec2:SecurityGroup": ("aws:ec2/securityGroup:SecurityGroup",),
    "ec2:SecurityGroupRule": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    ),
    "ec2:Subnet": ("aws:ec2/subnet:Subnet",),
    "ec2:Vpc": ("aws:ec2/vpc:Vpc",),
    "ec2:VpcEndpoint": ("aws:ec2/vpcEndpoint:VpcEndpoint",),
    "eks:AccessEntry": ("aws:eks/accessEntry:AccessEntry",),
    "eks:AccessPolicyAssociation": ("aws:eks/accessPolicyAssociation:AccessPolicyAssociation",),
    "eks:Addon": ("aws:eks/addon:Addon",),
    "eks:Cluster": ("aws:eks/cluster:Cluster",),
    "eks:Nodegroup": ("aws:eks/nodeGroup:NodeGroup",),
    "eks:PodIdentityAssociation": ("aws:eks/podIdentityAssociation:PodIdentityAssociation",),
    "fsx:DataRepositoryAssociation": ("aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation",),
    "fsx:FileSystem": ("aws:fsx/lustreFileSystem:LustreFileSystem",),
    "iam:AttachedPolicy": ("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
    "iam:Policy": ("aws:iam/policy:Policy",),
    "iam:Role": ("aws:iam/role:Role",),
    "iam:RolePolicy": ("aws:iam/rolePolicy:RolePolicy",),
    "kms:Alias": ("aws:kms/alias:Alias",),
    "kms:Key": ("aws:kms/key:Key",),
    "logs:LogGroup": ("aws:cloudwatch/logGroup:LogGroup",),
    "s3:Bucket": ("aws:s3/bucket:Bucket",),
}
"""Kind -> type tokens."""

OF_ANOTHER: Final[dict[str, str]] = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "belongs to its VPC; `up` adopts it again",
    "aws:s3/bucketPolicy:BucketPolicy": "a setting of its bucket; `up` writes it again",
    "aws:s3/bucketVersioning:BucketVersioning": "a setting of its bucket; `up` writes it again",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "a setting of its bucket; `up` writes it again",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "a setting of its bucket; `up` writes it again",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a setting of its bucket; `up` writes it again",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "a setting of its bucket; `up` writes it again"
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": "data in its bucket, which may hold millions; `up` writes it again",
}
"""Type tokens that stand for a part of another object, and why a part is never an orphan of its own."""

HOLDS_DATA: Final = frozenset({"ec2:Volume", "fsx:FileSystem", "kms:Key", "s3:Bucket"})
OF_NODE_GROUPS: Final = frozenset({"ec2:Instance", "ec2:NetworkInterface", "ec2:Volume"})
"""What carries a stack's tags because its launch templates say so: it comes and goes with a node group, by EKS's doing.

No program of the kit makes such an object, so none is an orphan of a crash; one that outlives the stack is residue.
"""
ASKED: Final = frozenset(
    {
        "budgets:budget",
        "ce:anomalymonitor",
        "ce:anomalysubscription",
        "ec2:capacity-reservation",
        "ec2:elastic-ip",
        "ec2:instance",
        "ec2:internet-gateway",
        "ec2:launch-template",
        "ec2:natgateway",
        "ec2:network-interface",
        "ec2:placement-group",
        "ec2:route-table",
        "ec2:security-group",
        "ec2:security-group-rule",
        "ec2:subnet",
        "ec2:volume",
        "ec2:vpc",
        "ec2:vpc-endpoint",
        "ec2:vpc-flow-log",
        "eks:access-entry",
        "eks:addon",
        "eks:cluster",
        "eks:nodegroup",
        "eks:podidentityassociation",
        "fsx:association",
        "fsx:file-system",
        "iam:policy",
        "iam:role",
    }
)
"""What the services themselves are asked for: the tagging API's list, which lags behind, adds nothing to it."""


def arn_type(arn: str) -> str:
    """``service:type`` of an ARN, as the tagging API names types; the type is empty for a bucket."""
    service, rest = arn.split(":", 5)[2], arn.split(":", 5)[5].replace(":", "/")
    return f"{service}:{rest.partition('/')[0] if '/' in rest else ''}"


def route_id(table: str, destination: str) -> str:
    """What the provider calls a route: EC2 itself gives it no id (terraform-provider-aws, ``RouteCreateID``)."""
    return f"r-{table}{zlib.crc32(destination.encode())}"
