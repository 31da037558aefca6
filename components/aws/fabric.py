"""What a pod must know about an AWS machine's accelerators and fabric."""

import re
from collections.abc import Mapping, Sequence

from components.accelerators import InstanceType
from components.aws.interfaces import interface_layout
from components.outputs import AcceleratorKind, FabricProfile, Taint

EFA_RESOURCE = "vpc.amazonaws.com/efa"
RESOURCES = {AcceleratorKind.NVIDIA: "nvidia.com/gpu", AcceleratorKind.NEURON: "aws.amazon.com/neuron"}
HUGEPAGES_MIB = 5120
"""The EFA driver sets aside 5,128 huge pages of 2 MiB per node; pods ask for 5,120 MiB (EKS user guide, node-efa)."""
TOPOLOGY_LABELS = tuple(f"topology.k8s.aws/network-node-layer-{layer}" for layer in (1, 2, 3))
"""Spine to leaf, set by EKS on instances whose network position EC2 tells. (P6 has a fourth layer below these.)"""
_TOLD = re.compile(r"(p3dn|p4de?|p5(e|en)?)\.(24|48)xlarge|(p6[a-z0-9-]*|trn[0-9][a-z]*|hpc[0-9][a-z]*|g[67]e)\..+")
"""Instance types of which DescribeInstanceTopology tells the position (EC2 user guide, "Prerequisites for Amazon EC2
topology", read 2026-11-21). A queue that wanted the labels of others would never find a node."""
EFA_ENVIRONMENT = {
    "FI_PROVIDER": "efa",
    "NCCL_SOCKET_IFNAME": "^lo,docker",
    "NCCL_TUNER_PLUGIN": "/opt/aws-ofi-nccl/install/lib/libnccl-ofi-tuner.so",
}
"""EKS user guide, node-efa example: libfabric by EFA, and NCCL's bootstrap not on loopback or bridge."""


def default_taints(instance: InstanceType) -> tuple[Taint, ...]:
    """Keeps pods off accelerated nodes that do not ask for an accelerator."""
    resource = RESOURCES.get(instance.accelerator_kind)
    return (Taint(key=resource, value="present", effect="NoSchedule"),) if resource else ()


def topology_labels(instance: InstanceType) -> tuple[str, ...]:
    """Labels that tell where in the network a node of this type stands; none where EC2 does not say."""
    return TOPOLOGY_LABELS if _TOLD.fullmatch(instance.name) else ()


def fabric_profile(
    instance: InstanceType, *, efa: bool, node_selector: Mapping[str, str], taints: Sequence[Taint]
) -> FabricProfile:
    """The profile of one node of ``instance``, with every EFA of its layout when ``efa`` is on."""
    interfaces = sum(interface.efa for interface in interface_layout(instance, efa=efa))
    nvidia = instance.accelerator_kind is AcceleratorKind.NVIDIA
    return FabricProfile(
        accelerator=instance.accelerator_kind,
        accelerator_model=instance.accelerator_model or "",
        accelerators_per_node=instance.devices,
        accelerator_resource=RESOURCES.get(instance.accelerator_kind),
        fabric_resources={EFA_RESOURCE: interfaces} if interfaces else {},
        hugepages_2mi=HUGEPAGES_MIB if interfaces else 0,
        environment=(EFA_ENVIRONMENT if nvidia else {"FI_PROVIDER": "efa"}) if interfaces else {},
        node_selector=dict(node_selector),
        taints=tuple(taints),
        topology_label_keys=topology_labels(instance),
    )
