"""Rules about teams and the runs that they put on pools."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stacks.problems import Problem, near
from stacks.rules import Report, aws, rule
from stacks.runs import place_of, training_spec
from stacks.sections import Registry
from workloads.validation import problems

if TYPE_CHECKING:
    from stacks.sections import LustreStorage, Pool, Team
    from stacks.settings import Settings


def _pools(settings: "Settings") -> dict[str, "Pool"]:
    return {pool.name: pool for pool in settings.pools}


def _teams(settings: "Settings") -> dict[str, "Team"]:
    return {team.name: team for team in settings.teams}


def _storage(settings: "Settings") -> dict[str, "LustreStorage"]:
    return {item.name: item for item in settings.storage}


def _unknown(report: Report, *at: str | int, value: str, kind: str, known: list[str]) -> Problem:
    guess = near(value, known)
    return report.problem(
        *at,
        value=value,
        what=f"there is no {kind} of this name",
        allowed=", ".join(known) or f"none: the stack has no {kind}",
        fix=f"did you mean {guess}?" if guess else f"choose one of those, or add the {kind}",
    )


@rule("storage-unknown", "teams", "storage")
def _teams_mount_known_storage(settings: "Settings", report: Report) -> Iterator[Problem]:
    known = list(_storage(settings))
    for number, team in enumerate(settings.teams):
        for position, name in enumerate(team.storage):
            if name not in known:
                yield _unknown(report, "teams", number, "storage", position, value=name, kind="storage", known=known)


@rule("team-unknown", "training", "teams")
def _runs_have_a_team(settings: "Settings", report: Report) -> Iterator[Problem]:
    known = list(_teams(settings))
    for number, run in enumerate(settings.training):
        if run.team not in known:
            yield _unknown(report, "training", number, "team", value=run.team, kind="team", known=known)


@rule("pool-unknown", "training", "pools")
def _runs_have_a_pool(settings: "Settings", report: Report) -> Iterator[Problem]:
    known = list(_pools(settings))
    for number, run in enumerate(settings.training):
        if run.pool not in known:
            yield _unknown(report, "training", number, "pool", value=run.pool, kind="pool", known=known)


@rule("training", "training", "teams", "pools", "storage", "queueing", "training_operator")
def _runs_can_run(settings: "Settings", _report: Report) -> Iterator[Problem]:
    """What `slipway train submit` checks too, with its own rule ids; runs of an unknown pool or team are told above."""
    pools, teams = _pools(settings), _teams(settings)
    for number, run in enumerate(settings.training):
        if run.pool not in pools or run.team not in teams:
            continue
        pool, team = pools[run.pool], teams[run.team]
        spec = training_spec(run, pool, Registry())
        for found in problems(spec, place_of(settings, pool, team)):
            where = ("training", number, *found.path)
            yield Report(found.rule).problem(
                *where, value=found.value, what=found.what, allowed=found.allowed, fix=found.fix
            )


@rule("storage-zone", "training", "pools", "storage", "place")
def _storage_is_near(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools, place = _pools(settings), aws(settings)
    numbers = {item.name: number for number, item in enumerate(settings.storage)}
    seen: set[str] = set()
    for run in settings.training:
        pool, number = pools.get(run.pool), numbers.get(run.storage or "")
        if place is None or pool is None or number is None:
            continue
        item = settings.storage[number]
        zones = pool.zones or place.network.zones
        if set(zones) != {item.zone} and item.name not in seen and item.zone in place.network.zones:
            seen.add(item.name)
            yield report.problem(
                "storage",
                number,
                "zone",
                value=item.zone,
                what=f"the run {run.name} reads it from the pool {pool.name} in {', '.join(zones)}; its volume "
                "binds to nodes of its own zone only",
                allowed=f"the one zone of that pool ({', '.join(zones)})",
                fix="put both in one zone",
            )
