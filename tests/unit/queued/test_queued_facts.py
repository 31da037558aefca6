"""Facts from the API server's objects, and quotas from Kueue's."""

from decimal import Decimal
from typing import Any

import pytest

from tests.support.queued import facts
from tests.support.queued.quotas import Quota, Quotas

GPUS = ("training", "nvidia.com/gpu")


def _meta(version: int, **more: Any) -> dict[str, Any]:
    return {"resourceVersion": str(version), "uid": "u", "name": "n", **more}


def _workload(**status: Any) -> dict[str, Any]:
    owner = {"kind": "Job", "uid": "job", "controller": True}
    return {
        "metadata": _meta(7, ownerReferences=[owner]),
        "spec": {"podSets": [{"name": "main", "count": 5}]},
        "status": status,
    }


def _condition(kind: str, status: str = "True", reason: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason}


def _admission(slices: list[dict[str, Any]] | None) -> dict[str, Any]:
    place = {"topologyAssignment": {"levels": ["kubernetes.io/hostname"], "slices": slices}} if slices else {}
    assigned = {
        "name": "main", "flavors": {"nvidia.com/gpu": "training"}, "resourceUsage": {"nvidia.com/gpu": "40"},
        "count": 5, **place,
    }  # fmt: skip
    return {"clusterQueue": "red", "podSetAssignments": [assigned]}


def test_a_pod_tells_its_gang_its_place_and_what_it_takes() -> None:
    annotations = {facts.INDEX: "3", facts.REQUIRED_TOPOLOGY: "leaf"}
    owner = {"kind": "Job", "uid": "job", "controller": True}
    document = {
        "metadata": _meta(7, annotations=annotations, ownerReferences=[owner], deletionTimestamp="now"),
        "spec": {"nodeName": "a", "containers": [{"resources": {"requests": {"nvidia.com/gpu": "8"}}}, {}]},
        "status": {"phase": "Running"},
    }
    assert facts.pod(document, received=1.5) == facts.PodFact(
        version=7, uid="u", name="n", gang="job", index=3, node="a", phase="Running", accelerators=8, level="leaf",
        leaving=True, received=1.5,
    )  # fmt: skip


def test_a_pod_of_a_daemon_set_belongs_to_no_gang() -> None:
    owner = {"kind": "DaemonSet", "uid": "set", "controller": True}
    document = {"metadata": _meta(7, ownerReferences=[owner]), "spec": {"containers": [{}]}}
    assert facts.pod(document).gang == ""


def test_a_node_tells_what_it_offers() -> None:
    status = {"allocatable": {"nvidia.com/gpu": "8"}, "capacity": {"nvidia.com/gpu": "9"}}
    document = {"metadata": _meta(7, labels={"leaf": "x"}), "status": status}
    assert facts.node(document) == facts.NodeFact(version=7, name="n", labels={"leaf": "x"}, accelerators=8)


def test_a_workload_that_waits_uses_nothing() -> None:
    fact = facts.workload(_workload(conditions=[_condition("QuotaReserved", "False")], admission=_admission(None)))
    assert (fact.gang, fact.pods, fact.queue, fact.usage, fact.admitted) == ("job", 5, "", {}, False)


@pytest.mark.parametrize(
    ("slices", "placed"),
    [
        (None, None),
        ([{"domainCount": 5, "podCounts": {"universal": 1}}], 5),
        (
            [
                {"domainCount": 2, "podCounts": {"individual": [3, 1]}},
                {"domainCount": 1, "podCounts": {"universal": 1}},
            ],
            5,
        ),
        ([{"domainCount": 2, "podCounts": {"universal": 2}}], 4),
    ],
)
def test_an_admitted_workload_tells_its_usage_and_how_many_pods_have_nodes(
    slices: list[dict[str, Any]] | None, placed: int | None
) -> None:
    conditions = [_condition("QuotaReserved"), _condition("Admitted")]
    fact = facts.workload(_workload(conditions=conditions, admission=_admission(slices)))
    assert (fact.queue, fact.counted, fact.placed, fact.admitted) == ("red", 5, placed, True)
    assert fact.usage == {GPUS: Decimal(40)}


def test_pods_that_have_ended_need_no_quota_any_more() -> None:
    status = {"conditions": [_condition("QuotaReserved")], "admission": _admission(None)}
    fact = facts.workload(_workload(reclaimablePods=[{"name": "main", "count": 2}], **status))
    assert (fact.pods, fact.done) == (5, 2)
    assert fact.usage == {GPUS: Decimal(24)}, "three of five pods with 8 each"


def test_a_workload_has_ended_well_only_with_success() -> None:
    for reason, well in (("Succeeded", True), ("Failed", False)):
        fact = facts.workload(_workload(conditions=[_condition("Finished", reason=reason)]))
        assert (fact.finished, fact.succeeded) == (True, well), reason


def _queue(name: str, cohort: str = "teams", **limits: str) -> dict[str, Any]:
    resources = [{"name": "nvidia.com/gpu", "nominalQuota": "2k", **limits}]
    group = {"coveredResources": ["nvidia.com/gpu"], "flavors": [{"name": "training", "resources": resources}]}
    return {"metadata": {"name": name}, "spec": {"cohortName": cohort, "resourceGroups": [group]}}


def test_quotas_are_what_queues_and_their_cohort_declare() -> None:
    made = Quotas.of([_queue("red", borrowingLimit="8", lendingLimit="500")], [_queue("teams"), _queue("others")])
    expected = Quota(nominal=Decimal(2000), borrowing=Decimal(8), lending=Decimal(500))
    assert made.queues == {"red": {GPUS: expected}}
    assert expected.kept == 1500, "the rest of its own"
    assert made.cohort == {GPUS: Decimal(2000)}


def test_queues_of_two_cohorts_are_not_added_up() -> None:
    with pytest.raises(ValueError, match=r"queues of one cohort expected, found \['a', 'b'\]"):
        Quotas.of([_queue("red", "a"), _queue("blue", "b")])
