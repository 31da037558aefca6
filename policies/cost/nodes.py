"""Machines: node groups of EKS with their disks, single instances, capacity reservations.

A reservation is billed from the day it is made, used or not, and instances in it cost nothing more; a capacity block
is paid for at once, for its whole time (EC2 user guide, "Capacity Reservation pricing and billing", "Capacity Blocks").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from components import accelerators
from policies.cost.catalogue import CAPACITY_BLOCK, ON_DEMAND, SPOT, Price
from policies.cost.model import HOURS_PER_MONTH, ZERO, Category, Component, Range
from policies.cost.pricing import Priced, Pricing, entries, exact, number
from policies.cost.volumes import template_volumes, volume
from policies.graph import Resource

NODE_GROUP: Final = "aws:eks/nodeGroup:NodeGroup"
INSTANCE: Final = "aws:ec2/instance:Instance"
RESERVATION: Final = "aws:ec2/capacityReservation:CapacityReservation"
BLOCK: Final = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"
_TARGET: Final = "capacityReservationSpecification.capacityReservationTarget.capacityReservationId"
_DEFAULT_TYPE: Final = "t3.medium"
_DEFAULT_DISK_GIB: Final = 20
"""Both are EKS's own defaults (EKS API reference, CreateNodegroup)."""


def gpus_of(instance_type: str) -> Decimal:
    """Accelerators of one machine; a fraction where it has a slice of a GPU. 0 for types that are not known."""
    known = accelerators.catalogue().get(instance_type)
    return Decimal(str(known.accelerator_count)) if known else ZERO


def may_have_gpus(instance_type: str) -> bool:
    """Whether a missing price concerns accelerators: also for types that nobody here knows."""
    return gpus_of(instance_type) > 0 or instance_type not in accelerators.catalogue()


def instance_types(resource: Resource, pricing: Pricing) -> tuple[str, ...]:
    """The instance types that the machines of ``resource`` may have.

    Raises:
        UndecidedError: they are not known.
    """
    if resource.type != NODE_GROUP:
        return (str(resource.get("instanceType", _DEFAULT_TYPE)),)
    listed = range(entries(resource, "instanceTypes"))
    given = tuple(str(resource.get(f"instanceTypes[{index}]")) for index in listed)
    template = None if given else pricing.launch_template(resource)
    return given or ((str(template.get("instanceType", _DEFAULT_TYPE)),) if template else (_DEFAULT_TYPE,))


def nodes_of(resource: Resource) -> Range:
    """How many nodes a group has at its smallest, as declared, and at its largest."""
    desired = number(resource, "scalingConfig.desiredSize", number(resource, "scalingConfig.minSize"))
    return Range(
        low=min(number(resource, "scalingConfig.minSize", desired), desired),
        expected=desired,
        high=max(number(resource, "scalingConfig.maxSize", desired), desired),
    )


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How the machines of a node group are paid for."""

    prefix: str
    """Of the catalogue item."""
    paid: Range
    """Instance-hours a month that are billed."""
    running: Range
    """Machines that run, with their disks, on average over the month."""
    what: str
    assumption: str = ""
    upfront_hours: Decimal | None = None
    """Instance-hours that are paid at once."""
    fee: Decimal | None = None
    """USD that were paid for them, when somebody wrote that down."""


def _times(sizes: Range, factor: Decimal) -> Range:
    return Range(low=sizes.low * factor, expected=sizes.expected * factor, high=sizes.high * factor)


def _same(value: Decimal) -> Range:
    return Range(low=value, expected=value, high=value)


def capacity_of(resource: Resource, pricing: Pricing) -> Capacity:
    """How the machines of a node group are paid for.

    Raises:
        UndecidedError: size or market is not known.
    """
    nodes = nodes_of(resource)
    hours = _times(nodes, HOURS_PER_MONTH)
    market = str(resource.get("capacityType", "ON_DEMAND"))
    template = pricing.launch_template(resource)
    target = str(template.get(_TARGET, "")) if template else ""
    if market == "CAPACITY_BLOCK":
        return _block(nodes, target, pricing)
    if market == "SPOT":
        return Capacity(
            prefix=SPOT, paid=hours, running=nodes, what="spot", assumption="spot moves daily: median of the zones"
        )
    if target and target in pricing.reservations:
        name = pricing.reservations[target].name
        return Capacity(
            prefix=ON_DEMAND,
            paid=Range(),
            running=nodes,
            what="in a reservation",
            assumption=f"billed as the reservation {name}",
        )
    if target:
        return Capacity(
            prefix=ON_DEMAND,
            paid=_same(hours.high),
            running=nodes,
            what="reserved",
            assumption=f"{target} is billed whether used or not; taken to be as large as the pool's maximum",
        )
    return Capacity(prefix=ON_DEMAND, paid=hours, running=nodes, what="on demand")


def _block(nodes: Range, target: str, pricing: Pricing) -> Capacity:
    block = pricing.blocks.get(target)
    length = block.hours if block else HOURS_PER_MONTH
    monthly = min(length, HOURS_PER_MONTH)
    told = f"{block.starts:%Y-%m-%d} to {block.ends:%Y-%m-%d}" if block else "its time is not known: a whole month"
    share = monthly / HOURS_PER_MONTH
    used = Range(low=nodes.low * share, expected=nodes.high * share, high=nodes.high * share)
    return Capacity(
        prefix=CAPACITY_BLOCK,
        paid=_same(nodes.high * monthly),
        running=used,
        what="capacity block",
        assumption=f"paid upfront, used or not ({told}); a month holds {monthly.normalize():f} of its "
        f"{length.normalize():f} hours",
        upfront_hours=nodes.high * length,
        fee=pricing.usage.capacity_block_fees.get(target),
    )


def _worst(types: tuple[str, ...], prefix: str, resource: Resource, pricing: Pricing) -> tuple[str, Price | None]:
    """The dearest type with its price; the first without a price when there is one."""
    prices = [(name, pricing.price(resource, prefix + name)) for name in types]
    for name, price in prices:
        if price is None:
            return name, None
    return max(prices, key=lambda item: item[1].usd if item[1] else ZERO)


def _machines(resource: Resource, types: tuple[str, ...], capacity: Capacity, pricing: Pricing) -> Component:
    name, price = _worst(types, capacity.prefix, resource, pricing)
    if capacity.fee is not None and capacity.upfront_hours:
        price = Price(
            usd=exact(capacity.fee / capacity.upfront_hours),
            unit="hour",
            region=pricing.region(resource),
            as_of="settings",
            sources=("usage.capacityBlockFees",),
        )
    texts = [f"dearest of {', '.join(types)}"] if len(types) > 1 else []
    upfront = None
    if capacity.upfront_hours is not None and price is not None:
        upfront = capacity.fee if capacity.fee is not None else capacity.upfront_hours * price.usd
    return Component(
        name=f"{name} {capacity.what}",
        unit="hour",
        quantity=exact(capacity.paid.expected),
        least=exact(capacity.paid.low),
        most=exact(capacity.paid.high),
        unit_price=price,
        assumption="; ".join([*texts, *([capacity.assumption] if capacity.assumption else [])]),
        upfront=upfront,
    )


def _node_group(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    capacity = capacity_of(resource, pricing)
    yield _machines(resource, instance_types(resource, pricing), capacity, pricing)
    template = pricing.launch_template(resource)
    if template is not None and entries(template, "blockDeviceMappings"):
        yield from template_volumes(resource, template, capacity.running, pricing)
        return
    size = number(resource, "diskSize", _DEFAULT_DISK_GIB)
    yield from volume(resource, "root volume", size, capacity.running, pricing)


def _instance(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    name = str(resource.get("instanceType", _DEFAULT_TYPE))
    yield pricing.hours(resource, f"{name} on demand", ON_DEMAND + name)
    size = number(resource, "rootBlockDevice.volumeSize", 8)
    kind = str(resource.get("rootBlockDevice.volumeType", "gp3"))
    yield from volume(resource, "root volume", size, _same(Decimal(1)), pricing, kind=kind)


def _reservation(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    name = str(resource.get("instanceType"))
    yield pricing.hours(
        resource,
        f"{name} reserved",
        ON_DEMAND + name,
        number(resource, "instanceCount", 1),
        assumption="billed whether used or not",
    )


def _bought_block(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    name, machines = str(resource.output("instanceType", "?")), Decimal(str(resource.output("instanceCount", 1)))
    yield pricing.hours(
        resource, f"{name} capacity block", CAPACITY_BLOCK + name, machines, assumption="paid upfront; a whole month"
    )


def gpu_hours(resource: Resource, pricing: Pricing) -> Range:
    """Accelerator-hours a month that ``resource`` is billed for.

    Raises:
        UndecidedError: size, market or instance type is not known.
    """
    if resource.type == NODE_GROUP:
        per_node = max(gpus_of(name) for name in instance_types(resource, pricing))
        return _times(capacity_of(resource, pricing).paid, per_node)
    if resource.type == RESERVATION:
        machines = number(resource, "instanceCount", 1)
        return _same(machines * gpus_of(str(resource.get("instanceType"))) * HOURS_PER_MONTH)
    return _same(gpus_of(str(resource.get("instanceType", _DEFAULT_TYPE))) * HOURS_PER_MONTH)


COMPUTE: Final = frozenset({NODE_GROUP, INSTANCE, RESERVATION, BLOCK})

PRICERS: Final = {
    NODE_GROUP: Priced(category=Category.NODES, price=_node_group),
    INSTANCE: Priced(category=Category.NODES, price=_instance),
    RESERVATION: Priced(category=Category.NODES, price=_reservation),
    BLOCK: Priced(category=Category.ACCELERATORS, price=_bought_block),
}
