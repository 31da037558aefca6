"""How many nodes of which pool each team may count on: from settings to shares, without any resource."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components import accelerators
from components.kubernetes.queue_objects import TeamShare
from components.kubernetes.quotas import divide
from stacks.pool_rules import takes_everybody

if TYPE_CHECKING:
    from stacks.sections import Pool, Team
    from stacks.settings import Settings

KEPT_FOR_THE_CLUSTER = 1
"""Nodes of a pool on which the cluster's own pods may run that no quota counts: add-ons must find room again when they
are updated."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What is shared out."""

    nodes: Mapping[str, int]
    """By pool, in the settings' order."""
    teams: tuple[TeamShare, ...]
    unassigned: Mapping[str, int]
    """Nodes that are nobody's own, by pool."""


def queued_nodes(settings: "Settings") -> dict[str, int]:
    """Nodes by pool that queues share out; pools without any are left out.

    A pool that an autoscaler owns is no such pool: Kueue admits onto nodes that are there, and an autoscaler makes
    nodes for pods that wait. Nodes that model services may grow to are theirs.
    """
    found = {}
    for pool in settings.pools:
        nodes = pool.nodes - _of_services(settings, pool) - (KEPT_FOR_THE_CLUSTER if takes_everybody(pool) else 0)
        if pool.scaling.owner != "autoscaler" and nodes > 0:
            found[pool.name] = nodes
    return found


def shares(settings: "Settings") -> Shares:
    """Every team's part: what the settings name, and of the rest what is proportionate."""
    pools = {pool.name: pool for pool in settings.pools}
    nodes = queued_nodes(settings)
    lending = settings.queueing is not None and settings.queueing.cohort is not None
    own: dict[str, dict[str, int]] = {team.name: {} for team in settings.teams}
    borrowed: dict[str, dict[str, int]] = {team.name: {} for team in settings.teams}
    gpus = {team.name: _gpus(settings, team) for team in settings.teams}
    for name, count in nodes.items():
        limits = {team.name: _limit(team, pools[name], gpus[team.name]) for team in settings.teams}
        for team, given in _divided(settings, pools[name], count, limits).items():
            own[team][name] = given
            gpus[team] = max(0, gpus[team] - given * accelerators.instance(pools[name].instance_type).devices)
        for item in settings.teams:
            most = min(count, limit(settings, item, pools[name])) - own[item.name][name]
            borrowed[item.name][name] = item.queue.borrowing_limit.get(name, max(0, most)) if lending else 0
    teams = tuple(
        TeamShare(
            team=team.name,
            nodes=own[team.name],
            borrowing=borrowed[team.name],
            lending=dict(team.queue.lending_limit) if lending else {},
            weight=team.queue.weight,
        )
        for team in settings.teams
    )
    left = {name: count - sum(share.nodes[name] for share in teams) for name, count in nodes.items()}
    return Shares(nodes=nodes, teams=teams, unassigned={name: count for name, count in left.items() if count > 0})


def _divided(settings: "Settings", pool: "Pool", count: int, limits: Mapping[str, int]) -> dict[str, int]:
    named = {team.name: team.queue.nodes[pool.name] for team in settings.teams if pool.name in team.queue.nodes}
    devices = accelerators.instance(pool.instance_type).devices
    weights = {
        team.name: _gpus(settings, team) if devices else team.cpus for team in settings.teams if team.name not in named
    }
    return {**divide(max(0, count - sum(named.values())), weights, limits), **named}


def _limit(team: "Team", pool: "Pool", gpus: int) -> int:
    """Nodes of the pool that the team's limits let it hold, the last one perhaps in part; ``gpus`` are those left."""
    machine = accelerators.instance(pool.instance_type)
    if machine.devices:
        return -(-gpus // machine.devices)
    return min(-(-team.cpus // machine.vcpus), -(-team.memory_gib // machine.memory_gib))


def limit(settings: "Settings", team: "Team", pool: "Pool") -> int:
    """Nodes of the pool that the team's limits let its queue hold, the last one perhaps in part."""
    return _limit(team, pool, _gpus(settings, team))


def _gpus(settings: "Settings", team: "Team") -> int:
    """GPUs of the team that its model services cannot grow to."""
    served = sum(item.max_replicas * item.gpus_per_replica for item in settings.inference if item.team == team.name)
    return max(0, team.gpus - served)


def _of_services(settings: "Settings", pool: "Pool") -> int:
    """Nodes that the pool's model services take when all of them have grown to their largest."""
    devices = accelerators.instance(pool.instance_type).devices
    wanted = 0
    for service in settings.inference:
        if service.pool == pool.name and 0 < service.gpus_per_replica <= devices:
            wanted += -(-service.max_replicas // (devices // service.gpus_per_replica))
    return wanted
