"""One of every AWS type that the simulator binds, in an order in which it can be made."""

from local.cloud.aws import scenarios as on

_BLOCK_TOKEN = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"
_BUCKET = (on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data", "forceDestroy": True, "tags": {"team": "a"}})
_RULES = {"bucket": "${bucket.bucket}"}
_TAGS = {"Name": "x", "slipway:resource": "x"}
_POD_ROLE = {
    "name": "pods",
    "assumeRolePolicy": on.trust("pods.eks.amazonaws.com", actions=("sts:AssumeRole", "sts:TagSession")),
}


STEPS: list[on.Step] = [
    (
        on.VPC_TOKEN,
        "vpc",
        {"cidrBlock": "10.0.0.0/16", "enableDnsHostnames": True, "enableDnsSupport": True, "tags": _TAGS},
    ),
    (
        on.SUBNET_TOKEN,
        "a",
        {
            "vpcId": "${vpc}",
            "cidrBlock": "10.0.0.0/20",
            "availabilityZone": "us-east-1a",
            "mapPublicIpOnLaunch": True,
            "privateDnsHostnameTypeOnLaunch": "resource-name",
            "tags": _TAGS,
        },
    ),
    (on.SUBNET_TOKEN, "b", {"vpcId": "${vpc}", "cidrBlock": "10.0.16.0/20", "availabilityZoneId": "use1-az1"}),
    (on.GATEWAY_TOKEN, "igw", {"vpcId": "${vpc}", "tags": _TAGS}),
    (on.EIP_TOKEN, "eip", {"domain": "vpc", "tags": _TAGS}),
    (on.NAT_TOKEN, "nat", {"allocationId": "${eip}", "subnetId": "${a}", "tags": _TAGS}),
    (on.ROUTE_TABLE_TOKEN, "rtb", {"vpcId": "${vpc}", "tags": _TAGS}),
    (
        on.ROUTE_TOKEN,
        "route",
        {"routeTableId": "${rtb}", "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "${nat}"},
    ),
    (on.ASSOCIATION_TOKEN, "join", {"routeTableId": "${rtb}", "subnetId": "${a}"}),
    (
        on.GROUP_TOKEN,
        "sg",
        {
            "name": "nodes",
            "description": "nodes",
            "vpcId": "${vpc}",
            "ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/16"], "self": True}],
            "tags": _TAGS,
        },
    ),
    (
        on.INGRESS_TOKEN,
        "in",
        {"securityGroupId": "${sg}", "referencedSecurityGroupId": "${sg}", "ipProtocol": "-1", "description": "all"},
    ),
    (
        on.EGRESS_TOKEN,
        "out",
        {"securityGroupId": "${sg}", "cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp", "fromPort": 0, "toPort": 65535},
    ),
    ("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "closed", {"vpcId": "${vpc}", "tags": _TAGS}),
    (
        on.ENDPOINT_TOKEN,
        "s3",
        {"vpcId": "${vpc}", "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": ["${rtb}"], "tags": _TAGS},
    ),
    (
        on.ENDPOINT_TOKEN,
        "ecr",
        {
            "vpcId": "${vpc}",
            "serviceName": "com.amazonaws.us-east-1.ecr.api",
            "vpcEndpointType": "Interface",
            "subnetIds": ["${a}", "${b}"],
            "securityGroupIds": ["${sg}"],
            "privateDnsEnabled": True,
        },
    ),
    (on.LOG_GROUP_TOKEN, "flows", {"name": "/aws/vpc/flow", "retentionInDays": 90, "tags": _TAGS}),
    (
        on.ROLE_TOKEN,
        "frole",
        {"name": "flow", "assumeRolePolicy": on.trust("vpc-flow-logs.amazonaws.com"), "tags": _TAGS},
    ),
    (
        on.FLOW_LOG_TOKEN,
        "flow",
        {"vpcId": "${vpc}", "trafficType": "ALL", "logDestination": "${flows.arn}", "iamRoleArn": "${frole.arn}"},
    ),
    (on.PLACEMENT_TOKEN, "pg", {"name": "ring", "strategy": "cluster", "tags": _TAGS}),
    (
        on.RESERVATION_TOKEN,
        "cr",
        {
            "availabilityZone": "us-east-1a",
            "instanceCount": 4,
            "instancePlatform": "Linux/UNIX",
            "instanceType": "p5.48xlarge",
            "instanceMatchCriteria": "targeted",
            "placementGroupArn": "${pg.arn}",
            "tags": _TAGS,
        },
    ),
    (_BLOCK_TOKEN, "block", {"capacityBlockOfferingId": "cb-0123456789abcdef0", "instancePlatform": "Linux/UNIX"}),
    (
        on.TEMPLATE_TOKEN,
        "lt",
        {
            "name": "pool",
            "instanceType": "p5.48xlarge",
            "updateDefaultVersion": True,
            "metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1, "httpEndpoint": "enabled"},
            "blockDeviceMappings": [
                {
                    "deviceName": "/dev/xvda",
                    "ebs": {"volumeSize": 200, "volumeType": "gp3", "encrypted": "true", "deleteOnTermination": "true"},
                }
            ],
            "networkInterfaces": [
                {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface", "securityGroups": ["${sg}"]},
                {"networkCardIndex": 1, "deviceIndex": 0, "interfaceType": "efa-only", "securityGroups": ["${sg}"]},
            ],
            "placement": {"groupName": "${pg.name}"},
            "tagSpecifications": [{"resourceType": "instance", "tags": {"team": "a"}}],
            "tags": _TAGS,
        },
    ),
    (
        on.KEY_TOKEN,
        "key",
        {"description": "secrets", "enableKeyRotation": True, "deletionWindowInDays": 7, "tags": _TAGS},
    ),
    (on.ALIAS_TOKEN, "alias", {"name": "alias/eks/demo", "targetKeyId": "${key.keyId}"}),
    (on.LOG_GROUP_TOKEN, "control-plane-logs", {"name": "/aws/eks/demo/cluster", "retentionInDays": 7}),
    on.CLUSTER_ROLE,
    on.CLUSTER_POLICY,
    (
        on.ROLE_POLICY_TOKEN,
        "inline",
        {"role": "${crole.name}", "name": "more", "policy": on.permissions("kms:Decrypt")},
    ),
    (on.POLICY_TOKEN, "policy", {"name": "data", "policy": on.permissions(), "description": "data", "tags": _TAGS}),
    (
        on.CLUSTER_TOKEN,
        "cluster",
        {
            **on.CLUSTER_INPUTS,
            "vpcConfig": {
                "subnetIds": ["${a}", "${b}"],
                "endpointPrivateAccess": True,
                "publicAccessCidrs": ["203.0.113.0/24"],
            },
            "enabledClusterLogTypes": ["api", "audit"],
            "encryptionConfig": {"provider": {"keyArn": "${key.arn}"}, "resources": ["secrets"]},
            "upgradePolicy": {"supportType": "STANDARD"},
            "bootstrapSelfManagedAddons": False,
            "tags": _TAGS,
        },
    ),
    (on.ROLE_TOKEN, "prole", _POD_ROLE),
    (
        on.ADDON_TOKEN,
        "cni",
        {
            "clusterName": "${cluster.name}",
            "addonName": "vpc-cni",
            "configurationValues": '{"enableNetworkPolicy": "true"}',
            "podIdentityAssociations": [{"serviceAccount": "aws-node", "roleArn": "${prole.arn}"}],
            "resolveConflictsOnCreate": "OVERWRITE",
            "tags": _TAGS,
        },
    ),
    on.NODE_ROLE,
    *on.NODE_POLICIES,
    (
        on.NODE_GROUP_TOKEN,
        "pool",
        {
            **on.TEMPLATE_NODE_INPUTS,
            "launchTemplate": {"id": "${lt}", "version": "1"},
            "amiType": "AL2023_x86_64_NVIDIA",
            "labels": {"slipway.dev/pool": "training"},
            "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
            "updateConfig": {"maxUnavailable": 1, "updateStrategy": "MINIMAL"},
            "nodeRepairConfig": {"enabled": True},
            "version": "1.36",
            "tags": _TAGS,
        },
    ),
    (
        on.SCHEDULE_TOKEN,
        "start",
        {
            "autoscalingGroupName": "${pool.resources.0.autoscalingGroups.0.name}",
            "scheduledActionName": "start",
            "startTime": "2099-01-01T00:05:00Z",
            "endTime": "2099-01-02T00:00:00Z",
            "recurrence": "5 * * * *",
            "desiredCapacity": 4,
            "minSize": -1,
            "maxSize": -1,
        },
    ),
    (
        on.BUDGET_TOKEN,
        "budget",
        {
            "name": "costs",
            "budgetType": "COST",
            "limitAmount": "900000",
            "limitUnit": "USD",
            "timeUnit": "MONTHLY",
            "costFilters": [{"name": "TagKeyValue", "values": ["user:slipway:stack$slipway/test"]}],
            "notifications": [
                {
                    "comparisonOperator": "GREATER_THAN",
                    "notificationType": "ACTUAL",
                    "threshold": 80,
                    "thresholdType": "PERCENTAGE",
                    "subscriberEmailAddresses": ["costs@example.com"],
                }
            ],
            "tags": _TAGS,
        },
    ),
    (
        on.MONITOR_TOKEN,
        "monitor",
        {
            "name": "anomalies",
            "monitorType": "CUSTOM",
            "monitorSpecification": '{"Tags": {"Key": "slipway:stack", "Values": ["slipway/test"]}}',
            "tags": _TAGS,
        },
    ),
    (
        on.SUBSCRIPTION_TOKEN,
        "mail",
        {
            "name": "anomaly-mail",
            "frequency": "DAILY",
            "monitorArnLists": ["${monitor.arn}"],
            "subscribers": [{"type": "EMAIL", "address": "costs@example.com"}],
            "thresholdExpression": {
                "dimension": {
                    "key": "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
                    "matchOptions": ["GREATER_THAN_OR_EQUAL"],
                    "values": ["500"],
                }
            },
            "tags": _TAGS,
        },
    ),
    (on.ROLE_TOKEN, "admin", {"name": "admin", "assumeRolePolicy": on.trust("ec2.amazonaws.com")}),
    (on.ENTRY_TOKEN, "entry", {"clusterName": "${cluster.name}", "principalArn": "${admin.arn}", "tags": _TAGS}),
    (
        on.ACCESS_POLICY_TOKEN,
        "grant",
        {
            "clusterName": "${cluster.name}",
            "principalArn": "${admin.arn}",
            "policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
            "accessScope": {"type": "cluster"},
        },
    ),
    (
        on.POD_IDENTITY_TOKEN,
        "identity",
        {
            "clusterName": "${cluster.name}",
            "namespace": "jobs",
            "serviceAccount": "trainer",
            "roleArn": "${prole.arn}",
            "tags": _TAGS,
        },
    ),
    _BUCKET,
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        "versions",
        {**_RULES, "versioningConfiguration": {"status": "Enabled"}},
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "encryption",
        {
            **_RULES,
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "${key.arn}"},
                    "bucketKeyEnabled": True,
                }
            ],
        },
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "private",
        {**_RULES, "blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True},
    ),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "ages",
        {
            **_RULES,
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "transitions": [{"days": 90, "storageClass": "INTELLIGENT_TIERING"}],
                }
            ],
        },
    ),
    (
        on.BUCKET_POLICY_TOKEN,
        "tls",
        {
            **_RULES,
            "policy": '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", '
            '"Resource": "arn:aws:s3:::slipway-data/*"}]}',
        },
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "ownership",
        {**_RULES, "rule": {"objectOwnership": "BucketOwnerEnforced"}},
    ),
    ("aws:s3/bucketObjectv2:BucketObjectv2", "marker", {**_RULES, "key": "sets/readme", "content": "hello"}),
    (on.LOG_GROUP_TOKEN, "fslogs", {"name": "/aws/fsx/data"}),
    (
        on.LUSTRE_TOKEN,
        "fs",
        {
            **on.LUSTRE_INPUTS,
            "securityGroupIds": ["${sg}"],
            "storageType": "SSD",
            "metadataConfiguration": {"mode": "AUTOMATIC"},
            "dataCompressionType": "LZ4",
            "logConfiguration": {"destination": "${fslogs.arn}", "level": "WARN_ERROR"},
            "skipFinalBackup": True,
            "tags": _TAGS,
        },
    ),
    (
        on.DATA_LINK_TOKEN,
        "link",
        {
            "fileSystemId": "${fs}",
            "fileSystemPath": "/data",
            "dataRepositoryPath": "s3://slipway-data",
            "batchImportMetaDataOnCreate": True,
            "s3": {
                "autoImportPolicy": {"events": ["NEW", "CHANGED", "DELETED"]},
                "autoExportPolicy": {"events": ["NEW", "CHANGED", "DELETED"]},
            },
            "tags": _TAGS,
        },
    ),
]
SETTINGS = {"ec2:capacity-block-offerings": [on.OFFERING]}
