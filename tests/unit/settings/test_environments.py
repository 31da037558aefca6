"""What the checked-in environments promise: dev may be lost, staging has production's shape, prod keeps what it has."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.sections import CapacityBlock, PublicAccess, Reservation, Spot, TunnelAccess
from stacks.settings import AwsPlace, Settings, load_file

CONFIG = Path(__file__).parents[3] / "stacks" / "config"


def environment(name: str) -> Settings:
    return load_file(CONFIG / f"Pulumi.{name}.yaml")


def place_of(settings: Settings) -> AwsPlace:
    assert isinstance(settings.place, AwsPlace)
    return settings.place


def keys(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{at}.{key}"
            yield from keys(item, f"{at}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from keys(item, f"{at}[{number}]")


def test_staging_and_prod_differ_by_values_only() -> None:
    staging, prod = (yaml.safe_load((CONFIG / f"Pulumi.{name}.yaml").read_text()) for name in ("staging", "prod"))
    assert list(keys(staging)) == list(keys(prod))


def test_staging_is_smaller_than_prod() -> None:
    staging, prod = environment("staging"), environment("prod")
    assert all(small.nodes < large.nodes for small, large in zip(staging.pools, prod.pools, strict=True))
    assert all(
        small.capacity_gib < large.capacity_gib for small, large in zip(staging.storage, prod.storage, strict=True)
    )


def test_dev_is_cheap_in_one_zone_and_has_an_end() -> None:
    dev = environment("dev")
    assert (dev.ttl, dev.protect) == ("14d", False)
    assert {pool.zones for pool in dev.pools} == {("us-east-1a",)}
    assert [pool.instance_type for pool in dev.pools if isinstance(pool.capacity, Spot)] == ["g6e.12xlarge"]
    assert [item.deployment_type for item in dev.storage] == ["SCRATCH_2"]
    assert isinstance(dev.access, PublicAccess)
    assert dev.access.cidrs == ("198.51.100.0/24",)


def test_prod_reserves_its_machines_and_keeps_its_data() -> None:
    prod = environment("prod")
    system, training, burst = prod.pools
    assert isinstance(training.capacity, Reservation)
    assert isinstance(burst.capacity, CapacityBlock)
    assert (burst.capacity.confirm, burst.scaling.owner, burst.scaling.min_nodes) == (True, "schedule", 0)
    assert burst.zones == ("us-east-1b",), "a block has machines of one zone"
    assert (training.placement_group, burst.placement_group) == (None, None), "reservations decide the placement"
    assert (system.nodes, len(place_of(prod).network.zones)) == (3, 3)
    assert isinstance(prod.access, TunnelAccess)
    assert (prod.protect, prod.ttl) == (True, None)
    assert prod.data_lake is not None
    assert prod.data_lake.retain, "the bucket outlives the stack"
    linked, home = prod.storage
    assert (linked.deployment_type, linked.backup_days, len(linked.data_repositories)) == ("PERSISTENT_2", 0, 2)
    assert (home.backup_days, home.final_backup, home.data_repositories) == (35, True, ())


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_state_and_secrets_of_a_real_account_lie_in_that_account(name: str) -> None:
    settings = environment(name)
    assert not settings.simulated
    assert settings.state_backend.url.startswith("s3://")
    assert settings.state_backend.secrets_provider.startswith(f"awskms://alias/slipway-{name}?")
    assert place_of(settings).assume_role


def test_no_two_environments_share_an_account_a_network_or_their_state() -> None:
    found = [environment(name) for name in ("dev", "staging", "prod")]
    assert len({place_of(item).account_id for item in found}) == 3
    assert len({place_of(item).network.cidr for item in found}) == 3
    assert len({item.state_backend.url for item in found}) == 3
