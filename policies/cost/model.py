"""What an estimate consists of. Every amount is an exact Decimal in USD; only a report rounds."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Final

from policies.cost.catalogue import Price

HOURS_PER_MONTH: Final = Decimal(730)
"""The convention of AWS's own calculator: 365 x 24 / 12."""
ZERO: Final = Decimal(0)


class Category(StrEnum):
    """What money is spent on; in the order of reports."""

    ACCELERATORS = "accelerators"
    """Nodes with GPUs or other accelerators."""
    NODES = "nodes"
    """All other nodes."""
    STORAGE = "storage"
    CONTROL_PLANE = "control plane"
    NETWORK = "network"
    OPERATIONS = "operations"
    """Logs, keys, secrets, alarms."""

    @property
    def rank(self) -> int:
        """0 for the first."""
        return _RANKS[self]


_RANKS: Final = {category: position for position, category in enumerate(Category)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Monthly USD (or another quantity a month) at the smallest, the expected and the largest size."""

    low: Decimal = ZERO
    expected: Decimal = ZERO
    high: Decimal = ZERO

    def __add__(self, other: "Range") -> "Range":
        return Range(low=self.low + other.low, expected=self.expected + other.expected, high=self.high + other.high)

    @property
    def hourly(self) -> "Range":
        """The same, an hour."""
        return Range(
            low=self.low / HOURS_PER_MONTH,
            expected=self.expected / HOURS_PER_MONTH,
            high=self.high / HOURS_PER_MONTH,
        )


def total(ranges: Iterable[Range]) -> Range:
    """Their sum."""
    return sum(ranges, Range())


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One billed dimension of a resource."""

    name: str
    unit: str
    quantity: Decimal
    """Expected, a month, in ``unit``."""
    least: Decimal
    """At the smallest size of what scales; else ``quantity``."""
    most: Decimal
    unit_price: Price | None
    """None: unpriced."""
    assumption: str = ""
    usage_based: bool = False
    """Whether the quantity comes from the usage section instead of the resource."""
    upfront: Decimal | None = None
    """What is paid at once, when it is bought: the fee of a capacity block over its whole time."""

    @property
    def monthly(self) -> Decimal | None:
        """Expected USD a month; None when it is unpriced."""
        return None if self.unit_price is None else self.quantity * self.unit_price.usd

    @property
    def hourly(self) -> Decimal | None:
        """Expected USD an hour, on average over the month; None when it is unpriced."""
        return None if self.monthly is None else self.monthly / HOURS_PER_MONTH

    @property
    def range(self) -> Range:
        """USD a month; nothing when it is unpriced, which ``Estimate.unpriced`` then names."""
        if self.unit_price is None:
            return Range()
        usd = self.unit_price.usd
        return Range(low=self.least * usd, expected=self.quantity * usd, high=self.most * usd)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One billable resource."""

    urn: str
    type: str
    name: str
    category: Category
    region: str
    pool: str = ""
    """Name of the node pool; empty where the resource is none."""
    cluster: str = ""
    """Name of the EKS cluster that it belongs to; empty where nothing says it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Tags, or labels of a Kubernetes object."""
    components: tuple[Component, ...]
    gpu_hours: Range = Range()
    """Accelerator-hours a month that are paid for."""

    @cached_property
    def range(self) -> Range:
        """USD a month of all priced components."""
        return total(item.range for item in self.components)

    @property
    def low(self) -> Decimal:
        """USD a month at the smallest size."""
        return self.range.low

    @property
    def expected(self) -> Decimal:
        """USD a month."""
        return self.range.expected

    @property
    def high(self) -> Decimal:
        """USD a month at the largest size."""
        return self.range.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Something that costs money, and nobody here knows how much."""

    urn: str
    name: str
    type: str
    what: str
    """The billed dimension, or the resource itself."""
    why: str
    concerns_gpu_or_storage: bool
    undecided: str = ""
    """Path of the input that only the update will know, when that is why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Free:
    """A resource that costs nothing by itself."""

    urn: str
    name: str
    type: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a resource graph costs a month."""

    lines: tuple[Line, ...]
    """One for each billable resource, by category and URN."""
    unpriced: tuple[Unpriced, ...]
    free: tuple[Free, ...]
    stack: str = ""
    origin: str = ""
    simulated: bool = False

    @cached_property
    def total(self) -> Range:
        """USD a month of everything that is priced."""
        return total(line.range for line in self.lines)

    @cached_property
    def accelerated(self) -> Range:
        """USD a month of nodes with accelerators."""
        return total(line.range for line in self.lines if line.category is Category.ACCELERATORS)

    @cached_property
    def gpu_hours(self) -> Range:
        """Accelerator-hours a month that are paid for."""
        return total(line.gpu_hours for line in self.lines)

    @property
    def gpu_hourly(self) -> Decimal:
        """Expected USD an hour of nodes with accelerators."""
        return self.accelerated.hourly.expected

    @cached_property
    def by_category(self) -> Mapping[Category, Range]:
        """USD a month; categories without a line are left out."""
        found: dict[Category, Range] = {}
        for line in self.lines:
            found[line.category] = found.get(line.category, Range()) + line.range
        return found

    @cached_property
    def prices(self) -> tuple[Price, ...]:
        """Every price that was used, once."""
        return tuple(sorted({item.unit_price for item in self._components() if item.unit_price}, key=_by_date))

    @property
    def upfront(self) -> tuple[tuple[Line, Component], ...]:
        """What is paid at once when it is bought."""
        return tuple((line, item) for line in self.lines for item in line.components if item.upfront is not None)

    @property
    def derived(self) -> tuple[tuple[Line, Component], ...]:
        """What is priced by an assumption instead of a listed figure."""
        return tuple(
            (line, item)
            for line in self.lines
            for item in line.components
            if item.unit_price is not None and item.unit_price.derived
        )

    def _components(self) -> Iterator[Component]:
        return (item for line in self.lines for item in line.components)


def _by_date(price: Price) -> tuple[str, str, Decimal]:
    return (price.as_of, price.unit, price.usd)
