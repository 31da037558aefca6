"""Rules about teams and the runs that they put on pools."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components import accelerators
from stacks.problems import Problem, near
from stacks.rules import Report, aws, rule
from stacks.runs import training_spec
from stacks.sections import Registry
from workloads.manifests.pods import cpus, memory_gib

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


@rule("training-needs-gpus", "training", "pools")
def _runs_use_gpus(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = _pools(settings)
    for number, run in enumerate(settings.training):
        if run.pool in pools and accelerators.instance(pools[run.pool].instance_type).devices == 0:
            yield report.problem(
                "training",
                number,
                "pool",
                value=run.pool,
                what=f"the nodes of this pool ({pools[run.pool].instance_type}) have no GPUs",
                allowed="a pool with GPUs",
                fix="choose another pool",
            )


@rule("training-nodes", "training", "pools")
def _runs_fit_the_pool(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = _pools(settings)
    for number, run in enumerate(settings.training):
        if run.pool in pools and run.nodes > pools[run.pool].nodes:
            yield report.problem(
                "training",
                number,
                "nodes",
                value=run.nodes,
                what=f"the pool {run.pool} has {pools[run.pool].nodes} nodes, so the run would wait for ever",
                allowed=f"1 to {pools[run.pool].nodes}",
                fix="ask for fewer nodes, or enlarge the pool",
            )


@rule("training-gpus", "training", "pools")
def _runs_fit_the_nodes(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = _pools(settings)
    for number, run in enumerate(settings.training):
        pool = pools.get(run.pool)
        if pool is None or run.gpus_per_node is None:
            continue
        devices = accelerators.instance(pool.instance_type).devices
        if 0 < devices < run.gpus_per_node:
            yield report.problem(
                "training",
                number,
                "gpusPerNode",
                value=run.gpus_per_node,
                what=f"{pool.instance_type} has {devices} GPUs",
                allowed=f"1 to {devices}, or leave it out for all",
                fix="ask for fewer, or choose another pool",
            )
        elif run.gpus_per_node < devices and pool.fabric == "efa":
            yield report.problem(
                "training",
                number,
                "gpusPerNode",
                value=run.gpus_per_node,
                what="a run over the fabric takes its nodes whole: interfaces and GPUs share their PCIe switches",
                allowed=f"{devices}, or leave it out for all",
                fix="take whole nodes, or use a pool with fabric: none",
            )


@rule("training-quota", "training", "teams", "pools")
def _runs_fit_the_quota(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools, teams = _pools(settings), _teams(settings)
    for number, run in enumerate(settings.training):
        if run.pool not in pools or run.team not in teams:
            continue
        team, spec = teams[run.team], training_spec(run, pools[run.pool], Registry())
        demands = (
            ("gpus", spec.accelerators, team.gpus),
            ("cpus", spec.nodes * cpus(spec), team.cpus),
            ("memoryGib", spec.nodes * memory_gib(spec), team.memory_gib),
        )
        over = [(member, wanted, limit) for member, wanted, limit in demands if wanted > limit]
        if over and spec.share.accelerators_of_node:
            yield report.problem(
                "training",
                number,
                "nodes",
                value=run.nodes,
                what=f"the team {team.name} may not hold what the run takes, so its pods would never be made: "
                + ", ".join(f"{member} {wanted} of {limit}" for member, wanted, limit in over),
                allowed="what the team's limits leave",
                fix=f"ask for fewer nodes, or raise the team's {', '.join(member for member, _, _ in over)}",
            )


@rule("training-storage", "training", "teams", "storage")
def _runs_mount_their_teams_storage(settings: "Settings", report: Report) -> Iterator[Problem]:
    teams = _teams(settings)
    for number, run in enumerate(settings.training):
        team = teams.get(run.team)
        if team is not None and run.storage is not None and run.storage not in team.storage:
            yield report.problem(
                "training",
                number,
                "storage",
                value=run.storage,
                what=f"the team {team.name} has no claim on this file system",
                allowed=", ".join(team.storage) or "none",
                fix="add it to the team's storage",
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
