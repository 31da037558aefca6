"""The inventory that lists real accounts, over the simulated one: leftovers by tag and by network, removed."""

import json
from typing import Any

import pytest

from cli.inventory import AwsInventory, Owned, RemovalRefusedError
from cli.recovery import remove_all
from local.cloud.aws import scenarios as on

MINE = {"slipway:stack": "slipway/dev", "slipway:resource": "network-vpc"}


def inventory(account: Any, *, simulated: bool = True) -> AwsInventory:
    return AwsInventory("us-east-1", clients=account.client, simulated=simulated)


def test_a_leftover_is_found_by_the_stacks_tag_alone(serve: Any) -> None:
    account = serve()
    token, _, inputs = on.VPC
    mine = account.builder.create(token, "mine", {**inputs, "tags": MINE})
    account.builder.create(token, "other", {**inputs, "tags": {**MINE, "slipway:stack": "slipway/prod"}})
    (item,) = inventory(account).owned("slipway", "dev")
    assert (item.id, item.name) == (f"arn:aws:ec2:us-east-1:000000000000:vpc/{mine}", "network-vpc")


def test_what_has_no_tags_is_found_by_its_network_and_all_of_it_goes(serve: Any) -> None:
    account = serve()
    token, name, inputs = on.VPC
    account.builder.create(token, name, {**inputs, "tags": MINE})
    account.builder.build((on.SUBNET_A, on.SUBNET_B, on.GATEWAY, on.GROUP))
    mine = inventory(account)
    (network,) = mine.owned("slipway", "dev")
    inside = mine.in_network(network.id.rpartition("/")[2])
    kinds = sorted(item.id.split(":")[5].split("/")[0] for item in inside)
    assert kinds == ["internet-gateway", "security-group", "subnet", "subnet"]
    assert remove_all(mine, [network, *inside], pause=lambda: None) == []
    assert account.store.find("ec2:Vpc") == account.store.find("ec2:Subnet") == []


def test_a_role_is_stripped_before_it_goes(serve: Any) -> None:
    account = serve()
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    account.builder.create("aws:iam/role:Role", "role", {"name": "r", "assumeRolePolicy": document, "tags": MINE})
    policy = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    attach = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    account.builder.create(attach, "more", {"role": "r", "policyArn": policy})
    mine = inventory(account)
    (role,) = mine.owned("slipway", "dev")
    mine.remove(role)
    assert account.store.find("iam:Role") == account.store.find("iam:AttachedPolicy") == []


def test_a_bucket_is_emptied_before_it_goes(serve: Any) -> None:
    account = serve()
    account.builder.create(on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-left", "tags": MINE})
    account.builder.create(
        "aws:s3/bucketObjectv2:BucketObjectv2", "object", {"bucket": "slipway-left", "key": "a/b", "content": "x"}
    )
    mine = inventory(account)
    left = mine.owned("slipway", "dev")
    assert [(item.id, item.holds_data) for item in left] == [("arn:aws:s3:::slipway-left", True)]
    mine.remove(left[0])
    assert account.store.find("s3:Bucket") == account.store.find("s3:Object") == []


def test_a_refusal_is_told_in_the_services_words(serve: Any) -> None:
    account = serve()
    token, name, inputs = on.VPC
    account.builder.create(token, name, {**inputs, "tags": MINE})
    account.builder.create(*on.SUBNET_A)
    mine = inventory(account)
    (network,) = mine.owned("slipway", "dev")
    with pytest.raises(RemovalRefusedError, match="DependencyViolation"):
        mine.remove(network)


def test_nothing_is_deleted_unless_the_account_is_the_simulated_one(serve: Any) -> None:
    item = Owned(kind="ec2", types=(), id="arn:aws:ec2:us-east-1:1:vpc/vpc-1", name="", holds_data=False)
    with pytest.raises(RemovalRefusedError, match="real account"):
        inventory(serve(), simulated=False).remove(item)

    class Real:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": "111122223333"}

    with pytest.raises(RemovalRefusedError, match="111122223333, which is a real account"):
        AwsInventory("us-east-1", clients=lambda service: Real(), simulated=True).remove(item)
