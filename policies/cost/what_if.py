"""What the same platform would cost if it were bought or run in another way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from policies.cost import nodes
from policies.cost.model import Category, Component, Estimate, Line
from policies.graph import Resource, ResourceGraph, UndecidedError

_SPOT: Final = "SPOT"
_HOURS_PER_WEEK: Final = Decimal(168)
_OFFICE_HOURS_PER_WEEK: Final = Decimal(60)
"""Twelve hours on five days."""
_BILLED_BY_THE_HOUR: Final = ("on demand", "spot")
"""Ends of the names of components that stop costing when a node stops."""


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One other way."""

    title: str
    assumption: str
    estimate: Estimate | None
    """None where it cannot be priced; ``assumption`` then says why."""

    def saving(self, today: Estimate) -> Decimal:
        """Expected USD a month that it saves; 0 where it cannot be priced."""
        return today.total.expected - self.estimate.total.expected if self.estimate else Decimal(0)


def alternatives(
    graph: ResourceGraph, today: Estimate, price: Callable[[ResourceGraph], Estimate]
) -> tuple[Alternative, ...]:
    """The ways that make a difference for this platform; none where it has no accelerators.

    Args:
        graph: what ``today`` was made from.
        today: the estimate as things are.
        price: makes an estimate, with the catalogue and the usage of one's own.
    """
    if not any(line.category is Category.ACCELERATORS for line in today.lines):
        return ()
    return tuple(item for item in _all(graph, today, price) if item.estimate is None or item.saving(today))


def _all(graph: ResourceGraph, today: Estimate, price: Callable[[ResourceGraph], Estimate]) -> Iterator[Alternative]:
    pools = {line.urn for line in today.lines if line.category is Category.ACCELERATORS}
    by_the_hour = {line.urn for line in today.lines if line.urn in pools and _is_on_demand(line)}
    spot, gaps = price(_changed(graph, by_the_hour, _on_spot)), len(today.unpriced)
    if len(spot.unpriced) > gaps:
        yield Alternative(
            title="Spot instead of on demand", assumption="no spot price is known for one of the types", estimate=None
        )
    else:
        yield Alternative(
            title="Spot instead of on demand",
            assumption="GPU pools that are bought on demand; spot can be taken away at two minutes' notice",
            estimate=spot,
        )
    yield Alternative(
        title="One node fewer in each GPU pool",
        assumption="pools of more than one node; capacity that is reserved or paid upfront saves nothing",
        estimate=price(_changed(graph, pools, _one_fewer)),
    )
    yield Alternative(
        title="GPU pools off at night and at weekends",
        assumption="on for 60 of 168 hours a week; what is billed by the hour, without the disks",
        estimate=replace(today, lines=tuple(_at_night(line) for line in today.lines)),
    )
    yield Alternative(
        title="A commitment for one or three years",
        assumption="no dated source gives the rates of savings plans; AWS makes an offer",
        estimate=None,
    )


def _changed(
    graph: ResourceGraph, pools: set[str], change: Callable[[Resource], dict[str, Any] | None]
) -> ResourceGraph:
    resources = []
    for item in graph.resources:
        properties = _attempt(item, change) if item.urn in pools and item.type == nodes.NODE_GROUP else None
        resources.append(replace(item, properties=properties) if properties else item)
    return replace(graph, resources=tuple(resources))


def _attempt(item: Resource, change: Callable[[Resource], dict[str, Any] | None]) -> dict[str, Any] | None:
    try:
        return change(item)
    except UndecidedError:
        return None


def _on_spot(pool: Resource) -> dict[str, Any]:
    return {**pool.properties, "capacityType": _SPOT}


def _one_fewer(pool: Resource) -> dict[str, Any] | None:
    sizes = pool.get("scalingConfig")
    desired = pool.get("scalingConfig.desiredSize")
    if not isinstance(sizes, dict) or not isinstance(desired, int | float) or desired <= 1:
        return None
    fewer = {"desiredSize": desired - 1, "minSize": min(pool.get("scalingConfig.minSize", 0), desired - 1)}
    return {**pool.properties, "scalingConfig": {**sizes, **fewer}}


def _is_on_demand(line: Line) -> bool:
    return any(item.name.endswith(_BILLED_BY_THE_HOUR[0]) for item in line.components)


def _at_night(line: Line) -> Line:
    if line.category is not Category.ACCELERATORS:
        return line
    return replace(line, components=tuple(_office_hours(item) for item in line.components))


def _office_hours(item: Component) -> Component:
    if not item.name.endswith(_BILLED_BY_THE_HOUR):
        return item
    share = _OFFICE_HOURS_PER_WEEK / _HOURS_PER_WEEK
    return replace(item, quantity=item.quantity * share, least=item.least * share, most=item.most * share)
