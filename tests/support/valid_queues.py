"""Queues and the training operator, drawn at random so that every run of their stack can be admitted."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from components import accelerators
from tests.support.valid_workloads import Document, Draw, maybe, word


@st.composite
def queue_sections(draw: Draw, document: Mapping[str, Any]) -> Document:
    """Sections for ``document``, whose teams and runs get what goes with them; or none."""
    operator = st.fixed_dictionaries({"installJobset": maybe(st.booleans())})
    if all(run["runner"] == "job" for run in document["training"]):
        operator = maybe(operator)
    unqueued = {pool["name"]: pool["nodes"] for pool in document["pools"] if _owner(pool) == "autoscaler"}
    # The cluster's own pods keep a node of the pools that they may run on.
    kept = {pool["name"]: pool["nodes"] - 1 for pool in document["pools"] if _plain(pool)}
    able = all(run["nodes"] <= kept.get(run["pool"], run["nodes"]) for run in document["training"])
    if any(run["pool"] in unqueued for run in document["training"]) or not able or not draw(st.booleans()):
        for run in document["training"]:
            run |= {"queue": None, "priority": None, "topology": None}
        return {"trainingOperator": draw(operator)}
    chosen = draw(queueing())
    known = ["low", "high"] if chosen["priorities"] is None else chosen["priorities"]
    for run in document["training"]:
        run["queue"] = draw(st.sampled_from([None, "default"]))
        run["priority"] = draw(st.sampled_from([None, *known]))
    served = {service["pool"] for service in document["inference"]}
    pools = [
        pool
        for pool in document["pools"]
        if pool["name"] not in unqueued.keys() | served and accelerators.instance(pool["instanceType"]).devices
    ]
    if pools and document["teams"]:
        document["teams"][0]["queue"] = draw(team_queues(draw(st.sampled_from(pools))))
    return {"queueing": chosen, "trainingOperator": draw(operator)}


@st.composite
def queueing(draw: Draw) -> Document:
    """How runs are queued."""
    preemption = {
        "reclaimWithinCohort": maybe(st.sampled_from(["Never", "LowerPriority", "Any"])),
        "withinClusterQueue": maybe(st.sampled_from(["Never", "LowerPriority", "LowerOrNewerEqualPriority"])),
    }
    return {
        "cohort": draw(st.sampled_from(["teams", "everybody"])),
        "fairSharing": draw(maybe(st.booleans())),
        "strategy": draw(maybe(st.sampled_from(["StrictFIFO", "BestEffortFIFO"]))),
        "preemption": draw(maybe(st.fixed_dictionaries(preemption))),
        "priorities": draw(maybe(st.dictionaries(word(), st.integers(-100, 100), max_size=2))),
        "waitMinutes": draw(maybe(st.integers(1, 1440))),
        "recoveryMinutes": draw(maybe(st.integers(1, 1440))),
        "requeues": draw(maybe(st.integers(0, 1000))),
    }


@st.composite
def team_queues(draw: Draw, pool: Mapping[str, Any]) -> Document:
    """A part of one pool that leaves the whole of it within reach: its runs may take it all."""
    name = pool["name"]
    own = draw(maybe(st.integers(0, pool["nodes"])))
    return {
        "nodes": {name: own} if own is not None else None,
        "borrowingLimit": draw(maybe(st.just({name: pool["nodes"]}))),
        "lendingLimit": draw(maybe(st.just({name: 0}))),
        "weight": draw(maybe(st.integers(1, 1000))),
    }


def _plain(pool: Mapping[str, Any]) -> bool:
    return not accelerators.instance(pool["instanceType"]).devices and not pool.get("dedicated")


def _owner(pool: Mapping[str, Any]) -> str | None:
    owner: str | None = (pool.get("scaling") or {}).get("owner")
    return owner
