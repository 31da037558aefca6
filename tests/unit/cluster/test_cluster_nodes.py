"""Node objects against the catalogue, and how a group's settings reach nodes that exist."""

from typing import Any

import pytest

from components.accelerators import UnknownInstanceTypeError
from local.cluster.machines import EFA, GPU, machine, reserved_millicores
from local.cluster.node_settings import NodeSettings, patch_for
from local.cluster.nodes import NodeFacts, node_name, node_object


def facts(**changes: Any) -> NodeFacts:
    values: dict[str, Any] = {
        "cluster": "demo",
        "node_group": "training",
        "instance_id": "i-0123456789abcdef0",
        "machine": machine("p5.48xlarge", efa_interfaces=32, disk_gib=200),
        "private_ip": "10.0.1.5",
        "region": "us-east-1",
        "zone": "us-east-1a",
        "position": 0,
    }
    return NodeFacts(**{**values, **changes})


def test_a_p5_node_has_the_catalogues_capacity_and_no_devices_before_their_plugins() -> None:
    status = node_object(facts())["status"]
    assert status["capacity"] == {
        "cpu": "192",
        "memory": "2097152Mi",
        "pods": "100",
        "ephemeral-storage": "200Gi",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "10256Mi",
    }
    # 255 + 11 x 100 MiB for kubelet and system, 100 MiB eviction threshold, 10256 MiB of huge pages.
    assert status["allocatable"]["memory"] == f"{2097152 - 255 - 1100 - 100 - 10256}Mi"
    assert status["allocatable"]["cpu"] == f"{192000 - 550}m"
    assert status["allocatable"]["pods"] == "100"


def test_a_p5_machine_offers_eight_gpus_and_as_many_efa_interfaces_as_are_attached() -> None:
    assert machine("p5.48xlarge", efa_interfaces=32).devices() == {GPU: 8, EFA: 32}
    assert machine("p5.48xlarge", efa_interfaces=4).devices() == {GPU: 8, EFA: 4}
    assert machine("p5.48xlarge", efa_interfaces=0).devices() == {GPU: 8}


def test_a_cpu_machine_offers_no_device_and_no_huge_pages() -> None:
    made = machine("m7i.2xlarge", efa_interfaces=0)
    assert made.devices() == {}
    assert made.capacity()["hugepages-2Mi"] == "0Mi"
    assert (made.capacity()["cpu"], made.capacity()["memory"], made.capacity()["pods"]) == ("8", "32768Mi", "58")


def test_an_instance_type_outside_the_catalogue_is_refused_by_name() -> None:
    with pytest.raises(UnknownInstanceTypeError, match=r"p5\.49xlarge"):
        machine("p5.49xlarge", efa_interfaces=0)


@pytest.mark.parametrize(("vcpus", "millicores"), [(1, 60), (2, 70), (4, 80), (8, 90), (96, 310), (192, 550)])
def test_reserved_cpu_follows_the_ami(vcpus: int, millicores: int) -> None:
    assert reserved_millicores(vcpus) == millicores


@pytest.mark.parametrize(
    ("region", "name"),
    [("us-east-1", "ip-10-0-1-5.ec2.internal"), ("eu-west-1", "ip-10-0-1-5.eu-west-1.compute.internal")],
)
def test_a_node_is_named_by_its_private_dns_name(region: str, name: str) -> None:
    assert node_name("10.0.1.5", region) == name


def test_a_node_carries_the_labels_and_taints_of_cloud_eks_and_group() -> None:
    taints = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]
    node = node_object(facts(labels={"slipway.dev/pool": "training"}, taints=taints, launch_template_id="lt-1"))
    labels = node["metadata"]["labels"]
    assert labels["eks.amazonaws.com/nodegroup"] == "training"
    assert labels["eks.amazonaws.com/sourceLaunchTemplateId"] == "lt-1"
    assert labels["node.kubernetes.io/instance-type"] == "p5.48xlarge"
    assert labels["topology.kubernetes.io/zone"] == "us-east-1a"
    assert labels["topology.kubernetes.io/region"] == "us-east-1"
    assert labels["slipway.dev/pool"] == "training"
    assert node["spec"]["taints"] == [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}]
    assert node["spec"]["providerID"] == "aws:///us-east-1a/i-0123456789abcdef0"
    assert node["metadata"]["annotations"]["kwok.x-k8s.io/node"] == "fake"


def test_nodes_of_one_group_share_the_upper_network_layers_and_sixteen_share_a_leaf() -> None:
    layers = [_layers(facts(position=position)) for position in (0, 15, 16)]
    assert layers[0] == layers[1]
    assert layers[0][:2] == layers[2][:2]
    assert layers[0][2] != layers[2][2]
    assert _layers(facts(node_group="other"))[0] == layers[0][0]
    assert _layers(facts(node_group="other"))[1] != layers[0][1]


def test_a_cpu_node_has_no_network_topology_labels() -> None:
    labels = node_object(facts(machine=machine("m7i.2xlarge", efa_interfaces=0)))["metadata"]["labels"]
    assert not [name for name in labels if name.startswith("topology.k8s.aws/network-node-layer")]


def test_changed_group_settings_leave_foreign_taints_alone() -> None:
    node = {
        "spec": {
            "taints": [
                {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
                {"key": "old", "value": "x", "effect": "NoSchedule"},
            ]
        }
    }
    before = NodeSettings({"a": "1", "b": "2"}, [{"key": "old", "value": "x", "effect": "NO_SCHEDULE"}])
    after = NodeSettings({"b": "3"}, [{"key": "new", "effect": "NO_EXECUTE"}])
    patch = patch_for(node, before, after)
    assert patch["metadata"]["labels"] == {"a": None, "b": "3"}
    assert patch["spec"]["taints"] == [
        {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"},
        {"key": "new", "value": "", "effect": "NoExecute"},
    ]


def _layers(node: NodeFacts) -> list[str]:
    labels = node_object(node)["metadata"]["labels"]
    return [labels[f"topology.k8s.aws/network-node-layer-{number}"] for number in (1, 2, 3)]
