"""What runs and services cost: their share of the nodes that they stand on, which are billed as machines already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from policies import kubernetes_objects as objects
from policies.cost.model import HOURS_PER_MONTH, ZERO, Estimate, Line
from policies.cost.nodes import NODE_GROUP
from policies.cost.pricing import percent
from policies.graph import Resource, ResourceGraph, UndecidedError
from stacks.governance import RunUsage, ServiceUsage, Usage

_POOL: Final = 'nodeSelector["slipway.dev/pool"]'
_NAME: Final = 'metadata.labels["app.kubernetes.io/name"]'
_TEAM: Final = 'metadata.labels["slipway.dev/team"]'
_SECONDS: Final = Decimal(3600)
_MILLION: Final = Decimal(1_000_000)
_THOUSAND: Final = Decimal(1000)
NO_THROUGHPUT: Final = "no throughput given (usage.services)"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run."""

    name: str
    team: str
    pool: str
    gpus: int
    hours: Decimal
    """Of one run, with restarts."""
    assumption: str
    usd: Decimal | None
    """Of one run; None when its pool is unpriced or not in the graph."""
    monthly_gpu_hours: Decimal


@dataclass(frozen=True, kw_only=True)
class Service:
    """One model service at the smallest and the largest number of its replicas."""

    name: str
    team: str
    pool: str
    replicas: tuple[int, int]
    gpus_per_replica: int
    hourly: tuple[Decimal, Decimal] | None
    per_million_tokens: tuple[Decimal, Decimal] | None
    """At the busy share of the usage section, and at full load."""
    per_thousand_requests: tuple[Decimal, Decimal] | None
    assumption: str
    monthly_gpu_hours: Decimal


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The accelerators of one pool: paid for, used, idle."""

    name: str
    monthly: Decimal
    paid_gpu_hours: Decimal
    used_gpu_hours: Decimal
    by_team: Mapping[str, Decimal]
    """USD a month of the accelerator-hours that each team's runs and services use."""

    @property
    def idle(self) -> Decimal:
        """USD a month of accelerator-hours that nobody uses."""
        return max(self.monthly - sum(self.by_team.values(), ZERO), ZERO)


@dataclass(frozen=True, kw_only=True)
class Workloads:
    """Everything that runs."""

    runs: tuple[Run, ...]
    services: tuple[Service, ...]
    pools: tuple[Pool, ...]
    undecided: tuple[str, ...]
    """Names of workloads whose size only the update knows."""


def workloads(graph: ResourceGraph, found: Estimate, usage: Usage | None = None) -> Workloads:
    """What the runs and services of ``graph`` cost, by the prices of ``found``."""
    usage = usage or Usage()
    rates = {line.pool: rate for line in found.lines if line.type == NODE_GROUP and (rate := _rate(line)) is not None}
    runs: list[Run] = []
    services: list[Service] = []
    undecided: list[str] = []
    kinds = (objects.JOB, objects.JOB_SET, objects.TRAIN_JOB, objects.INFERENCE_SERVICE)
    for item in sorted(graph.of_type(*kinds), key=lambda one: one.urn):
        try:
            if item.type == objects.INFERENCE_SERVICE:
                services.append(_service(item, rates, usage))
            else:
                runs.extend(_runs(item, rates, usage))
        except UndecidedError:
            undecided.append(item.name)
    return Workloads(
        runs=tuple(runs),
        services=tuple(services),
        pools=tuple(_pools(found, rates, runs, services)),
        undecided=tuple(undecided),
    )


def _rate(line: Line) -> Decimal | None:
    """USD of one accelerator-hour that is paid for, disks included; None where there is none or no price."""
    hours = line.gpu_hours.expected or line.gpu_hours.high
    usd = line.expected if line.gpu_hours.expected else line.high
    return usd / hours if hours and all(item.unit_price is not None for item in line.components) else None


def _runs(item: Resource, rates: Mapping[str, Decimal], usage: Usage) -> Iterator[Run]:
    whole = objects.whole(item)
    for job, pod in objects.gangs(item):
        name = whole.text(_NAME, item.name)
        how = next((one for one in usage.runs if one.name == name), RunUsage(name="unset"))
        limit = Decimal(job.number("activeDeadlineSeconds") or 0) / _SECONDS
        expected = how.expected_hours if how.expected_hours is not None else limit
        hours = expected * (1 + percent(how.restart_overhead_percent))
        gpus = objects.accelerator_count(pod) * (job.number("parallelism") or 1)
        pool = pod.text(_POOL)
        rate = rates.get(pool)
        source = "usage.runs" if how.expected_hours is not None else "the longest that it may take (maxHours)"
        yield Run(
            name=name,
            team=whole.text(_TEAM),
            pool=pool,
            gpus=gpus,
            hours=hours,
            assumption=f"{expected.normalize():f} h, {source}, and {how.restart_overhead_percent.normalize():f} % for "
            "restarts",
            usd=None if rate is None else rate * gpus * hours,
            monthly_gpu_hours=gpus * hours * how.runs_per_month,
        )


def _service(item: Resource, rates: Mapping[str, Decimal], usage: Usage) -> Service:
    whole = objects.whole(item)
    pod = whole.part("spec.predictor")
    gpus = objects.accelerator_count(pod)
    least = pod.number("minReplicas")
    least = 1 if least is None else least
    most = max(pod.number("maxReplicas") or least, least)
    name = whole.text(_NAME, item.name)
    how = next((one for one in usage.services if one.name == name), ServiceUsage(name="unset"))
    pool = pod.text(_POOL)
    rate = rates.get(pool)
    each = None if rate is None else rate * gpus
    known = how.tokens_per_second is not None or how.requests_per_second is not None
    return Service(
        name=name,
        team=whole.text(_TEAM),
        pool=pool,
        replicas=(least, most),
        gpus_per_replica=gpus,
        hourly=None if each is None else (each * least, each * most),
        per_million_tokens=_unit_cost(each, how.tokens_per_second, how.busy_percent, _MILLION),
        per_thousand_requests=_unit_cost(each, how.requests_per_second, how.busy_percent, _THOUSAND),
        assumption=f"usage.services: busy {how.busy_percent.normalize():f} % of the time" if known else NO_THROUGHPUT,
        monthly_gpu_hours=Decimal(gpus * least) * HOURS_PER_MONTH,
    )


def _unit_cost(
    hourly: Decimal | None, per_second: Decimal | None, busy: Decimal, units: Decimal
) -> tuple[Decimal, Decimal] | None:
    """USD per ``units``, at the busy share and at full load; the number of replicas cancels out."""
    if hourly is None or per_second is None or not busy:
        return None
    full = hourly / (per_second * _SECONDS) * units
    return full / percent(busy), full


def _pools(found: Estimate, rates: Mapping[str, Decimal], runs: list[Run], services: list[Service]) -> Iterator[Pool]:
    for line in found.lines:
        rate = rates.get(line.pool)
        if line.type != NODE_GROUP or rate is None:
            continue
        teams: dict[str, Decimal] = {}
        used = ZERO
        users: tuple[Run | Service, ...] = (*runs, *services)
        for item in users:
            if item.pool == line.pool:
                used += item.monthly_gpu_hours
                teams[item.team] = teams.get(item.team, ZERO) + item.monthly_gpu_hours * rate
        yield Pool(
            name=line.pool,
            monthly=line.expected,
            paid_gpu_hours=line.gpu_hours.expected,
            used_gpu_hours=used,
            by_team=dict(sorted(teams.items())),
        )
