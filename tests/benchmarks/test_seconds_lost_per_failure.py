"""Seconds that a run of 2 pods x 2 processes loses per kind of failure, and the ETTR that follows at stated MTBFs.

Each fault strikes a run of its own in mid-step. What a real platform adds is not in these figures: minutes until a new
machine has booted, image pulls, and checkpoints that take longer to read.
"""

import os
import signal
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.benchmarks.measure import machine
from tests.support.training_faults import FAULTS, RANK, STRIKE, UNNOTICED, cost_of
from tests.support.training_world import Run, TrainingWorld, training_world
from workloads.reliability import FailureCost, ettr, expected_replay_seconds, young_daly_seconds

pytestmark = [pytest.mark.benchmark, pytest.mark.simulation, pytest.mark.timeout(3600)]

HOUR = 3600
MTBF_HOURS = (1, 3, 12)
TARGET = "ETTR of at least 95 % at an MTBF of 3 h"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingWorld]:
    with training_world("seconds-lost", tmp_path_factory.mktemp("training")) as made:
        yield made


def test_seconds_lost_per_failure(world: TrainingWorld) -> None:
    costs: dict[str, FailureCost] = {}
    saves: list[tuple[float, float]] = []
    head = "".join(f"{word:>11}" for word in ("detect", "reschedule", "restart", "replay", "total"))
    _tell(f"\n== seconds lost per failure\n   {machine()}, load {os.getloadavg()[0]:.0f}, {time.strftime('%Y-%m-%d')}")
    _tell(f"   {'killed':<16}{head}   how it was seen")
    for name, kill in FAULTS.items():
        run = world.submit(name)
        killed = run.kill_in_mid_step(RANK, STRIKE, lambda kill=kill, run=run: kill(world, run))  # type: ignore[misc]
        recovery = run.recovery(killed)
        run.complete()
        costs[name] = cost = cost_of(run, killed, recovery)
        saves += _saves(run)
        seconds = (cost.detect, cost.reschedule, cost.restart, cost.replay, cost.total)
        _tell(f"   {name:<16}" + "".join(f"{value:>11.1f}" for value in seconds) + f"   {recovery.seen}")
    for process in UNNOTICED:
        _tell(f"   {process:<16}{_longest_step(world, process)}")
    save, stall = (statistics.median(column) for column in zip(*saves, strict=True))
    _tell(f"   a checkpoint: {save:.2f} s, of which training waits {stall:.3f} s")
    for line in _ettr(costs, save, stall):
        _tell(line)
    _tell(f"   target: {TARGET}")


def _tell(line: str) -> None:
    """At once: the whole takes minutes."""
    print(line, flush=True)  # noqa: T201 (a benchmark's output)


def _saves(run: Run) -> list[tuple[float, float]]:
    """(seconds, seconds that training waited) of each checkpoint."""
    return [(item["seconds"], item["stall_seconds"]) for item in run.events("checkpoint") if item.get("path")]


def _longest_step(world: TrainingWorld, process: str) -> str:
    """What the death of a controller does to a run that has begun: its longest step afterwards beside the median."""
    run = world.submit(process)
    run.hold(RANK, STRIKE)
    before = world.pid(process)
    os.kill(before, signal.SIGKILL)
    at = time.time()
    run.release(RANK)
    world.wait(f"another {process}", lambda: world.pid(process) not in (0, before))
    back = time.time() - at
    run.complete()
    times = [item["time"] for item in run.events("step")]
    gaps = [(later, later - earlier) for earlier, later in pairwise(times)]
    longest = max((gap for later, gap in gaps if later > at), default=0.0)
    median = statistics.median(gap for _, gap in gaps)
    attempts = len(run.events("start"))
    words = f"back after {back:.1f} s; longest step since {longest:.2f} s, median {median:.2f} s"
    return f" nothing lost: {attempts} attempt, {words}"


def _ettr(costs: dict[str, FailureCost], save: float, stall: float) -> list[str]:
    """At the interval of Young and Daly, with the replay that is to be expected there instead of the measured one."""
    worst = max(costs, key=lambda name: costs[name].downtime)
    found = []
    for hours in MTBF_HOURS:
        mtbf = hours * HOUR
        interval = max(save, young_daly_seconds(save, mtbf))
        replay = expected_replay_seconds(interval, save)
        cost = FailureCost(
            detect=costs[worst].detect,
            reschedule=costs[worst].reschedule,
            restart=costs[worst].restart,
            replay=replay,
        )
        value = ettr(cost, mtbf_seconds=mtbf, interval_seconds=interval, stall_seconds=stall)
        told = f"{worst} every time, a checkpoint every {interval:.0f} s, {replay:.0f} s replayed on average"
        found.append(f"   ETTR at an MTBF of {hours:>2} h: {100 * value:.1f} % ({told})")
    return found
