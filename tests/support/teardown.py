"""Takes a recorded program's resources out of a simulated account again, in an order of one's choice."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from local.cloud.aws.package import PACKAGE
from local.cloud.aws.residue import residue
from local.cloud.failures import CloudError
from local.cloud.model import CloudObject
from local.cloud.recording import RecordedResource, Recording
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore

CLUSTER = "aws:eks/cluster:Cluster"


def resources(recording: Recording) -> list[RecordedResource]:
    """Everything that the program made at AWS."""
    return [item for item in recording.resources if item.custom and not item.read and item.type.startswith("aws:")]


def holders(recording: Recording) -> dict[str, set[str]]:
    """URN -> URNs that must be gone before it, as the engine orders deletions: dependents, and children.

    What depends on a Kubernetes object depends on what that one depends on: those are not in the account.
    """
    known = {item.urn: item for item in recording.resources}
    made = {item.urn for item in resources(recording)}
    found: dict[str, set[str]] = {urn: set() for urn in made}

    def needs(urn: str, seen: set[str]) -> set[str]:
        item, result = known[urn], set()
        for other in {*item.dependencies, item.parent} - {"", *seen}:
            seen.add(other)
            result |= {other} if other in made else needs(other, seen) if other in known else set()
        return result

    for urn in made:
        for other in needs(urn, {urn}):
            found[other].add(urn)
    return found


def valid_order(held_by: Mapping[str, set[str]], chance: random.Random) -> list[str]:
    """URNs so that each comes after everything that must be gone before it; any such order is as likely as the next."""
    waiting = {urn: set(others) for urn, others in held_by.items()}
    order: list[str] = []
    while waiting:
        urn = chance.choice(sorted(urn for urn, others in waiting.items() if not others))
        order.append(urn)
        del waiting[urn]
        for others in waiting.values():
            others.discard(urn)
    return order


@dataclass
class Account:
    """One account in which a recorded program's resources stand."""

    store: SqliteStore
    recording: Recording
    before: frozenset[tuple[str, str]] = frozenset()
    """What was in it before the program ran."""

    def __post_init__(self) -> None:
        self.simulator = Simulator(PACKAGE, self.store)
        self.simulator.configure({"region": self.store.region}, refuse_real=False)
        self._items = {item.urn: item for item in resources(self.recording)}
        self.retained = {urn for urn, item in self._items.items() if item.options.get("retainOnDelete")}

    @classmethod
    def copy(cls, other: "Account") -> "Account":
        """The same resources in an account of their own, in memory; close its store."""
        store = SqliteStore(":memory:", account_id=other.store.account_id, region=other.store.region)
        other.store._connection.backup(store._connection)
        return cls(store, other.recording, other.before)

    def delete(self, urn: str) -> str:
        """Delete one resource; returns the code of the service's refusal, empty when it is gone or retained."""
        item = self._items[urn]
        if item.options.get("retainOnDelete"):
            return ""
        try:
            self.simulator.delete(item.type, item.id, inputs=item.inputs, urn=item.urn)
        except CloudError as refusal:
            return refusal.code or "no code"
        return ""

    def everything(self) -> dict[tuple[str, str], object]:
        """Every object's body."""
        return {(item.kind, item.id): item.body for item in self.store.objects()}

    def unprotect(self) -> None:
        """As `slipway destroy --unprotect` does: the cluster no longer refuses."""
        for item in resources(self.recording):
            if item.type == CLUSTER and item.inputs.get("deletionProtection"):
                open_ = {**item.inputs, "deletionProtection": False}
                self.simulator.update(item.type, item.id, item.inputs, open_, urn=item.urn)

    def left(self) -> list[str]:
        """What a person would still find; keys wait for their deletion for days, which is none of it."""
        return [f"{item.kind} {item.id}" for item in residue(self.store) if not self._expected(item)]

    def _expected(self, item: CloudObject) -> bool:
        return (
            (item.kind, item.id) in self.before
            or item.urn in self.retained
            or item.body.get("KeyState") == "PendingDeletion"
        )
