import pytest

from components.aws.access import admin_key, admin_problems, endpoint_access_problems
from components.aws.partition import managed_policy, partition, place_problems

ACCOUNT = "000000000000"


def test_an_admin_is_called_after_its_iam_path() -> None:
    assert admin_key(f"arn:aws:iam::{ACCOUNT}:role/slipway-deployer", ACCOUNT) == "role-slipway-deployer"


def test_equal_roles_of_two_accounts_get_different_names() -> None:
    assert admin_key("arn:aws:iam::111111111111:role/admin", ACCOUNT) == "111111111111-role-admin"


@pytest.mark.parametrize(
    ("principal", "says"),
    [
        ("slipway-deployer", "is not the ARN of an IAM role or user"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/me", "is a session"),
        (f"arn:aws:iam::{ACCOUNT}:root", "is not the ARN"),
    ],
)
def test_principals_that_an_access_entry_cannot_have(principal: str, says: str) -> None:
    assert says in admin_problems([principal])[0]


def test_a_principal_listed_twice_is_said_once() -> None:
    principal = f"arn:aws:iam::{ACCOUNT}:role/admin"
    assert admin_problems([principal, principal]) == [f"admin '{principal}' is listed twice"]


@pytest.mark.parametrize(
    ("public", "private", "cidrs", "says"),
    [
        (False, False, (), "has no endpoint"),
        (True, True, (), "0.0.0.0/0 (everybody)"),
        (False, True, ("203.0.113.0/24",), "the public endpoint is off"),
        (True, True, ("10.0.0.0/8",), "private range, which EKS refuses"),
        (True, True, ("192.168.1.0/24",), "private range, which EKS refuses"),
        (True, True, ("everywhere",), "is not an IPv4 block"),
        (True, True, ("203.0.113.1/24",), "host bits"),
        (True, True, tuple(f"203.0.113.{host}/32" for host in range(41)), "more than the 40"),
    ],
)
def test_endpoint_access_that_is_refused(*, public: bool, private: bool, cidrs: tuple[str, ...], says: str) -> None:
    (problem,) = endpoint_access_problems(public=public, private=private, cidrs=cidrs)
    assert says in problem


def test_a_private_endpoint_or_a_listed_public_one_is_fine() -> None:
    assert endpoint_access_problems(public=False, private=True, cidrs=()) == []
    assert endpoint_access_problems(public=True, private=False, cidrs=("203.0.113.0/24", "198.51.100.7/32")) == []


def test_the_partition_follows_the_region() -> None:
    assert [partition(region) for region in ("us-east-1", "cn-north-1", "us-gov-west-1")] == [
        "aws",
        "aws-cn",
        "aws-us-gov",
    ]
    assert managed_policy("AmazonEKSClusterPolicy", "cn-north-1") == "arn:aws-cn:iam::aws:policy/AmazonEKSClusterPolicy"


def test_places_that_do_not_exist_are_refused() -> None:
    found = place_problems("12345", "us-east", ("eu-west-1a",))
    assert [problem.split()[0] for problem in found] == ["account_id", "region", "zone"]
    assert place_problems(ACCOUNT, "us-west-2", ("us-west-2a", "us-west-2-lax-1a")) == []
