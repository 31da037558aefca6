"""A pool of CPU nodes: for the system's own pods, data preparation and everything that needs no accelerator."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, eks

from components import tokens
from components.accelerators import UnknownInstanceTypeError, instance
from components.aws.capacity import CapacityType, ScalingOwner, size_problems, zone_problems
from components.aws.node_group import (
    POOL_LABEL,
    GroupSpec,
    create_group,
    create_node_role,
    instance_tags,
    metadata_options,
    pool_taints,
    root_volume,
    shared_problems,
)
from components.aws.outputs import AwsClusterOutputs
from components.outputs import AcceleratorKind, FabricProfile, NetworkOutputs, PoolOutputs, Taint
from components.problems import refuse
from components.tags import resource_tags


@dataclass(frozen=True, kw_only=True)
class NodePoolArgs:
    """Size, place and marks of a CPU pool."""

    cluster: AwsClusterOutputs
    network: NetworkOutputs
    instance_type: str = "m7i.2xlarge"
    nodes: int = 2
    min_nodes: int | None = None
    """None means ``nodes``."""
    max_nodes: int | None = None
    """None means ``nodes``, or 1 for an empty pool."""
    zones: Sequence[str] = ()
    """Empty means every zone of the network."""
    spot: bool = False
    root_volume_gib: int = 100
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    dedicated: bool = False
    """Repels pods that do not name the pool."""
    node_repair: bool = True
    ami_release: str | None = None
    """EKS's ``releaseVersion`` of the node image; None takes the newest when the pool is made."""
    scaling_owner: ScalingOwner = ScalingOwner.SETTINGS
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of machines, volumes and interfaces; give the stack's tags, or the bill cannot tell whose they are."""


class NodePool(pulumi.ComponentResource):
    """A managed node group of CPU machines with its role and launch template.

    Raises:
        ValueError: an unknown or accelerated type, or sizes, zones, labels that EKS refuses.
    """

    node_group_name: pulumi.Output[str]
    outputs: PoolOutputs

    def __init__(self, name: str, args: NodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("NodePool", name, _problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        spec = _spec(name, args)
        role = create_node_role(name, args.cluster, parent=self)
        group = create_group(name, spec, role=role, template=self._create_template(name, args), parent=self)
        self.node_group_name = group.node_group_name
        self.outputs = _outputs(name, spec, group)
        self.register_outputs({"node_group_name": self.node_group_name})

    def _create_template(self, name: str, args: NodePoolArgs) -> ec2.LaunchTemplate:
        # No security group here: EKS then gives each node the cluster security group.
        return ec2.LaunchTemplate(
            f"{name}-template",
            description=f"Nodes of pool {name}",
            block_device_mappings=[root_volume(args.root_volume_gib)],
            metadata_options=metadata_options(),
            tag_specifications=instance_tags(name, args.tags),
            update_default_version=True,
            tags=resource_tags(f"{name}-template"),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _spec(name: str, args: NodePoolArgs) -> GroupSpec:
    return GroupSpec(
        cluster=args.cluster,
        network=args.network,
        instance=instance(args.instance_type),
        nodes=args.nodes,
        min_nodes=args.nodes if args.min_nodes is None else args.min_nodes,
        max_nodes=max(args.nodes, 1) if args.max_nodes is None else args.max_nodes,
        zones=tuple(args.zones or args.network.zones),
        capacity_type=CapacityType.SPOT if args.spot else CapacityType.ON_DEMAND,
        scaling_owner=args.scaling_owner,
        labels={**args.labels, POOL_LABEL: name},
        taints=pool_taints(name, args.taints, dedicated=args.dedicated),
        node_repair=args.node_repair,
        ami_release=args.ami_release,
        # Pods of the cluster move over: machines without accelerators are there for both groups.
        delete_first=False,
        instance_type_in_template=False,
    )


def _outputs(name: str, spec: GroupSpec, group: eks.NodeGroup) -> PoolOutputs:
    profile = FabricProfile(
        accelerator=AcceleratorKind.NONE,
        accelerator_model="",
        accelerators_per_node=0,
        accelerator_resource=None,
        node_selector={POOL_LABEL: name},
        taints=spec.taints,
    )
    return PoolOutputs(
        name=name,
        instance_type=spec.instance.name,
        nodes=spec.nodes,
        profile=profile,
        zones=spec.zones,
        vcpus_per_node=spec.instance.vcpus,
        memory_gib_per_node=spec.instance.memory_gib,
        ready=group.id,
    )


def _problems(args: NodePoolArgs) -> list[str]:
    problems = []
    try:
        kind = instance(args.instance_type)
    except UnknownInstanceTypeError as error:
        problems.append(str(error))
    else:
        if kind.accelerator_kind is not AcceleratorKind.NONE:
            problems.append(f"{kind.name} has accelerators ({kind.accelerator_model}): use a GpuNodePool")
    minimum = args.nodes if args.min_nodes is None else args.min_nodes
    maximum = max(args.nodes, 1) if args.max_nodes is None else args.max_nodes
    problems += size_problems(args.nodes, minimum, maximum)
    problems += zone_problems(args.zones, args.network.zones, one=False)
    return problems + shared_problems(args.labels, args.taints, args.root_volume_gib, args.instance_type)
