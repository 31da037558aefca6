"""EBS volumes, whoever makes them: a launch template, a stack, or the claim of a pod."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from policies.cost.model import ZERO, Category, Component, Range
from policies.cost.pricing import Priced, Pricing, entries, number
from policies.graph import Resource

_INCLUDED_IOPS: Final = Decimal(3000)
_INCLUDED_MB_PER_SECOND: Final = Decimal(125)
"""What every gp3 volume has for its price (EBS user guide, "General Purpose SSD volumes")."""
_ONE: Final = Range(low=Decimal(1), expected=Decimal(1), high=Decimal(1))


def volume(
    resource: Resource,
    name: str,
    size_gib: Decimal,
    copies: Range,
    pricing: Pricing,
    *,
    kind: str = "gp3",
    iops: Decimal = ZERO,
    throughput: Decimal = ZERO,
    assumption: str = "",
) -> Iterator[Component]:
    """The billed dimensions of ``copies`` equal volumes.

    Args:
        resource: what they are billed with.
        name: of the component.
        size_gib: of one volume; billed as GB, as provisioned.
        copies: how many, on average over the month.
        pricing: prices and regions.
        kind: gp3, gp2, io1, io2, st1 or sc1.
        iops: provisioned; 0 for what the kind includes.
        throughput: provisioned, MB/s; 0 for what the kind includes.
        assumption: shown with the storage.
    """

    def part(title: str, item: str, each: Decimal, text: str = "") -> Component:
        sizes = Range(low=copies.low * each, expected=copies.expected * each, high=copies.high * each)
        return pricing.component(resource, title, item, sizes.expected, sizes=sizes, assumption=text)

    yield part(f"{name}, {kind}", f"ebs:{kind}", size_gib, assumption)
    extra = iops if kind in ("io1", "io2") else max(iops - _INCLUDED_IOPS, ZERO) if kind == "gp3" else ZERO
    if extra > 0:
        yield part(f"{name}, provisioned IOPS", f"ebs:{kind}:iops", extra)
    more = max(throughput - _INCLUDED_MB_PER_SECOND, ZERO) if kind == "gp3" else ZERO
    if more > 0:
        yield part(f"{name}, provisioned throughput", "ebs:gp3:throughput", more)


def template_volumes(resource: Resource, template: Resource, nodes: Range, pricing: Pricing) -> Iterator[Component]:
    """The volumes that a launch template gives to each of ``nodes``."""
    for index in range(entries(template, "blockDeviceMappings")):
        at = f"blockDeviceMappings[{index}]"
        if template.get(f"{at}.ebs") is None:
            # An instance store or a device that is left out: part of the machine's price.
            continue
        device = str(template.get(f"{at}.deviceName", index))
        yield from volume(
            resource,
            f"volume {device}",
            number(template, f"{at}.ebs.volumeSize"),
            nodes,
            pricing,
            kind=str(template.get(f"{at}.ebs.volumeType", "gp2")),
            iops=number(template, f"{at}.ebs.iops"),
            throughput=number(template, f"{at}.ebs.throughput"),
        )


def _volume(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    return volume(
        resource,
        "volume",
        number(resource, "size"),
        _ONE,
        pricing,
        kind=str(resource.get("type", "gp2")),
        iops=number(resource, "iops"),
        throughput=number(resource, "throughput"),
    )


PRICERS: Final = {"aws:ebs/volume:Volume": Priced(category=Category.STORAGE, price=_volume, storage=True)}
