"""EC2: placement groups, on-demand capacity reservations, capacity blocks."""

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import iso_time
from local.cloud.aws.ec2_network import own
from local.cloud.aws.facts import zone_id
from local.cloud.model import Account, Autoname, CloudObject, Context, Reference
from local.cloud.values import Json

OFFERINGS_SETTING = "ec2:capacity-block-offerings"
"""Account setting: what DescribeCapacityBlockOfferings answers; empty unless somebody plants offerings."""


def _compute_placement(body: dict[str, Json], context: Context) -> None:
    account = context.account
    body["GroupId"] = account.new_id("pg-")
    body["State"] = "available"
    body["GroupArn"] = own(account, f"placement-group/{body['GroupName']}")


PLACEMENT_GROUP = bind(
    "aws:ec2/placementGroup:PlacementGroup",
    "ec2:PlacementGroup",
    calls("CreatePlacementGroup", "DeletePlacementGroup", "CreateTags"),
    identity="{GroupName}",
    create_only=("name", "strategy", "partitionCount", "spreadLevel"),
    fields={"name": "GroupName", "placementGroupId": "GroupId", "arn": "GroupArn"},
    autoname=Autoname(property="name", max_length=255),
    compute=_compute_placement,
    to_state=lambda item, _account: {
        "partitionCount": item.body.get("PartitionCount", 0),
        "spreadLevel": item.body.get("SpreadLevel", ""),
    },
)


def _compute_reservation(body: dict[str, Json], context: Context) -> None:
    account = context.account
    identifier = account.new_id("cr-")
    body |= {
        "CapacityReservationId": identifier,
        "CapacityReservationArn": own(account, f"capacity-reservation/{identifier}"),
        "OwnerId": account.account_id,
        "State": "active",
        "AvailabilityZoneId": zone_id(account.region, str(body["AvailabilityZone"])),
        "AvailableInstanceCount": body["TotalInstanceCount"],
        "ReservationType": "default",
        "CreateDate": iso_time(account),
        "StartDate": iso_time(account),
    }


CAPACITY_RESERVATION = bind(
    "aws:ec2/capacityReservation:CapacityReservation",
    "ec2:CapacityReservation",
    calls("CreateCapacityReservation", "CancelCapacityReservation", "ModifyCapacityReservation"),
    identity="{CapacityReservationId}",
    create_only=(
        "availabilityZone",
        "ebsOptimized",
        "ephemeralStorage",
        "instanceMatchCriteria",
        "instancePlatform",
        "instanceType",
        "outpostArn",
        "placementGroupArn",
        "tenancy",
    ),
    fields={"instanceCount": "TotalInstanceCount", "arn": "CapacityReservationArn"},
    defaults={
        "EndDateType": "unlimited",
        "InstanceMatchCriteria": "open",
        "Tenancy": "default",
        "EbsOptimized": False,
        "EphemeralStorage": False,
    },
    compute=_compute_reservation,
    references=(
        Reference(
            body_path="PlacementGroupArn",
            kind="ec2:PlacementGroup",
            by="GroupArn",
            missing_code="InvalidPlacementGroup.Unknown",
            missing_message="The Placement Group '{value}' is unknown.",
            in_use_code="InvalidPlacementGroup.InUse",
            in_use_message="The placement group {target} is in use and may not be deleted.",
        ),
    ),
)


def offerings(account: Account) -> list[dict[str, Json]]:
    """The capacity block offerings that somebody planted in the account, in the API's shape."""
    return list(account.setting(OFFERINGS_SETTING, []) or [])


def offering(account: Account, identifier: str) -> dict[str, Json] | None:
    """A planted offering by its id, or None."""
    return next((item for item in offerings(account) if item["CapacityBlockOfferingId"] == identifier), None)


def _compute_block(body: dict[str, Json], context: Context) -> None:
    found = offering(context.account, str(body["CapacityBlockOfferingId"])) or {}
    body |= {
        "InstanceType": found.get("InstanceType"),
        "AvailabilityZone": found.get("AvailabilityZone"),
        "TotalInstanceCount": found.get("InstanceCount"),
        "StartDate": found.get("StartDate"),
        "EndDate": found.get("EndDate"),
        "EndDateType": "limited",
        "InstanceMatchCriteria": "targeted",
    }
    started = body["StartDate"]
    _compute_reservation(body, context)
    body |= {"ReservationType": "capacity-block", "StartDate": started, "Tenancy": "default"}
    body["EbsOptimized"] = True


CAPACITY_BLOCK = bind(
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation",
    "ec2:CapacityReservation",
    calls("PurchaseCapacityBlock", "CancelCapacityReservation", "CreateTags"),
    identity="{CapacityReservationId}",
    create_only=("capacityBlockOfferingId", "instancePlatform"),
    fields={
        "instanceCount": "TotalInstanceCount",
        "arn": "CapacityReservationArn",
        "createdDate": "CreateDate",
        "reservationType": "ReservationType",
    },
    compute=_compute_block,
)


def reservation(account: Account, identifier: str) -> CloudObject | None:
    """A capacity reservation or capacity block by its id."""
    return account.get("ec2:CapacityReservation", identifier)


BINDINGS = (PLACEMENT_GROUP, CAPACITY_RESERVATION, CAPACITY_BLOCK)
