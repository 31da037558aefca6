"""boto3 against the simulated account: what every kind of call shows, its pages, filters and refusals."""

from typing import Any

import pytest

from tests.support.refusals import code_of

IDS = {
    "DescribeVpcs": ("Vpcs", "VpcId", "vpc"),
    "DescribeSubnets": ("Subnets", "SubnetId", "vpc"),
    "DescribeRouteTables": ("RouteTables", "RouteTableId", "vpc"),
    "DescribeSecurityGroups": ("SecurityGroups", "GroupId", "vpc"),
    "DescribeNetworkInterfaces": ("NetworkInterfaces", "NetworkInterfaceId", "vpc"),
    "DescribeNatGateways": ("NatGateways", "NatGatewayId", "vpc"),
    "DescribeVpcEndpoints": ("VpcEndpoints", "VpcEndpointId", "vpc"),
    "DescribeInternetGateways": ("InternetGateways", "InternetGatewayId", ""),
    "DescribeAddresses": ("Addresses", "AllocationId", ""),
    "DescribeFlowLogs": ("FlowLogs", "FlowLogId", ""),
    "DescribeLaunchTemplates": ("LaunchTemplates", "LaunchTemplateId", ""),
    "DescribePlacementGroups": ("PlacementGroups", "GroupName", ""),
    "DescribeCapacityReservations": ("CapacityReservations", "CapacityReservationId", ""),
    "DescribeSecurityGroupRules": ("SecurityGroupRules", "SecurityGroupRuleId", ""),
}


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def test_the_caller_is_the_simulated_deployer(full: Any) -> None:
    who = full.client("sts").get_caller_identity()
    assert who["Account"] == "000000000000"
    assert who["Arn"] == "arn:aws:sts::000000000000:assumed-role/slipway-deployer/simulated"


@pytest.mark.parametrize("operation", IDS)
def test_ec2_describes_exactly_what_the_store_holds(full: Any, operation: str) -> None:
    member, key, vpc = IDS[operation]
    kind = operation.removeprefix("Describe")
    kind = "ec2:Address" if kind == "Addresses" else f"ec2:{kind.removesuffix('s')}"
    more = {"Filter" if operation == "DescribeNatGateways" else "Filters": [{"Name": "vpc-id", "Values": ["vpc-*"]}]}
    answer = getattr(full.client("ec2"), snake(operation))(**(more if vpc else {}))
    assert {item[key] for item in answer[member]} == {item.id for item in full.store.find(kind)} != set()


def test_pages_hold_everything_once(full: Any) -> None:
    pages = list(
        full.client("ec2").get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5})
    )
    found = [group["GroupId"] for page in pages for group in page["SecurityGroups"]]
    assert len(pages) == -(-len(full.store.find("ec2:SecurityGroup")) // 5)
    assert sorted(found) == sorted(item.id for item in full.store.find("ec2:SecurityGroup"))
    tagged = full.client("resourcegroupstaggingapi").get_paginator("get_resources")
    arns = [
        one["ResourceARN"] for page in tagged.paginate(ResourcesPerPage=2) for one in page["ResourceTagMappingList"]
    ]
    assert len(arns) == len(set(arns)) > 20


def test_a_made_up_page_token_is_refused(full: Any) -> None:
    assert code_of(lambda: full.client("ec2").describe_vpcs(NextToken="AAAA")) == "InvalidNextToken"


def test_filters_select_and_unknown_ones_are_refused(full: Any) -> None:
    ec2 = full.client("ec2")
    subnet = full.store.find("ec2:Subnet")[0]
    zone = subnet.body["AvailabilityZone"]
    found = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": [zone]}])["Subnets"]
    assert {item["AvailabilityZone"] for item in found} == {zone}
    assert subnet.id in {item["SubnetId"] for item in found}
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:slipway:resource", "Values": ["nobody"]}])["Vpcs"] == []
    assert (
        code_of(lambda: ec2.describe_vpcs(Filters=[{"Name": "colour", "Values": ["red"]}])) == "InvalidParameterValue"
    )


def test_route_tables_show_the_routes_and_subnets_that_are_kept_apart(full: Any) -> None:
    route = full.store.find("ec2:Route")[0]
    (table,) = full.client("ec2").describe_route_tables(RouteTableIds=[route.body["RouteTableId"]])["RouteTables"]
    assert route.body["DestinationCidrBlock"] in {one["DestinationCidrBlock"] for one in table["Routes"]}
    assert "local" in {one.get("GatewayId") for one in table["Routes"]}
    assert table["Associations"][0]["SubnetId"] in {item.id for item in full.store.find("ec2:Subnet")}


def test_zones_and_offerings_are_those_of_the_data_sources(full: Any) -> None:
    ec2 = full.client("ec2")
    zones = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    assert {"us-east-1a", "us-east-1b", "us-east-1c"} <= zones
    asked = {"LocationType": "availability-zone", "Filters": [{"Name": "instance-type", "Values": ["p5.48xlarge"]}]}
    offered = ec2.describe_instance_type_offerings(**asked)["InstanceTypeOfferings"]
    assert {item["Location"] for item in offered} <= zones
    assert {item["InstanceType"] for item in offered} == {"p5.48xlarge"}


def test_eks_lists_and_describes(full: Any) -> None:
    eks = full.client("eks")
    (name,) = eks.list_clusters()["clusters"]
    cluster = eks.describe_cluster(name=name)["cluster"]
    assert (cluster["version"], cluster["status"]) == ("1.36", "ACTIVE")
    (pool,) = eks.list_nodegroups(clusterName=name)["nodegroups"]
    assert eks.describe_nodegroup(clusterName=name, nodegroupName=pool)["nodegroup"]["clusterName"] == name
    (addon,) = eks.list_addons(clusterName=name)["addons"]
    shown = eks.describe_addon(clusterName=name, addonName=addon)["addon"]
    assert [arn.split("/")[0] for arn in shown["podIdentityAssociations"]] == [
        "arn:aws:eks:us-east-1:000000000000:podidentityassociation"
    ]
    for principal in eks.list_access_entries(clusterName=name)["accessEntries"]:
        entry = eks.describe_access_entry(clusterName=name, principalArn=principal)["accessEntry"]
        assert entry["principalArn"] == principal
    assert code_of(lambda: eks.describe_cluster(name="none")) == "ResourceNotFoundException"


def test_fsx_describes_file_systems_and_links(full: Any) -> None:
    fsx = full.client("fsx")
    (found,) = fsx.describe_file_systems()["FileSystems"]
    assert found["LustreConfiguration"]["DeploymentType"] == "PERSISTENT_2"
    asked = [{"Name": "file-system-id", "Values": [found["FileSystemId"]]}]
    (link,) = fsx.describe_data_repository_associations(Filters=asked)["Associations"]
    assert link["FileSystemId"] == found["FileSystemId"]
    assert code_of(lambda: fsx.describe_file_systems(FileSystemIds=["fs-0123456789abcdef0"])) == "FileSystemNotFound"


def test_s3_tells_of_buckets_and_what_is_in_them(full: Any) -> None:
    s3 = full.client("s3")
    assert "slipway-data" in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket="slipway-data")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="slipway-data")["LocationConstraint"] is None
    assert s3.get_bucket_tagging(Bucket="slipway-data")["TagSet"] == [{"Key": "team", "Value": "a"}]
    assert s3.get_bucket_versioning(Bucket="slipway-data")["Status"] == "Enabled"
    rules = s3.get_bucket_encryption(Bucket="slipway-data")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert [one["Key"] for one in s3.list_object_versions(Bucket="slipway-data")["Versions"]] == ["sets/readme"]
    assert code_of(lambda: s3.head_bucket(Bucket="no-such-bucket")) == "404"
    assert code_of(lambda: s3.delete_bucket(Bucket="slipway-data")) == "BucketNotEmpty"


def test_iam_and_kms_answer(full: Any) -> None:
    iam, kms = full.client("iam"), full.client("kms")
    assert "control-plane" in [role["RoleName"] for role in iam.list_roles()["Roles"]]
    assert iam.get_role(RoleName="control-plane")["Role"]["AssumeRolePolicyDocument"]["Version"] == "2012-10-17"
    assert iam.list_role_policies(RoleName="control-plane")["PolicyNames"] == ["more"]
    attached = iam.list_attached_role_policies(RoleName="control-plane")["AttachedPolicies"]
    assert "AmazonEKSClusterPolicy" in [one["PolicyName"] for one in attached]
    assert code_of(lambda: iam.delete_role(RoleName="control-plane")) == "DeleteConflict"
    (key, *_) = kms.list_keys()["Keys"]
    assert kms.describe_key(KeyId="alias/eks/demo")["KeyMetadata"]["KeyId"] == key["KeyId"]
    assert kms.list_aliases()["Aliases"][0]["TargetKeyId"] == key["KeyId"]
