"""The seam between clouds and what runs on them: plain data that each cloud fills and that add-ons and workloads read.

Nothing here holds a provider object. A field is an ``Output`` only where the cloud decides the value; what the
settings decide (names, counts, instance types) stays a plain value, so that previews and policies can read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import pulumi


class AcceleratorKind(StrEnum):
    """Families of accelerators, by the software stack that drives them."""

    NVIDIA = "nvidia"
    NEURON = "neuron"
    AMD = "amd"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Taint:
    """A Kubernetes node taint; ``effect`` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, kw_only=True)
class FabricProfile:
    """What a pod must ask for, and be told, to use one node of a pool completely.

    Manifests ask the profile, so nothing in ``workloads/`` spells a cloud's fabric.
    """

    accelerator: AcceleratorKind
    accelerator_model: str
    """For example ``H100``."""
    accelerators_per_node: int
    accelerator_resource: str | None
    """Extended resource, for example ``nvidia.com/gpu``; None on CPU pools."""
    fabric_resources: Mapping[str, int] = field(default_factory=dict)
    """Extended resources of the fabric per node, for example ``{"vpc.amazonaws.com/efa": 32}``."""
    hugepages_2mi: int = 0
    """MiB of 2 MiB huge pages that a pod using the fabric requests."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """NCCL, RCCL or libfabric environment."""
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    topology_label_keys: Sequence[str] = ()
    """Node labels from the widest to the narrowest topology level."""

    def to_json(self) -> dict[str, Any]:
        """Plain data with the fields' own names, for a stack's exports."""
        found: dict[str, Any] = {**asdict(self), "accelerator": str(self.accelerator)}
        return {**found, "taints": [asdict(taint) for taint in self.taints]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "FabricProfile":
        """The profile that ``to_json`` wrote.

        Raises:
            TypeError, KeyError, ValueError: another version wrote it.
        """
        kind, taints = AcceleratorKind(data["accelerator"]), tuple(Taint(**taint) for taint in data["taints"])
        return cls(**{**data, "accelerator": kind, "taints": taints})


@dataclass(frozen=True, kw_only=True)
class NetworkOutputs:
    """A network with its subnets, by availability zone name."""

    network_id: pulumi.Output[str]
    cidr: str
    region: str
    zones: Sequence[str]
    private_subnet_ids: Mapping[str, pulumi.Output[str]]
    public_subnet_ids: Mapping[str, pulumi.Output[str]]


@dataclass(frozen=True, kw_only=True)
class PoolOutputs:
    """A node pool with the exact number of accelerators and fabric interfaces that it must show when it is up."""

    name: str
    instance_type: str
    nodes: int
    profile: FabricProfile
    zones: Sequence[str]
    vcpus_per_node: int
    memory_gib_per_node: int
    ready: pulumi.Output[str]
    """Resolves (to the provider's id of the group) once the nodes have joined; depend on it before placing pods."""

    @property
    def accelerators(self) -> int:
        """Accelerators of the whole pool."""
        return self.nodes * self.profile.accelerators_per_node

    @property
    def fabric_interfaces(self) -> int:
        """Fabric (EFA, RDMA) interfaces of the whole pool."""
        return self.nodes * sum(self.profile.fabric_resources.values())


@dataclass(frozen=True, kw_only=True)
class ClusterOutputs:
    """A Kubernetes cluster as add-ons and workloads see it."""

    name: str
    """The settings' name of the cluster (logical)."""
    cluster_name: pulumi.Output[str]
    """The physical name at the cloud."""
    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    """Base64 PEM."""
    kubeconfig: pulumi.Output[str]
    """JSON kubeconfig with an exec credential: no token, nothing that expires in mid-update."""
    identifier: str
    """Stable text for the Kubernetes provider's ``cluster_identifier``: an unknown kubeconfig must not replace it."""
    kubernetes_version: str
    oidc_issuer: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class StorageOutputs:
    """A shared file system as a Kubernetes volume source."""

    name: str
    kind: str
    """``lustre``, ``nfs``, …"""
    driver: str
    """CSI driver name."""
    handle: pulumi.Output[str]
    attributes: Mapping[str, pulumi.Input[str]]
    mount_options: Sequence[str]
    capacity_gib: int
    throughput_mb_per_second: float
    zone: str | None
    """Zone whose nodes should mount it; None when it spans zones."""
    ready: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentity:
    """How a service account is bound to a cloud role: an annotation, a label, or an association made at the cloud."""

    namespace: str
    service_account: str
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    labels: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    role: pulumi.Output[str] | None = None
    """Resolves once pods of the service account get the role: those made before would stay without it."""
    credential_endpoints: Sequence[tuple[str, int]] = ()
    """(IPv4 address, TCP port) from which pods fetch credentials; a policy that closes them in must let them."""


@dataclass(frozen=True, kw_only=True)
class Observables:
    """What monitoring may expect of a workload; dashboards and scrape configs are generated from it."""

    ports: Mapping[str, int] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    health_path: str | None = None
    log_format: str = "json"
