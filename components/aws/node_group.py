"""What CPU and GPU pools share: node role, launch template settings, and the managed node group itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2, eks

from components import node_labels
from components.accelerators import InstanceType
from components.aws.capacity import CapacityType, ScalingOwner
from components.aws.documents import trust_document
from components.aws.outputs import AwsClusterOutputs
from components.aws.roles import Role, create_role
from components.ordering import after
from components.outputs import AcceleratorKind, NetworkOutputs, Taint
from components.tags import CAPACITY_BLOCK, CONFIRMED, resource_tags

POOL_LABEL = "slipway.dev/pool"
ROOT_DEVICE = "/dev/xvda"
"""Root device of the EKS AL2023 images."""
MIN_ROOT_GIB = 20
MAX_ROOT_GIB = 16384
EFFECTS = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
NODE_POLICIES = ("AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly")
"""The CNI's policy is not here: its pods have a role of their own."""


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """One managed node group, ready to be created."""

    cluster: AwsClusterOutputs
    network: NetworkOutputs
    instance: InstanceType
    nodes: int
    min_nodes: int
    max_nodes: int
    zones: Sequence[str]
    capacity_type: CapacityType
    scaling_owner: ScalingOwner
    labels: Mapping[str, str]
    taints: Sequence[Taint]
    node_repair: bool
    ami_release: str | None
    """None: the newest when the group is made."""
    delete_first: bool
    """Whether a replacement deletes the old group before it makes the new one."""
    instance_type_in_template: bool
    """Accelerated pools keep the type beside the interfaces that fit it; EKS demands so for capacity blocks."""


def pool_taints(name: str, taints: Sequence[Taint], *, dedicated: bool) -> tuple[Taint, ...]:
    """``taints``, and for a dedicated pool one that only pods of this very pool tolerate."""
    own = Taint(key=POOL_LABEL, value=name, effect="NoSchedule")
    return (*taints, own) if dedicated else tuple(taints)


def ami_type(instance: InstanceType) -> str:
    """EKS's AL2023 image for ``instance``: driver and container toolkit are in it."""
    flavour = {AcceleratorKind.NVIDIA: "NVIDIA", AcceleratorKind.NEURON: "NEURON"}.get(
        instance.accelerator_kind, "STANDARD"
    )
    architecture = "ARM_64" if instance.architecture == "arm64" else "x86_64"
    return f"AL2023_{architecture}_{flavour}"


def create_node_role(name: str, cluster: AwsClusterOutputs, *, parent: pulumi.Resource) -> Role:
    """The role of one pool's machines."""
    suffix = ".cn" if cluster.region.startswith("cn-") else ""
    return create_role(
        f"{name}-node-role",
        parent=parent,
        region=cluster.region,
        trust=trust_document(f"ec2.amazonaws.com{suffix}"),
        description=f"Nodes of pool {name}",
        managed_policies=NODE_POLICIES,
    )


def metadata_options() -> ec2.LaunchTemplateMetadataOptionsArgs:
    """IMDSv2 only, and one hop: a pod that is not on the host's network cannot borrow the node's role."""
    return ec2.LaunchTemplateMetadataOptionsArgs(
        http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
    )


def root_volume(size_gib: int) -> ec2.LaunchTemplateBlockDeviceMappingArgs:
    """An encrypted gp3 root volume of ``size_gib`` that goes away with its machine."""
    return ec2.LaunchTemplateBlockDeviceMappingArgs(
        device_name=ROOT_DEVICE,
        ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
            volume_size=size_gib, volume_type="gp3", encrypted="true", delete_on_termination="true"
        ),
    )


def instance_tags(name: str, tags: Mapping[str, str]) -> list[ec2.LaunchTemplateTagSpecificationArgs]:
    """Tags of what EC2 makes from the template: the provider's default tags do not reach instances."""
    return [
        ec2.LaunchTemplateTagSpecificationArgs(resource_type=kind, tags={**tags, **resource_tags(name)})
        for kind in ("instance", "network-interface", "volume")
    ]


def create_group(
    name: str,
    spec: GroupSpec,
    *,
    role: Role,
    template: ec2.LaunchTemplate,
    parent: pulumi.Resource,
    needs: Sequence[pulumi.Resource] = (),
) -> eks.NodeGroup:
    """Create the managed node group ``name``; it waits for the cluster's add-ons and for ``needs``."""
    return eks.NodeGroup(
        name,
        cluster_name=spec.cluster.cluster_name,
        node_role_arn=role.arn,
        subnet_ids=[spec.network.private_subnet_ids[zone] for zone in spec.zones],
        scaling_config=eks.NodeGroupScalingConfigArgs(
            desired_size=spec.nodes, min_size=spec.min_nodes, max_size=spec.max_nodes
        ),
        ami_type=ami_type(spec.instance),
        capacity_type=spec.capacity_type.node_group_value,
        instance_types=None if spec.instance_type_in_template else [spec.instance.name],
        launch_template=eks.NodeGroupLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
        labels=dict(spec.labels),
        taints=_taints(spec.taints),
        node_repair_config=eks.NodeGroupNodeRepairConfigArgs(enabled=spec.node_repair),
        # MINIMAL terminates first: a fixed set of accelerators has no spare machine to start on.
        update_config=eks.NodeGroupUpdateConfigArgs(max_unavailable=1, update_strategy=_strategy(spec)),
        version=spec.cluster.kubernetes_version,
        release_version=spec.ami_release,
        tags=resource_tags(name, _confirmation(spec)),
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=after(spec.cluster.addons_ready, *needs),
            ignore_changes=_ignored(spec),
            delete_before_replace=spec.delete_first or None,
        ),
    )


def _taints(taints: Sequence[Taint]) -> list[eks.NodeGroupTaintArgs] | None:
    return [
        eks.NodeGroupTaintArgs(key=taint.key, value=taint.value, effect=EFFECTS[taint.effect]) for taint in taints
    ] or None


def _confirmation(spec: GroupSpec) -> dict[str, str]:
    # A pool of a capacity block was refused unless its arguments confirm it; policies and the account see it here.
    return {CAPACITY_BLOCK: CONFIRMED} if spec.capacity_type is CapacityType.CAPACITY_BLOCK else {}


def _strategy(spec: GroupSpec) -> str:
    return "DEFAULT" if spec.instance.accelerator_kind is AcceleratorKind.NONE else "MINIMAL"


def _ignored(spec: GroupSpec) -> list[str] | None:
    # EKS itself scales a capacity block's group to zero before the block ends.
    owned_elsewhere = spec.scaling_owner is ScalingOwner.AUTOSCALER or spec.capacity_type is CapacityType.CAPACITY_BLOCK
    return ["scalingConfig.desiredSize"] if owned_elsewhere else None


def shared_problems(
    labels: Mapping[str, str], taints: Sequence[Taint], root_volume_gib: int, instance_type: str
) -> list[str]:
    """What EKS or EC2 would refuse about the parts that all pools have."""
    problems = [
        f"taint effect {taint.effect!r} does not exist; allowed are {', '.join(EFFECTS)}"
        for taint in taints
        if taint.effect not in EFFECTS
    ]
    problems += node_labels.problems(labels)
    if not MIN_ROOT_GIB <= root_volume_gib <= MAX_ROOT_GIB:
        problems.append(
            f"root_volume_gib {root_volume_gib} is out of range: {MIN_ROOT_GIB} (image and logs) to {MAX_ROOT_GIB} "
            f"(gp3's limit) GiB for {instance_type}"
        )
    return problems
