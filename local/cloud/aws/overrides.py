"""Where the generator needs a person: which vendor schemas describe a type, names that do not match, and corrections.

Every correction has its reason. ``None`` as a correction drops what the vendor schema says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from local.cloud.values import Json


@dataclass(frozen=True, kw_only=True)
class Source:
    """The vendor's descriptions of one bound type."""

    schema: str | None = None
    """CloudFormation type, read from cfn-lint's schemas."""
    operation: tuple[str, str] | None = None
    """botocore service and operation whose input describes the properties."""
    inside: tuple[str, ...] = ()
    """Objects of the vendor's shapes whose members are top-level properties of the provider."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Property -> vendor's member, where they differ in more than case and a plural s."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """CloudFormation create-only property -> why the provider does not replace on it."""


@dataclass(frozen=True, kw_only=True)
class Override:
    """A correction of one property; ``row`` replaces the generated one, None drops it."""

    resource: str
    """The type's token."""
    path: str
    row: Mapping[str, Json] | None
    reason: str


_EKS_NAMES = {"nodeRoleArn": "nodeRole", "subnetIds": "subnets", "vpcConfig": "resourcesVpcConfig"}
SOURCES: Mapping[str, Source] = {
    "aws:ec2/vpc:Vpc": Source(schema="AWS::EC2::VPC", operation=("ec2", "CreateVpc")),
    "aws:ec2/subnet:Subnet": Source(schema="AWS::EC2::Subnet", operation=("ec2", "CreateSubnet")),
    "aws:ec2/internetGateway:InternetGateway": Source(schema="AWS::EC2::InternetGateway"),
    "aws:ec2/eip:Eip": Source(schema="AWS::EC2::EIP", operation=("ec2", "AllocateAddress")),
    "aws:ec2/natGateway:NatGateway": Source(
        schema="AWS::EC2::NatGateway",
        operation=("ec2", "CreateNatGateway"),
        replaced={"VpcId": "regional NAT gateways are not modelled"},
    ),
    "aws:ec2/routeTable:RouteTable": Source(schema="AWS::EC2::RouteTable"),
    "aws:ec2/route:Route": Source(schema="AWS::EC2::Route", operation=("ec2", "CreateRoute")),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Source(
        schema="AWS::EC2::SubnetRouteTableAssociation",
        replaced={"RouteTableId": "the provider calls ReplaceRouteTableAssociation instead"},
    ),
    "aws:ec2/securityGroup:SecurityGroup": Source(
        schema="AWS::EC2::SecurityGroup",
        operation=("ec2", "CreateSecurityGroup"),
        names={"name": "GroupName", "description": "GroupDescription"},
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Source(),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Source(
        names={"securityGroupId": "GroupId"},
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Source(names={"securityGroupId": "GroupId"}),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Source(schema="AWS::EC2::VPCEndpoint", operation=("ec2", "CreateVpcEndpoint")),
    "aws:ec2/flowLog:FlowLog": Source(
        schema="AWS::EC2::FlowLog",
        operation=("ec2", "CreateFlowLogs"),
        names={"iamRoleArn": "DeliverLogsPermissionArn"},
        replaced={"TagFieldSpecifications": "not modelled"},
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Source(
        schema="AWS::EC2::LaunchTemplate",
        operation=("ec2", "CreateLaunchTemplate"),
        inside=("LaunchTemplateData",),
        names={"name": "LaunchTemplateName", "description": "VersionDescription"},
    ),
    "aws:ec2/placementGroup:PlacementGroup": Source(
        schema="AWS::EC2::PlacementGroup",
        operation=("ec2", "CreatePlacementGroup"),
        names={"name": "GroupName"},
        replaced={"Tags": "the provider changes tags in place with CreateTags"},
    ),
    "aws:ec2/capacityReservation:CapacityReservation": Source(
        schema="AWS::EC2::CapacityReservation", operation=("ec2", "CreateCapacityReservation")
    ),
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation": Source(operation=("ec2", "PurchaseCapacityBlock")),
    "aws:eks/cluster:Cluster": Source(schema="AWS::EKS::Cluster", operation=("eks", "CreateCluster"), names=_EKS_NAMES),
    "aws:eks/nodeGroup:NodeGroup": Source(
        schema="AWS::EKS::Nodegroup", operation=("eks", "CreateNodegroup"), names=_EKS_NAMES
    ),
    "aws:eks/addon:Addon": Source(
        schema="AWS::EKS::Addon",
        operation=("eks", "CreateAddon"),
        names={"resolveConflictsOnCreate": "resolveConflicts", "resolveConflictsOnUpdate": "resolveConflicts"},
    ),
    "aws:eks/accessEntry:AccessEntry": Source(schema="AWS::EKS::AccessEntry", operation=("eks", "CreateAccessEntry")),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Source(operation=("eks", "AssociateAccessPolicy")),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Source(
        schema="AWS::EKS::PodIdentityAssociation", operation=("eks", "CreatePodIdentityAssociation")
    ),
    "aws:autoscaling/schedule:Schedule": Source(
        schema="AWS::AutoScaling::ScheduledAction", operation=("autoscaling", "PutScheduledUpdateGroupAction")
    ),
    "aws:iam/role:Role": Source(schema="AWS::IAM::Role", operation=("iam", "CreateRole"), names={"name": "RoleName"}),
    "aws:iam/rolePolicy:RolePolicy": Source(
        schema="AWS::IAM::RolePolicy",
        operation=("iam", "PutRolePolicy"),
        names={"name": "PolicyName", "role": "RoleName"},
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Source(
        operation=("iam", "AttachRolePolicy"), names={"role": "RoleName"}
    ),
    "aws:iam/policy:Policy": Source(
        schema="AWS::IAM::ManagedPolicy",
        operation=("iam", "CreatePolicy"),
        names={"name": "PolicyName"},
    ),
    "aws:kms/key:Key": Source(
        schema="AWS::KMS::Key",
        operation=("kms", "CreateKey"),
        names={"deletionWindowInDays": "PendingWindowInDays", "customerMasterKeySpec": "KeySpec"},
    ),
    "aws:kms/alias:Alias": Source(
        schema="AWS::KMS::Alias", operation=("kms", "CreateAlias"), names={"name": "AliasName"}
    ),
    "aws:cloudwatch/logGroup:LogGroup": Source(
        schema="AWS::Logs::LogGroup", operation=("logs", "CreateLogGroup"), names={"name": "logGroupName"}
    ),
    "aws:fsx/lustreFileSystem:LustreFileSystem": Source(
        schema="AWS::FSx::FileSystem", operation=("fsx", "CreateFileSystem"), inside=("LustreConfiguration",)
    ),
    "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation": Source(
        schema="AWS::FSx::DataRepositoryAssociation", operation=("fsx", "CreateDataRepositoryAssociation")
    ),
    "aws:s3/bucket:Bucket": Source(
        schema="AWS::S3::Bucket",
        names={"bucket": "BucketName"},
        replaced={"BucketNamePrefix": "not modelled", "BucketNamespace": "not modelled"},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Source(operation=("s3", "PutBucketVersioning")),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Source(
        operation=("s3", "PutBucketEncryption"), inside=("ServerSideEncryptionConfiguration",)
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Source(operation=("s3", "PutPublicAccessBlock")),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Source(
        operation=("s3", "PutBucketLifecycleConfiguration"), inside=("LifecycleConfiguration",)
    ),
    "aws:budgets/budget:Budget": Source(
        operation=("budgets", "CreateBudget"),
        inside=("Budget",),
        names={"name": "BudgetName", "limitAmount": "BudgetLimit.Amount", "limitUnit": "BudgetLimit.Unit"},
    ),
    "aws:costexplorer/anomalyMonitor:AnomalyMonitor": Source(
        schema="AWS::CE::AnomalyMonitor",
        operation=("ce", "CreateAnomalyMonitor"),
        inside=("AnomalyMonitor",),
        names={"name": "MonitorName"},
    ),
    "aws:costexplorer/anomalySubscription:AnomalySubscription": Source(
        schema="AWS::CE::AnomalySubscription",
        operation=("ce", "CreateAnomalySubscription"),
        inside=("AnomalySubscription",),
        names={"name": "SubscriptionName", "monitorArnLists": "MonitorArnList"},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Source(schema="AWS::S3::BucketPolicy"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Source(
        operation=("s3", "PutBucketOwnershipControls"), inside=("OwnershipControls",), names={"rule": "Rules"}
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Source(operation=("s3", "PutObject")),
}
NEVER = ("tags", "policy", "assumeRolePolicy", "region", "userData")
"""Properties whose constraints are left out: documents have rules of their own, tags are the provider's map."""

RETENTION_DAYS = (
    *(0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
ENTRY_TYPES = ["EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX", "STANDARD"]
_HOP_LIMIT = {"minimum": 1, "maximum": 64}
OVERRIDES: tuple[Override, ...] = (
    Override(
        resource="aws:ec2/capacityReservation:CapacityReservation",
        path="placementGroupArn",
        row=None,
        reason="the model's pattern has an anchor in its middle and matches nothing",
    ),
    Override(
        resource="aws:ec2/launchTemplate:LaunchTemplate",
        path="networkInterfaces[].interfaceType",
        row={"values": ["branch", "efa", "efa-only", "evs", "interface", "trunk"]},
        reason="the request's InterfaceType names interface, efa, efa-only; the provider's validator has three more",
    ),
    Override(
        resource="aws:ec2/launchTemplate:LaunchTemplate",
        path="metadataOptions.httpPutResponseHopLimit",
        row=_HOP_LIMIT,
        reason="HttpPutResponseHopLimit of the request: integers from 1 to 64",
    ),
    Override(
        resource="aws:eks/cluster:Cluster",
        path="enabledClusterLogTypes[]",
        row={"values": ["api", "audit", "authenticator", "controllerManager", "scheduler"]},
        reason="botocore eks LogType; the provider flattens logging.clusterLogging",
    ),
    Override(
        resource="aws:eks/cluster:Cluster",
        path="encryptionConfig.resources[]",
        row={"values": ["secrets"]},
        reason="EncryptionConfig, resources: the only supported value is secrets",
    ),
    Override(
        resource="aws:eks/accessEntry:AccessEntry",
        path="type",
        row={"values": ENTRY_TYPES},
        reason="CreateAccessEntry, type: the values of its documentation",
    ),
    Override(
        resource="aws:cloudwatch/logGroup:LogGroup",
        path="retentionInDays",
        row={
            "values": [
                *[
                    "0",
                    "1",
                    "3",
                    "5",
                    "7",
                    "14",
                    "30",
                    "60",
                    "90",
                    "120",
                    "150",
                    "180",
                    "365",
                    "400",
                    "545",
                    "731",
                    "1096",
                    "1827",
                    "2192",
                    "2557",
                    "2922",
                    "3288",
                    "3653",
                ]
            ]
        },
        reason="the provider takes 0 for never besides the values of PutRetentionPolicy",
    ),
    Override(
        resource="aws:kms/key:Key",
        path="deletionWindowInDays",
        row={"minimum": 7, "maximum": 30},
        reason="ScheduleKeyDeletion: 7 to 30 days; its shape allows 1 to 365 for other key stores",
    ),
    Override(
        resource="aws:kms/alias:Alias",
        path="name",
        row={"pattern": "^alias/[a-zA-Z0-9/_-]+$", "maxLength": 256},
        reason="CreateAlias: the name must begin with alias/ and hold only these characters",
    ),
    Override(
        resource="aws:iam/role:Role",
        path="name",
        row={"pattern": r"^[\w+=,.@-]+$", "minLength": 1, "maxLength": 64},
        reason="CreateRole's shape has the pattern without the length of a role's name in all its places",
    ),
    Override(
        resource="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        path="role",
        row=None,
        reason="the provider takes a role's ARN too",
    ),
    Override(
        resource="aws:iam/rolePolicy:RolePolicy",
        path="role",
        row=None,
        reason="the provider takes a role's ARN too",
    ),
    Override(
        resource="aws:eks/cluster:Cluster",
        path="name",
        row={"pattern": "^[0-9A-Za-z][A-Za-z0-9_-]*$", "minLength": 1, "maxLength": 100},
        reason="the provider anchors the pattern at its end, which the model leaves open",
    ),
    Override(
        resource="aws:eks/nodeGroup:NodeGroup",
        path="nodeGroupName",
        row={"pattern": "^[0-9A-Za-z][A-Za-z0-9_-]*$", "minLength": 1, "maxLength": 63},
        reason="CreateNodegroup: no more than 63 characters, which the model does not say",
    ),
    Override(
        resource="aws:ec2/launchTemplate:LaunchTemplate",
        path="instanceType",
        row=None,
        reason="new instance types appear weekly; the rule ec2-template-instance-type knows them",
    ),
    Override(
        resource="aws:eks/nodeGroup:NodeGroup",
        path="scalingConfig.maxSize",
        row={"minimum": 1},
        reason="NodegroupScalingConfig: at least one; the quota is a rule",
    ),
    Override(
        resource="aws:fsx/lustreFileSystem:LustreFileSystem",
        path="storageCapacity",
        row={"minimum": 1200},
        reason="the shape's minimum of 0 is that of other file systems; steps are rules",
    ),
    Override(
        resource="aws:fsx/lustreFileSystem:LustreFileSystem",
        path="storageType",
        row={"values": ["SSD", "HDD", "INTELLIGENT_TIERING"]},
        reason="the three of Lustre",
    ),
    Override(
        resource="aws:fsx/lustreFileSystem:LustreFileSystem",
        path="fileSystemTypeVersion",
        row={"values": ["2.10", "2.12", "2.15"]},
        reason="the shape has the form of all file system types; these are Lustre's",
    ),
)
