from decimal import Decimal
from typing import Any

from policies.cost.budgets import Verdict, standings
from policies.cost.catalogue import Catalogue
from policies.cost.estimate import estimate
from policies.cost.workloads import NO_THROUGHPUT, Workloads, workloads
from policies.graph import UNKNOWN, Resource
from stacks.governance import Budget, Usage
from tests.support.priced import graph, launch_template, node_group, resource

CATALOGUE = Catalogue.load()
H100_HOUR = (Decimal("55.04") * 730 + Decimal(16)) / 730 / 8
"""A GPU-hour of a p5.48xlarge with its disk of 200 GiB."""


def pool(name: str, nodes: tuple[int, int, int], instance_type: str = "p5.48xlarge") -> tuple[Resource, Resource]:
    return node_group(name, sizes=nodes, instanceTypes=[instance_type]), launch_template(name)


def job(**changes: Any) -> Resource:
    container = {"name": "trainer", "resources": {"limits": {"nvidia.com/gpu": "8"}}}
    spec = {"nodeSelector": {"slipway.dev/pool": "training"}, "containers": [container]}
    labels = {"app.kubernetes.io/name": "pretrain", "slipway.dev/team": "research"}
    body = {"parallelism": 4, "activeDeadlineSeconds": 72 * 3600, "template": {"spec": spec}, **changes}
    return resource("kubernetes:batch/v1:Job", "pretrain-job", {"metadata": {"labels": labels}, "spec": body})


def service() -> Resource:
    predictor = {
        "nodeSelector": {"slipway.dev/pool": "training"},
        "minReplicas": 1,
        "maxReplicas": 4,
        "containers": [{"name": "kserve-container", "resources": {"limits": {"nvidia.com/gpu": "2"}}}],
    }
    labels = {"app.kubernetes.io/name": "assistant", "slipway.dev/team": "chat"}
    return resource(
        "kubernetes:serving.kserve.io/v1beta1:InferenceService",
        "assistant-service",
        {"metadata": {"labels": labels}, "spec": {"predictor": predictor}},
    )


def running(usage: dict[str, Any] | None = None, *items: Resource) -> Workloads:
    made = graph(*pool("training", (4, 4, 4)), *(items or (job(), service())))
    used = Usage.model_validate(usage or {})
    return workloads(made, estimate(made, catalogue=CATALOGUE, usage=used), used)


def close(found: Decimal | None, expected: Decimal) -> bool:
    return found is not None and abs(found - expected) < Decimal("1e-6")


def test_a_run_costs_nodes_times_price_times_hours_with_restarts() -> None:
    (run,) = running().runs
    assert (run.name, run.team, run.pool, run.gpus) == ("pretrain", "research", "training", 32)
    assert run.hours == Decimal(72) * Decimal("1.05"), "the longest that it may take, and 5 % for restarts"
    assert close(run.usd, H100_HOUR * 32 * run.hours)
    usage = {"runs": [{"name": "pretrain", "expectedHours": 20, "restartOverheadPercent": 10, "runsPerMonth": 3}]}
    (told,) = running(usage).runs
    assert told.hours == 22
    assert told.monthly_gpu_hours == 32 * 22 * 3


def test_a_service_costs_its_replica_range_and_says_when_its_speed_is_not_known() -> None:
    (found,) = running().services
    assert found.replicas == (1, 4)
    assert found.hourly is not None
    assert close(found.hourly[0], H100_HOUR * 2)
    assert close(found.hourly[1], H100_HOUR * 8)
    assert (found.per_million_tokens, found.assumption) == (None, NO_THROUGHPUT)


def test_a_measured_speed_gives_the_cost_of_tokens_and_requests() -> None:
    usage = {"services": [{"name": "assistant", "tokensPerSecond": 2000, "requestsPerSecond": 5, "busyPercent": 25}]}
    (found,) = running(usage).services
    assert found.per_million_tokens is not None
    assert found.per_thousand_requests is not None
    full = H100_HOUR * 2 / (2000 * 3600) * 1_000_000
    assert close(found.per_million_tokens[1], full)
    assert close(found.per_million_tokens[0], full * 4), "a quarter of the load costs four times as much per token"
    assert close(found.per_thousand_requests[1], H100_HOUR * 2 / (5 * 3600) * 1000)


def test_what_nobody_uses_is_idle_and_teams_pay_for_what_they_hold() -> None:
    (found,) = running().pools
    run, one = Decimal(32) * 72 * Decimal("1.05"), Decimal(2 * 730)
    assert found.used_gpu_hours == run + one
    assert close(found.by_team["research"], run * H100_HOUR)
    assert close(found.by_team["chat"], one * H100_HOUR)
    assert close(found.idle, found.monthly - (run + one) * H100_HOUR)


def test_a_run_of_unknown_size_is_named() -> None:
    found = running(None, job(parallelism=UNKNOWN))
    assert (found.runs, found.undecided) == ((), ("pretrain-job",))


def test_each_limit_has_a_verdict_of_its_own() -> None:
    found = estimate(graph(*pool("training", (1, 2, 4))), catalogue=CATALOGUE)
    monthly = found.total.expected
    budget = Budget.model_validate(
        {"monthlyUsd": str(monthly - 1), "hourlyUsd": str(monthly), "gpuHours": 8 * 730 * 3, "warnPercent": 50}
    )
    verdicts = {item.setting: item.verdict for item in standings(found, budget)}
    assert verdicts == {
        "monthlyUsd": Verdict.OVER,
        "hourlyUsd": Verdict.WITHIN,
        "gpuHours": Verdict.NEAR,
    }, "two nodes fit under three, four would not"


def test_without_a_budget_nothing_is_measured() -> None:
    assert list(standings(estimate(graph(), catalogue=CATALOGUE), None)) == []
