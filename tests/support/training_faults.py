"""What is killed under a training run, and what each death cost it."""

import os
import signal
from collections.abc import Callable, Mapping

from local.cluster import instances
from local.cluster.cloud_facts import INSTANCE
from tests.support.training_world import CORE, EVERY, Killed, Recovery, Run, TrainingWorld
from workloads.reliability import FailureCost

RANK = 3
"""The last one, in the second pod: not the one that writes the journal, nor the one that keeps the rendezvous."""
STRIKE = EVERY + 2
"""Two steps after a checkpoint: there is something to compute again."""
UNNOTICED = ("kueue-manager", "kube-apiserver")
"""Processes without which a run that has begun goes on."""


def kill_worker(_: TrainingWorld, run: Run) -> None:
    """One process of the run: what a segmentation fault or the kernel's memory killer does."""
    os.kill(run.rank(RANK), signal.SIGKILL)


def kill_pod(world: TrainingWorld, run: Run) -> None:
    """The second pod, at once: with a grace period it would save first, and lose nothing."""
    path = f"{CORE}/pods/{run.second()['metadata']['name']}?gracePeriodSeconds=0"
    assert world.processes.call(path, method="DELETE").is_success


def kill_agent(world: TrainingWorld, run: Run) -> None:
    """The agent of the second pod's node; its containers die with it."""
    node = run.second()["spec"]["nodeName"].partition(".")[0]
    os.kill(world.pid(f"process-node-{node}"), signal.SIGKILL)


def kill_machine(world: TrainingWorld, run: Run) -> None:
    """The instance under the second pod's node is terminated: its node goes, and another one joins."""
    node, store = run.second()["spec"]["nodeName"], world.processes.world.store
    instances.terminate(store, store.find(INSTANCE, PrivateDnsName=node))


FAULTS: Mapping[str, Callable[[TrainingWorld, Run], None]] = {
    "worker": kill_worker,
    "pod": kill_pod,
    "agent": kill_agent,
    "machine": kill_machine,
}


def cost_of(run: Run, killed: Killed, recovery: Recovery) -> FailureCost:
    """Seconds of each kind, from the moment of the kill until every step that was done before it is done again."""
    (resume,) = run.events("resume")
    again = [item for item in run.events("step") if item["attempt"] == resume["attempt"]]
    caught_up = next(item["time"] for item in again if item["step"] == killed.after)
    return FailureCost(
        detect=recovery.detected - killed.at,
        reschedule=recovery.rescheduled - recovery.detected,
        restart=resume["time"] - recovery.rescheduled,
        replay=caught_up - resume["time"],
    )
