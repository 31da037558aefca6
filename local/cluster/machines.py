"""What one simulated machine offers Kubernetes: the catalogue's figures less what a kubelet on EKS keeps for itself."""

from dataclasses import dataclass
from functools import cache

from components.accelerators import InstanceType
from components.accelerators import instance as catalogue_instance
from local.cloud.aws.facts import raw_instance

GPU = "nvidia.com/gpu"
EFA = "vpc.amazonaws.com/efa"
NEURON = "aws.amazon.com/neuron"
DEVICE_RESOURCES = {"nvidia-device-plugin": GPU, "aws-efa-k8s-device-plugin": EFA, "neuron-device-plugin": NEURON}
"""Extended resource by the ``app.kubernetes.io/name`` of the device plugin that advertises it."""

_MIB_PER_GIB = 1024
_EFA_HUGEPAGES_2MI = 5128
"""Pages of 2 MiB that the EFA driver's package preallocates. Source: EKS user guide, node-efa."""
_EVICTION_MIB = 100
_MAX_PODS_SMALL = 110
_MAX_PODS_LARGE = 250
_LARGE_VCPUS = 30
_DEFAULT_DISK_GIB = 20


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Capacity and reservations of one instance, in Kubernetes' units."""

    instance: InstanceType
    max_pods: int
    efa_interfaces: int
    """Attached by the launch template, which may be fewer than the type takes."""
    disk_gib: int = _DEFAULT_DISK_GIB

    @property
    def hugepages_mib(self) -> int:
        """Huge pages of 2 MiB, in MiB; only where EFA is attached."""
        return 2 * _EFA_HUGEPAGES_2MI if self.efa_interfaces else 0

    def capacity(self) -> dict[str, str]:
        """``status.capacity`` without device resources, which only a device plugin brings."""
        return {
            "cpu": str(self.instance.vcpus),
            "memory": f"{self.instance.memory_gib * _MIB_PER_GIB}Mi",
            "pods": str(self.max_pods),
            "ephemeral-storage": f"{self.disk_gib}Gi",
            "hugepages-1Gi": "0",
            "hugepages-2Mi": f"{self.hugepages_mib}Mi",
        }

    def allocatable(self) -> dict[str, str]:
        """``status.allocatable``: capacity less reservations, eviction threshold and huge pages.

        Source of the figures: amazon-eks-ami, nodeadm's kubelet defaults (255 MiB + 11 MiB per pod; 6 %, 1 %, 0.5 %
        and 0.25 % of cores; eviction below 100 MiB and 10 % of disk, 1 GiB of disk reserved).
        """
        reserved_mib = 255 + 11 * self.max_pods + _EVICTION_MIB
        disk_mib = self.disk_gib * _MIB_PER_GIB
        return {
            **self.capacity(),
            "cpu": f"{self.instance.vcpus * 1000 - reserved_millicores(self.instance.vcpus)}m",
            "memory": f"{self.instance.memory_gib * _MIB_PER_GIB - reserved_mib - self.hugepages_mib}Mi",
            "ephemeral-storage": f"{disk_mib - disk_mib // 10 - _MIB_PER_GIB}Mi",
        }

    def devices(self) -> dict[str, int]:
        """Extended resources that the device plugins would find, by resource name."""
        found = {EFA: self.efa_interfaces} if self.efa_interfaces else {}
        resource = {"nvidia": GPU, "neuron": NEURON}.get(str(self.instance.accelerator_kind))
        if resource and self.instance.devices:
            found[resource] = self.instance.devices
        return found


def reserved_millicores(vcpus: int) -> int:
    """CPU that EKS keeps for kubelet and system, in thousandths of a core (amazon-eks-ami, nodeadm)."""
    shares = [60, 10, 5, 5]
    return int(sum(shares[:vcpus]) + 2.5 * max(0, vcpus - len(shares)))


@cache
def max_pods(instance_type: str, vcpus: int) -> int:
    """Pods per node without prefix delegation: addresses of the first network card's interfaces, plus two.

    Source: amazon-eks-ami, max-pods calculator (``interfaces * (addresses - 1) + 2``), interfaces and addresses from
    DescribeInstanceTypes; for a type that is missing there, the limits of the same calculator.
    """
    row = raw_instance(instance_type)
    if row is None:
        return _MAX_PODS_LARGE if vcpus > _LARGE_VCPUS else _MAX_PODS_SMALL
    network = row["NetworkInfo"]
    card = next(c for c in network["NetworkCards"] if c["NetworkCardIndex"] == network["DefaultNetworkCardIndex"])
    return int(card["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2)


def machine(instance_type: str, *, efa_interfaces: int, disk_gib: int = _DEFAULT_DISK_GIB) -> Machine:
    """The machine of an instance type.

    Raises:
        components.accelerators.UnknownInstanceTypeError: the catalogue does not hold it.
    """
    found = catalogue_instance(instance_type)
    pods = max_pods(instance_type, found.vcpus)
    return Machine(instance=found, max_pods=pods, efa_interfaces=efa_interfaces, disk_gib=disk_gib)
