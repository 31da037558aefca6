"""The boto3 inventory over the simulated account: what is a stack's, under which id, and that all of it can go."""

from dataclasses import replace
from typing import Any

import pytest

from cli.inventory.account import AwsInventory
from cli.inventory.kinds import OF_ANOTHER, TYPES
from cli.inventory.owned import Owned, RemovalRefusedError
from cli.recovery import find, remove_all
from local.cloud.aws import scenarios as on
from local.cloud.aws.controllers import Owner, classic_balancer
from local.cloud.aws.package import PACKAGE
from local.cloud.aws.residue import residue
from local.cloud.model import CloudObject, Maker
from local.cloud.session import render
from local.cluster.cloud_facts import node_template
from local.cluster.instances import launch
from local.paths import SIMULATED_ACCOUNT_ID
from tests.support.aws_platform import STEPS

MINE = {"slipway:stack": "slipway/dev", "slipway:resource": "network-vpc"}
KIND_OF = {token: binding.kind for token, binding in PACKAGE.bindings.items()}


def inventory(account: Any, *, removes_in: str = SIMULATED_ACCOUNT_ID) -> AwsInventory:
    return AwsInventory(account.client, removes_in=removes_in, poll_seconds=0.1)


def pulumi_id(item: CloudObject) -> str:
    """As the provider's state has it."""
    binding = next(one for one in PACKAGE.bindings.values() if one.kind == item.kind)
    return (render(binding.pulumi_id, item.body) if binding.pulumi_id else "") or item.id


def made_by_a_program(account: Any) -> dict[tuple[str, str], CloudObject]:
    """What the simulator knows that programs made, less what is a part of another object."""
    kinds = {KIND_OF[token] for token in TOKENS}
    found = [item for item in residue(account.store) if item.maker is Maker.PROGRAM and item.kind in kinds]
    return {(item.kind, pulumi_id(item)): item for item in found}


TOKENS = sorted(PACKAGE.bindings.keys() - OF_ANOTHER.keys())


def test_every_type_that_a_program_can_make_is_listed_or_said_to_be_part_of_another() -> None:
    assert {token for tokens in TYPES.values() for token in tokens} == set(TOKENS)
    assert {token: KIND_OF[token] for token in TOKENS} == {
        token: kind for kind, tokens in TYPES.items() for token in tokens
    }
    assert OF_ANOTHER.keys() <= PACKAGE.bindings.keys()


def test_boto3_finds_exactly_what_the_simulator_knows_of_a_whole_platform(owned_platform: Any) -> None:
    found = inventory(owned_platform).owned("slipway", "dev")
    known = made_by_a_program(owned_platform)
    assert {(item.kind, item.id) for item in found} == known.keys()
    assert len(found) == len(known), "nothing is listed twice"
    assert {item.kind for item in found} == {KIND_OF[token] for token in TOKENS}, "one of every kind is in the platform"


@pytest.fixture(scope="module")
def listed(full: Any) -> list[Owned]:
    """What the platform's own tags, which its file gives to most objects, lead to."""
    return inventory(full).in_networks([full.builder.ids["vpc"]])


def test_ids_are_those_under_which_the_provider_keeps_each_type(owned_platform: Any) -> None:
    found = {(token, item.id) for item in inventory(owned_platform).owned("slipway", "dev") for token in item.types}
    states = {(token, owned_platform.builder.ids[name]) for token, name, _ in STEPS if token in TOKENS}
    assert states - found == set(), "a state that has everything knows each object: none is taken for an orphan"


def test_logical_names_come_from_the_tag_and_children_name_their_parent(owned_platform: Any) -> None:
    found = {(item.kind, item.id): item for item in inventory(owned_platform).owned("slipway", "dev")}
    ids = owned_platform.builder.ids
    assert found["ec2:Vpc", ids["vpc"]].name == "x"
    assert found["ec2:Route", ids["route"]].name == "of x", "the route table is called so"
    assert found["fsx:FileSystem", ids["fs"]].holds_data
    assert not found["ec2:Route", ids["route"]].holds_data


def test_everything_of_a_platform_goes_through_boto3_and_every_deletion_is_journalled(owned_platform: Any) -> None:
    mine = inventory(owned_platform)
    items = mine.owned("slipway", "dev")
    keys = [item for item in items if item.kind == "kms:Key"]
    assert remove_all(mine, [item for item in items if item not in keys], pause=lambda: None) == []
    left = {item.kind for item in residue(owned_platform.store)}
    assert left == {"kms:Key"}, "what is left is what waits for its deletion anyway, and nothing of the service's own"
    ((_, why),) = remove_all(mine, keys, pause=lambda: None)
    assert "nothing here deletes a kms:Key" in why
    called = {entry.operation for entry in owned_platform.store.journal() if entry.outcome == "ok"}
    assert {
        "CancelCapacityReservation",
        "DeleteAccessEntry",
        "DeleteAddon",
        "DeleteAlias",
        "DeleteBucket",
        "DeleteCluster",
        "DeleteFileSystem",
        "DeleteFlowLogs",
        "DeleteInternetGateway",
        "DeleteLaunchTemplate",
        "DeleteLogGroup",
        "DeleteNatGateway",
        "DeleteNodegroup",
        "DeletePlacementGroup",
        "DeletePodIdentityAssociation",
        "DeletePolicy",
        "DeleteRole",
        "DeleteRolePolicy",
        "DeleteRoute",
        "DeleteRouteTable",
        "DeleteSecurityGroup",
        "DeleteSubnet",
        "DeleteVpc",
        "DeleteVpcEndpoints",
        "DetachRolePolicy",
        "DisassociateRouteTable",
        "ReleaseAddress",
        "RevokeSecurityGroupIngress",
    } <= called, "each of these was really made, by its own name"


ALONE = {
    "link": "DeleteDataRepositoryAssociation",
    "grant": "DisassociateAccessPolicy",
    "out": "RevokeSecurityGroupEgress",
    "in": "RevokeSecurityGroupIngress",
    "route": "DeleteRoute",
    "join": "DisassociateRouteTable",
    "alias": "DeleteAlias",
    "start": "DeleteScheduledAction",
    "inline": "DeleteRolePolicy",
    "cpol": "DetachRolePolicy",
}
"""What usually goes along with another object."""


def test_parts_go_by_themselves_when_their_owner_stays(owned_platform: Any) -> None:
    mine, tokens = inventory(owned_platform), {name: token for token, name, _ in STEPS}
    items = {(token, item.id): item for item in mine.owned("slipway", "dev") for token in item.types}
    for name, operation in ALONE.items():
        item = items[tokens[name], owned_platform.builder.ids[name]]
        mine.remove(item)
        assert owned_platform.store.journal()[-1].operation == operation
        assert (item.kind, item.id) not in made_by_a_program(owned_platform), f"{name} is gone"


def test_what_lies_in_the_network_is_found_whatever_its_tags(full: Any, listed: list[Owned]) -> None:
    vpc = full.builder.ids["vpc"]
    shown = {(item.kind, item.id) for item in listed}
    for kind in ("ec2:Subnet", "ec2:NatGateway", "ec2:VpcEndpoint", "ec2:NetworkInterface", "fsx:FileSystem"):
        known = {(kind, item.id) for item in full.store.find(kind) if item.body["VpcId"] == vpc}
        assert known, f"the platform has a {kind}"
        assert known <= shown
    assert {("ec2:Vpc", vpc), ("eks:Cluster", "demo")} <= shown
    groups = {item.id for item in full.store.find("ec2:SecurityGroup") if item.body["GroupName"] != "default"}
    assert {item.id for item in listed if item.kind == "ec2:SecurityGroup"} == groups, "the default group is the VPC's"
    assert inventory(full).in_networks([]) == [], "without a network nothing is in one"


def test_a_stacks_objects_in_another_stacks_cluster_are_found(serve: Any) -> None:
    account = serve()
    account.builder.build(on.CLUSTER)
    account.builder.create(on.ROLE_TOKEN, "admin", {"name": "admin", "assumeRolePolicy": on.trust("ec2.amazonaws.com")})
    entry = {"clusterName": "demo", "principalArn": "${admin.arn}", "tags": MINE}
    identifier = account.builder.create(on.ENTRY_TOKEN, "entry", entry).id
    (item,) = inventory(account).owned("slipway", "dev")
    assert (item.kind, item.id) == ("eks:AccessEntry", identifier)


def test_an_object_of_which_the_cloud_gave_up_is_failed(owned_platform: Any) -> None:
    for kind, status in (("eks:Nodegroup", "CREATE_FAILED"), ("eks:Cluster", "FAILED")):
        (item,) = owned_platform.store.find(kind)
        item.body["status"] = status
        owned_platform.store.put(item)
    (system,) = owned_platform.store.find("fsx:FileSystem")
    system.body["Lifecycle"] = "FAILED"
    owned_platform.store.put(system)
    found = [item for item in inventory(owned_platform).owned("slipway", "dev") if item.failed]
    assert {(item.kind, item.status) for item in found} == {
        ("eks:Nodegroup", "CREATE_FAILED"),
        ("eks:Cluster", "FAILED"),
        ("fsx:FileSystem", "FAILED"),
    }


def test_instances_carry_their_launch_templates_tags_and_are_residue_but_no_orphans(owned_platform: Any) -> None:
    store, ids = owned_platform.store, owned_platform.builder.ids
    (group,), (cluster,) = store.find("eks:Nodegroup"), store.find("eks:Cluster")
    template = replace(node_template(store, group.body, cluster.body), tags=MINE)
    launch(store, template, cluster=cluster.id, group=group.body["nodegroupName"], subnets=[ids["a"]], count=1)
    items = inventory(owned_platform).owned("slipway", "dev")
    (instance,) = [item for item in items if item.kind == "ec2:Instance"]
    assert (instance.id, instance.types) == (store.find("ec2:Instance")[0].id, ())
    document: dict[str, Any] = {"deployment": {"resources": [], "pending_operations": []}}
    assert instance not in find(document, [instance], [], dict).remove


def test_what_the_cloud_still_shows_of_the_deleted_is_not_there(owned_platform: Any) -> None:
    (nat,) = owned_platform.store.find("ec2:NatGateway")
    nat.body["State"] = "deleted"
    owned_platform.store.put(nat)
    (key,) = owned_platform.store.find("kms:Key")
    key.body["KeyState"] = "PendingDeletion"
    owned_platform.store.put(key)
    kinds = {item.kind for item in inventory(owned_platform).owned("slipway", "dev")}
    assert kinds & {"ec2:NatGateway", "kms:Key", "kms:Alias"} == set()


def test_what_no_program_of_the_kit_makes_is_named_by_its_arn(serve: Any) -> None:
    arn = "arn:aws:sqs:us-east-1:000000000000:queue"
    account = serve()

    class Tagging:
        def can_paginate(self, operation: str) -> bool:
            return operation != "get_resources"

        def get_resources(self, **query: Any) -> dict[str, Any]:
            assert query == {"TagFilters": [{"Key": "slipway:stack", "Values": ["slipway/dev"]}]}
            return {
                "ResourceTagMappingList": [{"ResourceARN": arn, "Tags": [{"Key": "slipway:resource", "Value": "q"}]}]
            }

    clients = lambda service: Tagging() if service == "resourcegroupstaggingapi" else account.client(service)  # noqa: E731
    mine = AwsInventory(clients, removes_in=SIMULATED_ACCOUNT_ID)
    (item,) = mine.owned("slipway", "dev")
    assert (item.kind, item.types, item.id, item.name) == ("sqs:", (), arn, "q")
    with pytest.raises(RemovalRefusedError, match="nothing here deletes"):
        mine.remove(item)


def test_a_refusal_is_told_in_the_services_words(serve: Any) -> None:
    account = serve()
    token, name, inputs = on.VPC
    account.builder.create(token, name, {**inputs, "tags": MINE})
    account.builder.create(*on.SUBNET_A)
    mine = inventory(account)
    (network,) = mine.owned("slipway", "dev")
    with pytest.raises(RemovalRefusedError, match="DependencyViolation"):
        mine.remove(network)


def test_a_group_goes_although_another_groups_rule_names_it(serve: Any) -> None:
    account = serve()
    account.builder.build(on.CLUSTER)
    with account.store.transaction():
        balancer = classic_balancer(account.store, Owner(cluster="demo", namespace="web", name="front"))
    (group,) = balancer.body["SecurityGroups"]
    mine = inventory(account)
    mine.remove(Owned(kind="elb:LoadBalancer", types=(), id=balancer.id, name="", holds_data=False))
    mine.remove(Owned(kind="ec2:SecurityGroup", types=(), id=group, name="", holds_data=False))
    assert account.store.get("ec2:SecurityGroup", group) is None
    assert account.store.find("ec2:SecurityGroupRule") == [], "the rule in the cluster's group is revoked"


def test_nothing_is_deleted_but_in_the_one_account_that_was_named(serve: Any) -> None:
    item = Owned(kind="ec2:Vpc", types=(), id="vpc-1", name="", holds_data=False)
    listing = inventory(serve(), removes_in="")
    assert not listing.can_remove
    with pytest.raises(RemovalRefusedError, match="real account"):
        listing.remove(item)

    class Other:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": "111122223333"}

    with pytest.raises(RemovalRefusedError, match="account 111122223333, not of 000000000000"):
        AwsInventory(lambda _: Other(), removes_in=SIMULATED_ACCOUNT_ID).remove(item)
