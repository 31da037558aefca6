"""Where a GPU pool's machines come from, and what EC2 and EKS accept together: rules as pure functions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

RESERVATION_ID = re.compile(r"^cr-[0-9a-f]{8,17}$")


class CapacityType(StrEnum):
    """How a pool's machines are bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVATION = "reservation"
    """An On-Demand Capacity Reservation, targeted by id."""
    CAPACITY_BLOCK = "capacity-block"
    """A block of GPU machines bought for a period; it is paid for whether or not nodes use it."""

    @property
    def reserved(self) -> bool:
        """Whether the machines come from a reservation id."""
        return self in {CapacityType.RESERVATION, CapacityType.CAPACITY_BLOCK}

    @property
    def node_group_value(self) -> str:
        """EKS's ``capacityType``."""
        return {CapacityType.SPOT: "SPOT", CapacityType.CAPACITY_BLOCK: "CAPACITY_BLOCK"}.get(self, "ON_DEMAND")


class ScalingOwner(StrEnum):
    """Who decides how many nodes a pool has now."""

    SETTINGS = "settings"
    """The stack's settings: an update restores their number."""
    AUTOSCALER = "autoscaler"
    """An autoscaler or a schedule: updates leave the number alone."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """The capacity part of a pool's arguments."""

    type: CapacityType
    reservation_id: str | None
    reservation_placement_group: str | None
    confirm_block: bool
    placement_group: bool | None
    efa: bool

    @property
    def creates_placement_group(self) -> bool:
        """Whether the pool makes a cluster placement group.

        Never for reserved capacity: forcing a group of one's own on machines that were reserved elsewhere ends in
        InsufficientInstanceCapacity (terraform-aws-eks issue 3730, eksctl issue 7949).
        """
        if self.type.reserved:
            return False
        return self.efa if self.placement_group is None else self.placement_group

    @property
    def one_zone(self) -> bool:
        """Whether the machines must share a zone: a fabric, a reservation and a cluster placement group have one."""
        return self.efa or self.type.reserved or self.creates_placement_group


def capacity_problems(capacity: Capacity) -> list[str]:
    """What EC2 or EKS would refuse about where the machines come from."""
    problems = []
    if capacity.type.reserved and not capacity.reservation_id:
        problems.append(f"capacity {capacity.type} needs capacity_reservation_id (cr-…)")
    if not capacity.type.reserved and capacity.reservation_id:
        problems.append(
            f"capacity_reservation_id {capacity.reservation_id} is set, but capacity {capacity.type} does not use one: "
            "set capacity to reservation or capacity-block, or leave the id out"
        )
    if capacity.reservation_id and not RESERVATION_ID.match(capacity.reservation_id):
        problems.append(f"capacity_reservation_id {capacity.reservation_id!r} is not a reservation's id: write cr-…")
    if capacity.reservation_placement_group and not capacity.type.reserved:
        problems.append("reservation_placement_group is set, but there is no reservation: leave it out")
    if capacity.placement_group and capacity.type.reserved:
        problems.append(
            "a placement group of the pool's own and reserved capacity exclude each other: EC2 then finds too few "
            "machines (InsufficientInstanceCapacity). Leave placement_group out; if the reservation was made in a "
            "group, name that one in reservation_placement_group"
        )
    if capacity.type is CapacityType.CAPACITY_BLOCK and not capacity.confirm_block:
        problems.append(
            "a capacity block is paid for whether or not it is used: set confirm_capacity_block to true to say that "
            "it was bought for this pool"
        )
    return problems


def size_problems(nodes: int, minimum: int, maximum: int) -> list[str]:
    """What EKS would refuse about a node group's scaling configuration."""
    if minimum < 0 or maximum < 1:
        return [f"pool size {minimum} to {maximum} is not possible: at least 0 to 1 (set nodes to 0 for an empty pool)"]
    if not minimum <= nodes <= maximum:
        return [f"{nodes} nodes are outside {minimum} to {maximum}: change nodes, min_nodes or max_nodes"]
    return []


def zone_problems(zones: Sequence[str], network_zones: Sequence[str], *, one: bool) -> list[str]:
    """What is wrong with a pool's zones; ``one`` when its fabric or its capacity cannot cross zones."""
    problems = [
        f"zone {zone!r} is not one of the network's zones ({', '.join(network_zones)})"
        for zone in zones
        if zone not in network_zones
    ]
    if one and len(zones) != 1:
        problems.append(
            "EFA, reservations and placement groups work inside one zone only, but the pool names "
            f"{len(zones) or 'no'} zones: set zones to the one zone that has the machines"
        )
    return problems
