"""Queues as `status` tells them."""

from typing import Any

from cli.outputs import QueueExport
from cli.queues import QueueState, queue_state, queues_table

EXPORT = QueueExport(
    team="research", cluster_queue="research", local_queue="default", nodes={"training": 3, "system": 0}
)


def queue(active: str, *, reason: str = "Ready", message: str = "", **status: Any) -> dict[str, Any]:
    condition = {"type": "Active", "status": active, "reason": reason, "message": message}
    return {"metadata": {"name": "research"}, "status": {"conditions": [condition], **status}}


def state(*queues: dict[str, Any], problem: str = "") -> QueueState:
    return queue_state(EXPORT, queues, problem)


def test_an_active_queue_counts_its_runs_and_says_whether_it_borrows() -> None:
    usage = [{"name": "training", "resources": [{"name": "nvidia.com/gpu", "total": "32", "borrowed": "8"}]}]
    found = state(queue("True", pendingWorkloads=2, admittedWorkloads=1, flavorsUsage=usage))
    assert (found.ready, found.waiting, found.admitted, found.borrowing) == (True, 2, 1, True)
    assert found.to_json()["nodes"] == {"training": 3, "system": 0}


def test_nothing_borrowed_is_nothing_whether_said_or_not() -> None:
    usage = [{"name": "training", "resources": [{"name": "cpu", "borrowed": "0"}, {"name": "memory"}]}]
    assert not state(queue("True", flavorsUsage=usage)).borrowing


def test_a_queue_that_admits_nothing_says_why_in_kueues_words() -> None:
    found = state(
        queue("False", reason="FlavorNotFound", message="Can't admit new workloads: references missing flavor")
    )
    assert (found.ready, found.phase) == (False, "Inactive")
    assert found.reasons == ["FlavorNotFound: Can't admit new workloads: references missing flavor"]


def test_a_queue_that_is_not_there_or_not_looked_at_is_not_ready() -> None:
    assert state().reasons == ["ClusterQueue research does not exist"]
    fresh = state({"metadata": {"name": "research"}})
    assert (fresh.phase, fresh.reasons) == ("Inactive", ["Kueue has not looked at it yet"])


def test_a_cluster_that_does_not_answer_leaves_the_queue_unknown_without_a_second_reason() -> None:
    found = state(problem="no answer")
    assert (found.phase, found.ready, tuple(found.reasons)) == ("Unknown", False, ())


def test_the_table_has_one_line_per_team() -> None:
    assert queues_table([state(queue("True")), state()]).row_count == 2
