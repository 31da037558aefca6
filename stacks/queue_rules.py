"""Rules about queues: quotas that the pools hold, and runs that can be admitted at all."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from components.kubernetes.queue_objects import LOCAL_QUEUE
from stacks.problems import Problem, near
from stacks.queue_shares import limit, queued_nodes, shares
from stacks.queueing import TeamQueue
from stacks.rules import Report, rule

if TYPE_CHECKING:
    from stacks.sections import Team
    from stacks.settings import Settings

NEEDS = ("queueing", "teams", "pools", "inference")
TAKEN = "an autoscaler, model services or the cluster's own pods have them"
MEMBERS = ("nodes", "borrowingLimit", "lendingLimit")


class _Named(NamedTuple):
    """Nodes that a team's settings name, and where."""

    where: tuple[str | int, ...]
    team: "Team"
    member: str
    pool: str
    nodes: int


def _named(settings: "Settings", *members: str) -> Iterator[_Named]:
    """Every number of nodes under ``members`` of the teams' queues; nothing where nothing queues."""
    for number, team in enumerate(settings.teams if settings.queueing else ()):
        given = zip(MEMBERS, (team.queue.nodes, team.queue.borrowing_limit, team.queue.lending_limit), strict=True)
        for member, by_pool in given:
            for pool, nodes in by_pool.items() if member in members else ():
                yield _Named(("teams", number, "queue", member, pool), team, member, pool, nodes)


@rule("queue-without-queueing", "queueing", "teams")
def _queues_are_installed(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, team in enumerate(settings.teams):
        if settings.queueing is None and team.queue != TeamQueue():
            yield report.problem(
                "teams",
                number,
                "queue",
                value=team.queue.model_dump(by_alias=True, exclude_defaults=True),
                what="nothing queues in this stack, so nobody would look at this",
                allowed="queue only beside slipway:queueing",
                fix="add slipway:queueing, or remove queue",
            )


@rule("queue-pool", *NEEDS)
def _quotas_are_of_queued_pools(settings: "Settings", report: Report) -> Iterator[Problem]:
    known, pools = queued_nodes(settings), [pool.name for pool in settings.pools]
    for item in _named(settings, *MEMBERS):
        if item.pool not in known:
            guess = near(item.pool, known)
            yield report.problem(
                *item.where,
                value=item.nodes,
                what=f"nodes of this pool are not queued for: {TAKEN}"
                if item.pool in pools
                else "there is no pool of this name",
                allowed=", ".join(known) or "none",
                fix=f"did you mean {guess}?" if guess else "name one of those, or remove it",
            )


@rule("queue-quota", *NEEDS)
def _quotas_fit_the_pools(settings: "Settings", report: Report) -> Iterator[Problem]:
    known, taken = queued_nodes(settings), Counter[str]()
    for item in _named(settings, "nodes"):
        taken[item.pool] += item.nodes
        # A pool that is not queued for is told by queue-pool.
        over = taken[item.pool] - known.get(item.pool, taken[item.pool])
        if item.nodes and over > 0:
            yield report.problem(
                *item.where,
                value=item.nodes,
                what=f"the teams' own nodes of this pool are {taken[item.pool]}, and {known[item.pool]} are there to "
                "be shared out",
                allowed=f"at most {max(0, item.nodes - over)}",
                fix="lower it, or enlarge the pool",
            )


@rule("queue-limit", *NEEDS)
def _quotas_fit_the_team(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = {pool.name: pool for pool in settings.pools}
    for item in _named(settings, "nodes"):
        most = limit(settings, item.team, pools[item.pool]) if item.pool in pools else item.nodes
        if item.nodes > most:
            yield report.problem(
                *item.where,
                value=item.nodes,
                what=f"the limits of the team (gpus, cpus, memoryGib) let it hold {most} nodes of this pool",
                allowed=f"0 to {most}",
                fix="lower it, or raise the team's limits",
            )


@rule("queue-lending", *NEEDS)
def _nobody_lends_what_it_has_not(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.queueing is None:
        return
    alone = settings.queueing.cohort is None
    own = {share.team: share.nodes for share in shares(settings).teams}
    for item in _named(settings, "borrowingLimit", "lendingLimit"):
        has = own[item.team.name].get(item.pool, item.nodes)
        if alone or (item.member == "lendingLimit" and item.nodes > has):
            yield report.problem(
                *item.where,
                value=item.nodes,
                what="nobody lends or borrows in this stack: queueing.cohort is null"
                if alone
                else f"the team has {has} nodes of this pool of its own",
                allowed="nothing" if alone else f"0 to {has}",
                fix="remove it" if alone else "lower it, or leave it out to lend all of them",
            )


@rule("queue-unknown", "queueing", "training")
def _runs_name_the_queue_that_there_is(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, run in enumerate(settings.training):
        if settings.queueing is not None and run.queue not in (None, LOCAL_QUEUE):
            yield report.problem(
                "training",
                number,
                "queue",
                value=run.queue,
                what="there is no queue of this name: each team's namespace has one",
                allowed=f"{LOCAL_QUEUE}, or leave it out",
                fix="remove queue",
            )


@rule("priority-unknown", "queueing", "training")
def _priorities_are_known(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.queueing is None:
        return
    known = settings.queueing.priorities
    for number, run in enumerate(settings.training):
        if run.priority is not None and run.priority not in known:
            guess = near(run.priority, known)
            yield report.problem(
                "training",
                number,
                "priority",
                value=run.priority,
                what="queueing.priorities has no class of this name",
                allowed=", ".join(known) or "none",
                fix=f"did you mean {guess}?" if guess else "choose one of those, or add it there",
            )


@rule("queue-run-fits", *NEEDS, "training")
def _runs_can_be_admitted(settings: "Settings", report: Report) -> Iterator[Problem]:
    if settings.queueing is None:
        return
    nodes, found = queued_nodes(settings), {share.team: share for share in shares(settings).teams}
    pools = {pool.name: pool for pool in settings.pools}
    for number, run in enumerate(settings.training):
        share = found.get(run.team)
        if share is None or run.pool not in pools:
            continue
        most = share.nodes.get(run.pool, 0) + share.borrowing.get(run.pool, 0)
        # A run that is larger than its pool, or on a pool without nodes for it, is told by training-nodes.
        if most < run.nodes <= pools[run.pool].nodes:
            why = (
                f"the team {run.team} may use {most} nodes of {run.pool}, its own and borrowed ones"
                if run.pool in nodes
                else f"nodes of {run.pool} are not queued for ({TAKEN})"
            )
            yield report.problem(
                "training",
                number,
                "pool" if run.pool not in nodes else "nodes",
                value=run.pool if run.pool not in nodes else run.nodes,
                what=f"{why}, so the run would wait for ever",
                allowed=f"at most {most} nodes" if run.pool in nodes else ", ".join(nodes) or "no pool of this stack",
                fix="give the team more of the pool (teams[].queue), or ask for less",
            )
