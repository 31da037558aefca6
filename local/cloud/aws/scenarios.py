"""Pieces of the requests with which rules are proven: a network, roles, a cluster; valid inputs to vary."""

import json
from collections.abc import Mapping, Sequence

from local.cloud.model import Scenario
from local.cloud.values import Json

Step = tuple[str, str, Mapping[str, Json]]

VPC_TOKEN = "aws:ec2/vpc:Vpc"
SUBNET_TOKEN = "aws:ec2/subnet:Subnet"
GATEWAY_TOKEN = "aws:ec2/internetGateway:InternetGateway"
EIP_TOKEN = "aws:ec2/eip:Eip"
NAT_TOKEN = "aws:ec2/natGateway:NatGateway"
ROUTE_TABLE_TOKEN = "aws:ec2/routeTable:RouteTable"
ROUTE_TOKEN = "aws:ec2/route:Route"
ASSOCIATION_TOKEN = "aws:ec2/routeTableAssociation:RouteTableAssociation"
GROUP_TOKEN = "aws:ec2/securityGroup:SecurityGroup"
INGRESS_TOKEN = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_TOKEN = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT_TOKEN = "aws:ec2/vpcEndpoint:VpcEndpoint"
FLOW_LOG_TOKEN = "aws:ec2/flowLog:FlowLog"
TEMPLATE_TOKEN = "aws:ec2/launchTemplate:LaunchTemplate"
PLACEMENT_TOKEN = "aws:ec2/placementGroup:PlacementGroup"
RESERVATION_TOKEN = "aws:ec2/capacityReservation:CapacityReservation"
SCHEDULE_TOKEN = "aws:autoscaling/schedule:Schedule"
CLUSTER_TOKEN = "aws:eks/cluster:Cluster"
NODE_GROUP_TOKEN = "aws:eks/nodeGroup:NodeGroup"
ADDON_TOKEN = "aws:eks/addon:Addon"
ENTRY_TOKEN = "aws:eks/accessEntry:AccessEntry"
ACCESS_POLICY_TOKEN = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
POD_IDENTITY_TOKEN = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE_TOKEN = "aws:iam/role:Role"
ROLE_POLICY_TOKEN = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT_TOKEN = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
POLICY_TOKEN = "aws:iam/policy:Policy"
KEY_TOKEN = "aws:kms/key:Key"
ALIAS_TOKEN = "aws:kms/alias:Alias"
LOG_GROUP_TOKEN = "aws:cloudwatch/logGroup:LogGroup"
LUSTRE_TOKEN = "aws:fsx/lustreFileSystem:LustreFileSystem"
DATA_LINK_TOKEN = "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation"
BUCKET_TOKEN = "aws:s3/bucket:Bucket"
BUCKET_POLICY_TOKEN = "aws:s3/bucketPolicy:BucketPolicy"
BUDGET_TOKEN = "aws:budgets/budget:Budget"
MONITOR_TOKEN = "aws:costexplorer/anomalyMonitor:AnomalyMonitor"
SUBSCRIPTION_TOKEN = "aws:costexplorer/anomalySubscription:AnomalySubscription"

EKS_POLICY = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
WORKER_POLICY = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
PULL_POLICY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
CNI_POLICY = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"


def trust(*services: str, actions: Sequence[str] = ("sts:AssumeRole",)) -> str:
    """A trust policy that lets service principals assume a role."""
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def permissions(action: str = "s3:GetObject", resource: str = "*") -> str:
    """An identity policy with one statement."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


VPC: Step = (VPC_TOKEN, "vpc", {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "enableDnsSupport": True})
SECOND_VPC: Step = (VPC_TOKEN, "other", {"cidrBlock": "10.9.0.0/16"})
GATEWAY: Step = (GATEWAY_TOKEN, "igw", {"vpcId": "${vpc}"})
EIP: Step = (EIP_TOKEN, "eip", {"domain": "vpc"})
GROUP: Step = (GROUP_TOKEN, "sg", {"name": "nodes", "description": "nodes", "vpcId": "${vpc}"})
TABLE: Step = (ROUTE_TABLE_TOKEN, "rtb", {"vpcId": "${vpc}"})


def subnet(name: str, index: int, zone: str, *, vpc: str = "${vpc}") -> Step:
    """A /24 in one zone of the scenario's VPC."""
    return (SUBNET_TOKEN, name, {"vpcId": vpc, "cidrBlock": f"10.0.{index}.0/24", "availabilityZone": zone})


SUBNET_A = subnet("a", 0, "us-east-1a")
SUBNET_B = subnet("b", 1, "us-east-1b")
NETWORK: tuple[Step, ...] = (VPC, SUBNET_A, SUBNET_B)
CLUSTER_ROLE: Step = (ROLE_TOKEN, "crole", {"name": "control-plane", "assumeRolePolicy": trust("eks.amazonaws.com")})
CLUSTER_POLICY: Step = (ATTACHMENT_TOKEN, "cpol", {"role": "${crole.name}", "policyArn": EKS_POLICY})
NODE_ROLE: Step = (ROLE_TOKEN, "nrole", {"name": "nodes", "assumeRolePolicy": trust("ec2.amazonaws.com")})
NODE_POLICIES: tuple[Step, ...] = (
    (ATTACHMENT_TOKEN, "npol1", {"role": "${nrole.name}", "policyArn": WORKER_POLICY}),
    (ATTACHMENT_TOKEN, "npol2", {"role": "${nrole.name}", "policyArn": PULL_POLICY}),
    (ATTACHMENT_TOKEN, "npol3", {"role": "${nrole.name}", "policyArn": CNI_POLICY}),
)
CLUSTER_INPUTS: dict[str, Json] = {
    "name": "demo",
    "roleArn": "${crole.arn}",
    "version": "1.36",
    "vpcConfig": {"subnetIds": ["${a}", "${b}"]},
    "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
}
BEFORE_CLUSTER: tuple[Step, ...] = (*NETWORK, CLUSTER_ROLE, CLUSTER_POLICY)
CLUSTER: tuple[Step, ...] = (*BEFORE_CLUSTER, (CLUSTER_TOKEN, "cluster", CLUSTER_INPUTS))
BEFORE_NODES: tuple[Step, ...] = (*CLUSTER, NODE_ROLE, *NODE_POLICIES)
NODE_INPUTS: dict[str, Json] = {
    "clusterName": "${cluster.name}",
    "nodeGroupName": "pool",
    "nodeRoleArn": "${nrole.arn}",
    "subnetIds": ["${a}"],
    "scalingConfig": {"minSize": 1, "maxSize": 1, "desiredSize": 1},
    "instanceTypes": ["m7i.2xlarge"],
}
TEMPLATE_NODE_INPUTS: dict[str, Json] = {
    **{key: value for key, value in NODE_INPUTS.items() if key != "instanceTypes"},
    "launchTemplate": {"id": "${lt}", "version": "1"},
}
LUSTRE_INPUTS: dict[str, Json] = {
    "subnetIds": "${a}",
    "deploymentType": "PERSISTENT_2",
    "storageCapacity": 1200,
    "perUnitStorageThroughput": 125,
    "fileSystemTypeVersion": "2.15",
}


OFFERING = {
    "CapacityBlockOfferingId": "cb-0123456789abcdef0",
    "InstanceType": "p5.48xlarge",
    "AvailabilityZone": "us-east-1a",
    "InstanceCount": 4,
    "StartDate": "2026-11-01T11:30:00Z",
    "EndDate": "2026-12-01T11:30:00Z",
    "CapacityBlockDurationHours": 720,
    "UpfrontFee": "0.0",
    "CurrencyCode": "USD",
    "Tenancy": "default",
}
"""A capacity block offering for the account setting that holds them."""


def without(inputs: Mapping[str, Json], *names: str) -> dict[str, Json]:
    """A copy of ``inputs`` that lacks some properties."""
    return {key: value for key, value in inputs.items() if key not in names}


def creation(inputs: Mapping[str, Json], *given: Step, **settings: Json) -> Scenario:
    """Create ``inputs`` in an account that holds ``given``; settings are spelled with ``__`` for colons."""
    return Scenario(
        given=given, inputs=inputs, settings={key.replace("__", ":"): value for key, value in settings.items()}
    )


def change(inputs: Mapping[str, Json], update_to: Mapping[str, Json], *given: Step) -> Scenario:
    """Create ``inputs``, then update them."""
    return Scenario(given=given, inputs=inputs, update_to=update_to)


def removal(name: str, *given: Step) -> Scenario:
    """Delete the resource ``name`` of an account that holds ``given``."""
    return Scenario(given=given, delete=name)
