"""Node objects as a kubelet on EKS registers them; pure functions."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from local.cloud.aws.facts import zone_id
from local.cluster.kube import Document
from local.cluster.machines import Machine
from local.cluster.stages import NODE_ANNOTATION, NODE_ANNOTATION_VALUE

NODE_GROUP_LABEL = "eks.amazonaws.com/nodegroup"
KUBELET_VERSION = "v1.36.3"
NODE_LABEL = "simulation.slipway.dev/node"
PROCESS = "process"
"""Value of ``NODE_LABEL`` on node groups whose nodes run pods as processes; a harmless label on a real cluster."""
ADDRESS_ANNOTATION = "alpha.kubernetes.io/provided-node-ip"
TAINT_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
"""EKS's words for Kubernetes'."""
_LEAF_NODES = 16
_ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """Everything that decides one Node object."""

    cluster: str
    node_group: str
    instance_id: str
    machine: Machine
    private_ip: str
    region: str
    zone: str
    position: int
    """Place of the node within its group, which decides its neighbours in the network topology."""
    placement_group: str = ""
    capacity_type: str = "ON_DEMAND"
    ami_type: str = "AL2023_x86_64_STANDARD"
    launch_template_id: str = ""
    launch_template_version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    """In EKS's shape: key, value, effect such as NO_SCHEDULE."""

    @property
    def name(self) -> str:
        """The node's name: the instance's private DNS name."""
        return node_name(self.private_ip, self.region)


def node_name(private_ip: str, region: str) -> str:
    """The private DNS name that EC2 gives an address: us-east-1 has a domain of its own, for historical reasons."""
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{private_ip.replace('.', '-')}.{domain}"


def node_object(facts: NodeFacts) -> Document:
    """The Node as it is registered: capacity and addresses are there, conditions are not."""
    machine = facts.machine
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": facts.name,
            "labels": node_labels(facts),
            "annotations": {
                **({} if is_process_node(facts.labels) else {NODE_ANNOTATION: NODE_ANNOTATION_VALUE}),
                "simulation.slipway.dev/simulated": "true",
                ADDRESS_ANNOTATION: facts.private_ip,
            },
        },
        "spec": {
            "providerID": f"aws:///{facts.zone}/{facts.instance_id}",
            "taints": [kubernetes_taint(taint) for taint in facts.taints],
        },
        "status": {
            "capacity": machine.capacity(),
            "allocatable": machine.allocatable(),
            "addresses": [
                {"type": "InternalIP", "address": facts.private_ip},
                {"type": "InternalDNS", "address": facts.name},
                {"type": "Hostname", "address": facts.name},
            ],
            "nodeInfo": {
                "architecture": _ARCHITECTURES[machine.instance.architecture],
                "operatingSystem": "linux",
                "osImage": "Amazon Linux 2023 (simulated)",
                "kernelVersion": "6.12-simulated",
                "kubeletVersion": KUBELET_VERSION,
                "kubeProxyVersion": "",
                "containerRuntimeVersion": "kwok://simulated",
                "bootID": "",
                "machineID": "",
                "systemUUID": facts.instance_id,
            },
        },
    }


def is_process_node(labels: Mapping[str, str]) -> bool:
    """Whether a node with these labels runs its pods as processes."""
    return labels.get(NODE_LABEL) == PROCESS


def node_labels(facts: NodeFacts) -> dict[str, str]:
    """Labels: what kubelet, the cloud provider and EKS set, then the group's own."""
    instance = facts.machine.instance
    architecture = _ARCHITECTURES[instance.architecture]
    labels = {
        "kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": facts.name,
        "beta.kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/instance-type": instance.name,
        "node.kubernetes.io/instance-type": instance.name,
        "topology.kubernetes.io/region": facts.region,
        "topology.kubernetes.io/zone": facts.zone,
        "k8s.io/cloud-provider-aws": hashlib.md5(facts.cluster.encode(), usedforsecurity=False).hexdigest(),
        NODE_GROUP_LABEL: facts.node_group,
        "eks.amazonaws.com/nodegroup-image": f"ami-{_digest('image', facts.ami_type, length=17)}",
        "eks.amazonaws.com/capacityType": facts.capacity_type,
    }
    identifier = zone_id(facts.region, facts.zone)
    if identifier:
        labels["topology.k8s.aws/zone-id"] = identifier
    if facts.launch_template_id:
        labels["eks.amazonaws.com/sourceLaunchTemplateId"] = facts.launch_template_id
        labels["eks.amazonaws.com/sourceLaunchTemplateVersion"] = facts.launch_template_version
    if instance.devices or facts.machine.efa_interfaces:
        labels |= _topology(facts)
    return labels | dict(facts.labels)


def _topology(facts: NodeFacts) -> dict[str, str]:
    """Network topology as DescribeInstanceTopology tells it: nodes of one placement group share the upper levels."""
    closeness = facts.placement_group or f"{facts.cluster}/{facts.node_group}"
    spine = ("spine", facts.region, facts.zone)
    layers = (spine, (*spine, closeness), (*spine, closeness, str(facts.position // _LEAF_NODES)))
    return {
        f"topology.k8s.aws/network-node-layer-{number}": f"nn-{_digest(*layer, length=17)}"
        for number, layer in enumerate(layers, start=1)
    }


def kubernetes_taint(taint: Mapping[str, str]) -> Document:
    """A taint in EKS's shape (``NO_SCHEDULE``) as Kubernetes spells it."""
    return {"key": taint["key"], "value": taint.get("value", ""), "effect": TAINT_EFFECTS[taint["effect"]]}


def _digest(*words: str, length: int) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:length]
