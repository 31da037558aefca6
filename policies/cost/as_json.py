"""An estimate as one JSON document. Money and quantities are texts of decimal digits, so that no reader rounds them."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from policies.cost.budgets import Standing
from policies.cost.catalogue import Price
from policies.cost.model import Component, Estimate, Line, Range
from policies.cost.workloads import Pool, Run, Service, Workloads

VERSION: Final = 1


def text(value: Decimal) -> str:
    """Every digit of ``value``, without an exponent and without zeros that say nothing."""
    return f"{value.normalize():f}"


def document(found: Estimate, measured: Iterable[Standing], running: Workloads, *, environment: str) -> dict[str, Any]:
    """Totals, lines, what is unpriced and free, price dates, budget and workloads."""
    return {
        "version": VERSION,
        "environment": environment,
        "stack": found.stack,
        "origin": found.origin,
        "simulated": found.simulated,
        "currency": "USD",
        "hoursPerMonth": 730,
        "monthly": _range(found.total),
        "hourly": _range(found.total.hourly),
        "gpuHours": _range(found.gpu_hours),
        "gpuHourly": text(found.gpu_hourly),
        "byCategory": {str(category): _range(amount) for category, amount in found.by_category.items()},
        "priceDates": sorted({price.as_of for price in found.prices}),
        "lines": [_line(item) for item in found.lines],
        "unpriced": [
            {
                "urn": item.urn,
                "name": item.name,
                "type": item.type,
                "what": item.what,
                "why": item.why,
                "concernsGpuOrStorage": item.concerns_gpu_or_storage,
            }
            for item in found.unpriced
        ],
        "free": [{"urn": item.urn, "name": item.name, "type": item.type, "why": item.why} for item in found.free],
        "budget": [_standing(item) for item in measured],
        "workloads": {
            "runs": [_run(item) for item in running.runs],
            "services": [_service(item) for item in running.services],
            "pools": [_pool(item) for item in running.pools],
            "undecided": list(running.undecided),
        },
    }


def _range(amount: Range) -> dict[str, str]:
    return {"low": text(amount.low), "expected": text(amount.expected), "high": text(amount.high)}


def _line(item: Line) -> dict[str, Any]:
    return {
        "urn": item.urn,
        "type": item.type,
        "name": item.name,
        "category": str(item.category),
        "region": item.region,
        "pool": item.pool,
        "cluster": item.cluster,
        "labels": dict(item.labels),
        "monthly": _range(item.range),
        "gpuHours": _range(item.gpu_hours),
        "components": [_component(part) for part in item.components],
    }


def _component(item: Component) -> dict[str, Any]:
    return {
        "name": item.name,
        "unit": item.unit,
        "quantity": text(item.quantity),
        "unitPrice": _price(item.unit_price) if item.unit_price else None,
        "monthly": None if item.monthly is None else text(item.monthly),
        "hourly": None if item.hourly is None else text(item.hourly),
        "upfront": None if item.upfront is None else text(item.upfront),
        "assumption": item.assumption,
        "usageBased": item.usage_based,
    }


def _price(price: Price) -> dict[str, Any]:
    return {
        "usd": text(price.usd),
        "unit": price.unit,
        "region": price.region,
        "asOf": price.as_of,
        "sources": list(price.sources),
        "derived": price.derived,
        "live": price.live,
    }


def _standing(item: Standing) -> dict[str, Any]:
    return {
        "setting": item.setting,
        "unit": item.unit,
        "limit": text(item.limit),
        "estimated": _range(item.estimated),
        "verdict": str(item.verdict),
    }


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def _pair(value: tuple[Decimal, Decimal] | None) -> list[str] | None:
    return None if value is None else [text(value[0]), text(value[1])]


def _run(item: Run) -> dict[str, Any]:
    return {
        "name": item.name,
        "team": item.team,
        "pool": item.pool,
        "gpus": item.gpus,
        "hours": text(item.hours),
        "usd": _optional(item.usd),
        "assumption": item.assumption,
    }


def _service(item: Service) -> dict[str, Any]:
    return {
        "name": item.name,
        "team": item.team,
        "pool": item.pool,
        "replicas": list(item.replicas),
        "gpusPerReplica": item.gpus_per_replica,
        "hourly": _pair(item.hourly),
        "perMillionTokens": _pair(item.per_million_tokens),
        "perThousandRequests": _pair(item.per_thousand_requests),
        "assumption": item.assumption,
    }


def _pool(item: Pool) -> dict[str, Any]:
    return {
        "name": item.name,
        "monthly": text(item.monthly),
        "paidGpuHours": text(item.paid_gpu_hours),
        "usedGpuHours": text(item.used_gpu_hours),
        "idle": text(item.idle),
        "byTeam": {team: text(usd) for team, usd in item.by_team.items()},
    }
