"""A pool of accelerated nodes, with its fabric: EFA interfaces on the cards that take them, in one zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ec2, eks, vpc

from components import clock, tokens
from components.accelerators import InstanceType, instance
from components.aws.block_schedule import BlockPeriod, create_start
from components.aws.capacity import (
    Capacity,
    CapacityType,
    ScalingOwner,
    capacity_problems,
    size_problems,
    zone_problems,
)
from components.aws.fabric import default_taints, fabric_profile
from components.aws.interfaces import interface_layout
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
from components.aws.user_data import encoded, user_data
from components.outputs import AcceleratorKind, NetworkOutputs, PoolOutputs, Taint
from components.problems import refuse
from components.tags import resource_tags

ACCELERATOR_LABEL = "slipway.dev/accelerator"
GPU_PRESENT_LABEL = "nvidia.com/gpu.present"
"""The device plugin's chart runs only where this label, or a feature discovery's, says that there is a GPU."""


@dataclass(frozen=True, kw_only=True)
class GpuNodePoolArgs:
    """Which machines, how many, where they come from, and whether they have a fabric."""

    cluster: AwsClusterOutputs
    network: NetworkOutputs
    instance_type: str
    nodes: int
    min_nodes: int | None = None
    """None means ``nodes``."""
    max_nodes: int | None = None
    """None means ``nodes``, or 1 for an empty pool."""
    zones: Sequence[str] = ()
    """Exactly one with EFA; otherwise empty means every zone of the network."""
    efa: bool = False
    """Gives every network card that takes one an EFA interface, for training across nodes."""
    capacity: CapacityType = CapacityType.ON_DEMAND
    capacity_reservation_id: str | None = None
    reservation_placement_group: str | None = None
    """Name of the placement group that the reservation was made in."""
    confirm_capacity_block: bool = False
    block: BlockPeriod | None = None
    """When a capacity block's machines are there: a scheduled action then starts ``max_nodes``. None: others do."""
    placement_group: bool | None = None
    """None makes a cluster placement group when there is a fabric and no reservation."""
    root_volume_gib: int = 200
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] | None = None
    """None taints the nodes with the accelerator's resource name."""
    dedicated: bool = False
    """Repels pods that do not name the pool, besides those that ask for no accelerator."""
    node_repair: bool = True
    ami_release: str | None = None
    """EKS's ``releaseVersion`` of the node image; None takes the newest when the pool is made."""
    delete_before_replace: bool = True
    """What happens to the pool when a change replaces it (instance type, zone, kind of capacity). True: the old nodes
    go first, and the pool is away meanwhile. False: the new ones come first, for which quota and zone must hold the
    pool twice; accelerators are bought by the piece, so that such an update mostly ends in
    InsufficientInstanceCapacity or VcpuLimitExceeded, with half of it done. Reserved machines exist once: always True.
    """
    scaling_owner: ScalingOwner = ScalingOwner.SETTINGS
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags of machines, volumes and interfaces; give the stack's tags, or the bill cannot tell whose they are."""


class GpuNodePool(pulumi.ComponentResource):
    """A managed node group of accelerated machines with role, launch template, security group and placement.

    Raises:
        ValueError: unknown type, EFA where there is none, zones, sizes or capacity that EC2 or EKS refuses.
    """

    node_group_name: pulumi.Output[str]
    outputs: PoolOutputs

    def __init__(self, name: str, args: GpuNodePoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("GpuNodePool", name, _problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        self._options = pulumi.ResourceOptions(parent=self)
        kind = instance(args.instance_type)
        spec = _spec(name, args, kind)
        fabric = self._create_fabric(name, args) if args.efa else None
        template = self._create_template(name, args, kind, fabric)
        role = create_node_role(name, args.cluster, parent=self)
        rules = fabric.rules if fabric else ()
        group = create_group(name, spec, role=role, template=template, parent=self, needs=rules)
        if args.block is not None:
            create_start(name, nodes=spec.max_nodes, block=args.block, group=group, now=clock.now(), parent=self)
        self.node_group_name = group.node_group_name
        self.outputs = _outputs(name, args, spec, group)
        self.register_outputs({"node_group_name": self.node_group_name})

    def _create_fabric(self, name: str, args: GpuNodePoolArgs) -> "_Fabric":
        logical = f"{name}-fabric"
        group = ec2.SecurityGroup(
            logical,
            description=f"All traffic between the EFA interfaces of pool {name}",
            vpc_id=args.network.network_id,
            tags=resource_tags(logical),
            opts=self._options,
        )
        # EFA traffic is not TCP: only "all traffic", in both directions, lets it through (EC2 user guide, EFA).
        ingress = vpc.SecurityGroupIngressRule(
            f"{logical}-in",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            description="Everything from the pool itself",
            tags=resource_tags(f"{logical}-in"),
            opts=self._options,
        )
        egress = vpc.SecurityGroupEgressRule(
            f"{logical}-out",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            description="Everything to the pool itself",
            tags=resource_tags(f"{logical}-out"),
            opts=self._options,
        )
        return _Fabric(security_group_id=group.id, rules=(ingress, egress))

    def _create_placement(self, name: str, args: GpuNodePoolArgs) -> ec2.LaunchTemplatePlacementArgs | None:
        if args.reservation_placement_group:
            return ec2.LaunchTemplatePlacementArgs(group_name=args.reservation_placement_group)
        if not _capacity(args).creates_placement_group:
            return None
        logical = f"{name}-placement"
        group = ec2.PlacementGroup(logical, strategy="cluster", tags=resource_tags(logical), opts=self._options)
        return ec2.LaunchTemplatePlacementArgs(group_name=group.name)

    def _create_template(
        self, name: str, args: GpuNodePoolArgs, kind: InstanceType, fabric: "_Fabric | None"
    ) -> ec2.LaunchTemplate:
        return ec2.LaunchTemplate(
            f"{name}-template",
            description=f"Nodes of pool {name}",
            instance_type=args.instance_type,
            block_device_mappings=[root_volume(args.root_volume_gib)],
            metadata_options=metadata_options(),
            network_interfaces=_interfaces(args, kind, fabric),
            placement=self._create_placement(name, args),
            capacity_reservation_specification=_reservation(args),
            instance_market_options=_market(args),
            tag_specifications=instance_tags(name, args.tags),
            user_data=encoded(user_data(kind, efa=args.efa)),
            update_default_version=True,
            tags=resource_tags(f"{name}-template"),
            opts=self._options,
        )


@dataclass(frozen=True, kw_only=True)
class _Fabric:
    security_group_id: pulumi.Output[str]
    rules: tuple[pulumi.Resource, ...]


def _interfaces(
    args: GpuNodePoolArgs, kind: InstanceType, fabric: _Fabric | None
) -> list[ec2.LaunchTemplateNetworkInterfaceArgs] | None:
    if fabric is None:
        # Without a list EKS attaches one interface with the cluster security group.
        return None
    return [
        ec2.LaunchTemplateNetworkInterfaceArgs(
            network_card_index=interface.card,
            device_index=interface.device,
            interface_type=interface.type if interface.efa else None,
            delete_on_termination="true",
            # The primary interface also talks to the control plane, which EKS allows by the cluster security group
            # only: with a list of interfaces it no longer adds that group itself.
            security_groups=[fabric.security_group_id]
            if interface.efa
            else [args.cluster.security_group_id, fabric.security_group_id],
        )
        for interface in interface_layout(kind, efa=args.efa)
    ]


def _reservation(args: GpuNodePoolArgs) -> ec2.LaunchTemplateCapacityReservationSpecificationArgs | None:
    if not args.capacity.reserved:
        return None
    return ec2.LaunchTemplateCapacityReservationSpecificationArgs(
        capacity_reservation_target=ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
            capacity_reservation_id=args.capacity_reservation_id
        )
    )


def _market(args: GpuNodePoolArgs) -> ec2.LaunchTemplateInstanceMarketOptionsArgs | None:
    if args.capacity is not CapacityType.CAPACITY_BLOCK:
        return None
    return ec2.LaunchTemplateInstanceMarketOptionsArgs(market_type="capacity-block")


def _spec(name: str, args: GpuNodePoolArgs, kind: InstanceType) -> GroupSpec:
    taints = default_taints(kind) if args.taints is None else args.taints
    marks = {POOL_LABEL: name, ACCELERATOR_LABEL: label_value(kind.accelerator_model or "")}
    if kind.accelerator_kind is AcceleratorKind.NVIDIA:
        marks[GPU_PRESENT_LABEL] = "true"
    return GroupSpec(
        cluster=args.cluster,
        network=args.network,
        instance=kind,
        nodes=args.nodes,
        min_nodes=args.nodes if args.min_nodes is None else args.min_nodes,
        max_nodes=max(args.nodes, 1) if args.max_nodes is None else args.max_nodes,
        zones=tuple(args.zones or args.network.zones),
        capacity_type=args.capacity,
        scaling_owner=args.scaling_owner,
        labels={**args.labels, **marks},
        taints=pool_taints(name, taints, dedicated=args.dedicated),
        node_repair=args.node_repair,
        ami_release=args.ami_release,
        delete_first=args.delete_before_replace,
        instance_type_in_template=True,
    )


def label_value(model: str) -> str:
    """An accelerator model as a Kubernetes label value: ``RTX PRO 4500`` becomes ``RTX-PRO-4500``."""
    return model.replace(" ", "-")


def _outputs(name: str, args: GpuNodePoolArgs, spec: GroupSpec, group: eks.NodeGroup) -> PoolOutputs:
    return PoolOutputs(
        name=name,
        instance_type=spec.instance.name,
        nodes=spec.nodes,
        profile=fabric_profile(
            spec.instance, efa=args.efa, node_selector={POOL_LABEL: name}, taints=tuple(spec.taints)
        ),
        zones=spec.zones,
        vcpus_per_node=spec.instance.vcpus,
        memory_gib_per_node=spec.instance.memory_gib,
        ready=group.id,
    )


def _capacity(args: GpuNodePoolArgs) -> Capacity:
    return Capacity(
        type=args.capacity,
        reservation_id=args.capacity_reservation_id,
        reservation_placement_group=args.reservation_placement_group,
        confirm_block=args.confirm_capacity_block,
        placement_group=args.placement_group,
        efa=args.efa,
    )


def _problems(args: GpuNodePoolArgs) -> list[str]:
    capacity = _capacity(args)
    problems = capacity_problems(capacity)
    try:
        kind = instance(args.instance_type)
        if kind.accelerator_kind is AcceleratorKind.NONE:
            problems.append(f"instance type {kind.name} has no accelerator: use a NodePool")
        else:
            interface_layout(kind, efa=args.efa)
    except ValueError as error:
        problems.append(str(error))
    minimum = args.nodes if args.min_nodes is None else args.min_nodes
    maximum = max(args.nodes, 1) if args.max_nodes is None else args.max_nodes
    if args.capacity.reserved and not args.delete_before_replace:
        problems.append("reserved machines exist once: leave delete_before_replace true")
    problems += size_problems(args.nodes, minimum, maximum)
    problems += zone_problems(args.zones, args.network.zones, one=capacity.one_zone)
    return problems + shared_problems(args.labels, args.taints or (), args.root_volume_gib, args.instance_type)
