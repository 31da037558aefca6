"""Rules about model services and the pools that they run on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components import accelerators
from components.kubernetes.kserve_runtimes import SERVING_RUNTIMES
from stacks.inference import RuntimeServing
from stacks.problems import Problem, near
from stacks.rules import Report, rule
from stacks.runs import SECONDS_PER_MINUTE, inference_spec, training_spec
from stacks.sections import Registry
from workloads.manifests.pods import cpus, memory_gib
from workloads.serving_specs import needed_startup_seconds

if TYPE_CHECKING:
    from stacks.inference import Inference
    from stacks.sections import Pool, Team
    from stacks.settings import Settings

SECTION = "inference"


def _known(report: Report, number: int, member: str, value: str, known: list[str], *, kind: str) -> Iterator[Problem]:
    if value not in known:
        guess = near(value, known)
        yield report.problem(
            SECTION,
            number,
            member,
            value=value,
            what=f"there is no {kind} of this name",
            allowed=", ".join(known) or f"none: the stack has no {kind}",
            fix=f"did you mean {guess}?" if guess else f"choose one of those, or add the {kind}",
        )


@rule("team-unknown", SECTION, "teams")
def _services_have_a_team(settings: "Settings", report: Report) -> Iterator[Problem]:
    known = [team.name for team in settings.teams]
    for number, service in enumerate(settings.inference):
        yield from _known(report, number, "team", service.team, known, kind="team")


@rule("pool-unknown", SECTION, "pools")
def _services_have_a_pool(settings: "Settings", report: Report) -> Iterator[Problem]:
    known = [pool.name for pool in settings.pools]
    for number, service in enumerate(settings.inference):
        yield from _known(report, number, "pool", service.pool, known, kind="pool")


@rule("inference-runtime", SECTION)
def _runtimes_are_known(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, service in enumerate(settings.inference):
        if isinstance(service.server, RuntimeServing) and service.server.runtime not in SERVING_RUNTIMES:
            guess = near(service.server.runtime, SERVING_RUNTIMES)
            yield report.problem(
                SECTION,
                number,
                "server",
                "runtime",
                value=service.server.runtime,
                what="the platform installs no serving runtime of this name",
                allowed=", ".join(sorted(SERVING_RUNTIMES)),
                fix=f"did you mean {guess}?" if guess else "choose one of those, or bring a container",
            )


@rule("inference-model-format", SECTION)
def _runtimes_serve_the_format(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, service in enumerate(settings.inference):
        if not isinstance(service.server, RuntimeServing) or service.server.runtime not in SERVING_RUNTIMES:
            continue
        formats = SERVING_RUNTIMES[service.server.runtime].formats
        if service.server.model_format not in formats:
            yield report.problem(
                SECTION,
                number,
                "server",
                "modelFormat",
                value=service.server.model_format,
                what=f"{service.server.runtime} serves no model of this format: KServe would make no pod",
                allowed=", ".join(formats),
                fix="name the model's format, or another runtime",
            )


@rule("inference-replicas", SECTION)
def _bounds_are_in_order(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, service in enumerate(settings.inference):
        if service.max_replicas < service.min_replicas:
            yield report.problem(
                SECTION,
                number,
                "maxReplicas",
                value=service.max_replicas,
                what=f"there are to be at least {service.min_replicas} replicas (minReplicas)",
                allowed=f"{service.min_replicas} or more",
                fix="raise maxReplicas, or lower minReplicas",
            )


@rule("inference-startup", SECTION)
def _replicas_get_time_to_start(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, service in enumerate(settings.inference):
        least = -(-needed_startup_seconds(service.model.size_gib) // SECONDS_PER_MINUTE)
        if service.startup_minutes is not None and service.startup_minutes < least:
            yield report.problem(
                SECTION,
                number,
                "startupMinutes",
                value=service.startup_minutes,
                what=f"a model of {service.model.size_gib} GiB may take {least} minutes to load; replicas that are "
                "ended before never answer",
                allowed=f"{least} or more, or leave it out",
                fix="give it more time",
            )


def _placed(settings: "Settings") -> Iterator[tuple[int, "Inference", "Pool"]]:
    pools = {pool.name: pool for pool in settings.pools}
    for number, service in enumerate(settings.inference):
        if service.pool in pools:
            yield number, service, pools[service.pool]


@rule("inference-gpus", SECTION, "pools")
def _replicas_fit_a_node(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, service, pool in _placed(settings):
        devices = accelerators.instance(pool.instance_type).devices
        if service.gpus_per_replica > devices:
            yield report.problem(
                SECTION,
                number,
                "gpusPerReplica",
                value=service.gpus_per_replica,
                what=f"a node of the pool {pool.name} ({pool.instance_type}) has {devices} GPUs",
                allowed=f"1 to {devices}" if devices else "a pool with GPUs",
                fix="ask for fewer, or choose another pool",
            )


@rule("inference-capacity", SECTION, "pools")
def _replicas_fit_the_pool(settings: "Settings", report: Report) -> Iterator[Problem]:
    """All services of a pool, scaled up, and the runs on it: replicas without a node wait for ever."""
    taken: dict[str, int] = {}
    for number, service, pool in _placed(settings):
        devices = accelerators.instance(pool.instance_type).devices
        if not 0 < service.gpus_per_replica <= devices:
            continue
        busy = sum(run.nodes for run in settings.training if run.pool == pool.name)
        places = max(0, pool.nodes - busy) * (devices // service.gpus_per_replica)
        before = taken.get(pool.name, 0)
        free = places - -(-before // service.gpus_per_replica)
        taken[pool.name] = before + service.max_replicas * service.gpus_per_replica
        if service.max_replicas > free:
            yield report.problem(
                SECTION,
                number,
                "maxReplicas",
                value=service.max_replicas,
                what=f"the pool {pool.name} has room for {max(0, free)} replicas of {service.gpus_per_replica} GPUs, "
                "after the runs and services before",
                allowed=f"at most {max(0, free)}",
                fix="lower maxReplicas, or enlarge the pool",
            )


@rule("inference-quota", SECTION, "training", "teams", "pools")
def _replicas_fit_the_quota(settings: "Settings", report: Report) -> Iterator[Problem]:
    pools = {pool.name: pool for pool in settings.pools}
    teams = {team.name: team for team in settings.teams}
    for team in teams.values():
        taken = _taken_by_runs(settings, team, pools)
        for number, service, pool in _placed(settings):
            devices = accelerators.instance(pool.instance_type).devices
            if service.team != team.name or service.gpus_per_replica > devices:
                continue
            spec = inference_spec(service, pool, Registry())
            each = (spec.share.accelerators, cpus(spec), memory_gib(spec))
            taken = [before + spec.max_replicas * more for before, more in zip(taken, each, strict=True)]
            limits = (("gpus", team.gpus), ("cpus", team.cpus), ("memoryGib", team.memory_gib))
            over = [(name, need, limit) for need, (name, limit) in zip(taken, limits, strict=True) if need > limit]
            if over:
                yield report.problem(
                    SECTION,
                    number,
                    "maxReplicas",
                    value=service.max_replicas,
                    what=f"the team {team.name} may not hold what its runs and services take when scaled up: "
                    + ", ".join(f"{name} {need} of {limit}" for name, need, limit in over),
                    allowed="what the team's limits leave",
                    fix=f"lower maxReplicas, or raise the team's {', '.join(name for name, _, _ in over)}",
                )


def _taken_by_runs(settings: "Settings", team: "Team", pools: dict[str, "Pool"]) -> list[int]:
    taken = [0, 0, 0]
    for run in settings.training:
        if run.team != team.name or run.pool not in pools:
            continue
        if accelerators.instance(pools[run.pool].instance_type).devices:
            spec = training_spec(run, pools[run.pool], Registry())
            each = (spec.accelerators, spec.nodes * cpus(spec), spec.nodes * memory_gib(spec))
            taken = [before + more for before, more in zip(taken, each, strict=True)]
    return taken
