"""Queues in the settings: whose nodes they are, to the last one, and each mistake with exactly its problem."""

from pathlib import Path

import pytest

from stacks.queue_shares import queued_nodes, shares
from stacks.settings import Settings, load_file
from tests.support.edits import Document, accepted, problems

CONFIG = Path(__file__).parents[3] / "stacks" / "config"
QUEUES = {"cohort": "teams"}


def own(settings: Settings) -> dict[str, dict[str, int]]:
    return {share.team: dict(share.nodes) for share in shares(settings).teams}


@pytest.fixture
def two_teams(document: Document) -> Document:
    """Four nodes of eight GPUs, two teams that run on them, and no model services."""
    document.update(queueing=QUEUES, inference=[])
    document["pools"] = document["pools"][:2]
    document["teams"][0].update(gpus=24, cpus=576)
    document["teams"][1].update(gpus=8, cpus=192, memoryGib=2048)
    document["training"][0]["nodes"] = 3
    return document


def test_the_cluster_keeps_a_node_that_its_own_pods_may_run_on(two_teams: Document) -> None:
    assert queued_nodes(accepted(two_teams)) == {"system": 1, "training": 4}


def test_a_dedicated_pool_is_queued_for_whole(two_teams: Document) -> None:
    two_teams["pools"].append({"name": "loaders", "instanceType": "m7i.2xlarge", "nodes": 3, "dedicated": True})
    assert queued_nodes(accepted(two_teams))["loaders"] == 3


def test_nodes_are_divided_by_the_teams_limits(two_teams: Document) -> None:
    assert own(accepted(two_teams)) == {
        "research": {"system": 1, "training": 3},
        "chat": {"system": 0, "training": 1},
    }


def test_a_team_borrows_up_to_its_own_limits(two_teams: Document) -> None:
    two_teams["teams"][0]["gpus"] = 32
    found = {share.team: share.borrowing["training"] for share in shares(accepted(two_teams)).teams}
    assert found == {"research": 1, "chat": 0}, "the namespace of chat may hold 8 GPUs, which it has"


def test_what_the_limits_leave_over_is_nobodys_own(two_teams: Document) -> None:
    two_teams["teams"][0].update(gpus=16)
    two_teams["training"][0]["nodes"] = 2
    assert shares(accepted(two_teams)).unassigned == {"training": 1}


def test_named_nodes_come_first_and_the_rest_is_divided(two_teams: Document) -> None:
    two_teams["teams"][0]["gpus"] = 32
    two_teams["teams"][1]["queue"] = {"nodes": {"training": 0}}
    assert own(accepted(two_teams))["research"]["training"] == 4


def test_model_services_keep_the_nodes_that_they_may_grow_to(document: Document) -> None:
    document["queueing"] = QUEUES
    settings = accepted(document)
    assert "serving" not in queued_nodes(settings), "4 replicas of 2 GPUs fill both nodes of 4"
    document["inference"][0]["maxReplicas"] = 2
    assert queued_nodes(accepted(document))["serving"] == 1


def test_gpus_of_model_services_are_no_claim_on_nodes_for_runs(document: Document) -> None:
    document["queueing"] = QUEUES
    assert own(accepted(document))["chat"]["training"] == 0, "its 8 GPUs are those of its service"


def test_an_autoscalers_pool_is_not_queued_for(two_teams: Document) -> None:
    two_teams["pools"][1]["scaling"] = {"owner": "autoscaler", "minNodes": 1}
    two_teams["training"] = []
    assert "training" not in queued_nodes(accepted(two_teams))


def test_a_capacity_block_is_queued_for_before_it_begins() -> None:
    found = queued_nodes(load_file(CONFIG / "Pulumi.prod.yaml"))
    assert found == {"system": 2, "training": 8, "burst": 4}, "a run waits in the queue until the block's nodes start"


@pytest.mark.parametrize("stack", ["local", "staging", "prod"])
def test_no_checked_in_stack_promises_more_than_it_has(stack: str) -> None:
    settings = load_file(CONFIG / f"Pulumi.{stack}.yaml")
    found = shares(settings)
    for pool, nodes in found.nodes.items():
        promised = sum(share.nodes[pool] for share in found.teams) + found.unassigned.get(pool, 0)
        assert promised == nodes, f"{pool}: every node is somebody's or everybody's"
        assert nodes <= next(item.nodes for item in settings.pools if item.name == pool)


MISTAKES: list[tuple[str, int, Document, str, str]] = [
    ("an unknown pool", 0, {"nodes": {"trainig": 1}}, "nodes.trainig", "queue-pool"),
    ("more than the pool", 0, {"nodes": {"system": 2}}, "nodes.system", "queue-quota"),
    ("more than the team may hold", 1, {"nodes": {"training": 2}}, "nodes.training", "queue-limit"),
    ("lending what it has not", 1, {"lendingLimit": {"training": 2}}, "lendingLimit.training", "queue-lending"),
    ("a negative limit", 0, {"borrowingLimit": {"training": -1}}, "borrowingLimit.training", "out-of-range"),
    ("no weight", 0, {"weight": 0}, "weight", "out-of-range"),
]


@pytest.mark.parametrize(
    ("team", "queue", "path", "rule"), [case[1:] for case in MISTAKES], ids=[case[0] for case in MISTAKES]
)
def test_a_share_that_cannot_be(two_teams: Document, team: int, queue: Document, path: str, rule: str) -> None:
    two_teams["training"][0]["nodes"] = 1
    two_teams["teams"][team]["queue"] = queue
    assert problems(two_teams) == [(f"slipway:teams[{team}].queue.{path}", rule)]


def test_two_teams_cannot_own_the_same_nodes(two_teams: Document) -> None:
    two_teams["teams"][0]["queue"] = {"nodes": {"training": 3}}
    two_teams["teams"][1].update(gpus=16, queue={"nodes": {"training": 2}})
    assert problems(two_teams) == [("slipway:teams[1].queue.nodes.training", "queue-quota")]


def test_a_share_without_queues_is_told(two_teams: Document) -> None:
    del two_teams["queueing"]
    two_teams["teams"][0]["queue"] = {"weight": 2}
    assert problems(two_teams) == [("slipway:teams[0].queue", "queue-without-queueing")]


def test_nobody_borrows_where_nobody_lends(two_teams: Document) -> None:
    two_teams["queueing"] = {"cohort": None}
    two_teams["teams"][0]["queue"] = {"borrowingLimit": {"training": 1}}
    assert problems(two_teams) == [("slipway:teams[0].queue.borrowingLimit.training", "queue-lending")]


def test_a_run_names_the_queue_that_there_is(two_teams: Document) -> None:
    two_teams["training"][0]["queue"] = "gpus"
    assert problems(two_teams) == [("slipway:training[0].queue", "queue-unknown")]


def test_a_run_that_its_team_could_never_start_is_told(two_teams: Document) -> None:
    two_teams["teams"][0].update(gpus=32, queue={"nodes": {"training": 2}, "borrowingLimit": {"training": 0}})
    assert problems(two_teams) == [("slipway:training[0].nodes", "queue-run-fits")]


def test_a_run_on_an_autoscalers_pool_is_told(two_teams: Document) -> None:
    two_teams["pools"][1]["scaling"] = {"owner": "autoscaler", "minNodes": 1}
    assert problems(two_teams) == [("slipway:training[0].pool", "queue-run-fits")]


@pytest.mark.parametrize("runner", ["job", "trainer"])
def test_a_priority_that_is_no_class_of_the_queues_is_told(two_teams: Document, runner: str) -> None:
    two_teams.update(trainingOperator={}, queueing={"priorities": {"high": 10}})
    two_teams["training"][0].update(runner=runner, priority="hihg")
    assert problems(two_teams) == [("slipway:training[0].priority", "priority-unknown")]
    two_teams["training"][0]["priority"] = "high"
    assert accepted(two_teams).training[0].priority == "high"


def test_a_priority_without_queues_is_told_since_nothing_would_go_by_it(two_teams: Document) -> None:
    two_teams["queueing"] = None
    two_teams["training"][0]["priority"] = "system-cluster-critical"
    assert problems(two_teams) == [("slipway:training[0].priority", "training-queue")]


def test_an_unknown_word_for_preemption_is_told(two_teams: Document) -> None:
    two_teams["queueing"] = {"preemption": {"reclaimWithinCohort": "Sometimes"}}
    assert problems(two_teams) == [("slipway:queueing.preemption.reclaimWithinCohort", "choice-unknown")]
