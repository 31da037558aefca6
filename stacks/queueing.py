"""The sections of queues: who is admitted when, and what turns a TrainJob into pods."""

from typing import Annotated, Literal

from pydantic import Field

from stacks.fields import Flag, Name, Section, Whole

NodesByPool = dict[Name, Annotated[Whole, Field(ge=0, le=450)]]
Priority = Annotated[Whole, Field(ge=-(2**31), le=2**31 - 1)]
"""Kueue keeps it in 32 bits (WorkloadPriorityClass v1beta2)."""


class Preemption(Section):
    """Who gives way, in Kueue's own words."""

    reclaim_within_cohort: Literal["Never", "LowerPriority", "Any"] = "Any"
    """Whom a team may put out that uses nodes lent by it."""
    within_cluster_queue: Literal["Never", "LowerPriority", "LowerOrNewerEqualPriority"] = "LowerPriority"
    """Whom a run of higher priority may put out in its own team."""


class Queueing(Section):
    """Kueue: runs of teams start when everything that they need is free. Present means installed."""

    cohort: Name | None = "teams"
    """What teams lend each other nodes in; null: nobody lends."""
    fair_sharing: Flag = True
    """Whether nodes that are lent go to the teams by ``weight``; otherwise to who asks first."""
    strategy: Literal["BestEffortFIFO", "StrictFIFO"] = "BestEffortFIFO"
    """``BestEffortFIFO`` lets a smaller run pass one that waits for more nodes; ``StrictFIFO`` lets nobody pass."""
    preemption: Preemption = Preemption()
    priorities: Annotated[dict[Name, Priority], Field(max_length=20)] = Field(
        default_factory=lambda: {"low": -1000, "high": 1000}
    )
    """Priority classes of workloads by name; a run without one has 0."""
    wait_minutes: Annotated[Whole, Field(ge=1, le=24 * 60)] = 20
    """From admission until every pod of a run is ready, images pulled; later it goes back into the queue."""
    recovery_minutes: Annotated[Whole, Field(ge=1, le=24 * 60)] = 10
    """The same, after a running run has lost a pod."""
    requeues: Annotated[Whole, Field(ge=0, le=1000)] = 10
    """How often a run may go back for that reason, before it is put aside for somebody to look at."""


class TeamQueue(Section):
    """A team's part of the pools, in whole nodes."""

    nodes: NodesByPool = Field(default_factory=dict)
    """The team's own, by pool. Pools that are not named are divided in proportion to the teams' limits."""
    borrowing_limit: NodesByPool = Field(default_factory=dict)
    """The most that it borrows, by pool; unset: up to the team's limits."""
    lending_limit: NodesByPool = Field(default_factory=dict)
    """The most of its own that it lends, by pool; unset: all of it."""
    weight: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """Claim on what others lend."""


class TrainingOperator(Section):
    """Kubeflow Trainer and JobSet, for runs with ``runner: trainer``. Present means installed."""

    install_jobset: Flag = True
    """False where the cluster has JobSet already."""
