"""What a pricer of a resource type works with: the graph, the prices, the usage, and short ways to make components."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Final

from policies.cost.catalogue import Catalogue, Price
from policies.cost.model import HOURS_PER_MONTH, Category, Component, Range
from policies.graph import SECRET, UNKNOWN, Resource, ResourceGraph, UndecidedError
from stacks.governance import Usage
from stacks.sections import CapacityBlock, Pool

_PROVIDER: Final = "pulumi:providers:aws"
_LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
_SUBNET: Final = "aws:ec2/subnet:Subnet"
_RESERVATION: Final = "aws:ec2/capacityReservation:CapacityReservation"
_PARTS: Final = {
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "bucket",
}
"""Types that are part of another resource, and the input that says of which."""
_SECONDS_PER_HOUR: Final = Decimal(3600)
_PLACES: Final = Decimal("1e-9")
_LARGEST: Final = Decimal(10) ** 9
_PERCENT: Final = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class Block:
    """The time for which a capacity block was bought."""

    starts: datetime
    ends: datetime

    @property
    def hours(self) -> Decimal:
        """How long it lasts."""
        return Decimal((self.ends - self.starts) // timedelta(seconds=1)) / _SECONDS_PER_HOUR


def blocks_of(pools: Iterable[Pool]) -> Mapping[str, Block]:
    """The capacity blocks of pools whose beginning and end the settings tell, by id."""
    return {
        pool.capacity.id: Block(
            starts=datetime.fromisoformat(pool.capacity.starts), ends=datetime.fromisoformat(pool.capacity.ends)
        )
        for pool in pools
        if isinstance(pool.capacity, CapacityBlock) and pool.capacity.starts and pool.capacity.ends
    }


class RegionUnknownError(Exception):
    """Nothing says in which region a resource lies."""


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """Everything that a pricer may ask."""

    graph: ResourceGraph
    catalogue: Catalogue
    usage: Usage
    blocks: Mapping[str, Block] = field(default_factory=dict)
    """By id of the capacity reservation."""
    _regions: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Of resources that name none of their own, by provider."""

    @cached_property
    def _only_region(self) -> str | None:
        """The region of the stack, when all its providers have the same."""
        given = (item.properties.get("region") for item in self.graph.of_type(_PROVIDER))
        regions = {region for region in given if isinstance(region, str)}
        return regions.pop() if len(regions) == 1 else None

    def region(self, resource: Resource) -> str:
        """Where ``resource`` is billed; a Kubernetes object where the stack's only AWS provider is.

        Raises:
            RegionUnknownError: nothing says it.
            UndecidedError: only the update will say it.
        """
        own = "region" in resource.properties
        if not own and resource.provider in self._regions:
            return self._regions[resource.provider]
        provider = self.graph.by_urn.get(resource.provider)
        if provider is not None and not provider.knows("region"):
            raise UndecidedError("region of the provider")
        found = self.graph.region_of(resource) or self._only_region
        if found is None:
            raise RegionUnknownError
        if not own:
            self._regions[resource.provider] = found
        return found

    @cached_property
    def zones(self) -> Decimal:
        """Zones in which the stack has subnets; 1 where it has none."""
        given = (item.properties.get("availabilityZone") for item in self.graph.of_type(_SUBNET))
        return Decimal(max(1, len({zone for zone in given if isinstance(zone, str)})))

    def price(self, resource: Resource, item: str) -> Price | None:
        """The unit price of ``item`` where ``resource`` lies."""
        return self.catalogue.price(item, self.region(resource))

    def component(
        self,
        resource: Resource,
        name: str,
        item: str,
        quantity: Decimal,
        *,
        unit: str = "",
        sizes: "Range | None" = None,
        assumption: str = "",
        usage_based: bool = False,
    ) -> Component:
        """A component priced by a catalogue item; ``sizes`` where the quantity scales."""
        price = self.price(resource, item)
        return Component(
            name=name,
            unit=unit or (price.unit if price else item),
            quantity=exact(quantity),
            least=exact(sizes.low if sizes else quantity),
            most=exact(sizes.high if sizes else quantity),
            unit_price=price,
            assumption=assumption,
            usage_based=usage_based,
        )

    def hours(self, resource: Resource, name: str, item: str, count: Decimal = Decimal(1), **more: Any) -> Component:
        """A component that is billed for every hour of the month, ``count`` times."""
        return self.component(resource, name, item, count * HOURS_PER_MONTH, unit="hour", **more)

    def used(self, resource: Resource, name: str, item: str, quantity: Decimal, setting: str, **more: Any) -> Component:
        """A component whose quantity is a guess in the settings; ``setting`` names which."""
        assumption = f"usage.{setting}: {quantity.normalize():f}"
        return self.component(resource, name, item, quantity, assumption=assumption, usage_based=True, **more)

    @cached_property
    def _templates(self) -> Mapping[str, Resource]:
        return {
            handle: item for item in self.graph.of_type(_LAUNCH_TEMPLATE) for handle in _handles(item, "id", "name")
        }

    def launch_template(self, node_group: Resource) -> Resource | None:
        """The launch template of a node group; None when it has none in this graph.

        Raises:
            UndecidedError: which one it is is not known.
        """
        for urn in node_group.property_dependencies.get("launchTemplate", ()):
            found = self.graph.by_urn.get(urn)
            if found is not None and found.type == _LAUNCH_TEMPLATE:
                return found
        for path in ("launchTemplate.id", "launchTemplate.name"):
            handle = node_group.get(path)
            if isinstance(handle, str):
                return self._templates.get(handle)
        return None

    @cached_property
    def _parts(self) -> Mapping[str, Mapping[str, tuple[Resource, ...]]]:
        """Resources by type and by what they are part of: URNs that an input depends on, and its text."""
        found: dict[str, dict[str, list[Resource]]] = {}
        for item in self.graph.resources:
            if item.type not in _PARTS:
                continue
            owner = item.properties.get(_PARTS[item.type])
            keys = {
                *item.property_dependencies.get(_PARTS[item.type], ()),
                *([owner] if isinstance(owner, str) else []),
            }
            for key in keys:
                found.setdefault(item.type, {}).setdefault(key, []).append(item)
        return {token: {key: tuple(items) for key, items in keyed.items()} for token, keyed in found.items()}

    def parts(self, owner: Resource, token: str) -> tuple[Resource, ...]:
        """The resources of type ``token`` that configure ``owner``: a bucket's versioning, say."""
        keyed = self._parts.get(token, {})
        keys = [owner.urn, *_handles(owner, "bucket", "id", "name")]
        return tuple({item.urn: item for key in keys for item in keyed.get(key, ())}.values())

    @cached_property
    def reservations(self) -> Mapping[str, Resource]:
        """The capacity reservations that the stack itself makes, by id."""
        return {handle: item for item in self.graph.of_type(_RESERVATION) for handle in _handles(item, "id")}


def _handles(resource: Resource, *names: str) -> Iterator[str]:
    if resource.id:
        yield resource.id
    for name in names:
        for given in (resource.properties.get(name), resource.outputs.get(name)):
            if isinstance(given, str):
                yield given


Pricer = Callable[[Resource, Pricing], Iterator[Component]]
"""Yields the billed dimensions of one resource. May raise ``UndecidedError`` and ``RegionUnknownError``."""


@dataclass(frozen=True, kw_only=True)
class Priced:
    """How resources of one type are priced."""

    category: Category
    price: Pricer
    storage: bool = False
    """Whether a gap in its price concerns storage."""


def number(resource: Resource, path: str, default: Decimal | int = 0) -> Decimal:
    """The number at ``path``; sources give it as int, float or text.

    Raises:
        UndecidedError: it is unknown, or no number at all.
    """
    value = resource.get(path)
    if value is None:
        return Decimal(default)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise UndecidedError(path) from None
    if not found.is_finite() or not 0 <= found <= _LARGEST:
        # Junk: no cloud sells that much, and exact sums need a bound.
        raise UndecidedError(path)
    return found


def entries(resource: Resource, path: str) -> int:
    """How many entries the list at ``path`` has; 0 when it is none.

    Raises:
        UndecidedError: it is unknown.
    """
    found = resource.get(path)
    return len(found) if isinstance(found, list) else 0


def exact(quantity: Decimal) -> Decimal:
    """``quantity`` to nine places, so that products with prices and their sums are exact and in no order differ."""
    return quantity.quantize(_PLACES)


def count(resource: Resource, path: str, default: int) -> Decimal:
    """How many entries the list at ``path`` has, although they may be unknown themselves."""
    value = resource.properties.get(path)
    if value is UNKNOWN or value is SECRET:
        raise UndecidedError(path)
    return Decimal(len(value)) if isinstance(value, list) else Decimal(default)


def percent(value: Decimal) -> Decimal:
    """``50`` as ``0.5``."""
    return value / _PERCENT
