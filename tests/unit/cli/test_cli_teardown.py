"""The order of a destruction, what is asked first, and what is looked at last."""

from typing import Any

import pytest

from cli.leftovers import Leftover, merged
from cli.teardown import acts, clusters, in_order, kubeconfigs, needs_words, networks, protected, without_kubernetes

BASE = "urn:pulumi:prod::slipway::"


def row(token: str, name: str, **more: Any) -> dict[str, Any]:
    return {"urn": f"{BASE}{token}::{name}", "type": token, "custom": True, "id": f"{name}-id", **more}


JOB = row("kubernetes:batch/v1:Job", "run")
SERVICE = row("kubernetes:core/v1:Service", "front")
ACCOUNT = row("kubernetes:core/v1:ServiceAccount", "account")
CLAIM = row("kubernetes:core/v1:PersistentVolumeClaim", "scratch")
RELEASE = row("kubernetes:helm.sh/v3:Release", "nvidia")
GROUP = row("aws:eks/nodeGroup:NodeGroup", "training", dependencies=[f"{BASE}kubernetes:helm.sh/v3:Release::nvidia"])
CLUSTER = row("aws:eks/cluster:Cluster", "main", outputs={"deletionProtection": True})
VPC = row("aws:ec2/vpc:Vpc", "network")
BUCKET = row("aws:s3/bucket:Bucket", "lake", protect=True)
PROVIDER = row("pulumi:providers:kubernetes", "kubernetes", inputs={"kubeconfig": '{"clusters": []}'})


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"version": 3, "deployment": {"resources": list(resources), "pending_operations": []}}


WHOLE = state(VPC, BUCKET, CLUSTER, GROUP, PROVIDER, RELEASE, ACCOUNT, CLAIM, SERVICE, JOB)


def test_what_makes_things_outside_goes_before_what_it_hangs_on() -> None:
    found = [(act.title, [urn.rpartition("::")[2] for urn in act.urns]) for act in acts(WHOLE)]
    assert found == [
        ("runs and services", ["run"]),
        ("load balancers and claims", ["scratch", "front"]),
        ("add-ons", ["nvidia", "account"]),
        ("nodes", ["training"]),
        ("cluster", ["main"]),
        ("network and the rest", []),
    ]


def test_a_training_run_goes_before_the_operator_and_the_runtime_that_it_runs_on() -> None:
    run, own, shared = (
        row(f"kubernetes:trainer.kubeflow.org/v1alpha1:{kind}", kind.lower())
        for kind in ("TrainJob", "TrainingRuntime", "ClusterTrainingRuntime")
    )
    queue = row("kubernetes:kueue.x-k8s.io/v1beta2:ClusterQueue", "queue")
    found = [(act.title, len(act.urns)) for act in acts(state(run, own, shared, queue, RELEASE))]
    assert found == [("runs and services", 2), ("add-ons", 3), ("network and the rest", 0)]


def test_a_stage_takes_along_what_depends_on_it_and_the_last_takes_all() -> None:
    first, *_, last = acts(WHOLE)
    assert first.arguments[3:] == [f"--target={JOB['urn']}", "--target-dependents"]
    assert last.arguments == ["destroy", "--yes", "--skip-preview"]
    assert [act.title for act in acts(state(VPC))] == ["network and the rest"]
    assert [act.last for act in acts(WHOLE)] == [False] * 5 + [True], "leftovers go before the network, and only then"


def test_what_an_earlier_stage_took_along_is_not_asked_for_again() -> None:
    states = iter([WHOLE, WHOLE, state(VPC, CLUSTER), state(VPC, CLUSTER), state(VPC, CLUSTER), state(VPC, CLUSTER)])
    found = [act.title for act in in_order(lambda: next(states))]
    assert found == ["runs and services", "cluster", "network and the rest"]


def test_an_unreachable_cluster_takes_its_objects_along_and_volumes_are_named() -> None:
    forgotten = without_kubernetes(WHOLE)
    left = [item["type"] for item in forgotten.document["deployment"]["resources"]]
    assert [token for token in left if token.startswith("kubernetes:")] == []
    assert "pulumi:providers:kubernetes" in left
    (group,) = [item for item in forgotten.document["deployment"]["resources"] if "nodeGroup" in item["type"]]
    assert group["dependencies"] == []
    assert forgotten.number == 5
    assert forgotten.outside == ("PersistentVolumeClaim scratch", "Service front")
    assert len(WHOLE["deployment"]["resources"]) == 10, "the state that was read is not changed"


def test_the_state_names_what_is_protected_its_clusters_and_its_networks() -> None:
    assert protected(WHOLE) == ["s3:Bucket lake", "eks:Cluster main"]
    assert (clusters(WHOLE), networks(WHOLE)) == (["main-id"], ["network-id"])
    assert kubeconfigs(WHOLE) == ['{"clusters": []}']


@pytest.mark.parametrize(
    ("environment", "protect", "words"),
    [
        ("prod", False, True),
        ("eu-prod", False, True),
        ("production", False, True),
        ("dev", True, True),
        ("dev", False, False),
        ("product-tests", False, False),
    ],
)
def test_production_and_protected_stacks_need_their_name(environment: str, protect: bool, words: bool) -> None:  # noqa: FBT001 (a table of cases)
    assert needs_words(environment, protect=protect) is words


def test_an_object_found_twice_is_named_once_with_both_reasons() -> None:
    tagged = [Leftover(kind="ec2:Subnet", id="s", why="tags")]
    inside = [Leftover(kind="ec2:Subnet", id="s", why="network"), Leftover(kind="ec2:Vpc", id="v", why="network")]
    assert merged(tagged, inside) == [Leftover(kind="ec2:Subnet", id="s", why="tags; network"), inside[1]]
