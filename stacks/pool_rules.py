"""Rules about pools, subnets and file systems."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components import accelerators, cidr
from components.outputs import AcceleratorKind
from stacks.problems import Problem
from stacks.rules import Report, aws, rule
from stacks.sections import CapacityBlock, Pool, Reservation, Spot

if TYPE_CHECKING:
    from stacks.settings import Settings

ADDRESSES_PER_NODE = 60
ADDRESSES_PER_ACCELERATED_NODE = 100
"""The VPC CNI keeps one interface's addresses in use and one interface's warm (its WARM_ENI_TARGET of 1): 2 x 30 on
usual types, 2 x 50 on the large accelerated ones (EC2 limits per interface). EFA-only interfaces take none."""
ADDRESSES_RESERVED = 48
"""Per zone, for the control plane, endpoints, file systems and load balancers."""


def zones_of(settings: "Settings", pool: Pool) -> tuple[str, ...]:
    """The zones in which the pool's nodes may stand."""
    place = aws(settings)
    return pool.zones or (place.network.zones if place else ())


def is_accelerated(pool: Pool) -> bool:
    """Whether the pool's nodes carry accelerators."""
    return accelerators.instance(pool.instance_type).accelerator_kind is not AcceleratorKind.NONE


def takes_everybody(pool: Pool) -> bool:
    """Whether pods that name no pool may run on the pool's nodes: nothing repels them."""
    return not is_accelerated(pool) and not pool.dedicated


def starting_nodes(pool: Pool) -> int:
    """With how many nodes the pool is made; from then on its owner decides."""
    return pool.nodes if pool.scaling.owner == "settings" else pool.scaling.min_nodes


@rule("pool-zone-in-network", "pools", "place")
def _pool_zones(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    for number, pool in enumerate(settings.pools):
        for position, zone in enumerate(pool.zones):
            if place and zone not in place.network.zones:
                yield report.problem(
                    "pools",
                    number,
                    "zones",
                    position,
                    value=zone,
                    what="the network has no subnet in this zone",
                    allowed=", ".join(place.network.zones),
                    fix="choose one of those, or add the zone to place.network.zones",
                )


@rule("ami-release-version", "pools", "cluster")
def _images_are_of_the_clusters_version(settings: "Settings", report: Report) -> Iterator[Problem]:
    minor = settings.cluster.version
    for number, pool in enumerate(settings.pools):
        if pool.ami_release is not None and not pool.ami_release.startswith(f"{minor}."):
            yield report.problem(
                "pools",
                number,
                "amiRelease",
                value=pool.ami_release,
                what=f"the cluster has version {minor}, and pools follow it",
                allowed=f"a release of {minor}, such as {minor}.1-20261105",
                fix="choose the release that goes with cluster.version",
            )


@rule("efa-one-zone", "pools", "place")
def _efa_in_one_zone(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if pool.fabric == "efa" and len(zones_of(settings, pool)) != 1:
            yield report.problem(
                "pools",
                number,
                "zones",
                value=list(pool.zones),
                what="EFA traffic does not leave a subnet, so the nodes of this pool must share one zone",
                allowed="exactly one zone",
                fix="name the zone in which you have capacity",
            )


@rule("capacity-one-zone", "pools", "place")
def _capacity_in_one_zone(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        bound = isinstance(pool.capacity, Reservation | CapacityBlock) or pool.placement_group
        if bound and is_accelerated(pool) and pool.fabric != "efa" and len(zones_of(settings, pool)) != 1:
            yield report.problem(
                "pools",
                number,
                "zones",
                value=list(pool.zones),
                what="a reservation or a cluster placement group has one zone; nodes in another would never start",
                allowed="exactly one zone",
                fix="name the zone of the reservation or of the placement group",
            )


@rule("efa-instance-type", "pools")
def _efa_types(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if pool.fabric == "efa" and accelerators.instance(pool.instance_type).efa_interfaces == 0:
            yield report.problem(
                "pools",
                number,
                "fabric",
                value=pool.fabric,
                what=f"{pool.instance_type} has no EFA interface in the catalogue",
                allowed="none for this type",
                fix="set fabric: none, or choose a type with EFA such as p5.48xlarge",
            )


@rule("accelerator-not-built", "pools")
def _nvidia_only(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        kind = accelerators.instance(pool.instance_type)
        whole = kind.devices >= 1
        if is_accelerated(pool) and (kind.accelerator_kind is not AcceleratorKind.NVIDIA or not whole):
            yield report.problem(
                "pools",
                number,
                "instanceType",
                value=pool.instance_type,
                what=f"nothing installs devices of this kind yet ({kind.accelerator_kind}, {kind.accelerator_count:g})",
                allowed="types with whole NVIDIA GPUs, and types without accelerators",
                fix="choose another type",
            )


@rule("cpu-pool-options", "pools")
def _cpu_pools_are_plain(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, pool in enumerate(settings.pools):
        if is_accelerated(pool):
            continue
        if isinstance(pool.capacity, Reservation | CapacityBlock):
            yield report.problem(
                "pools",
                number,
                "capacity",
                "kind",
                value=pool.capacity.kind,
                what=f"{pool.instance_type} has no accelerators, and reservations are built for accelerated pools",
                allowed="onDemand, spot",
                fix="choose one of those",
            )
        if pool.replacement == "deleteFirst":
            yield report.problem(
                "pools",
                number,
                "replacement",
                value=pool.replacement,
                what="the cluster's own pods run on pools without accelerators, and would have no node meanwhile",
                allowed="createFirst, or leave it out",
                fix="remove replacement",
            )
        if pool.placement_group:
            yield report.problem(
                "pools",
                number,
                "placementGroup",
                value=pool.placement_group,
                what=f"{pool.instance_type} has no accelerators, and placement groups are built for accelerated pools",
                allowed="false, or leave it out",
                fix="remove placementGroup",
            )


@rule("system-pool-needed", "pools")
def _somewhere_for_addons(settings: "Settings", report: Report) -> Iterator[Problem]:
    if not any(
        starting_nodes(pool) and takes_everybody(pool) and not isinstance(pool.capacity, Spot)
        for pool in settings.pools
    ):
        yield report.problem(
            "pools",
            value=[pool.name for pool in settings.pools],
            what="no pool takes the cluster's own pods: accelerated or dedicated pools repel them, spot nodes vanish",
            allowed="one pool at least that has nodes from the start, no accelerators, is not dedicated, and not spot",
            fix="add a pool such as {name: system, instanceType: m7i.2xlarge, nodes: 2}",
        )


def _addresses(settings: "Settings", zone: str) -> int:
    """Addresses that the private subnet of ``zone`` must have."""
    needed = ADDRESSES_RESERVED
    for pool in settings.pools:
        zones = zones_of(settings, pool)
        if zone in zones:
            each = ADDRESSES_PER_ACCELERATED_NODE if is_accelerated(pool) else ADDRESSES_PER_NODE
            needed += each * math.ceil(pool.nodes / len(zones))
    return needed


@rule("subnets-large-enough", "pools", "place")
def _subnets_hold_the_nodes(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    if place is None or len(set(place.network.zones)) != len(place.network.zones):
        return
    try:
        plan = cidr.plan(place.network.cidr, place.network.zones)
    except cidr.CidrError as error:
        yield report.problem(
            "place",
            "network",
            "cidr",
            value=place.network.cidr,
            what=str(error),
            allowed="a block that holds two subnets for each zone",
            fix="use a larger block, or fewer zones",
        )
        return
    needed = {subnets.zone: _addresses(settings, subnets.zone) for subnets in plan.zones}
    small = [subnets for subnets in plan.zones if needed[subnets.zone] > subnets.private_addresses]
    if small:
        yield report.problem(
            "place",
            "network",
            "cidr",
            value=place.network.cidr,
            what="the pools need more addresses than the private subnets have: "
            + ", ".join(f"{item.zone} about {needed[item.zone]} of {item.private_addresses}" for item in small),
            allowed=f"a block whose private subnets hold {max(needed.values())} addresses each",
            fix="use a larger block (a VPC cannot be renumbered later), or fewer nodes in one zone",
        )
