"""What a change costs: the same prices for the graph before it and after it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from policies.cost.model import HOURS_PER_MONTH, ZERO, Estimate, Line
from policies.cost.summary import money, signed
from policies.graph import Operation, ResourceGraph


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource whose cost a change alters; a new one has no ``before``, a deleted one no ``after``."""

    urn: str
    name: str
    type: str
    before: Line | None
    after: Line | None

    @property
    def monthly(self) -> Decimal:
        """Expected USD a month that it adds; negative when it saves."""
        return (self.after.expected if self.after else ZERO) - (self.before.expected if self.before else ZERO)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two estimates of one stack."""

    before: Estimate
    after: Estimate
    changes: tuple[Change, ...]
    """The largest first, whether it adds or saves."""

    @property
    def monthly(self) -> Decimal:
        """Expected USD a month that the change adds."""
        return self.after.total.expected - self.before.total.expected

    @property
    def hourly(self) -> Decimal:
        """Expected USD an hour that the change adds."""
        return self.monthly / HOURS_PER_MONTH

    @property
    def accelerated_hourly(self) -> Decimal:
        """The part of ``hourly`` that nodes with accelerators make."""
        return self.after.gpu_hourly - self.before.gpu_hourly

    @property
    def new_gaps(self) -> tuple[str, ...]:
        """Names of what the change adds and nobody can price."""
        known = {(item.urn, item.what) for item in self.before.unpriced}
        return tuple(f"{item.name} ({item.what})" for item in self.after.unpriced if (item.urn, item.what) not in known)

    def sentence(self) -> str:
        """The change in one line, for the end of a preview."""
        gaps = f"; unpriced: {', '.join(self.new_gaps)}" if self.new_gaps else ""
        if not self.changes:
            return f"this update changes no cost: {money(self.after.total.hourly.expected)}/h{gaps}"
        verb = "adds" if self.monthly >= 0 else "saves"
        gpus = f", of which GPUs {signed(self.accelerated_hourly)}/h" if self.accelerated_hourly else ""
        return (
            f"this update {verb} {money(abs(self.hourly))}/h{gpus}; {money(abs(self.monthly))} a month, "
            f"{money(self.after.total.expected)} in all{gaps}"
        )


def before(graph: ResourceGraph) -> ResourceGraph:
    """The stack as it was before the change that ``graph`` is about to make."""
    kept = tuple(
        replace(item, operation=Operation.SAME, properties=item.before if item.before is not None else item.properties)
        for item in graph.resources
        if item.operation is not Operation.CREATE
    )
    return replace(graph, resources=kept)


def difference(graph: ResourceGraph, price: Callable[[ResourceGraph], Estimate]) -> Difference:
    """What the change in ``graph`` costs; ``price`` makes an estimate, with one's own catalogue and usage."""
    return compare(price(before(graph)), price(graph))


def compare(old: Estimate, new: Estimate) -> Difference:
    """Two estimates, resource by resource."""
    earlier, later = {line.urn: line for line in old.lines}, {line.urn: line for line in new.lines}
    changes = []
    for urn in sorted(earlier.keys() | later.keys()):
        was, will = earlier.get(urn), later.get(urn)
        known = will or was
        if known is None or (was is not None and will is not None and was.range == will.range):
            continue
        changes.append(Change(urn=urn, name=known.name, type=known.type, before=was, after=will))
    ordered = sorted(changes, key=lambda change: (-abs(change.monthly), change.urn))
    return Difference(before=old, after=new, changes=tuple(ordered))
