"""The watcher of queued gangs: quiet while every promise is kept, and loud at each that is broken."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.support.queued.facts import Fact, NodeFact, PodFact, WorkloadFact
from tests.support.queued.gang_watch import GangWatch
from tests.support.queued.quotas import Quota, Quotas

GPUS = ("training", "nvidia.com/gpu")
LEAF = "leaf"


def _quotas() -> Quotas:
    """Two queues of one node each: red may borrow one more, blue lends half of its own; the cohort has no more."""
    return Quotas(
        queues={
            "red": {GPUS: Quota(nominal=Decimal(8), borrowing=Decimal(8))},
            "blue": {GPUS: Quota(nominal=Decimal(8), borrowing=Decimal(0), lending=Decimal(4))},
        }
    )


def _nodes() -> list[Fact]:
    return [
        NodeFact(version=1 + number, name=f"node-{number}", labels={LEAF: f"leaf-{number // 2}"}, accelerators=8)
        for number in range(4)
    ]


def _workload(version: int, name: str = "a", pods: int = 2, gpus: int = 8, queue: str = "red") -> WorkloadFact:
    return WorkloadFact(
        version=version, uid=f"w-{name}", name=name, gang=name, pods=pods, queue=queue, counted=pods, placed=pods,
        usage={GPUS: Decimal(gpus)}, admitted=True,
    )  # fmt: skip


def _ended(fact: WorkloadFact, version: int) -> WorkloadFact:
    return replace(fact, version=version, finished=True, succeeded=True)


def _pod(version: int, index: int, node: str = "", phase: str = "Pending", gang: str = "a") -> PodFact:
    return PodFact(
        version=version, uid=f"{gang}-{index}", name=f"{gang}-{index}", gang=gang, index=index, node=node, phase=phase,
        accelerators=4, level=LEAF,
    )  # fmt: skip


def _good() -> list[Fact]:
    """A gang of two pods on two nodes of a leaf, from the queue to its end."""
    waiting = WorkloadFact(version=10, uid="w-a", name="a", gang="a", pods=2)
    return [
        *_nodes(),
        waiting,
        _workload(20),
        _pod(30, 0),
        _pod(31, 1),
        _pod(32, 0, "node-0"),
        _pod(33, 1, "node-1"),
        _pod(34, 0, "node-0", "Running"),
        _pod(35, 1, "node-1", "Running"),
        _pod(36, 0, "node-0", "Succeeded"),
        _pod(37, 1, "node-1", "Succeeded"),
        _ended(_workload(20), 40),
    ]


def _seen(facts: list[Fact]) -> GangWatch:
    watch = GangWatch(_quotas())
    watch.see_all(facts)
    return watch


def _promises(facts: list[Fact]) -> list[str]:
    return [violation.promise for violation in _seen(facts).violations]


def test_a_gang_that_is_admitted_runs_and_ends_breaks_nothing() -> None:
    watch = _seen(_good())
    assert watch.violations == []
    assert watch.end() == []
    assert (watch.admissions, watch.evictions, watch.borrowed) == (1, 0, 0)
    assert watch.most_accelerators == 8, "both pods held their four at once"


def test_a_pod_that_gets_a_node_before_its_gang_is_admitted_is_reported_with_its_node() -> None:
    facts = [replace(fact, version=15) if fact == _pod(32, 0, "node-0") else fact for fact in _good()]
    (violation,) = _seen(facts).violations
    assert (violation.version, violation.promise) == (15, "admitted")
    assert violation.message == "pod a-0 got node node-0; its gang is not admitted"


def test_a_pod_that_is_made_and_bound_after_its_gang_lost_its_admission_is_reported() -> None:
    lost = WorkloadFact(version=25, uid="w-a", name="a", gang="a", pods=2, evicted=True)
    (violation,) = _seen([*_nodes(), _workload(20), lost, _pod(30, 0), _pod(31, 0, "node-0")]).violations
    assert violation.message == "pod a-0 got node node-0; its gang has lost its admission"


def test_a_pod_on_its_way_when_its_gang_loses_its_admission_is_counted_as_late() -> None:
    lost = WorkloadFact(version=33, uid="w-a", name="a", gang="a", pods=2, evicted=True)
    watch = _seen([*_nodes(), _workload(20), _pod(30, 0), lost, _pod(34, 0, "node-0")])
    assert watch.violations == []
    assert watch.late == {"a-0"}


def test_a_gang_whose_first_pod_had_ended_well_comes_back_for_the_rest_only() -> None:
    """An Indexed Job does not run an index again, and Kueue asks for quota for the others (``reclaimablePods``)."""
    lost = WorkloadFact(version=39, uid="w-a", name="a", gang="a", pods=2, evicted=True)
    first = [fact for fact in _good() if fact.version < 37]
    gone = replace(_pod(38, 1, "node-1", "Running"), gone=True)
    again = replace(_workload(50), counted=1, placed=1, done=1)
    other = [replace(_pod(51, 1), uid="b"), replace(_pod(52, 1, "node-2", "Running"), uid="b")]
    watch = _seen([*first, gone, lost, again, *other, _ended(again, 60)])
    assert watch.violations == [], "the pod that has ended stands nowhere any more"
    assert watch.end() == []


def test_a_pod_that_leaves_after_an_eviction_may_still_report_its_last_phase() -> None:
    lost = WorkloadFact(version=33, uid="w-a", name="a", gang="a", pods=2, evicted=True)
    leaving = replace(_pod(34, 0, "node-0", "Running"), leaving=True)
    watch = _seen([*_nodes(), _workload(20), _pod(30, 0, "node-0"), lost, leaving])
    assert watch.violations == []
    assert watch.evictions == 1


def test_an_admission_without_quota_for_every_pod_is_partial() -> None:
    (violation,) = _seen([*_nodes(), replace(_workload(20), counted=1)]).violations
    assert violation.message == "a is admitted with quota for 1 of its 2 pods"


def test_an_admission_without_nodes_for_every_pod_is_partial() -> None:
    (violation,) = _seen([*_nodes(), replace(_workload(20), placed=1)]).violations
    assert violation.message == "a is admitted with nodes for 1 of its 2 pods"


def test_a_gang_that_ends_without_one_of_its_pods_is_partial() -> None:
    facts = [fact for fact in _good() if not (isinstance(fact, PodFact) and fact.index == 1)]
    (violation,) = _seen(facts).violations
    assert violation.message == "a has ended with 1 of its 2 pods started"


def test_pods_of_the_attempt_before_an_eviction_do_not_count_for_the_next() -> None:
    lost = WorkloadFact(version=50, uid="w-a", name="a", gang="a", pods=2, evicted=True)
    first = [fact for fact in _good() if fact.version < 36]
    gone = [replace(_pod(51 + index, index, f"node-{index}", "Running"), gone=True) for index in range(2)]
    again = _pod(71, 0, "node-0", "Running")
    one = replace(again, uid="second", name="second")
    watch = _seen([*first, lost, *gone, _workload(60), one, _ended(_workload(60), 80)])
    assert [violation.message for violation in watch.violations] == ["a has ended with 1 of its 2 pods started"]
    assert (watch.admissions, watch.evictions) == (2, 1)


def test_a_gang_that_waits_is_told_at_the_end_with_how_far_it_came() -> None:
    watch = _seen([fact for fact in _good() if fact.version < 35])
    assert watch.end() == ["a: not finished, 1 of 2 pods started"]


def test_a_queue_may_borrow_up_to_its_limit_and_not_beyond() -> None:
    within = _seen([*_nodes(), _workload(20, gpus=12)])
    assert within.violations == []
    assert within.borrowed == 1
    (violation,) = _seen([*_nodes(), _workload(20, gpus=17)]).violations[:1]
    assert violation.message == "with a red uses 17 of nvidia.com/gpu of training, has 8 and may borrow 8"


def test_what_a_queue_does_not_lend_is_nobody_elses_while_it_is_idle() -> None:
    (violation,) = _seen([*_nodes(), _workload(20, gpus=13)]).violations
    assert violation.message == "with a all queues use 17 of nvidia.com/gpu of training, have 16", "13, and blue's 4"


def test_all_queues_together_stay_within_what_there_is() -> None:
    facts: list[Fact] = [*_nodes(), _workload(20, "a", gpus=12), _workload(21, "b", gpus=8, queue="blue")]
    (violation,) = _seen(facts).violations
    assert violation.message == "with b all queues use 20 of nvidia.com/gpu of training, have 16"


def test_quota_comes_back_when_a_gang_ends_and_when_it_is_deleted() -> None:
    facts: list[Fact] = [*_nodes(), *_good()[4:]]
    second, third = _workload(50, "b", gpus=12), _workload(60, "c", gpus=12)
    watch = _seen([*facts, second, replace(second, version=55, gone=True), third])
    assert watch.violations == []


def test_a_resource_without_quota_is_reported() -> None:
    strange = replace(_workload(20), usage={("training", "vpc.amazonaws.com/efa"): Decimal(1)})
    (violation,) = _seen([*_nodes(), strange]).violations
    assert violation.message == "with a red uses 1 of vpc.amazonaws.com/efa of training, of which it has no quota"


def test_a_node_with_more_pods_than_accelerators_is_reported_until_one_has_ended() -> None:
    pods = [replace(_pod(30 + index, index, "node-0"), accelerators=8) for index in range(2)]
    facts: list[Fact] = [*_nodes(), _workload(20), *pods]
    (violation,) = _seen(facts).violations
    assert violation.message == "with pod a-1 node node-0 has 16 of 8 accelerators taken"
    facts.insert(-1, replace(pods[0], version=30, phase="Succeeded"))
    assert "node" not in _promises(facts)


def test_pods_that_must_stand_under_one_leaf_and_do_not_are_reported_with_the_leaves() -> None:
    facts = [replace(fact, node="node-2") if fact == _pod(33, 1, "node-1") else fact for fact in _good()]
    violation = _seen(facts).violations[0]
    assert violation.message == "pod a-1: its gang stands in ['leaf-0', 'leaf-1'] of leaf"


def test_a_node_that_is_unknown_is_no_place_for_a_gang() -> None:
    facts = [replace(fact, node="node-9") if fact == _pod(33, 1, "node-1") else fact for fact in _good()]
    assert "topology" in _promises(facts)


def test_facts_out_of_order_are_refused() -> None:
    watch = GangWatch(_quotas())
    watch.see(_workload(20))
    with pytest.raises(ValueError, match="revision 19 after 20"):
        watch.see(_pod(19, 0))
