"""What EC2 refuses when a managed node group launches its instances: offerings, quotas, placement, reservations."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, joined, refuse
from local.cloud.aws.ec2_capacity import reservation
from local.cloud.aws.eks_launch import Launch, launch, launch_of, only_type, placement_group
from local.cloud.aws.facts import offered_zone_ids, zone_id
from local.cloud.aws.quotas import exceeded, quota, vcpu_bucket
from local.cloud.aws.rulebook import WRITE, RuleBook, prior_id
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
_BASE = on.BEFORE_NODES
_PLACE = (on.PLACEMENT_TOKEN, "pg", {"name": "ring", "strategy": "cluster"})


def _template(kind: str = "p5.48xlarge", **data: Json) -> on.Step:
    return (on.TEMPLATE_TOKEN, "lt", {"name": "pool", "instanceType": kind, **data})


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
    group, facts = placement_group(request.account, found.placement), only_type(found)
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
    source="EC2 API error codes: ReservationCapacityExceeded; attributes must match (Capacity Reservations)",
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


_BLOCK = (
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation",
    "cr",
    {"capacityBlockOfferingId": "cb-0123456789abcdef0", "instancePlatform": "Linux/UNIX"},
)
_BLOCK_TEMPLATE = _template(
    capacityReservationSpecification=_TARGET, instanceMarketOptions={"marketType": "capacity-block"}
)
_BLOCK_SETTINGS = {"ec2__capacity-block-offerings": [on.OFFERING]}


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
