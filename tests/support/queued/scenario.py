"""Jobs wait in held queues, the queues open, and everything that happens until the last job ends is recorded."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.queued.facts import STARTED, Fact, PodFact, WorkloadFact
from tests.support.queued.gang_watch import GangWatch
from tests.support.queued.platform import QueuedPlatform
from tests.support.queued.quotas import Quotas
from tests.support.queued.recorder import Recorder
from workloads.specs import TrainingSpec


@dataclass(frozen=True, kw_only=True)
class Recording:
    """All facts of one run, and when it began."""

    facts: Sequence[Fact]
    quotas: Quotas
    submitting_seconds: float
    released: float
    """Seconds on the recorder's clock when the first queue opened."""

    def watched(self) -> GangWatch:
        """A watcher that has seen everything."""
        watch = GangWatch(self.quotas)
        watch.see_all(self.facts)
        return watch


@dataclass(frozen=True, kw_only=True)
class Figures:
    """How fast it went, from the opening of the first queue on."""

    admitting_seconds: float
    """Until the last gang was admitted for the first time."""
    draining_seconds: float
    """Until the last gang had ended."""
    best_ten_seconds: int
    """Most first admissions within ten seconds."""
    pods: int
    longest_start_seconds: float
    """Longest time from a gang's first running pod to its last."""

    @classmethod
    def of(cls, recording: Recording) -> "Figures":
        """From a recording in which every gang has ended."""
        workloads = [fact for fact in recording.facts if isinstance(fact, WorkloadFact)]
        admitted = sorted(_first(fact for fact in workloads if fact.admitted))
        ended = _first(fact for fact in workloads if fact.finished)
        started: dict[str, list[float]] = {}
        seen: set[str] = set()
        for fact in recording.facts:
            if isinstance(fact, PodFact) and fact.gang and fact.phase in STARTED and fact.uid not in seen:
                seen.add(fact.uid)
                started.setdefault(fact.gang, []).append(fact.received)
        return cls(
            admitting_seconds=admitted[-1] - recording.released,
            draining_seconds=max(ended) - recording.released,
            best_ten_seconds=max(sum(begin <= moment < begin + 10 for moment in admitted) for begin in admitted),
            pods=len(seen),
            longest_start_seconds=max(max(moments) - min(moments) for moments in started.values()),
        )


def _first(facts: Iterable[WorkloadFact]) -> list[float]:
    moments: dict[str, float] = {}
    for fact in facts:
        moments.setdefault(fact.uid, fact.received)
    return list(moments.values())


async def run(
    platform: QueuedPlatform, specs: Sequence[TrainingSpec], *, late: Sequence[str], share: float
) -> Recording:
    """Queues ``specs``, opens all queues but those of the teams ``late``, and those once ``share`` of all is admitted.

    Until then the others borrow what the late teams do not use; then they have to give it back.

    Raises:
        TimeoutError: nothing changed for five minutes before all jobs had ended.
        MissedError: the recording has a gap.
    """
    kube = platform.kube()
    recorder = Recorder(kube)
    try:
        await platform.hold(kube, hold=True)
        async with recorder.recording():
            began = time.monotonic()
            await platform.submit(kube, specs)
            await recorder.wait(lambda: len(recorder.queued) >= len(specs))
            quotas = await platform.quotas(kube)
            released = time.monotonic()
            early = [team.namespace for team in platform.teams if team.namespace not in late]
            await platform.hold(kube, hold=False, teams=early)
            await recorder.wait(lambda: len(recorder.admitted) >= share * len(specs))
            await platform.hold(kube, hold=False, teams=late)
            await recorder.wait(lambda: len(recorder.finished) >= len(specs))
    finally:
        await kube.close()
    return Recording(facts=recorder.facts, quotas=quotas, submitting_seconds=released - began, released=released)
