"""boto3 changes the simulated account: what goes, in which order, and what is refused while it is in use."""

from typing import Any

import boto3

from local.cloud.aws import scenarios as on
from local.cloud.aws.controllers import Owner, classic_balancer, network_balancer, volume
from local.cloud.aws.ec2_network import interface
from local.cloud.endpoint.server import EndpointServer
from local.cloud.lifecycle import Effects
from local.cloud.model import Context
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import node_template
from local.cluster.instances import launch
from tests.support.aws_account import World
from tests.support.refusals import code_of


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
