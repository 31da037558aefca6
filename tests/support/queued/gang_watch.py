"""Watches gangs of pods go through queues, and says when a promise was broken: a pure class over facts.

The promises, as Kueue makes them with topology-aware scheduling:
- *whole*: quota and nodes are reserved for every pod of a gang or for none, and a gang that ends well had all pods run;
- *admitted*: no pod of a gang gets a node, or runs, that was made while its gang was not admitted;
- *quota*: no queue uses more than its own and what it may borrow, and all together no more than there is;
- *node*: the pods of a node ask for no more accelerators than it has;
- *topology*: the pods of a gang that must stand together do.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from tests.support.queued.facts import ENDED, STARTED, Fact, NodeFact, PodFact, Share, WorkloadFact
from tests.support.queued.quotas import Quotas


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A broken promise, and the revision at which it was seen."""

    version: int
    promise: str
    message: str


@dataclass(kw_only=True)
class Gang:
    """One gang since its last admission."""

    workload: WorkloadFact | None = None
    living: dict[str, PodFact] = field(default_factory=dict)
    """Its pods that are there, by uid."""
    started: set[int] = field(default_factory=set)
    """Indexes of the pods that have run since the admission, or ended well before."""
    done: set[int] = field(default_factory=set)
    """Indexes of the pods that have ended well: their Job does not start them again."""
    entitled: set[str] = field(default_factory=set)
    """Uids of the pods that were made while the gang was admitted."""
    admissions: int = 0

    @property
    def state(self) -> str:
        """Where the gang stands, for people."""
        if self.workload is None:
            return "is unknown to the queues"
        if self.workload.finished:
            return "has ended"
        if self.workload.admitted:
            return "is admitted"
        return "has lost its admission" if self.admissions else "is not admitted"

    @property
    def admitted(self) -> bool:
        """Whether Kueue holds quota for it now, and lets it run."""
        return self.workload is not None and _holds(self.workload) and self.workload.admitted


class GangWatch:
    """Takes facts in their order; ``violations`` is what was broken so far, ``end`` tells who has not ended."""

    def __init__(self, quotas: Quotas) -> None:
        self.violations: list[Violation] = []
        self.gangs: dict[str, Gang] = {}
        self.admissions = self.evictions = self.borrowed = 0
        """Times that a gang was admitted, lost its admission, and was admitted beyond its queue's own quota."""
        self.late: set[str] = set()
        """Pods that were made in time and got their node, or ran, after their gang had lost its admission."""
        self.most_accelerators = 0
        """The most that were taken on all nodes at once."""
        self._quotas = quotas
        self._nodes: dict[str, NodeFact] = {}
        self._used: dict[str, dict[Share, Decimal]] = {name: {} for name in quotas.queues}
        self._taken: dict[str, int] = {}
        self._pods: dict[str, PodFact] = {}
        self._total = self._version = 0

    def see(self, fact: Fact) -> None:
        """One fact.

        Raises:
            ValueError: it is older than the one before it; the caller did not sort.
        """
        if fact.version < self._version:
            raise ValueError(f"revision {fact.version} after {self._version}: facts must come in their order")
        self._version = fact.version
        if isinstance(fact, PodFact):
            self._see_pod(fact)
        elif isinstance(fact, WorkloadFact):
            self._see_workload(fact)
        elif fact.gone:
            self._nodes.pop(fact.name, None)
        else:
            self._nodes[fact.name] = fact

    def see_all(self, facts: Iterable[Fact]) -> None:
        """Many facts, in any order."""
        for fact in sorted(facts, key=lambda item: item.version):
            self.see(fact)

    def end(self) -> list[str]:
        """Gangs that have not ended well, with how far they came; [] when all have."""
        found = []
        for key, gang in self.gangs.items():
            if gang.workload is None:
                found.append(f"{key}: {len(gang.living)} pods and no workload")
            elif not gang.workload.succeeded:
                started = f"{len(gang.started)} of {gang.workload.pods} pods started"
                found.append(f"{gang.workload.name}: not finished, {started}")
        return found

    def _broken(self, promise: str, message: str) -> None:
        self.violations.append(Violation(version=self._version, promise=promise, message=message))

    def _see_workload(self, fact: WorkloadFact) -> None:
        gang = self.gangs.setdefault(fact.gang, Gang())
        before, gang.workload = gang.workload, fact
        was = before is not None and _holds(before)
        if was or _holds(fact):
            self._account(before if was else None, fact if _holds(fact) else None)
        if fact.admitted and not (before and before.admitted):
            gang.started = set(gang.done)
            gang.admissions += 1
            self._check_admission(fact)
        if before and before.admitted and not fact.admitted:
            self.evictions += 1
        if fact.succeeded and not (before and before.succeeded) and len(gang.started) != fact.pods:
            self._broken("whole", f"{fact.name} has ended with {len(gang.started)} of its {fact.pods} pods started")

    def _account(self, before: WorkloadFact | None, after: WorkloadFact | None) -> None:
        """Moves the usage, and looks at the quotas where it has grown."""
        for fact, sign in ((before, -1), (after, 1)):
            if fact is not None:
                used = self._used.setdefault(fact.queue, {})
                for share, amount in fact.usage.items():
                    used[share] = used.get(share, Decimal(0)) + sign * amount
        if after is not None and (before is None or (before.queue, before.usage) != (after.queue, after.usage)):
            for problem in self._quotas.over(after.queue, self._used[after.queue]):
                self._broken("quota", f"with {after.name} {problem}")
            for problem in self._quotas.over_together(self._used):
                self._broken("quota", f"with {after.name} {problem}")

    def _check_admission(self, fact: WorkloadFact) -> None:
        self.admissions += 1
        given = self._quotas.queues.get(fact.queue, {})
        used = self._used.get(fact.queue, {})
        self.borrowed += any(used.get(share, Decimal(0)) > quota.nominal for share, quota in given.items())
        wanted = fact.pods - fact.done
        if fact.counted != wanted:
            self._broken("whole", f"{fact.name} is admitted with quota for {fact.counted} of its {wanted} pods")
        if fact.placed is not None and fact.placed != wanted:
            self._broken("whole", f"{fact.name} is admitted with nodes for {fact.placed} of its {wanted} pods")

    def _see_pod(self, fact: PodFact) -> None:
        before = self._pods.get(fact.uid)
        self._occupy(before, fact)
        if fact.gone:
            self._pods.pop(fact.uid, None)
        else:
            self._pods[fact.uid] = fact
        if not fact.gang:
            return
        gang = self.gangs.setdefault(fact.gang, Gang())
        if fact.gone:
            gang.living.pop(fact.uid, None)
            return
        gang.living[fact.uid] = fact
        if before is None and gang.admitted:
            gang.entitled.add(fact.uid)
        if fact.node and not (before and before.node):
            self._check_bound(gang, fact)
        if fact.phase in STARTED and not (before and before.phase in STARTED):
            self._check_started(gang, fact)
        if fact.phase == "Succeeded":
            gang.done.add(fact.index)

    def _check_bound(self, gang: Gang, fact: PodFact) -> None:
        if not self._allowed(gang, fact):
            self._broken("admitted", f"pod {fact.name} got node {fact.node}; its gang {gang.state}")
        if not fact.level:
            return
        together = (pod for pod in gang.living.values() if _occupies(pod) and not pod.leaving)
        domains = {self._domain(pod, fact.level) for pod in together}
        if len(domains) > 1:
            self._broken("topology", f"pod {fact.name}: its gang stands in {sorted(domains)} of {fact.level}")

    def _check_started(self, gang: Gang, fact: PodFact) -> None:
        if not fact.leaving and not self._allowed(gang, fact):
            self._broken("admitted", f"pod {fact.name} runs; its gang {gang.state}")
        gang.started.add(fact.index)

    def _allowed(self, gang: Gang, fact: PodFact) -> bool:
        """Whether the pod may go on: its gang is admitted, or was when the pod was made.

        Kueue gives a preempted Job's quota back once the Job's status counts no active pod (``reconciler.go``, "handle
        eviction"). The Job controller may be behind: pods that it made before are then on their way until it deletes
        them. They are counted, and what is true of nodes is true of them too.
        """
        if gang.admitted:
            return True
        if fact.uid in gang.entitled and gang.workload is not None:
            self.late.add(fact.uid)
            return True
        return False

    def _domain(self, pod: PodFact, level: str) -> str:
        node = self._nodes.get(pod.node)
        return node.labels.get(level, f"no {level} on {pod.node}") if node else f"unknown node {pod.node}"

    def _occupy(self, before: PodFact | None, fact: PodFact) -> None:
        """Accelerators of a node are taken from the moment that a pod is bound until it has ended or is gone."""
        was = before.accelerators if before and _occupies(before) else 0
        now = fact.accelerators if _occupies(fact) else 0
        if was == now:
            return
        taken = self._taken[fact.node] = self._taken.get(fact.node, 0) + now - was
        self._total += now - was
        self.most_accelerators = max(self.most_accelerators, self._total)
        offered = self._nodes[fact.node].accelerators if fact.node in self._nodes else 0
        if taken > offered and now:
            self._broken("node", f"with pod {fact.name} node {fact.node} has {taken} of {offered} accelerators taken")


def _holds(fact: WorkloadFact) -> bool:
    return bool(fact.queue) and not fact.finished and not fact.gone


def _occupies(fact: PodFact) -> bool:
    return bool(fact.node) and fact.phase not in ENDED and not fact.gone
