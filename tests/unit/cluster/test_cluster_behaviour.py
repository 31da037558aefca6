"""Pure parts of the local cluster: stages, devices, endpoints, addresses, mounts, charts, reports."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from components.versions import CHARTS
from local.cloud.faults import Fault, FaultType
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.addon_manifests import ADDONS
from local.cluster.charts import ON_DEMAND, ChartMirror
from local.cluster.cloud_facts import LaunchError, free_addresses, node_template
from local.cluster.devices import plugins_by_node, wanted
from local.cluster.front import admitted
from local.cluster.instances import instances_of, launch, terminate
from local.cluster.lustre import mount_problem
from local.cluster.machines import machine
from local.cluster.stages import configuration, stages
from local.cluster.stand_ins import archive, device_plugin
from local.cluster.status import ClusterStatus, ProcessStatus, Status
from local.cluster.views import PodView, pod_view
from local.toolchain.errors import ToolchainError

EFA_ONLY = [
    {"NetworkCardIndex": 0, "DeviceIndex": 0, "Groups": ["sg-n"]},
    {"DeviceIndex": 1, "InterfaceType": "efa-only"},
]


def put(store: SqliteStore, kind: str, identifier: str, **body: Any) -> None:
    store.put(CloudObject(kind=kind, id=identifier, region="us-east-1", body=body))


def plugin_pod(**changes: Any) -> PodView:
    pod: dict[str, Any] = {
        "metadata": {
            "namespace": "gpu-system",
            "name": "plugin-x",
            "uid": "1",
            "labels": {"app.kubernetes.io/name": "nvidia-device-plugin"},
            "ownerReferences": [{"kind": "DaemonSet"}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    for path, value in changes.items():
        section, _, member = path.partition("__")
        pod[section][member] = value
    return pod_view(pod)


def test_only_a_ready_daemon_set_pod_brings_devices() -> None:
    assert plugins_by_node([plugin_pod()]) == {"node-1": {"nvidia-device-plugin"}}
    assert plugins_by_node([plugin_pod(status__conditions=[])]) == {}
    assert plugins_by_node([plugin_pod(metadata__ownerReferences=[{"kind": "ReplicaSet"}])]) == {}
    assert plugins_by_node([plugin_pod(metadata__deletionTimestamp="2026-01-01T00:00:00Z")]) == {}
    assert plugins_by_node([plugin_pod(metadata__labels={"app.kubernetes.io/name": "other"})]) == {}


def test_each_plugin_advertises_its_own_resource_only() -> None:
    p5 = machine("p5.48xlarge", efa_interfaces=32)
    assert wanted(p5, ["nvidia-device-plugin"]) == {"nvidia.com/gpu": "8"}
    assert wanted(p5, ["aws-efa-k8s-device-plugin"]) == {"vpc.amazonaws.com/efa": "32"}
    assert wanted(machine("m7i.2xlarge", efa_interfaces=0), ["nvidia-device-plugin"]) == {}


def test_the_csi_node_plugin_is_told_from_its_controller() -> None:
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for document in ADDONS["aws-fsx-csi-driver"]()
        if document["kind"] in {"DaemonSet", "Deployment"}
    ]
    assert [plugin_pod(metadata__labels=found).app for found in labels] == ["fsx-csi-node", "fsx-csi-controller"]


@pytest.mark.parametrize(
    ("config", "admits"),
    [
        ({}, True),
        ({"endpointPublicAccess": False}, False),
        ({"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.0/24"]}, True),
        ({"endpointPublicAccess": True, "publicAccessCidrs": ["198.51.100.0/24"]}, False),
        ({"endpointPublicAccess": False, "publicAccessCidrs": ["0.0.0.0/0"]}, False),
    ],
)
def test_the_public_endpoint_admits_by_switch_and_allow_list(config: dict[str, Any], admits: bool) -> None:  # noqa: FBT001
    assert admitted(config) is admits


def test_a_subnet_hands_out_what_aws_does_not_keep() -> None:
    assert free_addresses("10.0.0.0/28", {"10.0.0.5"}, 99) == [f"10.0.0.{last}" for last in (4, *range(6, 15))]


def group_store(cidr: str = "10.0.0.0/24") -> SqliteStore:
    store = SqliteStore(":memory:")
    put(store, "ec2:Subnet", "subnet-1", CidrBlock=cidr, AvailabilityZone="us-east-1a", VpcId="vpc-1")
    put(store, "ec2:LaunchTemplate", "lt-1", LaunchTemplateName="gpu", DefaultVersionNumber=1, LatestVersionNumber=2)
    disks = [{"Ebs": {"VolumeSize": 200}}]
    data = {"InstanceType": "p5.48xlarge", "NetworkInterfaces": EFA_ONLY, "BlockDeviceMappings": disks}
    put(store, "ec2:LaunchTemplateVersion", "lt-1:1", LaunchTemplateData=data)
    return store


def test_a_launch_template_decides_type_interfaces_disk_and_groups() -> None:
    template = node_template(group_store(), {"launchTemplate": {"name": "gpu", "version": "$Default"}}, {})
    assert (template.instance_type, template.efa_interfaces, template.disk_gib) == ("p5.48xlarge", 1, 200)
    assert template.security_groups == ("sg-n",)
    assert (template.launch_template_id, template.launch_template_version) == ("lt-1", "1")


def test_without_a_launch_template_the_cluster_gives_the_security_group() -> None:
    cluster = {"resourcesVpcConfig": {"clusterSecurityGroupId": "sg-cluster"}}
    template = node_template(group_store(), {"instanceTypes": ["m7i.2xlarge"], "diskSize": 50}, cluster)
    assert (template.instance_type, template.disk_gib) == ("m7i.2xlarge", 50)
    assert template.security_groups == ("sg-cluster",)


@pytest.mark.parametrize("reference", [{"id": "lt-9", "version": "1"}, {"id": "lt-1", "version": "$Latest"}])
def test_a_missing_launch_template_is_said_in_the_words_of_eks(reference: dict[str, str]) -> None:
    with pytest.raises(LaunchError) as refused:
        node_template(group_store(), {"launchTemplate": reference}, {})
    assert refused.value.code == "Ec2LaunchTemplateNotFound"


def test_launched_instances_have_addresses_and_interfaces_and_leave_none() -> None:
    store = group_store()
    template = node_template(store, {"launchTemplate": {"id": "lt-1", "version": "1"}}, {})
    launch(store, template, cluster="demo", group="training", subnets=["subnet-1"], count=3)
    made = instances_of(store, "demo", "training")
    assert [item.body["PrivateIpAddress"] for item in made] == ["10.0.0.4", "10.0.0.5", "10.0.0.6"]
    assert made[0].body["PrivateDnsName"] == "ip-10-0-0-4.ec2.internal"
    assert len(store.find("ec2:NetworkInterface")) == 6
    assert instances_of(store, "demo", "train") == []
    terminate(store, made)
    assert store.find("ec2:Instance") == store.find("ec2:NetworkInterface") == []


def test_a_full_subnet_refuses_the_launch_and_nothing_is_made() -> None:
    store = group_store("10.0.0.0/28")
    template = node_template(store, {"launchTemplate": {"id": "lt-1", "version": "1"}}, {})
    with pytest.raises(LaunchError, match="subnet-1 has 11 of 12") as refused:
        launch(store, template, cluster="demo", group="training", subnets=["subnet-1"], count=12)
    assert refused.value.code == "InsufficientFreeAddresses"
    assert store.find("ec2:Instance") == []


def test_a_lost_zone_takes_no_instances_and_the_others_take_them_all() -> None:
    store = group_store()
    put(store, "ec2:Subnet", "subnet-2", CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1b", VpcId="vpc-1")
    template = node_template(store, {"launchTemplate": {"id": "lt-1", "version": "1"}}, {})
    lost = Fault(type=FaultType.CAPACITY, operation="RunInstances", count=99, parameters={"zone": "us-east-1a"})
    fault = store.add_fault(lost)
    launch(store, template, cluster="demo", group="training", subnets=["subnet-1", "subnet-2"], count=2)
    made = instances_of(store, "demo", "training")
    assert {item.body["Placement"]["AvailabilityZone"] for item in made} == {"us-east-1b"}
    with pytest.raises(LaunchError, match="InsufficientInstanceCapacity"):
        launch(store, template, cluster="demo", group="training", subnets=["subnet-1"], count=1)
    store.clear_faults(fault)
    launch(store, template, cluster="demo", group="training", subnets=["subnet-1"], count=1)
    assert len(instances_of(store, "demo", "training")) == 3


def lustre_store(*, ingress: bool) -> SqliteStore:
    store = SqliteStore(":memory:")
    everyone = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    put(store, "ec2:SecurityGroup", "sg-n", IpPermissions=[], IpPermissionsEgress=everyone)
    put(store, "ec2:SecurityGroup", "sg-fs", IpPermissions=[], IpPermissionsEgress=everyone)
    put(store, "ec2:NetworkInterface", "eni-1", Groups=[{"GroupId": "sg-fs"}])
    if ingress:
        put(
            store, "ec2:SecurityGroupRule", "sgr-1", GroupId="sg-fs", IsEgress=False, IpProtocol="tcp", FromPort=988,
            ToPort=988, ReferencedGroupInfo={"GroupId": "sg-n"},
        )  # fmt: skip
    put(
        store, "fsx:FileSystem", "fs-1", DNSName="fs-1.fsx.us-east-1.amazonaws.com", NetworkInterfaceIds=["eni-1"],
        LustreConfiguration={"MountName": "abcdefgh"},
    )  # fmt: skip
    return store


def source(handle: str = "fs-1", mount_name: str = "abcdefgh") -> dict[str, Any]:
    attributes = {"dnsname": f"{handle}.fsx.us-east-1.amazonaws.com", "mountname": mount_name}
    return {"driver": "fsx.csi.aws.com", "volumeHandle": handle, "volumeAttributes": attributes}


@pytest.mark.parametrize(
    ("ingress", "volume", "words"),
    [
        (True, source(), ""),
        (False, source(), "Is the MGS running?"),
        (True, source(mount_name="wrong"), "Is the filesystem name correct?"),
        (True, source(handle="fs-2"), "no such host"),
    ],
    ids=["all right", "security group closed", "wrong mount name", "wrong file system"],
)
def test_a_mount_fails_for_the_reason_that_a_node_would_see(ingress: bool, volume: dict[str, Any], words: str) -> None:  # noqa: FBT001
    problem = mount_problem(lustre_store(ingress=ingress), volume, ["sg-n"])
    assert problem == "" if not words else words in problem


def test_stages_cover_nodes_and_pods_and_have_names_of_their_own() -> None:
    names = [stage["metadata"]["name"] for stage in stages()]
    assert len(set(names)) == len(names)
    assert {stage["spec"]["resourceRef"]["kind"] for stage in stages()} == {"Node", "Pod"}
    first, *rest = configuration().split("\n---\n")
    assert json.loads(first)["kind"] == "KwokConfiguration"
    assert [json.loads(document)["kind"] for document in rest] == ["Stage"] * len(names)


def test_a_pod_with_claims_waits_until_its_volumes_are_mounted() -> None:
    selectors = {stage["metadata"]["name"]: stage["spec"]["selector"]["matchExpressions"] for stage in stages()}
    claims = ".spec.volumes.[].persistentVolumeClaim.claimName"
    mounted = '.metadata.annotations["simulation.slipway.dev/volumes"]'
    assert {"key": claims, "operator": "DoesNotExist"} in selectors["pod-ready"]
    assert {"key": mounted, "operator": "In", "values": ["mounted"]} in selectors["pod-ready-mounted"]


def _no_sources(_executable: str) -> Path:
    raise ToolchainError("no Go here", "install it")


def test_the_chart_mirror_serves_the_pinned_charts_with_their_digests() -> None:
    mirror = ChartMirror(_no_sources)
    index = json.loads(mirror.serve("index.yaml").body)
    for name, pin in CHARTS.items():
        (entry,) = index["entries"][name]
        assert entry["version"] == pin.version
        if name in ON_DEMAND:
            # Their sources are no part of a stack without that controller.
            answer = mirror.serve(entry["urls"][0])
            assert (answer.status, answer.body.decode()) == (
                503,
                f"{name}-{pin.version}.tgz cannot be packed: no Go here\n",
            )
            continue
        data = mirror.serve(entry["urls"][0]).body
        assert hashlib.sha256(data).hexdigest() == entry["digest"]


def test_a_chart_archive_holds_chart_values_and_templates_and_is_reproducible() -> None:
    chart = device_plugin("nvidia-device-plugin", "0.20.0")
    assert archive(chart) == archive(chart)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive(chart)))) as tar:
        assert sorted(tar.getnames()) == [
            "nvidia-device-plugin/Chart.yaml",
            "nvidia-device-plugin/templates/daemonset.yaml",
            "nvidia-device-plugin/templates/received-values.yaml",
            "nvidia-device-plugin/values.yaml",
        ]


def test_the_chart_mirror_names_what_it_has_when_asked_for_something_else() -> None:
    answer = ChartMirror(_no_sources).serve("kueue-0.1.0.tgz")
    assert answer.status == 404
    assert b"no kueue-0.1.0.tgz; it has: aws-efa-k8s-device-plugin-" in answer.body


def test_a_status_survives_the_way_to_the_command() -> None:
    process = ProcessStatus(name="etcd", cluster="demo", pid=7, ports={"etcd": 1}, memory_mib=40, ready=True)
    cluster = ClusterStatus(name="demo", status="ACTIVE", nodes=4, nodes_ready=4)
    status = Status(
        environment="local", running=True, ready=True, state_directory="/x", processes=(process,), clusters=(cluster,)
    )
    assert Status.from_json(json.loads(json.dumps(status.to_json()))) == status
