"""The fabric of accelerated machines: interfaces that fit the network cards, and a group that lets EFA through."""

import base64
import binascii
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from components.accelerators import EFA_ONLY, INTERFACE, InstanceType
from components.aws.interfaces import interface_layout
from policies.aws_pools import INTERFACES, efa_interfaces, machines_of
from policies.aws_types import LAUNCH_TEMPLATE, SECURITY_GROUP
from policies.examples import fabric_group, template
from policies.graph import Resource, ResourceGraph, UndecidedError, texts
from policies.reading import entries, number, targets, text
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation
from policies.security_groups import ALL, GROUPS, rules_of

_CARDS: Final = (
    "Amazon EC2 user guide, EFA for accelerated instance types: maximize network bandwidth (efa-acc-inst-types), and "
    "DescribeInstanceTypes NetworkInfo.NetworkCards in components/data/aws_network_cards.csv"
)


def _place(template_: Resource, path: str) -> tuple[int, int]:
    """Card and device of an interface; EC2 reads an absent index as 0."""
    return number(template_, f"{path}.networkCardIndex") or 0, number(template_, f"{path}.deviceIndex") or 0


def _layout(resource: Resource, context: Context) -> Iterator[Violation]:
    paths = entries(resource, INTERFACES)
    for machine in machines_of(context.graph, resource) if paths else ():
        yield from _misfits(resource, machine, paths)


def _misfits(resource: Resource, machine: InstanceType, paths: tuple[str, ...]) -> Iterator[Violation]:
    cards = {card.index: card for card in machine.network_cards}
    used = Counter(_place(resource, path)[0] for path in paths)
    for path in paths:
        card, _ = _place(resource, path)
        kind = text(resource, f"{path}.interfaceType") or INTERFACE
        if card not in cards:
            yield Violation(
                message=f"{machine.name} has no network card {card}; it has 0 to {max(cards)}",
                property=f"{path}.networkCardIndex",
            )
        elif kind not in cards[card].interface_types:
            allowed = ", ".join(sorted(cards[card].interface_types))
            yield Violation(
                message=f"network card {card} of {machine.name} takes no interface of type {kind}; allowed: {allowed}",
                property=f"{path}.interfaceType",
            )
    for card, count in sorted(used.items()):
        if card in cards and count > cards[card].max_interfaces:
            yield Violation(
                message=f"{count} interfaces on network card {card} of {machine.name}; it takes "
                f"{cards[card].max_interfaces}",
                property=INTERFACES,
            )
    fabric = len(efa_interfaces(resource))
    if fabric > machine.max_efa_interfaces:
        yield Violation(
            message=f"{fabric} EFA interfaces; {machine.name} takes {machine.max_efa_interfaces}", property=INTERFACES
        )
    for place, count in sorted(Counter(_place(resource, path) for path in paths).items()):
        if count > 1:
            yield Violation(message=f"{count} interfaces are card {place[0]}, device {place[1]}", property=INTERFACES)


LAYOUT = Rule(
    id="gpu-interfaces-fit-cards",
    title="The network interfaces of a launch template fit the network cards of its machines",
    severity=Severity.HIGH,
    rationale="Cards differ within one type: p6-b300.48xlarge takes EFA on cards 1 to 16 but not on card 0. EC2 "
    "refuses "
    "the launch, and the node group retries without end.",
    source=_CARDS,
    fix="Set pools[].fabric to efa and let the kit derive the interfaces from the catalogue.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_layout,
    whole_stack=True,
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="networkInterfaces[1].networkCardIndex",
        value=1,
    ),
)


def _primary(resource: Resource, _: Context) -> Iterator[Violation]:
    paths = entries(resource, INTERFACES)
    if not paths:
        return
    first = [path for path in paths if _place(resource, path) == (0, 0)]
    if not first:
        yield Violation(message="no interface is card 0, device 0: a machine has no primary one", property=INTERFACES)
    elif text(resource, f"{first[0]}.interfaceType") == EFA_ONLY:
        yield Violation(
            message="the primary interface (card 0, device 0) is efa-only, which has no IP address: the node joins "
            "nothing",
            property=f"{first[0]}.interfaceType",
        )


PRIMARY = Rule(
    id="gpu-primary-interface",
    title="The primary interface has an IP address",
    severity=Severity.HIGH,
    rationale="An efa-only interface takes no address. As the primary one it leaves the machine without a way to the "
    "control plane; EC2 refuses it.",
    source=_CARDS,
    fix="Make card 0, device 0 a plain interface and put the EFA of that card on device 1.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_primary,
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="networkInterfaces[0].interfaceType",
        value="efa-only",
    ),
)


def _every_card(resource: Resource, context: Context) -> Iterator[Violation]:
    present = len(efa_interfaces(resource))
    for machine in machines_of(context.graph, resource) if present else ():
        wanted = sum(item.efa for item in interface_layout(machine, efa=True)) if machine.efa_interfaces else 0
        if present < wanted:
            yield Violation(
                message=f"{present} of {wanted} EFA interfaces of {machine.name}: the rest of its bandwidth is paid "
                "for "
                "and not used",
                property=INTERFACES,
            )


EVERY_CARD = Rule(
    id="gpu-fabric-uses-every-card",
    title="A fabric uses every network card that takes an EFA",
    severity=Severity.MEDIUM,
    rationale="NCCL stripes over all EFAs of a node. A template with fewer makes each collective operation slower by "
    "that "
    "factor, on machines that cost the same.",
    source=_CARDS,
    fix="Set pools[].fabric to efa and let the kit derive the interfaces from the catalogue.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_every_card,
    whole_stack=True,
    example=Example(
        passing=(
            template(
                instanceType="g6e.24xlarge",
                networkInterfaces=[
                    {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "efa"},
                    {"networkCardIndex": 1, "deviceIndex": 1, "interfaceType": "efa"},
                ],
            ),
        ),
        resource="template",
        changed="template",
        path="networkInterfaces[1].interfaceType",
        value="interface",
    ),
)


def _groups_per_interface(resource: Resource, _: Context) -> Iterator[Violation]:
    paths = entries(resource, INTERFACES)
    if not paths:
        return
    for name in ("vpcSecurityGroupIds", "securityGroupNames"):
        if resource.properties.get(name):
            yield Violation(
                message=f"{name} is set beside networkInterfaces; EC2 refuses both in one request", property=name
            )
    for path in paths:
        if resource.get(f"{path}.networkInterfaceId") is None and not resource.get(f"{path}.securityGroups"):
            yield Violation(
                message="an interface names no security group and gets the network's default one",
                property=f"{path}.securityGroups",
            )


GROUPS_PER_INTERFACE = Rule(
    id="gpu-interfaces-have-groups",
    title="With a list of interfaces, each names its security groups and the template names none",
    severity=Severity.HIGH,
    rationale="EC2 refuses a request with both. An interface without groups gets the network's default group, which "
    "lets "
    "nothing through when it is closed as it should be.",
    source="Amazon EC2 API reference, RunInstances NetworkInterfaces; terraform-aws-modules/terraform-aws-eks main.tf",
    fix="Put securityGroups on every interface and remove vpcSecurityGroupIds from the template.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_groups_per_interface,
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="networkInterfaces[1].securityGroups",
        value=REMOVED,
    ),
)


def _fabrics(graph: ResourceGraph) -> tuple[tuple[tuple[Resource, ...], ...], bool]:
    """The groups of every fabric, and whether some are still unknown."""
    found, undecided = [], False
    for item in graph.of_type(LAUNCH_TEMPLATE):
        try:
            fabric = efa_interfaces(item)
            if not fabric:
                continue
            named = {
                value
                for path in fabric
                if item.knows(f"{path}.securityGroups")
                for value in texts(item.get(f"{path}.securityGroups"))
            }
            groups = targets(graph, item, INTERFACES, *GROUPS)
            found.append(tuple(group for group in groups if not named or group.id in named or not group.id))
        except UndecidedError:
            undecided = True
    return tuple(found), undecided


def _self_reference(*, ingress: bool) -> Callable[[Resource, Context], Iterator[Violation]]:
    word = "from" if ingress else "to"

    def check(resource: Resource, context: Context) -> Iterator[Violation]:
        fabrics, undecided = context.graph.derived(_fabrics)
        mine = [groups for groups in fabrics if groups and groups[0] is resource]
        if not mine and undecided:
            raise UndecidedError(INTERFACES)
        for groups in mine:
            if not any(_open_to_itself(context.graph, group, ingress=ingress) for group in groups):
                yield Violation(
                    message=f"the fabric's group does not allow all traffic (protocol -1) {word} itself: EFA is not "
                    "TCP, "
                    "and nothing else lets it through",
                    property="ingress" if ingress else "egress",
                )
                return

    return check


def _open_to_itself(graph: ResourceGraph, group: Resource, *, ingress: bool) -> bool:
    return any(rule.protocol == ALL and rule.meets(graph, group) for rule in rules_of(graph, group, ingress=ingress))


_SECURITY: Final = (
    "Amazon EC2 user guide, Get started with EFA: prepare an EFA-enabled security group (all traffic, to and from "
    "itself)"
)

FROM_ITSELF = Rule(
    id="gpu-fabric-group-ingress",
    title="The security group of a fabric allows all traffic from itself",
    severity=Severity.HIGH,
    rationale="EFA uses a protocol of its own. With rules for TCP only, NCCL's first collective operation hangs until "
    "its "
    "timeout, on all nodes, with GPUs at 0 %.",
    source=_SECURITY,
    fix="Add an ingress rule with protocol -1 whose source is the group itself (GpuNodePool does).",
    types=frozenset({SECURITY_GROUP}),
    check=_self_reference(ingress=True),
    whole_stack=True,
    example=Example(
        passing=(*fabric_group(), template()),
        resource="fabric",
        changed="fabric-in",
        path="ipProtocol",
        value="tcp",
    ),
)

TO_ITSELF = Rule(
    id="gpu-fabric-group-egress",
    title="The security group of a fabric allows all traffic to itself",
    severity=Severity.HIGH,
    rationale="The rule must name the group as its destination; one to 0.0.0.0/0 does not count. Without it NCCL hangs "
    "although ingress is open.",
    source=_SECURITY,
    fix="Add an egress rule with protocol -1 whose destination is the group itself (GpuNodePool does).",
    types=frozenset({SECURITY_GROUP}),
    check=_self_reference(ingress=False),
    whole_stack=True,
    example=Example(
        passing=(*fabric_group(), template()),
        resource="fabric",
        changed="fabric-out",
        path="referencedSecurityGroupId",
        value="sg-0123456789abcdef0",
    ),
)


def _script(resource: Resource) -> str | None:
    """The user data in clear, or None when it is not the base64 text that a template takes."""
    try:
        return base64.b64decode(text(resource, "userData"), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None


def _locked_memory(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "imageId") or not efa_interfaces(resource):
        return
    script = _script(resource)
    if script is not None and "MEMLOCK" not in script.upper():
        yield Violation(
            message="user data does not raise the limit on locked memory, and EFA locks every buffer that it sends "
            "from",
            property="userData",
        )


LOCKED_MEMORY = Rule(
    id="gpu-fabric-locked-memory",
    title="Machines with a fabric let containers lock memory",
    severity=Severity.MEDIUM,
    rationale="EFA registers, and thereby locks, its buffers. Containers inherit the runtime's limit; a pod under pod "
    "security restricted may not have IPC_LOCK, so libfabric fails with 'cannot allocate memory'.",
    source="libfabric documentation, fi_efa(7); aws-ofi-nccl, requirements on locked memory; kit decision in "
    "components/aws/user_data.py",
    fix="Set LimitMEMLOCK=infinity for containerd in the user data (GpuNodePool does where the fabric is efa).",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_locked_memory,
    example=Example(
        passing=(template(userData=base64.b64encode(b"LimitMEMLOCK=infinity").decode()),),
        resource="template",
        changed="template",
        path="userData",
        value=REMOVED,
    ),
)


def _local_disks(resource: Resource, context: Context) -> Iterator[Violation]:
    if text(resource, "imageId"):
        return
    script = _script(resource)
    for machine in machines_of(context.graph, resource):
        if machine.devices and machine.local_nvme_gb and script is not None and "localStorage" not in script:
            yield Violation(
                message=f"{machine.local_nvme_gb} GB of local NVMe of {machine.name} stay unformatted: images, logs "
                "and "
                "emptyDir volumes share the root volume",
                property="userData",
            )


LOCAL_DISKS = Rule(
    id="gpu-local-disks-used",
    title="Local NVMe disks of accelerated machines are put to use",
    severity=Severity.LOW,
    rationale="Training images and caches are tens of GB. On the root volume they fill it, pods are evicted, and pulls "
    "are "
    "slower than from disks that are there and paid for.",
    source="awslabs/amazon-eks-ami, nodeadm API reference, NodeConfig spec.instance.localStorage.strategy",
    fix="Give a NodeConfig with localStorage.strategy RAID0 in the user data (GpuNodePool does).",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_local_disks,
    whole_stack=True,
    example=Example(
        passing=(template(userData=base64.b64encode(b"localStorage:\n  strategy: RAID0\n").decode()),),
        resource="template",
        changed="template",
        path="userData",
        value=REMOVED,
    ),
)
