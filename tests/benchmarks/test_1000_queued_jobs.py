"""How fast 1,000 queued jobs of mixed sizes go through Kueue on 1,000 nodes of 8 GPUs, with every promise watched."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.measure import report
from tests.support.cluster_world import World
from tests.support.queued import scenario
from tests.support.queued.jobs import Mix
from tests.support.queued.platform import QueuedPlatform
from tests.support.queued.scenario import Figures
from tests.support.queued.teams import LATE, LATE_SHARE, teams

pytestmark = [pytest.mark.benchmark, pytest.mark.simulation, pytest.mark.timeout(5400)]

NODES, JOBS = 1000, 1000
WEIGHTS = {1: 700, 2: 140, 4: 70, 8: 40, 16: 30, 32: 15, 64: 5}
"""Nodes of a job, and how many of the 1,000 have them: 2,860 pods, almost three times the nodes."""

PUBLISHED = 15_000 / 351.116
"""Workloads per second of Kueue's own scalability test: 15,000 in 351.1 s, the mean of five runs
(kubernetes-sigs/kueue v0.19.2, test/performance/scheduler/configs/baseline/{generator,rangespec}.yaml), where
periodic-kueue-test-scheduling-perf-main has 6 CPUs and 9 GiB (kubernetes/test-infra). It has no nodes, no Jobs and no
pods: Workloads alone, whose end the test itself writes after 0.2 to 1 s, in 30 queues.
"""
PUBLISHED_TOPOLOGY = 15_000 / 401.472
"""The same with a topology of 640 nodes, likewise without pods (``configs/tas``)."""


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QueuedPlatform]:
    """1,000 nodes, Kueue, and four teams."""
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "program").mkdir()
    world = World("queued")
    try:
        made = QueuedPlatform(world, tmp_path / "program", NODES, teams(NODES))
        made.up()
        yield made
    finally:
        world.store.close()
        world.environment.down(world.console)


def test_1000_queued_jobs_on_1000_nodes(platform: QueuedPlatform) -> None:
    specs = Mix(jobs=JOBS, weights=WEIGHTS).specs([team.namespace for team in platform.teams])
    before = os.getloadavg()[0]
    recording = asyncio.run(scenario.run(platform, specs, late=LATE, share=LATE_SHARE))
    watch, figures = recording.watched(), Figures.of(recording)

    assert watch.violations == []
    assert watch.end() == [], "every job has ended well"
    assert len(watch.gangs) == JOBS
    assert watch.borrowed > 0, "teams lived beyond their own nodes, or the limits of borrowing were not tried"

    rate, whole = JOBS / figures.admitting_seconds, JOBS / figures.draining_seconds
    pods = figures.pods / figures.draining_seconds
    report(
        f"{JOBS:,} queued jobs, {figures.pods:,} pods, {NODES:,} nodes x 8 GPUs",
        {
            "load before and after": f"{before:.0f}, {os.getloadavg()[0]:.0f}",
            "submitted, through the webhooks": f"{JOBS / recording.submitting_seconds:.1f} jobs/s",
            "admitted": f"{rate:.1f} jobs/s until the last; {figures.best_ten_seconds / 10:.1f} in the best 10 s",
            "time to drain": f"{figures.draining_seconds:.0f} s: {whole:.1f} jobs/s, {pods:.1f} pods/s",
            "longest start of a gang": f"{figures.longest_start_seconds:.1f} s from its first running pod to its last",
            "admissions, evictions, borrowed": f"{watch.admissions}, {watch.evictions}, {watch.borrowed}",
            "pods late after an eviction": f"{len(watch.late)}",
            "most GPUs taken at once": f"{watch.most_accelerators:,} of {NODES * 8:,}",
            "facts watched, promises broken": f"{len(recording.facts):,}, {len(watch.violations)}",
        },
        ratio=(
            f"{whole / PUBLISHED:.2f} of Kueue's published {PUBLISHED:.1f} workloads/s (6 CPUs, no nodes, no pods), "
            f"{whole / PUBLISHED_TOPOLOGY:.2f} of its {PUBLISHED_TOPOLOGY:.1f}/s with a topology of 640 nodes; "
            f"admissions alone {rate / PUBLISHED:.2f}"
        ),
        target="none of the promises broken; no target for time",
    )
