"""Jobs of mixed sizes of four teams on simulated GPU nodes: what the real Kueue promises holds at every change."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.support.cluster_world import World
from tests.support.queued import scenario
from tests.support.queued.facts import Fact, NodeFact, PodFact, WorkloadFact
from tests.support.queued.gang_watch import GangWatch
from tests.support.queued.jobs import Mix
from tests.support.queued.platform import QueuedPlatform
from tests.support.queued.scenario import Recording
from tests.support.queued.teams import LATE, LATE_SHARE, teams

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

NODES = JOBS = 60
WEIGHTS = {1: 30, 2: 12, 4: 9, 8: 6, 16: 3}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recording]:
    """Everything that happened to 60 jobs on 60 nodes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        world = World("queued")
        try:
            platform = QueuedPlatform(world, tmp_path_factory.mktemp("program"), NODES, teams(NODES))
            platform.up()
            specs = Mix(jobs=JOBS, weights=WEIGHTS).specs([team.namespace for team in platform.teams])
            yield asyncio.run(scenario.run(platform, specs, late=LATE, share=LATE_SHARE))
        finally:
            world.store.close()
            world.environment.down(world.console)


def test_no_promise_is_broken_at_any_moment(recording: Recording) -> None:
    assert recording.watched().violations == []


def test_every_job_ends_well_and_teams_have_borrowed(recording: Recording) -> None:
    watch = recording.watched()
    assert watch.end() == []
    assert len(watch.gangs) == JOBS
    assert watch.borrowed > 0, "the limits of borrowing were tried"
    assert watch.most_accelerators <= NODES * 8


def test_the_watcher_saw_all_nodes_and_gangs_that_must_stand_together(recording: Recording) -> None:
    offered = {fact.name: fact.accelerators for fact in recording.facts if isinstance(fact, NodeFact)}
    assert sorted(offered.values()) == [8] * NODES
    assert any(fact.level and fact.node for fact in recording.facts if isinstance(fact, PodFact))
    admitted = (fact for fact in recording.facts if isinstance(fact, WorkloadFact) and fact.admitted)
    whole = [fact for fact in admitted if not fact.finished and not fact.done]
    assert all(fact.placed == fact.pods for fact in whole), "Kueue chose the nodes of every gang"


def _big(recording: Recording) -> WorkloadFact:
    """The first admission of a gang of several pods that must stand together."""
    close = {fact.gang for fact in recording.facts if isinstance(fact, PodFact) and fact.level}
    admitted = (fact for fact in recording.facts if isinstance(fact, WorkloadFact) and fact.admitted)
    return next(fact for fact in admitted if fact.gang in close)


def _bound_too_early(recording: Recording) -> list[Fact]:
    gang = _big(recording)
    pods = (fact for fact in recording.facts if isinstance(fact, PodFact) and fact.gang == gang.gang and fact.node)
    return [*recording.facts, replace(next(pods), uid="early", version=gang.version - 1)]


def _counted_in_part(recording: Recording) -> list[Fact]:
    gang = _big(recording)
    return [replace(gang, counted=gang.pods - 1) if fact is gang else fact for fact in recording.facts]


def _one_pod_lost(recording: Recording) -> list[Fact]:
    gang = _big(recording).gang
    return [f for f in recording.facts if not (isinstance(f, PodFact) and f.gang == gang and f.index == 1)]


def _more_than_there_is(recording: Recording) -> list[Fact]:
    gang = _big(recording)
    usage = {share: 100 * amount for share, amount in gang.usage.items()}
    return [replace(gang, usage=usage) if fact is gang else fact for fact in recording.facts]


def _two_on_one_node(recording: Recording) -> list[Fact]:
    whole = (fact for fact in recording.facts if isinstance(fact, PodFact) and fact.node and fact.accelerators == 8)
    pod = next(whole)
    return [*recording.facts, replace(pod, uid="second", version=pod.version)]


def _under_another_leaf(recording: Recording) -> list[Fact]:
    gang = _big(recording).gang
    mine = [fact for fact in recording.facts if isinstance(fact, PodFact) and fact.gang == gang and fact.node]
    leaves = {fact.name: fact.labels.get(mine[0].level) for fact in recording.facts if isinstance(fact, NodeFact)}
    elsewhere = next(name for name, leaf in leaves.items() if leaf != leaves[mine[0].node])
    return [replace(fact, node=elsewhere) if fact in mine and fact.index == 0 else fact for fact in recording.facts]


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        (_bound_too_early, "admitted"),
        (_counted_in_part, "whole"),
        (_one_pod_lost, "whole"),
        (_more_than_there_is, "quota"),
        (_two_on_one_node, "node"),
        (_under_another_leaf, "topology"),
    ],
)
def test_the_watcher_catches_a_recording_in_which_one_promise_is_broken(
    recording: Recording, change: Callable[[Recording], list[Fact]], promise: str
) -> None:
    watch = GangWatch(recording.quotas)
    watch.see_all(change(recording))
    assert promise in {violation.promise for violation in watch.violations}
