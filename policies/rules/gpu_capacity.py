"""Where accelerated machines come from: reservations, capacity blocks, placement groups, and the zone they share."""

from collections.abc import Iterator
from typing import Final

from components import tags
from policies.aws_pools import BLOCK, MARKET, TARGET, pool_of, pools_of, zones_of
from policies.aws_types import (
    CAPACITY_BLOCK,
    CAPACITY_RESERVATION,
    LAUNCH_TEMPLATE,
    NODE_GROUP,
    PLACEMENT_GROUP,
)
from policies.examples import RESERVATION, made, pool, subnet, template
from policies.frameworks import ml_lens
from policies.graph import Resource, UndecidedError
from policies.reading import targets, text
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_RESERVED: Final = {"capacityReservationTarget": {"capacityReservationId": RESERVATION}}
_BLOCK_TEMPLATE: Final = template(
    capacityReservationSpecification=_RESERVED, instanceMarketOptions={"marketType": "capacity-block"}
)
_CONFIRMED: Final = {tags.CAPACITY_BLOCK: tags.CONFIRMED}
_SIZE: Final = frozenset(
    {
        "scalingConfig",
        "scaling_config",
        "scalingConfig.desiredSize",
        "scaling_config.desired_size",
        "scalingConfig.desired_size",
    }
)
_TWO_ZONES: Final = (subnet(), subnet("spare", availabilityZone="us-east-1b"))


def _fabric_zone(resource: Resource, context: Context) -> Iterator[Violation]:
    zones = zones_of(context.graph, resource, "subnetIds")
    if len(zones) > 1 and pool_of(context.graph, resource).efa:
        yield Violation(
            message=f"the pool's fabric would cross {', '.join(sorted(zones))}: EFA works inside one zone only",
            property="subnetIds",
        )


FABRIC_ZONE = Rule(
    id="gpu-fabric-one-zone",
    title="A pool with EFA lies in one zone",
    severity=Severity.HIGH,
    rationale="EFA traffic does not leave its subnet's zone. Nodes that EKS spreads over zones train over TCP, an "
    "order of "
    "magnitude slower, or hang when NCCL starts.",
    source="Amazon EC2 user guide, Elastic Fabric Adapter, limitations; pulumi/pulumi-eks issue 1593",
    fix="Name one zone in pools[].zones.",
    types=frozenset({NODE_GROUP}),
    check=_fabric_zone,
    whole_stack=True,
    example=Example(
        passing=(*_TWO_ZONES, template(), pool()),
        resource="training",
        changed="training",
        path="subnetIds",
        value=["nodes", "spare"],
    ),
)


def _reserved_zone(resource: Resource, context: Context) -> Iterator[Violation]:
    zones = zones_of(context.graph, resource, "subnetIds")
    if len(zones) > 1 and pool_of(context.graph, resource).reserved:
        yield Violation(
            message=f"the reservation lies in one zone, the pool in {', '.join(sorted(zones))}: machines in the others "
            "are never found",
            property="subnetIds",
        )


RESERVED_ZONE = Rule(
    id="gpu-reservation-one-zone",
    title="A pool of reserved machines lies in the zone of its reservation",
    severity=Severity.HIGH,
    rationale="A reservation and a capacity block have one zone. The group launches into all of its subnets in turn "
    "and "
    "fails in those where nothing is reserved.",
    source="Amazon EKS user guide, Create a managed node group with Capacity Blocks for ML (capacity-blocks-mng)",
    fix="Name the reservation's zone, and no other, in pools[].zones.",
    types=frozenset({NODE_GROUP}),
    check=_reserved_zone,
    whole_stack=True,
    example=Example(
        passing=(*_TWO_ZONES, template(capacityReservationSpecification=_RESERVED), pool()),
        resource="training",
        changed="training",
        path="subnetIds",
        value=["nodes", "spare"],
    ),
)


def _own_placement(resource: Resource, context: Context) -> Iterator[Violation]:
    if not resource.get(TARGET):
        return
    group = resource.get("placement.groupName") or resource.get("placement.groupId")
    if not group or not targets(context.graph, resource, "placement", PLACEMENT_GROUP):
        return
    for reservation in targets(
        context.graph, resource, "capacityReservationSpecification", CAPACITY_RESERVATION, CAPACITY_BLOCK
    ):
        if reservation.get("placementGroupArn") is not None:
            return
    yield Violation(
        message="a placement group of the stack's own and a reservation: the reserved machines stand elsewhere, so EC2 "
        "finds too few (InsufficientInstanceCapacity)",
        property="placement.groupName",
    )


OWN_PLACEMENT = Rule(
    id="gpu-no-placement-group-with-reservation",
    title="Reserved machines are not forced into a placement group that the reservation was not made in",
    severity=Severity.HIGH,
    rationale="The machines of a reservation stand where AWS put them. A new cluster placement group excludes them, so "
    "the launch fails although they are paid for.",
    source="terraform-aws-modules/terraform-aws-eks issue 3730; eksctl-io/eksctl issue 7949 (11 of 16 machines)",
    fix="Leave pools[].placementGroup out where pools[].capacity is reserved, or name the reservation's own group.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_own_placement,
    whole_stack=True,
    example=Example(
        passing=(
            made(PLACEMENT_GROUP, "close", resource_id="close", name="close", strategy="cluster"),
            template(capacityReservationSpecification=_RESERVED),
        ),
        resource="template",
        changed="template",
        path="placement",
        value={"groupName": "close"},
    ),
)


def _fabric_placement(resource: Resource, context: Context) -> Iterator[Violation]:
    for found in pools_of(context.graph, resource):
        placed = resource.get("placement.groupName") or resource.get("placement.groupId")
        if found.efa and not placed and not found.reserved and found.most > 1:
            yield Violation(
                message=f"pool {found.group.name} has a fabric and up to {found.most} machines, and nothing keeps them "
                "close: no cluster placement group and no reservation",
                property="placement",
            )


FABRIC_PLACEMENT = Rule(
    id="gpu-fabric-placement",
    title="Unreserved machines with a fabric share a cluster placement group",
    severity=Severity.MEDIUM,
    rationale="Without a cluster placement group EC2 puts machines wherever there is room in the zone; collective "
    "operations then cross more switches, and one slow link slows the whole run.",
    source="Amazon EC2 user guide, Placement strategies: cluster placement groups for tightly coupled applications",
    fix="Leave pools[].placementGroup unset (the kit then makes one for pools with a fabric), or set it to true.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_fabric_placement,
    whole_stack=True,
    example=Example(
        passing=(template(placement={"groupName": "close"}), pool()),
        resource="template",
        changed="template",
        path="placement.groupName",
        value=REMOVED,
    ),
)


def _block_complete(resource: Resource, context: Context) -> Iterator[Violation]:
    found = pool_of(context.graph, resource)
    if not found.block:
        return
    if text(resource, "capacityType") != BLOCK:
        yield Violation(
            message=f"the template buys from a capacity block; capacityType must be {BLOCK}", property="capacityType"
        )
    if found.template is None:
        if resource.get("launchTemplate") is None:
            yield Violation(
                message="a capacity block needs a launch template of the stack's own", property="launchTemplate"
            )
        return
    if text(found.template, MARKET) != "capacity-block":
        yield Violation(message=f"the launch template's {MARKET} must be capacity-block", property="launchTemplate")
    if not found.template.get(TARGET):
        yield Violation(message=f"the launch template names no reservation ({TARGET})", property="launchTemplate")
    if not text(found.template, "instanceType"):
        yield Violation(message="the launch template names no instance type", property="launchTemplate")


BLOCK_COMPLETE = Rule(
    id="gpu-capacity-block-complete",
    title="A pool of a capacity block says so everywhere that EKS and EC2 ask for it",
    severity=Severity.HIGH,
    rationale="EKS refuses the group unless capacity type, market type, reservation id and instance type are all set. "
    "Without the market type EC2 looks for on-demand machines and finds none.",
    source="Amazon EKS user guide, Create a managed node group with Capacity Blocks for ML (capacity-blocks-mng)",
    fix="Set pools[].capacity to {kind: capacityBlock, id: cr-…}; the kit sets the four inputs.",
    types=frozenset({NODE_GROUP}),
    check=_block_complete,
    whole_stack=True,
    example=Example(
        passing=(_BLOCK_TEMPLATE, pool(capacityType=BLOCK)),
        resource="training",
        changed="training",
        path="capacityType",
        value="ON_DEMAND",
    ),
)


def _block_size(resource: Resource, context: Context) -> Iterator[Violation]:
    if not pool_of(context.graph, resource).block:
        return
    if not context.graph.tells_options:
        raise UndecidedError("options.ignoreChanges")
    if not _SIZE & set(resource.ignore_changes):
        yield Violation(
            message="updates set desiredSize, but EKS empties the pool 40 minutes before the block ends, and a "
            "schedule "
            "fills it: set ignoreChanges to scalingConfig.desiredSize",
            property="scalingConfig.desiredSize",
        )


BLOCK_SIZE = Rule(
    id="gpu-capacity-block-size-ignored",
    title="Updates leave the number of nodes of a capacity block's pool alone",
    severity=Severity.HIGH,
    rationale="An update after the block's end sets the number back, and the group tries to launch machines that are "
    "no "
    "longer there for as long as it exists.",
    source="Amazon EKS user guide, capacity-blocks-mng: the scheduled action Amazon EKS Node Group Capacity Scaledown "
    "Before Reservation End must not be edited",
    fix="Set pools[].scaling.owner to schedule.",
    types=frozenset({NODE_GROUP}),
    check=_block_size,
    whole_stack=True,
    example=Example(
        passing=(
            _BLOCK_TEMPLATE,
            made(
                NODE_GROUP,
                "burst",
                ignore_changes=("scalingConfig.desiredSize",),
                capacityType=BLOCK,
                launchTemplate={"id": "template"},
            ),
        ),
        resource="burst",
        changed="burst",
        path="options.ignoreChanges",
        value=(),
    ),
)


def _block_confirmed(resource: Resource, context: Context) -> Iterator[Violation]:
    if resource.type == NODE_GROUP and not pool_of(context.graph, resource).block:
        return
    if resource.get(f'tags["{tags.CAPACITY_BLOCK}"]') != tags.CONFIRMED:
        what = "buys a capacity block when it is created" if resource.type == CAPACITY_BLOCK else "uses a capacity "
        "block"
        yield Violation(
            message=f"this {what}, which is paid for in full, used or not, and nobody confirmed it "
            f"(tag {tags.CAPACITY_BLOCK}={tags.CONFIRMED})",
            property="tags",
        )


BLOCK_CONFIRMED = Rule(
    id="gpu-capacity-block-confirmed",
    title="Somebody confirmed the capacity block",
    severity=Severity.CRITICAL,
    rationale="A block is charged up front for its whole period and cannot be given back. Nothing may buy or occupy "
    "one by "
    "accident, for example in a copy of another environment's file.",
    source="Amazon EC2 user guide, Capacity Blocks for ML: pricing and billing (charged up front, no cancellation)",
    fix="Set pools[].capacity.confirm to true; a program of your own sets the tag.",
    types=frozenset({NODE_GROUP, CAPACITY_BLOCK}),
    check=_block_confirmed,
    whole_stack=True,
    references=(ml_lens("MLCOST-16"),),
    example=Example(
        passing=(_BLOCK_TEMPLATE, pool(capacityType=BLOCK, tags=_CONFIRMED)),
        resource="training",
        changed="training",
        path="tags",
        value=REMOVED,
    ),
)
