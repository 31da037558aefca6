"""Accelerated nodes: the right image, marks that keep others away, repair, and rollouts that fit the machines."""

import re
from collections.abc import Iterator
from typing import Final

from components.accelerators import UnknownInstanceTypeError, instance
from components.aws.fabric import default_taints
from components.outputs import AcceleratorKind
from policies.aws_pools import Pool, pool_of
from policies.aws_types import ADDON, CLUSTER, INSTANCE, LAUNCH_TEMPLATE, NODE_GROUP
from policies.examples import addon, cluster, pool, template
from policies.frameworks import ml_lens
from policies.graph import Resource, ResourceGraph
from policies.reading import entries, flag, strings, targets, text
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_ACCELERATED_NAME: Final = re.compile(r"^(p\d|g\d|gr\d|trn\d|inf\d|dl\d)")
_MONITOR: Final = "eks-node-monitoring-agent"
_REPELLING: Final = frozenset({"NO_SCHEDULE", "NO_EXECUTE"})


def _known_type(resource: Resource, _: Context) -> Iterator[Violation]:
    name = "instanceTypes" if resource.type == NODE_GROUP else "instanceType"
    for given in strings(resource, name):
        if not _ACCELERATED_NAME.match(given):
            continue
        try:
            instance(given)
        except UnknownInstanceTypeError as error:
            yield Violation(message=str(error), property=name)


KNOWN_TYPE = Rule(
    id="gpu-known-instance-type",
    title="Accelerated instance types are in the kit's catalogue",
    severity=Severity.HIGH,
    rationale="Nothing can be said of a type that the catalogue lacks: how many GPUs it has, which cards take an EFA, "
    "what "
    "it costs. Every other rule about GPUs would silently pass.",
    source="Amazon EC2 user guide, accelerated computing instance types; facts in components/data/SOURCES.md",
    fix="Use a type of components/data/aws_instances.csv for pools[].instanceType, or add the type with its source.",
    types=frozenset({NODE_GROUP, LAUNCH_TEMPLATE, INSTANCE}),
    check=_known_type,
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="instanceType",
        value="p9.48xlarge",
    ),
)


def _node_repair(resource: Resource, context: Context) -> Iterator[Violation]:
    if not flag(resource, "nodeRepairConfig.enabled", default=False) and pool_of(context.graph, resource).accelerated:
        yield Violation(
            message="node repair is off: a machine with a broken GPU stays in the pool until somebody notices",
            property="nodeRepairConfig.enabled",
        )


NODE_REPAIR = Rule(
    id="gpu-node-repair",
    title="Accelerated pools repair their nodes",
    severity=Severity.MEDIUM,
    rationale="GPUs fail with XID errors that leave the node Ready. Without automatic repair every run that lands on "
    "it "
    "fails again, and the other nodes of the run wait for it.",
    source="Amazon EKS user guide, Enable node auto repair (node-health), December 2024: XID 74, 79 and others "
    "replace, "
    "XID 13, 31 and others reboot the node; off unless nodeRepairConfig.enabled is set",
    fix="Leave the node group's node repair on (GpuNodePoolArgs.node_repair).",
    types=frozenset({NODE_GROUP}),
    check=_node_repair,
    whole_stack=True,
    example=Example(
        passing=(template(), pool(nodeRepairConfig={"enabled": True})),
        resource="training",
        changed="training",
        path="nodeRepairConfig.enabled",
        value=False,
    ),
)


def _monitored(graph: ResourceGraph) -> frozenset[str]:
    return frozenset(
        owner.urn
        for item in graph.of_type(ADDON)
        if item.properties.get("addonName") == _MONITOR
        for owner in graph.references(item, "clusterName", CLUSTER)
    )


def _node_monitoring(resource: Resource, context: Context) -> Iterator[Violation]:
    if not flag(resource, "nodeRepairConfig.enabled", default=False):
        return
    owners = targets(context.graph, resource, "clusterName", CLUSTER)
    if not owners or owners[0].urn in context.graph.derived(_monitored):
        return
    for item in context.graph.of_type(ADDON):
        text(item, "addonName"), targets(context.graph, item, "clusterName", CLUSTER)
    if pool_of(context.graph, resource).accelerated:
        yield Violation(
            message=f"cluster {owners[0].name} has no add-on {_MONITOR}: node repair then sees no fault of a GPU",
            property="nodeRepairConfig.enabled",
        )


NODE_MONITORING = Rule(
    id="gpu-node-monitoring",
    title="Clusters whose GPU nodes are repaired have the monitoring agent that finds GPU faults",
    severity=Severity.MEDIUM,
    rationale="Node repair acts on node conditions. AcceleratedHardwareReady is set by the agent only; without it a "
    "node "
    "is repaired when the kubelet dies, not when a GPU does.",
    source="Amazon EKS user guide, Detect node health issues (node-health), December 2024",
    fix="Install the add-on eks-node-monitoring-agent (the kit's Cluster component does).",
    types=frozenset({NODE_GROUP}),
    check=_node_monitoring,
    whole_stack=True,
    example=Example(
        passing=(cluster(), template(), pool(nodeRepairConfig={"enabled": True}), addon(_MONITOR)),
        resource="training",
        changed=_MONITOR,
        path="addonName",
        value="kube-proxy",
    ),
)


def _surge_safe(resource: Resource, context: Context) -> Iterator[Violation]:
    strategy = text(resource, "updateConfig.updateStrategy", "DEFAULT")
    if strategy == "MINIMAL":
        return
    found = pool_of(context.graph, resource)
    placed = found.template is not None and found.template.get("placement.groupName")
    if found.accelerated and (found.reserved or found.efa or placed):
        yield Violation(
            message=f"strategy {strategy} starts new machines before it ends old ones, and a fixed set of them has "
            "none to "
            "spare; allowed is MINIMAL",
            property="updateConfig.updateStrategy",
        )


SURGE_SAFE = Rule(
    id="gpu-surge-safe-update",
    title="Pools of reserved or placed accelerators are updated without surge",
    severity=Severity.HIGH,
    rationale="The default strategy launches nodes first. In a reservation, a capacity block or a placement group "
    "there are "
    "none, so the update waits for hours, fails, and rolls back.",
    source="Amazon EKS API reference, NodegroupUpdateConfig.updateStrategy (DEFAULT, MINIMAL), botocore 1.44 service "
    "model",
    fix="Set updateConfig.updateStrategy to MINIMAL (GpuNodePool does for every accelerated pool).",
    types=frozenset({NODE_GROUP}),
    check=_surge_safe,
    whole_stack=True,
    example=Example(
        passing=(template(), pool(updateConfig={"maxUnavailable": 1, "updateStrategy": "MINIMAL"})),
        resource="training",
        changed="training",
        path="updateConfig.updateStrategy",
        value="DEFAULT",
    ),
    references=(ml_lens("MLREL-06"),),
)


def _taints(resource: Resource, context: Context) -> Iterator[Violation]:
    if any(text(resource, f"{path}.effect") in _REPELLING for path in entries(resource, "taints")):
        return
    for machine in pool_of(context.graph, resource).machines:
        for wanted in default_taints(machine):
            yield Violation(
                message=f"no taint keeps pods that need no accelerator off {machine.name}; set "
                f"{wanted.key}:{wanted.effect}",
                property="taints",
            )
            return


TAINTS = Rule(
    id="gpu-taints",
    title="Accelerated nodes are tainted, so that only pods that ask for an accelerator land on them",
    severity=Severity.MEDIUM,
    rationale="Without a taint the scheduler fills GPU nodes with whatever is pending. Their CPU and memory are then "
    "gone, "
    "GPU pods stay Pending, and the autoscaler cannot empty the nodes.",
    source="Kubernetes documentation, Taints and Tolerations, Example Use Cases: nodes with special hardware",
    fix="Leave the taints of GpuNodePoolArgs at their default, or give one with effect NoSchedule.",
    types=frozenset({NODE_GROUP}),
    check=_taints,
    whole_stack=True,
    example=Example(
        passing=(
            template(),
            pool(taints=[{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}]),
        ),
        resource="training",
        changed="training",
        path="taints",
        value=REMOVED,
    ),
    references=(ml_lens("MLCOST-09"),),
)


def _image(resource: Resource, context: Context) -> Iterator[Violation]:
    given = text(resource, "amiType")
    found = pool_of(context.graph, resource)
    if given == "CUSTOM" or (found.template and text(found.template, "imageId")):
        return
    for machine in found.machines:
        flavour = {AcceleratorKind.NVIDIA: ("NVIDIA", "GPU"), AcceleratorKind.NEURON: ("NEURON",)}.get(
            machine.accelerator_kind, ()
        )
        if flavour and not any(word in given for word in flavour):
            what = f"image {given} has" if given else "no amiType is given, and EKS's default image has"
            yield Violation(
                message=f"{what} no driver for the {machine.accelerator_model} of {machine.name}; allowed are the "
                "types "
                f"with {flavour[0]} in their name, or CUSTOM",
                property="amiType",
            )
        elif given and ("ARM_64" in given) != (machine.architecture == "arm64"):
            yield Violation(
                message=f"image {given} does not start on {machine.name}, whose processor is {machine.architecture}",
                property="amiType",
            )


IMAGE = Rule(
    id="gpu-image-fits",
    title="The node image has the driver and the architecture of its machines",
    severity=Severity.HIGH,
    rationale="A node without the driver joins, is Ready, and offers no GPU: pods stay Pending while it is paid for. A "
    "node "
    "image of the other architecture never boots.",
    source="Amazon EKS API reference, CreateNodegroup amiType, botocore 1.44 service model (AL2023_x86_64_NVIDIA, "
    "AL2023_ARM_64_NVIDIA, AL2023_x86_64_NEURON, BOTTLEROCKET_*_NVIDIA)",
    fix="Let the pool component choose the image, or set amiType to the one for the accelerator and architecture.",
    types=frozenset({NODE_GROUP}),
    check=_image,
    whole_stack=True,
    example=Example(
        passing=(template(), pool()),
        resource="training",
        changed="training",
        path="amiType",
        value="AL2023_x86_64_STANDARD",
    ),
)


def _spot(resource: Resource, context: Context) -> Iterator[Violation]:
    found: Pool
    if text(resource, "capacityType") == "SPOT" and (found := pool_of(context.graph, resource)).efa:
        yield Violation(
            message=f"spot machines ({', '.join(found.instance_types)}) with a fabric: one interruption stops every "
            "node "
            "of a run; allowed are ON_DEMAND and CAPACITY_BLOCK",
            property="capacityType",
        )


SPOT = Rule(
    id="gpu-fabric-not-spot",
    title="Pools with a fabric do not run on spot machines",
    severity=Severity.MEDIUM,
    rationale="A run over several nodes ends when one of them is taken away, with two minutes' notice; the others are "
    "paid "
    "for while it starts again, and there may be no machine left in the zone.",
    source="Amazon EC2 user guide, Spot Instance interruptions (two-minute notice)",
    fix="Set pools[].capacity to onDemand, reservation or capacityBlock where pools[].fabric is efa.",
    types=frozenset({NODE_GROUP}),
    check=_spot,
    whole_stack=True,
    example=Example(
        passing=(template(), pool()),
        resource="training",
        changed="training",
        path="capacityType",
        value="SPOT",
    ),
)


def _agree(resource: Resource, context: Context) -> Iterator[Violation]:
    found = pool_of(context.graph, resource)
    if found.template is None:
        return
    for name in ("diskSize", "remoteAccess"):
        if resource.get(name) is not None:
            yield Violation(message=f"{name} is set, but with a launch template EKS refuses it here", property=name)
    own, listed = text(found.template, "instanceType"), strings(resource, "instanceTypes")
    if own and listed:
        yield Violation(
            message=f"instance types {', '.join(listed)} are set here and {own} in the launch template: EKS takes one "
            "place",
            property="instanceTypes",
        )
    if found.template.get("iamInstanceProfile") is not None:
        yield Violation(message="the launch template names an instance profile, which belongs to EKS")
    if any(found.template.get(f"{path}.subnetId") is not None for path in entries(found.template, "networkInterfaces")):
        yield Violation(message="the launch template names a subnet, which belongs to the node group (subnetIds)")


AGREE = Rule(
    id="gpu-template-and-group-agree",
    title="A node group and its launch template do not both set what only one may set",
    severity=Severity.HIGH,
    rationale="EKS refuses the node group, or takes another disk than the one that was written down; the update fails "
    "after "
    "the network and the cluster were made.",
    source="Amazon EKS API reference, CreateNodegroup (botocore 1.44 service model); pulumi/pulumi-eks issue 1224",
    fix="Set disk, access and instance type in the launch template only; leave profile and subnets out of it.",
    types=frozenset({NODE_GROUP}),
    check=_agree,
    whole_stack=True,
    example=Example(
        passing=(template(), pool()),
        resource="training",
        changed="training",
        path="instanceTypes",
        value=["p5.4xlarge"],
    ),
)
