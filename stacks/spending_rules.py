"""Rules about usage: what it speaks of must be there, once."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stacks.problems import Problem, near
from stacks.rules import Report, rule
from stacks.sections import CapacityBlock

if TYPE_CHECKING:
    from stacks.settings import Settings

_ABOUT: Final = (("runs", "training", "training run"), ("services", "inference", "model service"))


@rule("usage-of-nothing", "usage", "training", "inference")
def _usage_names_what_there_is(settings: "Settings", report: Report) -> Iterator[Problem]:
    for key, section, kind in _ABOUT:
        known = [item.name for item in getattr(settings, section)]
        seen: set[str] = set()
        for number, item in enumerate(getattr(settings.usage, key)):
            if item.name not in known or item.name in seen:
                guess = near(item.name, known)
                yield report.problem(
                    "usage",
                    key,
                    number,
                    "name",
                    value=item.name,
                    what=f"there is no {kind} of this name" if item.name not in known else "this name came before",
                    allowed=", ".join(known) or f"none: the stack has no {kind}",
                    fix=f"did you mean {guess}?" if guess else "remove the entry",
                )
            seen.add(item.name)


@rule("usage-of-no-block", "usage", "pools")
def _fees_are_of_blocks(settings: "Settings", report: Report) -> Iterator[Problem]:
    blocks = [pool.capacity.id for pool in settings.pools if isinstance(pool.capacity, CapacityBlock)]
    for name in settings.usage.capacity_block_fees:
        if name not in blocks:
            yield report.problem(
                "usage",
                "capacityBlockFees",
                name,
                value=name,
                what="no pool uses this capacity block",
                allowed=", ".join(blocks) or "none: no pool has a capacity block",
                fix="correct the id, or remove the entry",
            )
