"""The copied settings of a rehearsal: nothing of the real account is left, and nothing of the platform is changed."""

from typing import Any

import pytest

from cli.rehearsal.rewrite import ACCOUNT, CLIENT_RANGE, DEPLOYER, MIRROR, TUNNEL, rehearsed, reservations

REAL = "123456789012"


def document(**sections: Any) -> dict[str, Any]:
    config = {
        "slipway:environment": "prod",
        "slipway:protect": True,
        "slipway:place": {
            "cloud": "aws",
            "accountId": REAL,
            "region": "eu-west-1",
            "deployerRoleArn": f"arn:aws:iam::{REAL}:role/deployer",
            "network": {"cidr": "10.0.0.0/16", "zones": ["eu-west-1a", "eu-west-1b"]},
        },
        "slipway:access": {
            "kind": "public",
            "cidrs": ["198.51.100.0/24"],
            "admins": [f"arn:aws:iam::{REAL}:role/deployer", f"arn:aws:iam::{REAL}:role/on-call"],
        },
        "slipway:stateBackend": {"url": "s3://state", "secretsProvider": "awskms://alias/state"},
        "slipway:charts": {"mirror": "https://charts.example.com"},
        "slipway:pools": [{"name": "a", "instanceType": "p5.48xlarge", "nodes": 4}],
    }
    config |= {f"slipway:{key}": value for key, value in sections.items()}
    return {"encryptionsalt": "v1:abc", "secretsprovider": "awskms://alias/state", "config": config}


def test_no_trace_of_the_real_account_is_left_and_the_platform_is_as_it_was() -> None:
    made = rehearsed(document(), name="prod-rehearsal").document
    assert REAL not in str(made)
    assert "s3://state" not in str(made)
    assert set(made) == {"config"}
    place = made["config"]["slipway:place"]
    assert (place["accountId"], place["deployerRoleArn"], place["assumeRole"]) == (ACCOUNT, DEPLOYER, False)
    assert (place["region"], place["network"]["zones"]) == ("eu-west-1", ["eu-west-1a", "eu-west-1b"])
    assert made["config"]["slipway:pools"] == document()["config"]["slipway:pools"]
    assert made["config"]["slipway:protect"] is True
    assert made["config"]["slipway:charts"] == {"mirror": MIRROR}


def test_administrators_stay_by_name_and_the_simulated_deployer_is_among_them() -> None:
    access = rehearsed(document(), name="r").document["config"]["slipway:access"]
    assert access["admins"] == [
        f"arn:aws:iam::{ACCOUNT}:role/deployer",
        f"arn:aws:iam::{ACCOUNT}:role/on-call",
        DEPLOYER,
    ]


def test_a_copy_leaves_no_bucket_behind_and_says_so() -> None:
    made = rehearsed(document(dataLake={"name": "lake", "noncurrentDays": 30, "retain": True}), name="r")
    assert made.document["config"]["slipway:dataLake"] == {"name": "lake", "noncurrentDays": 30, "retain": False}
    assert any(line.startswith("data lake: deleted with the copy") for line in made.told)


def test_the_original_document_is_not_touched() -> None:
    original = document()
    rehearsed(original, name="r")
    assert original == document()


def test_a_public_endpoint_lets_the_simulated_client_in_besides_the_listed_blocks() -> None:
    made = rehearsed(document(), name="r")
    assert made.document["config"]["slipway:access"]["cidrs"] == ["198.51.100.0/24", CLIENT_RANGE]
    assert any(CLIENT_RANGE in line for line in made.told)


@pytest.mark.parametrize("access", [{"kind": "tunnel", "proxyUrl": "http://10.0.0.5:8888"}, {"kind": "runner"}])
def test_a_private_endpoint_stays_private_behind_the_simulated_tunnel(access: dict[str, str]) -> None:
    made = rehearsed(document(access={**access, "admins": [f"arn:aws:iam::{REAL}:role/x"]}), name="r")
    found = made.document["config"]["slipway:access"]
    assert (found["kind"], found["proxyUrl"]) == ("tunnel", TUNNEL)
    assert "cidrs" not in found


def test_secrets_are_taken_out_and_their_paths_kept_for_placeholders() -> None:
    registry = {"prefix": "r/", "credentials": {"username": "u", "password": {"secure": "AAABBB"}}}
    made = rehearsed(document(registry=registry), name="r")
    assert made.secrets == ("slipway:registry.credentials.password",)
    assert "AAABBB" not in str(made.document)
    assert made.document["config"]["slipway:registry"]["credentials"] == {"username": "u"}


def test_an_arn_without_an_account_is_left_alone() -> None:
    policy = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
    made = rehearsed(document(tags={"policy": policy}), name="r")
    assert made.document["config"]["slipway:tags"] == {"policy": policy}


def test_reserved_capacity_is_found_with_its_pool() -> None:
    pools = [
        {"name": "a", "capacity": {"kind": "reservation", "id": "cr-1"}},
        {"name": "b", "capacity": {"kind": "capacityBlock", "id": "cr-2", "confirm": True}},
        {"name": "c", "capacity": {"kind": "spot"}},
        {"name": "d"},
    ]
    found = [(identifier, pool["name"]) for identifier, pool in reservations({"slipway:pools": pools})]
    assert found == [("cr-1", "a"), ("cr-2", "b")]
