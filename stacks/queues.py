"""Queues and the training operator of a stack, composed from its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes.queue_objects import LOCAL_QUEUE, Preemption
from components.kubernetes.queueing import Queueing, QueueingArgs
from components.kubernetes.team_queue import TeamQueue, TeamQueueArgs
from components.kubernetes.training_operator import TrainingOperator, TrainingOperatorArgs
from components.outputs import PoolOutputs
from stacks.exports import QueueExport
from stacks.queue_shares import Shares, shares
from stacks.settings import Settings
from stacks.training import Training
from workloads.manifests.runtimes import cluster_runtimes

Waitable = pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Queues:
    """Queues of a stack."""

    ready: Waitable
    """Resolves once every team's ClusterQueue admits."""
    shares: Shares


def queues(
    settings: Settings, pools: Sequence[PoolOutputs], ready: Sequence[Waitable], opts: pulumi.ResourceOptions
) -> Queues | None:
    """Kueue with everything that follows from the pools and the teams; None where the stack has no queues.

    ``ready`` is what it needs beside the pools: the cluster's DNS, and the kinds of jobs that it queues.
    """
    wanted = settings.queueing
    if wanted is None:
        return None
    found = shares(settings)
    args = QueueingArgs(
        pools=[pool for pool in pools if pool.name in found.nodes],
        shares=found.teams,
        unassigned=found.unassigned,
        charts_mirror=settings.charts.mirror,
        cohort=wanted.cohort,
        fair_sharing=wanted.fair_sharing,
        strategy=wanted.strategy,
        preemption=Preemption(
            reclaim_within_cohort=wanted.preemption.reclaim_within_cohort,
            within_cluster_queue=wanted.preemption.within_cluster_queue,
        ),
        priorities=wanted.priorities,
        wait_minutes=wanted.wait_minutes,
        recovery_minutes=wanted.recovery_minutes,
        requeues=wanted.requeues,
        ready=(*ready, *(pool.ready for pool in pools)),
    )
    return Queues(ready=Queueing("queueing", args, opts).ready, shares=found)


def team_queues(
    made: Queues | None, namespaces: Mapping[str, Waitable], opts: pulumi.ResourceOptions
) -> dict[str, Waitable]:
    """Resolve once jobs of a team's namespace are queued; by team, empty where the stack has no queues.

    Args:
        made: The stack's queues.
        namespaces: Resolve once a team's namespace exists, by team.
        opts: Of every component.
    """
    if made is None:
        return {}
    return {
        team: TeamQueue(f"{team}-jobs", TeamQueueArgs(team=team, ready=[made.ready, namespace]), opts).ready
        for team, namespace in namespaces.items()
    }


def training_operator(
    settings: Settings, dns: Waitable, pools: Sequence[PoolOutputs], opts: pulumi.ResourceOptions
) -> Waitable | None:
    """Resolves once TrainJobs are known and acted upon; None where the stack has no training operator."""
    wanted = settings.training_operator
    if wanted is None:
        return None
    args = TrainingOperatorArgs(
        charts_mirror=settings.charts.mirror,
        runtimes=cluster_runtimes(),
        install_jobset=wanted.install_jobset,
        ready=(dns, *(pool.ready for pool in pools)),
    )
    return TrainingOperator("training-operator", args, opts).ready


def queued(run: Training, settings: Settings) -> Training:
    """The run, in its team's queue where the stack has queues."""
    return run.model_copy(update={"queue": LOCAL_QUEUE}) if settings.queueing and run.queue is None else run


def waits(thing: Waitable | Queues | None) -> list[Waitable]:
    """What to wait for; nothing where the stack has no such thing."""
    if isinstance(thing, Queues):
        return [thing.ready]
    return [] if thing is None else [thing]


def exports(settings: Settings, made: Queues | None) -> list[QueueExport]:
    """What ``status`` compares with the cluster."""
    cohort = settings.queueing.cohort if settings.queueing else None
    return [
        QueueExport(
            team=share.team,
            clusterQueue=share.team,
            localQueue=LOCAL_QUEUE,
            cohort=cohort,
            weight=share.weight,
            nodes=dict(share.nodes),
            borrowing=dict(share.borrowing),
        )
        for share in (made.shares.teams if made else ())
    ]
