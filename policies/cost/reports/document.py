"""What a cost report shows, whatever its form."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.cost.diff import Difference
from policies.cost.model import Estimate
from policies.cost.what_if import Alternative


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table that only some stacks have: training runs, model services, budgets, teams."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the estimate keeps within the budget."""

    within: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """One report of one stack."""

    environment: str
    made: str
    """Day on which it was made."""
    estimate: Estimate
    sections: Sequence[Section] = ()
    alternatives: Sequence[Alternative] = ()
    difference: Difference | None = None
    verdict: Verdict | None = None

    @property
    def regions(self) -> str:
        """The regions whose prices were used."""
        return ", ".join(sorted({line.region for line in self.estimate.lines})) or "none"
