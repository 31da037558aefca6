"""Variants that must be accepted: a rule that refuses too much is as wrong as one that refuses too little."""

from typing import Any

import pytest

from stacks.sections import RunnerAccess, TunnelAccess
from tests.support.edits import accepted

ADMINS = ["arn:aws:iam::000000000000:role/slipway-deployer"]


def test_a_tunnel_with_a_proxy(document: dict[str, Any]) -> None:
    document["access"] = {"kind": "tunnel", "proxyUrl": "http://localhost:8888", "admins": ADMINS}
    assert accepted(document).access == TunnelAccess.model_validate(document["access"])


def test_a_runner_inside_the_network(document: dict[str, Any]) -> None:
    document["access"] = {"kind": "runner", "admins": ADMINS}
    assert isinstance(accepted(document).access, RunnerAccess)


@pytest.mark.parametrize("block", ["100.64.0.0/16", "172.20.0.0/16", "192.168.0.0/17"])
def test_every_private_range_that_the_error_offers_for_the_network(document: dict[str, Any], block: str) -> None:
    document["place"]["network"]["cidr"] = block
    assert accepted(document).model_dump()["place"]["network"]["cidr"] == block


def test_a_lone_address_is_a_block_of_one(document: dict[str, Any]) -> None:
    document["access"]["cidrs"] = ["198.51.100.7"]
    assert accepted(document).access.model_dump()["cidrs"] == ("198.51.100.7/32",)


def test_a_protected_production_stack_without_an_end(document: dict[str, Any]) -> None:
    document.update(environment="production-eu", protect="true")
    del document["ttl"]
    assert accepted(document).protect


def test_protection_is_the_default(document: dict[str, Any]) -> None:
    del document["protect"], document["ttl"]
    assert accepted(document).protect


@pytest.mark.parametrize("kind", ["reservation", "capacityBlock"])
def test_reserved_capacity_without_a_placement_group(document: dict[str, Any], kind: str) -> None:
    document["pools"][1]["capacity"] = {"kind": kind, "id": "cr-0123456789abcdef0"}
    if kind == "capacityBlock":
        document["pools"][1]["capacity"]["confirm"] = True
        document["pools"][1]["scaling"] = {"owner": "schedule"}
    assert accepted(document).pools[1].capacity.kind == kind


def test_scratch_storage_has_no_speed_of_its_own(document: dict[str, Any]) -> None:
    document["storage"][0].update(deploymentType="SCRATCH_2", capacityGib=1200)
    del document["storage"][0]["throughputMbPerTib"]
    assert accepted(document).storage[0].throughput_mb_per_tib is None


def test_a_platform_without_storage_lake_teams_and_runs(document: dict[str, Any]) -> None:
    for section in ("storage", "dataLake", "teams", "training", "inference", "links", "budget", "cluster"):
        del document[section]
    settings = accepted(document)
    assert (settings.cluster.name, settings.cluster.version) == ("main", "1.36")


def test_a_part_of_a_node_where_there_is_no_fabric(document: dict[str, Any]) -> None:
    document["pools"].append({"name": "dev", "instanceType": "g6e.48xlarge", "nodes": 1, "zones": ["us-east-1a"]})
    document["training"][0].update(pool="dev", nodes=1, gpusPerNode=2)
    assert accepted(document).training[0].gpus_per_node == 2


@pytest.mark.parametrize("image", ["a/b:1.2.3", "b:v1", "a/b@sha256:" + "0" * 64, "a/b:1.2@sha256:" + "f" * 64])
def test_images_with_a_version_or_a_digest(document: dict[str, Any], image: str) -> None:
    document["training"][0]["image"] = image
    assert accepted(document).training[0].image == image


def test_a_block_with_its_period_and_a_run_that_fits(document: dict[str, Any]) -> None:
    block = {"kind": "capacityBlock", "id": "cr-0123456789abcdef0", "confirm": True}
    period = {"starts": "2027-01-11T11:30:00Z", "ends": "2027-01-12T11:30:00Z"}
    document["pools"][1].update(capacity={**block, **period}, scaling={"owner": "schedule"})
    document["training"][0]["maxHours"] = 24
    assert accepted(document).training[0].max_hours == 24


def test_an_autoscaler_between_a_least_and_a_most(document: dict[str, Any]) -> None:
    document["pools"][1]["scaling"] = {"owner": "autoscaler", "minNodes": 4}
    # Nobody queues for nodes that come and go.
    document["training"] = []
    assert accepted(document).pools[1].scaling.min_nodes == 4


def test_backups_of_a_file_system_that_is_not_linked(document: dict[str, Any]) -> None:
    document["storage"][0].update(backupDays=90, finalBackup=True, dataRepositories=[])
    assert accepted(document).storage[0].backup_days == 90


def test_add_ons_at_versions_of_ones_own(document: dict[str, Any]) -> None:
    document["cluster"]["addonVersions"] = {"vpc-cni": "v1.18.5-eksbuild.1"}
    assert accepted(document).cluster.addon_versions == {"vpc-cni": "v1.18.5-eksbuild.1"}
