"""Pods, jobs, volumes and add-ons on a simulated cluster; needs the toolchain."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.cluster_world import CLUSTER, World

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(180)]

SERVICES = "/api/v1/namespaces/default/services"
PODS, EVENTS = "/api/v1/namespaces/default/pods", "/api/v1/namespaces/default/events"
JOBS, CLAIMS = "/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/persistentvolumeclaims"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with two p5 nodes, a file system whose security group is closed, and no add-on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = World("workloads")
        try:
            made.cluster(vpcId="vpc-1", subnetIds=["subnet-1"], clusterSecurityGroupId="sg-cluster")
            made.node_group("training", 2, efa=1)
            made.wait_for_node_group("training")
            _file_system(made)
            yield made
        finally:
            made.store.close()
            made.environment.down(made.console)


def test_a_job_completes_after_its_duration_and_reports_an_exit_code(world: World) -> None:
    good = {"simulation.slipway.dev/duration": "500ms"}
    bad = {**good, "simulation.slipway.dev/exit-code": "3"}
    for name, annotations in (("good", good), ("bad", bad)):
        job = _job(name, annotations)
        assert world.call(JOBS, method="POST", body=job).status_code == 201
    world.wait(lambda: world.call(f"{JOBS}/good").json()["status"].get("succeeded") == 2)
    world.wait(lambda: world.call(f"{JOBS}/bad").json()["status"].get("failed", 0) >= 1)
    failed = [pod for pod in _pods(world, "bad") if pod["status"]["phase"] == "Failed"]
    assert failed[0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def test_a_volume_needs_its_driver_and_a_way_to_the_file_system(world: World) -> None:
    """One pod, three obstacles in turn: no CSI add-on, a closed security group, and then none."""
    _volume(world)
    pod = _pod("reader")
    pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "lustre"}}]
    assert world.call(PODS, method="POST", body=pod).status_code == 201
    world.wait(lambda: "not found in the list of registered CSI drivers" in _events(world))
    assert _phase(world) == ("Pending", "ContainerCreating")

    world.put("eks:Addon", f"{CLUSTER}:fsx", clusterName=CLUSTER, addonName="aws-fsx-csi-driver", status="CREATING")
    world.wait(lambda: world.body("eks:Addon", f"{CLUSTER}:fsx")["status"] == "ACTIVE")
    driver = world.call("/apis/storage.k8s.io/v1/csidrivers/fsx.csi.aws.com").json()
    assert driver["spec"]["attachRequired"] is False
    world.wait(lambda: "Is the MGS running?" in _events(world), 30)

    rule = {"GroupId": "sg-fs", "IsEgress": False, "IpProtocol": "tcp", "FromPort": 988, "ToPort": 988}
    world.put("ec2:SecurityGroupRule", "sgr-1", ReferencedGroupInfo={"GroupId": "sg-nodes"}, **rule)
    world.wait(lambda: _phase(world)[0] == "Running")


def test_a_service_makes_a_load_balancer_and_takes_it_along(world: World) -> None:
    port = {"ports": [{"port": 80}]}
    front = {"metadata": {"name": "front"}, "spec": {"type": "LoadBalancer", **port}}
    other = {"metadata": {"name": "other"}, "spec": {"type": "LoadBalancer", "loadBalancerClass": "a/b", **port}}
    for service in (front, other):
        assert world.call(SERVICES, method="POST", body=service).status_code == 201
    world.wait(lambda: bool(world.call(f"{SERVICES}/front").json()["status"]["loadBalancer"].get("ingress")))
    shown = world.call(f"{SERVICES}/front").json()
    (made,) = world.store.find("elb:LoadBalancer")
    assert shown["status"]["loadBalancer"]["ingress"] == [{"hostname": made.body["DNSName"]}]
    assert made.id == "a" + shown["metadata"]["uid"].replace("-", "")[:31], "as the cloud controller manager names it"
    groups = {item.id for item in world.store.find("ec2:SecurityGroup")}
    assert set(made.body["SecurityGroups"]) <= groups

    assert world.call(f"{SERVICES}/front", method="DELETE").status_code == 200
    world.wait(lambda: world.call(f"{SERVICES}/front").status_code == 404)
    assert world.store.find("elb:LoadBalancer") == []
    assert not set(made.body["SecurityGroups"]) & {item.id for item in world.store.find("ec2:SecurityGroup")}


def test_an_add_on_without_a_stand_in_fails_by_name(world: World) -> None:
    world.put("eks:Addon", f"{CLUSTER}:x", clusterName=CLUSTER, addonName="snapshot-controller", status="CREATING")
    world.wait(lambda: world.body("eks:Addon", f"{CLUSTER}:x")["status"] == "CREATE_FAILED")
    assert "no stand-in for the add-on snapshot-controller" in str(world.body("eks:Addon", f"{CLUSTER}:x")["health"])
    world.store.remove("eks:Addon", f"{CLUSTER}:x")


def test_coredns_is_degraded_without_a_node_that_takes_it_and_active_with_one(world: World) -> None:
    taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}
    world.change_node_group("training", taints=[taint])
    world.wait(lambda: all(node["spec"].get("taints") for node in world.call("/api/v1/nodes").json()["items"]))
    world.put("eks:Addon", f"{CLUSTER}:dns", clusterName=CLUSTER, addonName="coredns", status="CREATING")
    world.wait(lambda: world.body("eks:Addon", f"{CLUSTER}:dns")["status"] == "DEGRADED")
    assert world.body("eks:Addon", f"{CLUSTER}:dns")["health"]["issues"][0]["code"] == "InsufficientNumberOfReplicas"
    world.change_node_group("training", taints=[])
    world.wait(lambda: world.body("eks:Addon", f"{CLUSTER}:dns")["status"] == "ACTIVE")
    world.put("eks:Addon", f"{CLUSTER}:dns", **{**world.body("eks:Addon", f"{CLUSTER}:dns"), "status": "DELETING"})
    world.wait(lambda: world.store.get("eks:Addon", f"{CLUSTER}:dns") is None)
    assert world.call("/apis/apps/v1/namespaces/kube-system/deployments/coredns").status_code == 404


def test_the_chart_mirror_answers_on_the_published_address_and_status_needs_a_token(world: World) -> None:
    mirror = world.environment.variables()["SLIPWAY_CHARTS_MIRROR"]
    assert "nvidia-device-plugin" in httpx2.get(f"{mirror}/index.yaml", trust_env=False).json()["entries"]
    assert httpx2.get(f"{mirror.removesuffix('/charts')}/status", trust_env=False).status_code == 401


def _file_system(world: World) -> None:
    everyone = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    for group in ("sg-nodes", "sg-fs"):
        world.put("ec2:SecurityGroup", group, GroupId=group, IpPermissions=[], IpPermissionsEgress=everyone)
    world.put("ec2:NetworkInterface", "eni-fs", Groups=[{"GroupId": "sg-fs"}])
    lustre = {"MountName": "abcdefgh"}
    name = "fs-1.fsx.us-east-1.amazonaws.com"
    world.put("fsx:FileSystem", "fs-1", DNSName=name, NetworkInterfaceIds=["eni-fs"], LustreConfiguration=lustre)


def _volume(world: World) -> None:
    attributes = {"dnsname": "fs-1.fsx.us-east-1.amazonaws.com", "mountname": "abcdefgh"}
    source = {"driver": "fsx.csi.aws.com", "volumeHandle": "fs-1", "volumeAttributes": attributes}
    shared = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "lustre"},
        "spec": {**shared, "capacity": {"storage": "1200Gi"}, "csi": source},
    }  # fmt: skip
    claim = {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "lustre", "namespace": "default"},
        "spec": {**shared, "volumeName": "lustre", "resources": {"requests": {"storage": "1200Gi"}}},
    }  # fmt: skip
    assert world.call("/api/v1/persistentvolumes", method="POST", body=volume).status_code == 201
    assert world.call(CLAIMS, method="POST", body=claim).status_code == 201


def _pod(name: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "main", "image": "none"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec}


def _job(name: str, annotations: dict[str, str]) -> dict[str, Any]:
    spec = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "completions": 2, "parallelism": 2, "completionMode": "Indexed",
            "template": {"metadata": {"annotations": annotations}, "spec": spec},
        },
    }  # fmt: skip


def _pods(world: World, job: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = world.call(f"{PODS}?labelSelector=job-name={job}").json()["items"]
    return items


def _events(world: World) -> str:
    return " ".join(item["message"] for item in world.call(EVENTS).json()["items"] if item["reason"] == "FailedMount")


def _phase(world: World) -> tuple[str, str]:
    status = world.call(f"{PODS}/reader").json()["status"]
    containers = status.get("containerStatuses") or [{}]
    return status["phase"], containers[0].get("state", {}).get("waiting", {}).get("reason", "")
