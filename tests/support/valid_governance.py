"""Policies, budgets and usage, drawn at random for a stack."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from pydantic.alias_generators import to_camel

from stacks.governance import Usage
from tests.support.valid_workloads import ACCOUNT, Document, Draw, maybe, word

_NAMED = ("capacity_block_fees", "runs", "services")
AMOUNTS = [to_camel(name) for name in Usage.model_fields if name not in _NAMED]


@st.composite
def policies(draw: Draw, place: Mapping[str, Any]) -> Document:
    """Levels, limits and signed exceptions; what the rules themselves say of the stack is another matter."""
    suppression = {
        "rule": "gpu-budget",
        "resource": "lake-*",
        "reason": "measured by hand until spring",
        "owner": "platform-team",
        "expires": "2027-03-31",
    }
    limits = {
        "regions": draw(st.sampled_from([[], [place["region"]]])),
        "instanceTypes": draw(st.sampled_from([[], ["m7i.2xlarge", "p5.48xlarge"]])),
        "maxGpus": draw(maybe(st.integers(0, 100_000))),
        "requiredTags": draw(st.sampled_from([[], ["purpose"]])),
        "privilegedNamespaces": draw(st.lists(word(), max_size=1)),
    }
    levels = st.sampled_from(["advisory", "mandatory", "remediate", "disabled"])
    return {
        "levels": draw(st.dictionaries(st.sampled_from(["gpu", "tags"]), levels, max_size=2)),
        "limits": draw(maybe(st.just(limits))),
        "suppressions": draw(st.lists(st.just(suppression), max_size=1)),
    }


def _amounts(least: float = 0.5, most: float = 1e6) -> st.SearchStrategy[float | int]:
    return st.one_of(st.integers(1, int(most)), st.floats(least, most).map(lambda value: round(value, 3)))


@st.composite
def budgets(draw: Draw) -> Document:
    """What a stack may cost, and who is told."""
    notice = {
        "emails": ["gpu-costs@example.com"],
        "topicArn": draw(maybe(st.just(f"arn:aws:sns:us-east-1:{ACCOUNT}:costs"))),
        "anomalyUsd": draw(maybe(_amounts())),
    }
    return {
        "monthlyUsd": draw(_amounts()),
        "hourlyUsd": draw(maybe(_amounts())),
        "gpuHours": draw(maybe(_amounts())),
        "warnPercent": draw(maybe(st.integers(1, 100))),
        "notify": draw(maybe(st.just(notice))),
    }


@st.composite
def usages(draw: Draw, document: Mapping[str, Any]) -> Document:
    """What is used month by month, of what there is."""
    found: Document = draw(st.dictionaries(st.sampled_from(AMOUNTS), st.integers(0, 100), max_size=9))
    blocks = [pool["capacity"]["id"] for pool in document["pools"] if _is_block(pool)]
    found["capacityBlockFees"] = {block: draw(_amounts()) for block in blocks}
    found["runs"] = [
        {
            "name": run["name"],
            "expectedHours": draw(maybe(_amounts())),
            "runsPerMonth": draw(maybe(st.integers(0, 30))),
            "restartOverheadPercent": draw(maybe(st.integers(0, 100))),
        }
        for run in document["training"]
    ]
    found["services"] = [
        {
            "name": service["name"],
            "tokensPerSecond": draw(maybe(_amounts())),
            "requestsPerSecond": draw(maybe(_amounts())),
            "busyPercent": draw(maybe(st.integers(0, 100))),
        }
        for service in document["inference"]
    ]
    return found


def _is_block(pool: Document) -> bool:
    return (pool.get("capacity") or {}).get("kind") == "capacityBlock"
