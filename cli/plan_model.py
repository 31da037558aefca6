"""What a recorded program amounts to: a tree, an address plan, add-ons, what is exposed. Pure functions."""

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.events import short_type
from local.cloud.recording import RecordedResource, Recording

_STACK: Final = "pulumi:pulumi:Stack"
_PROVIDERS: Final = "pulumi:providers:"
_VPC: Final = "aws:ec2/vpc:Vpc"
_SUBNET: Final = "aws:ec2/subnet:Subnet"
_CLUSTER: Final = "aws:eks/cluster:Cluster"
_ADDON: Final = "aws:eks/addon:Addon"
_RELEASE: Final = "kubernetes:helm.sh/v3:Release"
_INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
_RESERVED_BY_AWS: Final = 5
"""Addresses of every subnet that AWS keeps (VPC user guide, "Subnet sizing")."""
_ANYWHERE: Final = frozenset({"0.0.0.0/0", "::/0"})


@dataclass
class Branch:
    """A component with what is directly below it."""

    resource: RecordedResource
    branches: list["Branch"] = field(default_factory=list)
    leaves: list[RecordedResource] = field(default_factory=list)

    def total(self) -> int:
        """Resources that a provider makes, at any depth."""
        return len(self.leaves) + sum(branch.total() for branch in self.branches)

    def counts(self) -> list[tuple[str, int]]:
        """The direct leaves by short type, most frequent first."""
        return Counter(short_type(leaf.type) for leaf in self.leaves).most_common()


@dataclass(frozen=True, kw_only=True)
class SubnetPlan:
    """One subnet of the address plan."""

    name: str
    zone: str
    cidr: str
    usable: int
    public: bool


@dataclass(frozen=True, kw_only=True)
class AddonPlan:
    """Something installed into the cluster, by the cloud or by Helm."""

    name: str
    version: str
    by: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that ``slipway plan`` tells."""

    tree: Branch
    resources: Sequence[RecordedResource]
    networks: Sequence[tuple[str, str]]
    subnets: Sequence[SubnetPlan]
    addons: Sequence[AddonPlan]
    exposed: Sequence[str]


def plan_of(recording: Recording) -> Plan:
    """The plan of a recorded program."""
    made = [item for item in recording.resources if item.custom and not item.type.startswith(_PROVIDERS)]
    return Plan(
        tree=_tree(recording.resources),
        resources=made,
        networks=[(item.name, str(item.inputs["cidrBlock"])) for item in made if item.type == _VPC],
        subnets=sorted((_subnet(item) for item in made if item.type == _SUBNET), key=_by_address),
        addons=[addon for item in made if (addon := _addon(item)) is not None],
        exposed=[text for item in made for text in _exposed(item)],
    )


def _tree(resources: Sequence[RecordedResource]) -> Branch:
    roots = [item for item in resources if item.type == _STACK]
    root = Branch(roots[0])
    branches: dict[str, Branch] = {root.resource.urn: root}
    for item in resources:
        if item.type == _STACK or item.type.startswith(_PROVIDERS):
            continue
        # A component registers before its children, so that the parent's branch is there.
        parent = branches.get(item.parent, root)
        if item.custom:
            parent.leaves.append(item)
        else:
            branches[item.urn] = Branch(item)
            parent.branches.append(branches[item.urn])
    return root


def _subnet(item: RecordedResource) -> SubnetPlan:
    network = ipaddress.ip_network(str(item.inputs["cidrBlock"]))
    return SubnetPlan(
        name=item.name,
        zone=str(item.inputs.get("availabilityZone", "")),
        cidr=str(network),
        usable=network.num_addresses - _RESERVED_BY_AWS,
        public=bool(item.inputs.get("mapPublicIpOnLaunch")) or "public" in item.name,
    )


def _by_address(subnet: SubnetPlan) -> tuple[int, int]:
    network = ipaddress.ip_network(subnet.cidr)
    return (int(network.network_address), network.prefixlen)


def _addon(item: RecordedResource) -> AddonPlan | None:
    if item.type == _ADDON:
        version = str(item.outputs.get("addonVersion") or item.inputs.get("addonVersion") or "default")
        return AddonPlan(name=str(item.inputs["addonName"]), version=version, by="EKS")
    if item.type == _RELEASE:
        return AddonPlan(name=str(item.inputs["chart"]), version=str(item.inputs.get("version", "")), by="Helm")
    return None


def _exposed(item: RecordedResource) -> list[str]:
    """What can be reached from outside, in words."""
    if item.type == _CLUSTER:
        network: Mapping[str, Any] = item.inputs.get("vpcConfig") or {}
        # Both defaults are the service's own (EKS API reference, VpcConfigRequest).
        if not network.get("endpointPublicAccess", True):
            return [f"API server of {item.name}: private only"]
        cidrs = [str(cidr) for cidr in network.get("publicAccessCidrs") or ["0.0.0.0/0"]]
        return [f"API server of {item.name}: public, answers {', '.join(cidrs)}"]
    if item.type == _INGRESS_RULE and str(item.inputs.get("cidrIpv4") or item.inputs.get("cidrIpv6")) in _ANYWHERE:
        return [f"security group rule {item.name}: open to everybody"]
    return []
