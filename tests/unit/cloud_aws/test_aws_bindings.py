"""Every bound type goes to the API's shape and back without a difference, and shows outputs of the schema's types."""

import re
from typing import Any

import pytest

from local.cloud.aws import scenarios as on
from local.cloud.aws.package import PACKAGE
from local.cloud.convert import REGION
from local.cloud.schema import ResourceSchema, Type

_BLOCK_TOKEN = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"
_BUCKET = (on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data", "forceDestroy": True, "tags": {"team": "a"}})
_RULES = {"bucket": "${bucket.bucket}"}
_OFFERING = {
    "CapacityBlockOfferingId": "cb-0123456789abcdef0",
    "InstanceType": "p5.48xlarge",
    "AvailabilityZone": "us-east-1a",
    "InstanceCount": 4,
    "StartDate": "2026-11-01T11:30:00Z",
    "EndDate": "2026-12-01T11:30:00Z",
    "CapacityBlockDurationHours": 720,
    "UpfrontFee": "100.0",
    "CurrencyCode": "USD",
    "Tenancy": "default",
}
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
NAMES = [name for _, name, _ in STEPS]
SETTINGS = {"ec2:capacity-block-offerings": [_OFFERING]}
NOT_IMPORTABLE_AS_IT_WAS = {
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation": {"capacityBlockOfferingId"},
}


@pytest.fixture(scope="module")
def platform(request: pytest.FixtureRequest) -> Any:
    """An account in which one of everything was made."""
    made = request.getfixturevalue("make_world")()
    for name, value in SETTINGS.items():
        made.store.set_setting(name, value)
    made.build(STEPS)
    return made


def _schema(world: Any, token: str) -> ResourceSchema:
    found: ResourceSchema = world.simulator._session.types.get(token).schema
    return found


def test_the_platform_has_one_of_every_bound_type() -> None:
    assert {token for token, _, _ in STEPS} == set(PACKAGE.bindings)


@pytest.mark.parametrize("name", NAMES)
def test_reading_a_resource_back_shows_the_inputs_that_made_it(platform: Any, name: str) -> None:
    made = platform.made[name]
    found = platform.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)

    assert found is not None
    assert platform.simulator.diff(made.token, made.id, found.inputs, made.inputs).changes == {}
    assert found.inputs == made.inputs
    for key, value in made.inputs.items():
        if not key.startswith("__"):
            assert _within(value, made.state[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_an_update_with_the_same_inputs_leaves_the_object_as_it_is(platform: Any, name: str) -> None:
    made = platform.made[name]
    before = platform.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)
    platform.simulator.update(made.token, made.id, made.inputs, made.inputs, olds=made.state)
    after = platform.simulator.read(made.token, made.id, inputs=made.inputs, state=made.state)

    assert after.inputs == before.inputs
    assert {**after.state, "modifiedAt": ""} == {**before.state, "modifiedAt": ""}


@pytest.mark.parametrize("name", NAMES)
def test_an_import_by_id_finds_the_resource_with_its_inputs(platform: Any, name: str) -> None:
    made = platform.made[name]
    found = platform.simulator.read(made.token, made.id)
    binding = PACKAGE.bindings[made.token]
    unseen = {*binding.client_only, *NOT_IMPORTABLE_AS_IT_WAS.get(made.token, set()), REGION, "__defaults"}

    assert found is not None
    assert found.id == made.id
    for key, value in made.inputs.items():
        if key not in unseen:
            assert _within(value, found.inputs.get(key)), f"{key}: {value} not in {found.inputs.get(key)}"


def _within(part: Any, whole: Any) -> bool:
    """Whether ``whole`` says at least what ``part`` says; the service adds members that nobody asked for."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(_within(value, whole.get(key)) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(_within, part, whole))
    return bool(part == whole)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_have_the_types_of_the_schema(platform: Any, name: str) -> None:
    made = platform.made[name]
    schema = _schema(platform, made.token)

    assert set(made.state) <= set(schema.outputs.properties) | {"id"}, "outputs that the SDK does not know"
    for key, value in made.state.items():
        problem = _mismatch(value, schema.outputs.properties[key], schema, key)
        assert problem is None, problem
    missing = [key for key in schema.outputs.required if key not in made.state]
    assert missing == [], f"outputs that every object of this type has: {missing}"


def _mismatch(value: Any, kind: Type, schema: ResourceSchema, path: str) -> str | None:
    python: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "map": dict,
        "list": list,
    }
    expected = python.get(kind.name)
    if expected is not None and (not isinstance(value, expected) or (kind.name == "integer" and value is True)):
        return f"{path}: {value!r} is not a {kind.name}"
    if kind.name == "list" and kind.item is not None:
        found = (_mismatch(item, kind.item, schema, f"{path}[]") for item in value)
        return next((text for text in found if text), None)
    if kind.name == "object" and isinstance(value, dict):
        shape = schema.shapes[kind.shape].properties
        unknown = set(value) - set(shape)
        if unknown:
            return f"{path}: the SDK knows no {sorted(unknown)}"
        found = (_mismatch(item, shape[key], schema, f"{path}.{key}") for key, item in value.items())
        return next((text for text in found if text), None)
    return None


SHAPES = {
    ("vpc", "id"): r"vpc-[0-9a-f]{17}",
    ("vpc", "arn"): r"arn:aws:ec2:us-east-1:000000000000:vpc/vpc-[0-9a-f]{17}",
    ("a", "arn"): r"arn:aws:ec2:us-east-1:000000000000:subnet/subnet-[0-9a-f]{17}",
    ("eip", "publicIp"): r"\d+\.\d+\.\d+\.\d+",
    ("cluster", "arn"): r"arn:aws:eks:us-east-1:000000000000:cluster/demo",
    ("cluster", "endpoint"): r"https://[0-9A-F]{32}\.gr7\.us-east-1\.eks\.amazonaws\.com",
    ("cluster", "platformVersion"): r"eks\.\d+",
    ("cluster", "createdAt"): r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    ("pool", "arn"): r"arn:aws:eks:us-east-1:000000000000:nodegroup/demo/pool/[0-9a-f]{8}-[0-9a-f-]{27}",
    ("pool", "releaseVersion"): r"1\.36\.\d+-\d{8}",
    ("fs", "id"): r"fs-[0-9a-f]{17}",
    ("fs", "mountName"): r"[a-z2-7]{8}",
    ("fs", "dnsName"): r"fs-[0-9a-f]{17}\.fsx\.us-east-1\.amazonaws\.com",
    ("key", "arn"): r"arn:aws:kms:us-east-1:000000000000:key/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f-]{16}",
    ("crole", "arn"): r"arn:aws:iam::000000000000:role/control-plane",
    ("bucket", "arn"): r"arn:aws:s3:::slipway-data",
    ("flows", "arn"): r"arn:aws:logs:us-east-1:000000000000:log-group:/aws/vpc/flow",
    ("link", "id"): r"dra-[0-9a-f]{17}",
    ("identity", "associationId"): r"a-[a-z0-9]{17}",
}


@pytest.mark.parametrize(("name", "output"), SHAPES)
def test_computed_outputs_look_like_those_of_aws(platform: Any, name: str, output: str) -> None:
    made = platform.made[name]
    value = made.id if output == "id" else made.state[output]

    assert re.fullmatch(SHAPES[name, output], value), value


def test_the_certificate_authority_is_a_certificate(platform: Any) -> None:
    import base64

    from cryptography import x509

    data = platform.made["cluster"].state["certificateAuthority"]["data"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(data))

    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is True
