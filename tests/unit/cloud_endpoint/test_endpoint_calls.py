"""boto3 against the simulated account: every served call, its pages, filters and refusals."""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from local.cloud.aws import scenarios as on
from local.cloud.aws.controllers import Owner, classic_balancer, network_balancer, volume
from local.cloud.aws.ec2_network import interface
from local.cloud.endpoint.registry import CALLS, listed
from local.cloud.endpoint.server import EndpointServer
from local.cloud.faults import Fault, FaultType
from local.cloud.lifecycle import Effects
from local.cloud.model import Context
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import node_template
from local.cluster.instances import launch
from tests.support.aws_account import World

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


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as refused:
        call()
    return str(refused.value.response["Error"]["Code"])


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


def test_retention_is_set_and_a_log_group_goes(serve: Any) -> None:
    account = serve()
    account.builder.create(on.LOG_GROUP_TOKEN, "group", {"name": "/aws/eks/demo/cluster"})
    logs = account.client("logs")
    logs.put_retention_policy(logGroupName="/aws/eks/demo/cluster", retentionInDays=30)
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/eks/")["logGroups"]
    assert group["retentionInDays"] == 30
    logs.delete_log_group(logGroupName="/aws/eks/demo/cluster")
    assert logs.describe_log_groups()["logGroups"] == []
    assert [entry.operation for entry in account.store.journal()][-2:] == ["DeleteLogGroup", "DescribeLogGroups"]
    again = lambda: logs.delete_log_group(logGroupName="/aws/eks/demo/cluster")  # noqa: E731 - one refusal
    assert code_of(again) == "ResourceNotFoundException"


def test_a_network_goes_in_the_order_that_its_dependencies_allow(serve: Any) -> None:
    account = serve()
    account.builder.build(on.NETWORK)
    ec2, vpc = account.client("ec2"), account.builder.ids["vpc"]
    assert code_of(lambda: ec2.delete_vpc(VpcId=vpc)) == "DependencyViolation"
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)
    assert ec2.describe_vpcs()["Vpcs"] == []
    assert code_of(lambda: ec2.delete_vpc(VpcId=vpc)) == "InvalidVpcID.NotFound"


def test_planted_faults_reach_boto3(serve: Any) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    ec2, vpc = account.client("ec2"), account.builder.ids["vpc"]
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation="delete"))
    assert code_of(lambda: ec2.delete_vpc(VpcId=vpc)) == "RequestLimitExceeded"
    account.store.clear_faults()
    account.store.add_fault(Fault(type=FaultType.LOST_RESPONSE, operation="delete"))
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        ec2.delete_vpc(VpcId=vpc)
    assert account.store.find("ec2:Vpc") == []


@pytest.mark.parametrize(
    ("service", "call", "unknown", "wrong"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure", "SignatureDoesNotMatch"),
        ("eks", "list_clusters", "UnrecognizedClientException", "InvalidSignatureException"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("resourcegroupstaggingapi", "get_resources", "UnrecognizedClientException", "InvalidSignatureException"),
    ],
)
def test_other_keys_and_wrong_secrets_are_refused(full: Any, service: str, call: str, unknown: str, wrong: str) -> None:
    stranger = full.client(service, key="AKIAIOSFODNN7EXAMPLE", secret="not-of-this-account")
    assert code_of(getattr(stranger, call)) == unknown
    assert code_of(getattr(full.client(service, secret="not-the-secret"), call)) == wrong


def test_a_call_that_is_not_modelled_fails_by_name(full: Any) -> None:
    with pytest.raises(ClientError, match=r"ec2 RunInstances is not modelled .* nothing is made up") as refused:
        full.client("ec2").run_instances(MinCount=1, MaxCount=1)
    assert refused.value.response["Error"]["Code"] == "NotModelled"


def test_a_reply_that_the_model_does_not_know_is_an_error_in_the_log(
    serve: Any, caplog: pytest.LogCaptureFixture
) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    item = account.store.find("ec2:Vpc")[0]
    item.body["CidrBlockAssociationSet"] = [{"Colour": "red"}]
    account.store.put(item)
    with caplog.at_level(logging.ERROR):
        assert code_of(account.client("ec2").describe_vpcs) == "InternalFailure"
    assert "VpcCidrBlockAssociation has no member Colour" in caplog.text


def test_every_served_call_is_one_of_its_service_model() -> None:
    from local.cloud.endpoint import calls  # noqa: F401 - registers them
    from local.cloud.endpoint.wire import model

    for service, operations in listed().items():
        assert set(operations) <= set(model(service).operation_names), service


def test_the_limitations_page_lists_exactly_the_served_calls(repository: Path) -> None:
    text = (repository / "docs" / "limitations.md").read_text().partition("## Calls that boto3 may make")[2]
    words = " ".join(text.split())
    found = {service: names.split(", ") for service, names in re.findall(r"- `(\w+)`: ((?:\w+, )*\w+)", words)}
    assert found == listed()


def test_a_cluster_is_deleting_when_its_deletion_was_accepted_and_the_supervisor_ends_it() -> None:
    store = SqliteStore(":memory:")
    World(store=store).build(on.CLUSTER)
    server = EndpointServer(store, effects=Effects.SUPERVISOR)
    server.start()
    known = store.credentials("arn:aws:iam::000000000000:role/slipway-deployer")
    eks = boto3.client(
        "eks",
        region_name="us-east-1",
        endpoint_url=server.url,
        aws_access_key_id=known.access_key_id,
        aws_secret_access_key=known.secret_access_key,
    )
    try:
        assert eks.delete_cluster(name="demo")["cluster"]["status"] == "DELETING"
        assert store.find("eks:Cluster")[0].body["status"] == "DELETING"
    finally:
        server.stop()
        store.close()


def test_calls_that_change_nothing_are_journalled_with_what_they_asked(serve: Any) -> None:
    account = serve()
    account.builder.create(*on.VPC)
    asked = [{"Name": "vpc-id", "Values": [account.builder.ids["vpc"]]}]
    account.client("ec2").describe_vpcs(Filters=asked)
    account.client("eks").list_clusters()
    read = account.store.journal()[-2:]
    assert [(entry.operation, entry.kind, entry.outcome) for entry in read] == [
        ("DescribeVpcs", "ec2:Vpc", "ok"),
        ("ListClusters", "eks:Cluster", "ok"),
    ]
    assert read[0].request == {"Filters": asked}


@pytest.mark.parametrize(
    ("service", "call", "operation", "code"),
    [
        ("ec2", "describe_vpcs", "DescribeVpcs", "RequestLimitExceeded"),
        ("eks", "list_clusters", "ListClusters", "TooManyRequestsException"),
        ("resourcegroupstaggingapi", "get_resources", "GetResources", "ThrottlingException"),
    ],
)
def test_planted_throttling_meets_reads_that_it_was_planted_for(
    serve: Any, service: str, call: str, operation: str, code: str
) -> None:
    account = serve()
    asking = getattr(account.client(service), call)
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation=operation))
    asking()
    account.store.clear_faults()
    account.store.add_fault(Fault(type=FaultType.THROTTLE, operation=operation, mutating=False))
    assert code_of(asking) == code
    asking()
    outcomes = [entry.outcome for entry in account.store.journal() if entry.operation == operation]
    assert outcomes == ["ok", "fault", "ok"], "the first was planted for changes only, the second hit once"


def test_a_lost_response_meets_a_read_too(serve: Any) -> None:
    account = serve()
    account.store.add_fault(Fault(type=FaultType.LOST_RESPONSE, operation="DescribeVpcs", mutating=False))
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        account.client("ec2").describe_vpcs()


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"Vpcs": [], "Colour": "red"}, "has no member Colour"),
        ({"Vpcs": {}}, "VpcList is a list, got dict"),
        ({"Vpcs": [], "NextToken": 7}, "String is a string, got int"),
    ],
)
def test_a_reply_is_checked_against_the_service_model_from_its_top(
    serve: Any, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], complaint: str
) -> None:
    monkeypatch.setitem(CALLS, ("ec2", "DescribeVpcs"), lambda _: answer)
    with pytest.raises(ClientError, match=complaint):
        serve().client("ec2").describe_vpcs()


def test_a_request_is_checked_against_the_service_model(serve: Any) -> None:
    account = serve()
    ec2 = account.client("ec2")
    ec2.meta.events.register("before-call.ec2.DescribeVpcs", _add_a_member)
    with pytest.raises(ClientError) as refused:
        ec2.describe_vpcs()
    assert refused.value.response["Error"]["Code"] in {"ValidationException", "SerializationException"}


def _add_a_member(params: dict[str, Any], **_: Any) -> None:
    params["body"]["MaxResults"] = "many"


def test_instances_are_those_of_a_node_group_with_their_interfaces(serve: Any) -> None:
    account = serve()
    account.builder.build((*on.BEFORE_NODES, (on.NODE_GROUP_TOKEN, "pool", on.NODE_INPUTS)))
    (group,), (cluster,) = account.store.find("eks:Nodegroup"), account.store.find("eks:Cluster")
    template = node_template(account.store, group.body, cluster.body)
    subnets = [account.builder.ids["a"], account.builder.ids["b"]]
    name = group.body["nodegroupName"]
    launch(account.store, template, cluster=cluster.id, group=name, subnets=subnets, count=3)
    ec2 = account.client("ec2")
    mine = [
        {"Name": "tag:eks:nodegroup-name", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    found = [one for row in ec2.describe_instances(Filters=mine)["Reservations"] for one in row["Instances"]]
    assert {one["InstanceId"] for one in found} == {item.id for item in account.store.find("ec2:Instance")}
    assert [one["SubnetId"] for one in found].count(subnets[0]) == 2
    assert {one["Placement"]["AvailabilityZone"] for one in found} == {"us-east-1a", "us-east-1b"}
    (card,) = found[0]["NetworkInterfaces"]
    shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[card["NetworkInterfaceId"]])["NetworkInterfaces"]
    assert [one["Attachment"]["InstanceId"] for one in shown] == [found[0]["InstanceId"]]
    in_use = lambda: ec2.delete_network_interface(NetworkInterfaceId=card["NetworkInterfaceId"])  # noqa: E731
    assert code_of(in_use) == "InvalidParameterValue"
    assert code_of(lambda: ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"])) == "InvalidInstanceID.NotFound"


def test_a_free_interface_and_a_free_volume_go_and_used_ones_do_not(serve: Any) -> None:
    account = serve()
    account.builder.build(on.NETWORK)
    with account.store.transaction():
        subnet = account.store.get("ec2:Subnet", account.builder.ids["a"])
        free = interface(subnet, Context(account=account.store, name=""), Status="available")
        account.store.put(free)
        disk = volume(account.store, Owner(cluster="demo", namespace="n", name="c"), zone="us-east-1a", size_gib=8)
    ec2 = account.client("ec2")
    ec2.delete_network_interface(NetworkInterfaceId=free.id)
    assert account.store.get("ec2:NetworkInterface", free.id) is None
    (shown,) = ec2.describe_volumes(Filters=[{"Name": "tag-key", "Values": ["kubernetes.io/cluster/*"]}])["Volumes"]
    assert (shown["VolumeId"], shown["Size"], shown["State"]) == (disk.id, 8, "available")
    ec2.delete_volume(VolumeId=disk.id)
    assert code_of(lambda: ec2.delete_volume(VolumeId=disk.id)) == "InvalidVolume.NotFound"
    disk.body["Attachments"] = [{"InstanceId": "i-0123456789abcdef0"}]
    account.store.put(disk)
    assert code_of(lambda: ec2.delete_volume(VolumeId=disk.id)) == "VolumeInUse"


def test_both_load_balancing_apis_answer_on_their_one_signing_name(serve: Any) -> None:
    account = serve()
    account.builder.build(on.CLUSTER)
    with account.store.transaction():
        classic = classic_balancer(account.store, Owner(cluster="demo", namespace="web", name="front"))
        network = network_balancer(account.store, Owner(cluster="demo", namespace="web", name="store"))
    elb, elbv2 = account.client("elb"), account.client("elbv2")
    assert [one["LoadBalancerName"] for one in elb.describe_load_balancers()["LoadBalancerDescriptions"]] == [
        classic.id
    ]
    (tags,) = elb.describe_tags(LoadBalancerNames=[classic.id])["TagDescriptions"]
    assert {"Key": "kubernetes.io/cluster/demo", "Value": "owned"} in tags["Tags"]
    (shown,) = elbv2.describe_load_balancers()["LoadBalancers"]
    assert (shown["LoadBalancerArn"], shown["Type"], shown["State"]["Code"]) == (network.id, "network", "active")
    (group,) = elbv2.describe_target_groups(LoadBalancerArn=network.id)["TargetGroups"]
    target = group["TargetGroupArn"]
    assert code_of(lambda: elbv2.delete_target_group(TargetGroupArn=target)) == "ResourceInUse"
    elbv2.delete_load_balancer(LoadBalancerArn=network.id)
    elbv2.delete_target_group(TargetGroupArn=target)
    elb.delete_load_balancer(LoadBalancerName=classic.id)
    elb.delete_load_balancer(LoadBalancerName=classic.id)
    assert elbv2.describe_load_balancers()["LoadBalancers"] == elbv2.describe_target_groups()["TargetGroups"] == []
    assert account.store.find("ec2:NetworkInterface", Status="in-use", InterfaceType="network_load_balancer") == []
    assert code_of(lambda: elb.describe_load_balancers(LoadBalancerNames=[classic.id])) == "LoadBalancerNotFound"


def test_a_refused_revocation_revokes_nothing(full: Any) -> None:
    ec2, ids = full.client("ec2"), full.builder.ids
    wrong_way = lambda: ec2.revoke_security_group_egress(GroupId=ids["sg"], SecurityGroupRuleIds=[ids["in"]])  # noqa: E731
    assert code_of(wrong_way) == "InvalidSecurityGroupRuleId.NotFound"
    by_permission = lambda: ec2.revoke_security_group_ingress(  # noqa: E731
        GroupId=ids["sg"], IpPermissions=[{"IpProtocol": "-1"}]
    )
    assert code_of(by_permission) == "InvalidParameterCombination"
    assert full.store.get("ec2:SecurityGroupRule", ids["in"]) is not None
