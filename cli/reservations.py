"""The capacity reservations that a stack's pools name: bought elsewhere, so a simulated account must be given them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.cloud.aws.facts import zone_id
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from stacks.sections import CapacityBlock, Reservation
from stacks.settings import AwsPlace, Settings


@dataclass(frozen=True, kw_only=True)
class Bought:
    """What one pool takes from a reservation."""

    id: str
    instance_type: str
    nodes: int
    zone: str
    block: bool
    """A capacity block, which ends on its own."""


def account_of(settings: Settings) -> SqliteStore:
    """An account in memory with the stack's own number and region, and with the reservations that its pools name.

    It answers for the real account in a plan, which calls nothing: policies and ARNs then read as they will.
    """
    if not isinstance(settings.place, AwsPlace):
        return SqliteStore(":memory:")
    store = SqliteStore(":memory:", account_id=settings.place.account_id, region=settings.place.region)
    give(store, _bought(settings))
    return store


def _bought(settings: Settings) -> list[Bought]:
    return [
        Bought(
            id=pool.capacity.id,
            instance_type=pool.instance_type,
            nodes=pool.nodes,
            zone=pool.zones[0] if pool.zones else "",
            block=isinstance(pool.capacity, CapacityBlock),
        )
        for pool in settings.pools
        if isinstance(pool.capacity, Reservation | CapacityBlock)
    ]


def give(store: SqliteStore, bought: Iterable[Bought]) -> list[str]:
    """Put reservations into an account, active and as large as all pools that share one; returns their ids."""
    nodes: dict[str, int] = {}
    for one in bought:
        nodes[one.id] = nodes.get(one.id, 0) + one.nodes
        store.put(_reservation(store, one, nodes[one.id]))
    return list(nodes)


def _reservation(store: SqliteStore, one: Bought, nodes: int) -> CloudObject:
    # EC2's DescribeCapacityReservations spells them so.
    zone = {"AvailabilityZoneId": zone_id(store.region, one.zone)} if one.zone else {}
    body: dict[str, Any] = {
        "CapacityReservationId": one.id,
        "CapacityReservationArn": f"arn:aws:ec2:{store.region}:{store.account_id}:capacity-reservation/{one.id}",
        "OwnerId": store.account_id,
        "InstanceType": one.instance_type,
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": one.zone,
        **zone,
        "TotalInstanceCount": nodes,
        "AvailableInstanceCount": nodes,
        "InstanceMatchCriteria": "targeted",
        "ReservationType": "capacity-block" if one.block else "default",
        "EndDateType": "limited" if one.block else "unlimited",
        "State": "active",
        "Tenancy": "default",
        "EbsOptimized": True,
        "EphemeralStorage": False,
    }
    return CloudObject(kind="ec2:CapacityReservation", id=one.id, region=store.region, body=body)
