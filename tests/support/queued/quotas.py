"""What the queues of one cohort may use, as their objects declare it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from local.cluster.process_node.quantities import quantity
from tests.support.queued.facts import Document, Share


@dataclass(frozen=True, kw_only=True)
class Quota:
    """One queue's part of one resource of one flavor."""

    nominal: Decimal
    borrowing: Decimal | None = None
    """The most beyond ``nominal``; None: whatever the cohort has."""
    lending: Decimal | None = None
    """The most of ``nominal`` that others may use; None: all."""

    @property
    def kept(self) -> Decimal:
        """What nobody else may use."""
        return self.nominal - self.lending if self.lending is not None else Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Every ClusterQueue, and the cohort that they are all in, with what it has besides."""

    queues: Mapping[str, Mapping[Share, Quota]]
    cohort: Mapping[Share, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, queues: Iterable[Document], cohorts: Iterable[Document] = ()) -> "Quotas":
        """From ClusterQueue and Cohort objects (``kueue.x-k8s.io/v1beta2``).

        Raises:
            ValueError: they are not all of one cohort, which the arithmetic here takes for granted.
        """
        documents = list(queues)
        names = {item["spec"].get("cohortName", item["metadata"]["name"]) for item in documents}
        if len(names) > 1:
            raise ValueError(f"queues of one cohort expected, found {sorted(names)}")
        shared = [item for item in cohorts if item["metadata"]["name"] in names]
        return cls(
            queues={item["metadata"]["name"]: dict(_quotas(item)) for item in documents},
            cohort={share: given.nominal for item in shared for share, given in _quotas(item)},
        )

    def over(self, queue: str, used: Mapping[Share, Decimal]) -> list[str]:
        """What ``queue`` uses beyond its own and what it may borrow."""
        given = self.queues.get(queue)
        if given is None:
            return [f"{queue} is no queue"]
        found = []
        for share, amount in used.items():
            quota = given.get(share)
            if quota is None:
                found += [f"{queue} uses {amount} of {_words(share)}, of which it has no quota"] if amount else []
            elif quota.borrowing is not None and amount > quota.nominal + quota.borrowing:
                limit = f"{quota.nominal} and may borrow {quota.borrowing}"
                found.append(f"{queue} uses {amount} of {_words(share)}, has {limit}")
        return found

    def over_together(self, used: Mapping[str, Mapping[Share, Decimal]]) -> list[str]:
        """What all of them use beyond what all of them, and the cohort, have; with what is kept for each."""
        shares = {share for given in self.queues.values() for share in given} | self.cohort.keys()
        found = []
        for share in sorted(shares):
            rows = [(given[share], used.get(name, {}).get(share, Decimal(0)))
                    for name, given in self.queues.items() if share in given]  # fmt: skip
            total = sum((quota.nominal for quota, _ in rows), self.cohort.get(share, Decimal(0)))
            taken = sum((max(amount, quota.kept) for quota, amount in rows), Decimal(0))
            if taken > total:
                found.append(f"all queues use {taken} of {_words(share)}, have {total}")
        return found


def _quotas(document: Document) -> Iterator[tuple[Share, Quota]]:
    for group in document["spec"].get("resourceGroups") or ():
        for flavor in group["flavors"]:
            for item in flavor["resources"]:
                yield (flavor["name"], item["name"]), _quota(item)


def _quota(item: Mapping[str, Any]) -> Quota:
    limits = {key: item.get(f"{key}Limit") for key in ("borrowing", "lending")}
    given = {key: quantity(value) for key, value in limits.items() if value is not None}
    return Quota(nominal=quantity(item["nominalQuota"]), **given)


def _words(share: Share) -> str:
    flavor, resource = share
    return f"{resource} of {flavor}"
