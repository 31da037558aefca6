"""What EC2 refuses when a managed node group launches its instances: capacity, quotas, interfaces, placement.

On AWS these end up as a node group in CREATE_FAILED whose health issue quotes EC2; here the request is refused with
EC2's code and message at once, and no half-made node group stays.
"""

from collections import Counter

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.ec2_capacity import reservation
from local.cloud.aws.eks_launch import Launch, launch, launch_of, placement_group
from local.cloud.aws.facts import InstanceFacts, instance, offered_zone_ids, zone_id
from local.cloud.aws.quotas import exceeded, quota, vcpu_bucket
from local.cloud.aws.rulebook import WRITE, RuleBook, prior_id
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
INVALID_TEMPLATE = "Ec2LaunchTemplateInvalidConfiguration"
PRIMARY = (0, 0)
_BASE = on.BEFORE_NODES
_PLACE = (on.PLACEMENT_TOKEN, "pg", {"name": "ring", "strategy": "cluster"})


def _template(kind: str = "p5.48xlarge", **data: Json) -> on.Step:
    return (on.TEMPLATE_TOKEN, "lt", {"name": "pool", "instanceType": kind, **data})


def _cards(*cards: tuple[int, int, str]) -> list[dict[str, Json]]:
    return [{"networkCardIndex": card, "deviceIndex": device, "interfaceType": kind} for card, device, kind in cards]


def _layout(*cards: tuple[int, int, str], kind: str = "p5.48xlarge") -> on.Step:
    return _template(kind, networkInterfaces=_cards(*cards))


_GOOD = ((0, 0, "interface"), (0, 1, "efa-only"), (1, 0, "efa-only"))


def _reserved(kind: str = "p5.48xlarge", zone: str = "us-east-1a", **extra: Json) -> on.Step:
    return (
        on.RESERVATION_TOKEN,
        "cr",
        {
            "availabilityZone": zone,
            "instanceCount": 4,
            "instancePlatform": "Linux/UNIX",
            "instanceType": kind,
            "instanceMatchCriteria": "targeted",
            **extra,
        },
    )


_TARGET = {"capacityReservationTarget": {"capacityReservationId": "${cr}"}}
_NODES = on.TEMPLATE_NODE_INPUTS


def _prefix(found: Launch) -> str:
    return f"Could not launch {'Spot' if found.capacity_type == 'SPOT' else 'On-Demand'} Instances. "


def _facts(found: Launch) -> InstanceFacts | None:
    return instance(found.types[0]) if len(found.types) == 1 else None


def _index(card: Json) -> int:
    return int(get(card, "NetworkCardIndex", 0))


def _bad_layout(detail: str) -> None:
    refuse(INVALID_TEMPLATE, f"You've used an invalid launch template: {detail}")


@RULES.rule(
    "eks-launch-card-exists",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkInfo.NetworkCards; EC2 RunInstances: network card index is invalid",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout(*_GOOD, (16, 0, "efa-only"), kind="p5en.48xlarge")),
)
def _card_exists(request: Request) -> None:
    found = launch(request)
    facts = _facts(found)
    for card in found.interfaces if facts else []:
        if facts and _index(card) not in facts.cards:
            _bad_layout(
                f"Network card index {_index(card)} is not valid for instance type {facts.name}, which has "
                f"{len(facts.cards)} network cards"
            )


@RULES.rule(
    "eks-launch-card-type",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkCards[].InterfaceTypes: card 0 of p6-b300 takes plain interfaces only",
    accepts=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (1, 0, "efa-only"), kind="p6-b300.48xlarge")),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), (1, 0, "efa-only"), kind="p6-b300.48xlarge")),
)
def _card_type(request: Request) -> None:
    found = launch(request)
    facts = _facts(found)
    for card in found.interfaces if facts else []:
        held = facts.cards.get(_index(card)) if facts else None
        kind = get(card, "InterfaceType", "interface")
        if held and facts and kind not in held.interface_types:
            _bad_layout(
                f"Interface type {kind} is not supported on network card {held.index} of instance type {facts.name}; "
                f"supported are {joined(sorted(held.interface_types))}"
            )


@RULES.rule(
    "eks-launch-primary",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 user guide, Maximize network bandwidth with EFA: the primary interface cannot be EFA-only",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa-only"), (1, 0, "efa-only"))),
)
def _primary(request: Request) -> None:
    cards = launch(request).interfaces
    if not cards:
        return
    first = [card for card in cards if (_index(card), int(get(card, "DeviceIndex", 0))) == PRIMARY]
    if not first:
        _bad_layout("The network interface configuration has no primary interface (network card 0, device index 0)")
    if get(first[0], "InterfaceType") == "efa-only":
        _bad_layout("The primary network interface cannot be of type efa-only")


@RULES.rule(
    "eks-launch-device-index",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 RunInstances: each network interface of a card needs a unique device index",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (0, 0, "efa-only"))),
)
def _device_index(request: Request) -> None:
    places = Counter((_index(card), int(get(card, "DeviceIndex", 0))) for card in launch(request).interfaces)
    for (card, device), count in places.items():
        if count > 1:
            _bad_layout(f"Device index {device} is used {count} times on network card {card}")


@RULES.rule(
    "eks-launch-efa-per-card",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="EC2 user guide, EFA: one EFA or EFA-only interface per network card",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "interface"), (1, 0, "efa-only"), (1, 1, "efa-only"))),
)
def _efa_per_card(request: Request) -> None:
    found = launch(request)
    fast = Counter(_index(card) for card in found.interfaces if str(get(card, "InterfaceType", "")).startswith("efa"))
    for card, count in fast.items():
        if count > 1:
            _bad_layout(f"Network card {card} has {count} EFA interfaces; one is supported per network card")


@RULES.rule(
    "eks-launch-efa-total",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkInfo.EfaInfo.MaximumEfaInterfaces",
    accepts=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), kind="i7ie.48xlarge")),
    refuses=on.creation(_NODES, *_BASE, _layout((0, 0, "efa"), (1, 0, "efa-only"), kind="i7ie.48xlarge")),
)
def _efa_total(request: Request) -> None:
    found = launch(request)
    facts = _facts(found)
    fast = sum(str(get(card, "InterfaceType", "")).startswith("efa") for card in found.interfaces)
    if facts and fast > facts.max_efa_interfaces:
        _bad_layout(
            f"{fast} EFA interfaces exceed the maximum of {facts.max_efa_interfaces} of instance type {facts.name}"
        )


@RULES.rule(
    "eks-launch-card-full",
    on.NODE_GROUP_TOKEN,
    WRITE,
    INVALID_TEMPLATE,
    source="DescribeInstanceTypes, NetworkCards[].MaximumNetworkInterfaces",
    accepts=on.creation(_NODES, *_BASE, _layout(*_GOOD)),
    refuses=on.creation(_NODES, *_BASE, _layout(*_GOOD, (0, 2, "interface"))),
)
def _card_full(request: Request) -> None:
    found = launch(request)
    facts = _facts(found)
    for index, count in Counter(_index(card) for card in found.interfaces).items():
        held = facts.cards.get(index) if facts else None
        if held and count > held.max_interfaces:
            _bad_layout(f"Network card {index} has {count} interfaces; it supports {held.max_interfaces}")


@RULES.rule(
    "eks-launch-zone-offers",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "Unsupported",
    source="DescribeInstanceTypeOfferings by zone id; EC2 API error codes: Unsupported",
    accepts=on.creation({**on.NODE_INPUTS, "instanceTypes": ["p5en.48xlarge"]}, *_BASE),
    refuses=on.creation({**on.NODE_INPUTS, "instanceTypes": ["p5en.48xlarge"], "subnetIds": ["${b}"]}, *_BASE),
)
def _zone_offers(request: Request) -> None:
    found, region = launch(request), request.account.region
    places = {zone_id(region, zone) for zone in found.zones}
    if found.zones and not any(places & offered_zone_ids(region, name) for name in found.types):
        name = found.types[0]
        refuse(
            "Unsupported",
            f"{_prefix(found)}Unsupported - Your requested instance type ({name}) is not supported in your requested "
            f"Availability Zone ({joined(found.zones)}).",
        )


@RULES.rule(
    "eks-launch-vcpus",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "VcpuLimitExceeded",
    source="EC2 API error codes: VcpuLimitExceeded; EC2 On-Demand Instance quotas, Running On-Demand P instances",
    accepts=on.creation({**on.NODE_INPUTS, "instanceTypes": ["p5.48xlarge"]}, *_BASE, **{"quota__ec2__vcpus-p": 192}),
    refuses=on.creation({**on.NODE_INPUTS, "instanceTypes": ["p5.48xlarge"]}, *_BASE, **{"quota__ec2__vcpus-p": 191}),
)
def _vcpus(request: Request) -> None:
    found = launch(request)
    if found.capacity_type != "ON_DEMAND" or found.reservation_id is not None:
        return
    bucket = vcpu_bucket(found.types[0])
    running = [
        launch_of(request.account, pool.body)
        for pool in request.account.find("eks:Nodegroup")
        if pool.id != prior_id(request)
    ]
    used = sum(other.vcpus for other in running if vcpu_bucket(other.types[0]) == bucket)
    limit = quota(request.account, bucket)
    if used + found.vcpus > limit:
        exceeded(
            "VcpuLimitExceeded",
            f"{_prefix(found)}VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit "
            f"of {limit} allows for the instance bucket that the specified instance type belongs to. Please visit "
            "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
        )


@RULES.rule(
    "eks-launch-placement-exists",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InvalidPlacementGroup.Unknown",
    source="EC2 API error codes: InvalidPlacementGroup.Unknown",
    accepts=on.creation(_NODES, *_BASE, _PLACE, _template(placement={"groupName": "${pg.name}"})),
    refuses=on.creation(_NODES, *_BASE, _template(placement={"groupName": "nowhere"})),
)
def _placement_exists(request: Request) -> None:
    found = launch(request)
    if found.placement is not None and placement_group(request.account, found.placement) is None:
        refuse("InvalidPlacementGroup.Unknown", f"{_prefix(found)}The Placement Group '{found.placement}' is unknown.")


@RULES.rule(
    "eks-launch-placement-zone",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source="EC2 user guide, Placement groups: a cluster placement group can't span Availability Zones",
    accepts=on.creation(_NODES, *_BASE, _PLACE, _template(placement={"groupName": "${pg.name}"})),
    refuses=on.creation(
        {**_NODES, "subnetIds": ["${a}", "${b}"]}, *_BASE, _PLACE, _template(placement={"groupName": "${pg.name}"})
    ),
)
def _placement_zone(request: Request) -> None:
    found = launch(request)
    group = placement_group(request.account, found.placement)
    if group is not None and group.body["Strategy"] == "cluster" and len(found.zones) > 1:
        refuse(
            "InvalidParameterCombination",
            f"{_prefix(found)}Cluster placement group '{group.id}' cannot span Availability Zones "
            f"({joined(found.zones)}).",
        )


@RULES.rule(
    "eks-launch-placement-type",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source="DescribeInstanceTypes, PlacementGroupInfo.SupportedStrategies",
    accepts=on.creation(_NODES, *_BASE, _PLACE, _template(placement={"groupName": "${pg.name}"})),
    refuses=on.creation(_NODES, *_BASE, _PLACE, _template("t3.large", placement={"groupName": "${pg.name}"})),
)
def _placement_type(request: Request) -> None:
    found = launch(request)
    group, facts = placement_group(request.account, found.placement), _facts(found)
    if group is not None and facts is not None and group.body["Strategy"] not in facts.placement_strategies:
        strategy = str(group.body["Strategy"]).capitalize()
        refuse(
            "InvalidParameterCombination",
            f"{_prefix(found)}{strategy} placement groups are not supported by the '{facts.name}' instance type.",
        )


@RULES.rule(
    "eks-launch-reservation",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InvalidCapacityReservationId.NotFound",
    source="EC2 API error codes: InvalidCapacityReservationId.NotFound",
    accepts=on.creation(_NODES, *_BASE, _reserved(), _template(capacityReservationSpecification=_TARGET)),
    refuses=on.creation(
        _NODES,
        *_BASE,
        _template(
            capacityReservationSpecification={
                "capacityReservationTarget": {"capacityReservationId": "cr-0123456789abcdef0"}
            }
        ),
    ),
)
def _reservation_exists(request: Request) -> None:
    found = launch(request)
    if found.reservation_id is not None and reservation(request.account, found.reservation_id) is None:
        refuse(
            "InvalidCapacityReservationId.NotFound",
            f"{_prefix(found)}The capacity reservation ID '{found.reservation_id}' does not exist",
        )


@RULES.rule(
    "eks-launch-reservation-fits",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "ReservationCapacityExceeded",
    source="EC2 API error codes: ReservationCapacityExceeded; attributes must match (EC2 user guide, Capacity Reservations)",
    accepts=on.creation(_NODES, *_BASE, _reserved(), _template(capacityReservationSpecification=_TARGET)),
    refuses=on.creation(
        {**_NODES, "scalingConfig": {"minSize": 5, "maxSize": 5, "desiredSize": 5}},
        *_BASE,
        _reserved(),
        _template(capacityReservationSpecification=_TARGET),
    ),
)
def _reservation_fits(request: Request) -> None:
    found = launch(request)
    held = reservation(request.account, found.reservation_id or "") if found.reservation_id is not None else None
    if held is None:
        return
    fits = held.body["InstanceType"] in found.types and held.body["AvailabilityZone"] in found.zones
    if not fits or found.desired > held.body["TotalInstanceCount"]:
        refuse(
            "ReservationCapacityExceeded",
            f"{_prefix(found)}ReservationCapacityExceeded - The requested reservation does not have sufficient "
            f"compatible and available capacity for this request ({held.id}: {held.body['TotalInstanceCount']} "
            f"{held.body['InstanceType']} in {held.body['AvailabilityZone']}).",
        )


@RULES.rule(
    "eks-launch-placement-reservation",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InsufficientInstanceCapacity",
    source="terraform-aws-modules/terraform-aws-eks#3730, eksctl-io/eksctl#7949: a cluster placement group and a "
    "reservation that was not made in it",
    accepts=on.creation(
        _NODES,
        *_BASE,
        _PLACE,
        _reserved(placementGroupArn="${pg.arn}"),
        _template(capacityReservationSpecification=_TARGET, placement={"groupName": "${pg.name}"}),
    ),
    refuses=on.creation(
        _NODES,
        *_BASE,
        _PLACE,
        _reserved(),
        _template(capacityReservationSpecification=_TARGET, placement={"groupName": "${pg.name}"}),
    ),
)
def _placement_reservation(request: Request) -> None:
    found = launch(request)
    group = placement_group(request.account, found.placement)
    held = reservation(request.account, found.reservation_id) if found.reservation_id is not None else None
    if group is None or held is None or group.body["Strategy"] != "cluster":
        return
    if held.body.get("PlacementGroupArn") != group.body["GroupArn"]:
        refuse(
            "InsufficientInstanceCapacity",
            f"{_prefix(found)}InsufficientInstanceCapacity - We currently do not have sufficient "
            f"{found.types[0]} capacity in the Availability Zone you requested ({joined(found.zones)}). "
            "Our system will be working on provisioning additional capacity.",
        )


_OFFERING = {
    "CapacityBlockOfferingId": "cb-0123456789abcdef0",
    "InstanceType": "p5.48xlarge",
    "AvailabilityZone": "us-east-1a",
    "InstanceCount": 4,
    "StartDate": "2026-11-01T11:30:00Z",
    "EndDate": "2026-12-01T11:30:00Z",
    "CapacityBlockDurationHours": 720,
    "UpfrontFee": "0.0",
    "CurrencyCode": "USD",
    "Tenancy": "default",
}
_BLOCK = (
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation",
    "cr",
    {"capacityBlockOfferingId": "cb-0123456789abcdef0", "instancePlatform": "Linux/UNIX"},
)
_BLOCK_TEMPLATE = _template(
    capacityReservationSpecification=_TARGET, instanceMarketOptions={"marketType": "capacity-block"}
)
_BLOCK_SETTINGS = {"ec2__capacity-block-offerings": [_OFFERING]}


@RULES.rule(
    "eks-launch-capacity-block",
    on.NODE_GROUP_TOKEN,
    WRITE,
    "InvalidRequestException",
    source="EKS user guide, Managed node groups with Capacity Blocks: template with market type, reservation and type; "
    "capacity type CAPACITY_BLOCK; subnets of the reservation's zone",
    accepts=on.creation(
        {**_NODES, "capacityType": "CAPACITY_BLOCK"}, *_BASE, _BLOCK, _BLOCK_TEMPLATE, **_BLOCK_SETTINGS
    ),
    refuses=on.creation(
        {**_NODES, "capacityType": "CAPACITY_BLOCK"},
        *_BASE,
        _BLOCK,
        _template(capacityReservationSpecification=_TARGET),
        **_BLOCK_SETTINGS,
    ),
)
def _capacity_block(request: Request) -> None:
    found = launch(request)
    block = found.capacity_type == "CAPACITY_BLOCK"
    if block != (found.market_type == "capacity-block"):
        refuse(
            "InvalidRequestException",
            "capacityType CAPACITY_BLOCK and the launch template's marketType capacity-block require each other",
        )
    if not block:
        return
    held = reservation(request.account, found.reservation_id) if found.reservation_id is not None else None
    if held is None or held.body.get("ReservationType") != "capacity-block" or not get(found.data, "InstanceType"):
        refuse(
            "InvalidRequestException",
            "The launch template of a CAPACITY_BLOCK node group must specify the instance type and target a Capacity "
            "Block by its capacityReservationId",
        )
    if tuple(found.zones) != (held.body["AvailabilityZone"],):
        refuse(
            "InvalidRequestException",
            f"The subnets of a CAPACITY_BLOCK node group must be in the Availability Zone of the reservation "
            f"({held.body['AvailabilityZone']}), they are in {joined(found.zones)}",
        )
