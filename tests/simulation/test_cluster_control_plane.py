"""A cluster object in the simulated account becomes a real control plane; needs the toolchain."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local.cloud.faults import Fault, FaultType
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster import cluster as cluster_module
from local.cluster.cluster import SimulatedCluster
from local.cluster.environment import DEPLOYER, UnknownNameError
from local.cluster.executables import executables
from local.cluster.identity import ProcessIdentity
from local.cluster.status import Status
from tests.support.cluster_world import CLUSTER, SilentConsole, World

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(180)]

GPU, EFA = "nvidia.com/gpu", "vpc.amazonaws.com/efa"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An environment with an ACTIVE cluster, shared by the tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = World("shared")
        try:
            made.cluster()
            yield made
        finally:
            made.store.close()
            made.environment.down(made.console)


@pytest.fixture
def groupless(world: World) -> Iterator[World]:
    """The shared world; node groups that the test makes are deleted again."""
    yield world
    for group in world.store.find("eks:Nodegroup"):
        world.put(group.kind, group.id, **{**group.body, "status": "DELETING"})
    world.wait(lambda: not world.store.find("eks:Nodegroup"))


def test_an_active_cluster_answers_with_a_token_of_an_admitted_role(world: World) -> None:
    answer = world.call("/api/v1/namespaces/kube-system")
    assert answer.status_code == 200
    assert answer.json()["metadata"]["name"] == "kube-system"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    who = world.call("/apis/authentication.k8s.io/v1/selfsubjectreviews", method="POST", body=review).json()
    assert who["status"]["userInfo"]["username"] == "arn:aws:sts::000000000000:assumed-role/slipway-deployer/slipway"


@pytest.mark.parametrize(
    ("cluster", "principal", "secret"),
    [
        ("beta", DEPLOYER, ""),
        (CLUSTER, "arn:aws:iam::000000000000:role/stranger", ""),
        (CLUSTER, DEPLOYER, "not-the-secret"),
    ],
    ids=["for another cluster", "of a role without access entry", "signed with another secret"],
)
def test_a_token_that_is_not_authorised_is_refused(world: World, cluster: str, principal: str, secret: str) -> None:
    assert world.call("/api/v1/namespaces", world.token(cluster, principal, secret)).status_code == 401


def test_an_access_entry_without_a_policy_may_do_nothing(world: World) -> None:
    reader = "arn:aws:iam::000000000000:role/reader"
    world.put("eks:AccessEntry", f"{CLUSTER}:{reader}", clusterName=CLUSTER, principalArn=reader)
    assert world.call("/api/v1/namespaces/default/pods", world.token(principal=reader)).status_code == 403
    view = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
    world.put(
        "eks:AccessPolicyAssociation", f"{CLUSTER}#{reader}#{view}", clusterName=CLUSTER, principalArn=reader,
        policyArn=view, accessScope={"type": "namespace", "namespaces": ["default"]},
    )  # fmt: skip
    token = world.token(principal=reader)
    world.wait(lambda: world.call("/api/v1/namespaces/default/pods", token).status_code == 200)
    assert world.call("/api/v1/namespaces/kube-system/pods", token).status_code == 403


def test_nodes_offer_gpus_only_while_the_device_plugins_run(groupless: World) -> None:
    groupless.node_group("training", 4)
    groupless.wait_for_node_group("training")
    nodes = groupless.nodes()
    assert len(nodes) == 4 == groupless.ready_nodes()
    assert [node["status"]["capacity"]["cpu"] for node in nodes] == ["192"] * 4
    assert [node["status"]["capacity"]["hugepages-2Mi"] for node in nodes] == ["10256Mi"] * 4
    assert not any(GPU in node["status"]["capacity"] or EFA in node["status"]["capacity"] for node in nodes)
    interfaces = groupless.store.find("ec2:NetworkInterface", InterfaceType="efa-only")
    assert len(interfaces) == 4 * 32

    daemon_sets = "/apis/apps/v1/namespaces/kube-system/daemonsets"
    for plugin in ("nvidia-device-plugin", "aws-efa-k8s-device-plugin"):
        assert groupless.call(daemon_sets, method="POST", body=_daemon_set(plugin)).status_code == 201
    groupless.wait(lambda: _total(groupless, GPU) == 32 and _total(groupless, EFA) == 128)
    groupless.call(f"{daemon_sets}/nvidia-device-plugin", method="DELETE")
    groupless.wait(lambda: _total(groupless, GPU) == 0)
    assert _total(groupless, EFA) == 128
    groupless.call(f"{daemon_sets}/aws-efa-k8s-device-plugin", method="DELETE")


def test_scaling_down_removes_nodes_instances_and_interfaces(groupless: World) -> None:
    groupless.node_group("training", 4, efa=1)
    groupless.wait_for_node_group("training")
    groupless.change_node_group("training", scalingConfig={"minSize": 0, "maxSize": 8, "desiredSize": 2})
    assert len(groupless.nodes()) == 2
    assert len(groupless.store.find("ec2:Instance")) == 2
    assert len(groupless.store.find("ec2:NetworkInterface", InterfaceType="efa-only")) == 2


def test_a_new_launch_template_version_replaces_the_nodes_one_after_the_other(groupless: World) -> None:
    groupless.node_group("training", 2, efa=1)
    groupless.wait_for_node_group("training")
    before = {item.id for item in groupless.store.find("ec2:Instance")}
    groupless.change_node_group("training", launchTemplate={"id": "lt-1", "version": "2"})
    after = {item.id for item in groupless.store.find("ec2:Instance")}
    assert len(after) == 2
    assert not before & after
    assert {node["spec"]["providerID"].rpartition("/")[2] for node in groupless.nodes()} == after
    assert groupless.ready_nodes() == 2


def test_changed_labels_and_taints_reach_the_nodes_without_replacing_them(groupless: World) -> None:
    groupless.node_group("training", 2, efa=1)
    groupless.wait_for_node_group("training")
    before = {item.id for item in groupless.store.find("ec2:Instance")}
    taint = {"key": "team", "value": "a", "effect": "NO_SCHEDULE"}
    groupless.change_node_group("training", labels={"team": "a"}, taints=[taint])
    groupless.wait(lambda: [node["metadata"]["labels"].get("team") for node in groupless.nodes()] == ["a", "a"])
    expected = {"key": "team", "value": "a", "effect": "NoSchedule"}
    assert all(expected in node["spec"]["taints"] for node in groupless.nodes())
    assert {item.id for item in groupless.store.find("ec2:Instance")} == before


def test_a_planted_lack_of_capacity_fails_the_node_group_in_the_words_of_eks(groupless: World) -> None:
    groupless.store.add_fault(Fault(type=FaultType.CAPACITY, operation="RunInstances", identifier="p5.48xlarge"))
    groupless.node_group("training", 2, efa=1)
    groupless.wait_for_node_group("training", "CREATE_FAILED")
    issue = groupless.body("eks:Nodegroup", f"{CLUSTER}:training")["health"]["issues"][0]
    assert issue["code"] == "AsgInstanceLaunchFailures"
    assert "InsufficientInstanceCapacity" in issue["message"]
    assert groupless.nodes() == []


def test_the_endpoint_closes_for_a_client_that_the_allow_list_does_not_hold(world: World) -> None:
    body = world.body("eks:Cluster", CLUSTER)
    closed = {**body["resourcesVpcConfig"], "publicAccessCidrs": ["198.51.100.0/24"]}
    world.put("eks:Cluster", CLUSTER, **{**body, "resourcesVpcConfig": closed})
    with pytest.raises(httpx2.ConnectError):
        world.wait(lambda: world.call("/healthz").status_code == 0)
    world.put("eks:Cluster", CLUSTER, **body)
    time.sleep(1)
    assert world.call("/healthz").text == "ok"


def test_a_killed_api_server_comes_back_with_its_data(world: World) -> None:
    _make_config_map(world, "before-the-crash")
    api = _process(world.environment.status(), "kube-apiserver")
    os.kill(api, signal.SIGKILL)
    world.wait(lambda: ProcessIdentity.of(api) is None)
    world.wait(lambda: _is_ready(world))
    assert _process(world.environment.status(), "kube-apiserver") != api
    assert world.call("/api/v1/namespaces/default/configmaps/before-the-crash").status_code == 200


def test_a_killed_supervisor_takes_its_children_along_and_up_resumes_from_their_data(world: World) -> None:
    _make_config_map(world, "before-the-kill")
    endpoint = world.body("eks:Cluster", CLUSTER)["endpoint"]
    pids = [process.pid for process in world.environment.status().processes if process.pid]
    supervisor = _process(world.environment.status(), "supervisor")
    os.kill(supervisor, signal.SIGKILL)
    world.wait(lambda: not any(ProcessIdentity.of(pid) for pid in pids))
    assert not world.environment.status().running
    console = SilentConsole()
    world.environment.up(console)
    assert any(f"the supervisor (pid {supervisor}) had died" in line for line in console.lines)
    world.wait(lambda: _is_ready(world), 40)
    assert world.body("eks:Cluster", CLUSTER)["endpoint"] == endpoint
    assert world.call("/api/v1/namespaces/default/configmaps/before-the-kill").status_code == 200


def test_a_second_up_changes_nothing(world: World) -> None:
    before = [process.pid for process in world.environment.status().processes]
    console = SilentConsole()
    assert world.environment.up(console).ready
    assert [process.pid for process in world.environment.status().processes] == before
    assert console.lines == []


def test_down_leaves_no_process_and_no_directory_and_names_what_was_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    first, second = World("one"), World("two")
    first.cluster()
    second.cluster()
    kept = [first.body("eks:Cluster", CLUSTER)["endpoint"], second.body("eks:Cluster", CLUSTER)["endpoint"]]
    assert len(set(kept)) == 2
    pids = [process.pid for process in first.environment.status().processes if process.pid]
    assert len(pids) == 6
    first.store.close()
    left = first.environment.down(first.console)
    assert any(line.startswith(f"eks:Cluster {CLUSTER}") for line in left)
    assert not any(ProcessIdentity.of(pid) for pid in pids)
    assert not first.environment.paths.root.exists()
    assert second.call("/healthz").text == "ok"
    assert first.environment.down(first.console) == []

    second.put("eks:Cluster", CLUSTER, **{**second.body("eks:Cluster", CLUSTER), "status": "DELETING"})
    second.wait(lambda: second.store.get("eks:Cluster", CLUSTER) is None)
    for item in second.store.objects():
        if item.kind in {"ec2:Subnet", "eks:AccessEntry", "eks:AccessPolicyAssociation"}:
            second.store.remove(item.kind, item.id)
    second.store.close()
    assert second.environment.down(second.console) == []
    assert not tmp_path.exists(), "the last environment takes the directory of all environments along"


def test_logs_and_kubeconfigs_are_found_by_name(world: World) -> None:
    assert f"{CLUSTER}/etcd" in world.environment.logs()
    assert "--authentication-token-webhook" not in world.environment.kubeconfig(CLUSTER)
    assert world.body("eks:Cluster", CLUSTER)["endpoint"] in world.environment.kubeconfig(CLUSTER)
    with pytest.raises(UnknownNameError, match="no cluster 'gamma' with an endpoint in shared; there is: alpha"):
        world.environment.kubeconfig("gamma")


def _daemon_set(name: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": name}
    spec = {"containers": [{"name": "plugin", "image": "plugin:none"}], "tolerations": [{"operator": "Exists"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    meta = {"name": name, "namespace": "kube-system"}
    selector = {"matchLabels": labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": meta,
        "spec": {"selector": selector, "template": template},
    }


def _total(world: World, resource: str) -> int:
    return sum(int(node["status"]["allocatable"].get(resource, 0)) for node in world.nodes())


def _process(status: Status, name: str) -> int:
    return next(process.pid or 0 for process in status.processes if process.name == name)


def _is_ready(world: World) -> bool:
    try:
        return world.call("/readyz").text == "ok"
    except httpx2.TransportError:
        return False


def _make_config_map(world: World, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
    assert world.call("/api/v1/namespaces/default/configmaps", method="POST", body=body).status_code in {201, 409}


def test_a_control_plane_that_cannot_start_fails_the_cluster_and_can_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """etcd refuses a data directory that is a file; in the supervisor's own process, where the limit can be lowered."""
    monkeypatch.setattr(cluster_module, "_START_SECONDS", 3.0)
    store = SqliteStore(tmp_path / "account.db")
    store.put(CloudObject(kind="eks:Cluster", id="x", region="us-east-1", body={"name": "x", "status": "CREATING"}))
    directory = tmp_path / "x"
    directory.mkdir()
    (directory / "etcd").write_text("not a directory")
    cluster = SimulatedCluster(store, "x", directory, executables(), tmp_path / "webhook.kubeconfig")

    async def scenario() -> dict[str, Any]:
        task = asyncio.create_task(cluster.run())
        async with asyncio.timeout(20):
            while _body(store)["status"] == "CREATING":  # noqa: ASYNC110 - a file changes, no event is set
                await asyncio.sleep(0.1)
            failed = _body(store)
            store.put(
                CloudObject(kind="eks:Cluster", id="x", region="us-east-1", body={**failed, "status": "DELETING"})
            )
            await task
        return failed

    failed = asyncio.run(scenario())
    assert failed["status"] == "FAILED"
    assert "etcd: ended with exit code" in failed["health"]["issues"][0]["message"]
    assert store.get("eks:Cluster", "x") is None
    assert not directory.exists()
    store.close()


def _body(store: SqliteStore) -> dict[str, Any]:
    item = store.get("eks:Cluster", "x")
    assert item is not None
    return item.body
