"""The capacity reservations that a stack's pools name: bought elsewhere, so a simulated account must be given them."""

from collections.abc import Iterator
from typing import Any

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from stacks.sections import CapacityBlock, Reservation
from stacks.settings import AwsPlace, Settings


def account_of(settings: Settings) -> SqliteStore:
    """An account in memory with the stack's own number and region, and with the reservations that its pools name.

    It answers for the real account in a plan, which calls nothing: policies and ARNs then read as they will.
    """
    if not isinstance(settings.place, AwsPlace):
        return SqliteStore(":memory:")
    store = SqliteStore(":memory:", account_id=settings.place.account_id, region=settings.place.region)
    for item in _reservations(settings, store):
        store.put(item)
    return store


def _reservations(settings: Settings, store: SqliteStore) -> Iterator[CloudObject]:
    # EC2's DescribeCapacityReservations spells them so.
    nodes: dict[str, int] = {}
    for pool in settings.pools:
        capacity = pool.capacity
        if not isinstance(capacity, Reservation | CapacityBlock):
            continue
        nodes[capacity.id] = nodes.get(capacity.id, 0) + pool.nodes
        block = isinstance(capacity, CapacityBlock)
        body: dict[str, Any] = {
            "CapacityReservationId": capacity.id,
            "OwnerId": store.account_id,
            "InstanceType": pool.instance_type,
            "InstancePlatform": "Linux/UNIX",
            "AvailabilityZone": pool.zones[0] if pool.zones else "",
            "TotalInstanceCount": nodes[capacity.id],
            "AvailableInstanceCount": nodes[capacity.id],
            "InstanceMatchCriteria": "targeted",
            "ReservationType": "capacity-block" if block else "default",
            "EndDateType": "limited" if block else "unlimited",
            "State": "active",
            "Tenancy": "default",
        }
        yield CloudObject(kind="ec2:CapacityReservation", id=capacity.id, region=store.region, body=body)
