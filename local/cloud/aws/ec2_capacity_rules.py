"""What EC2 refuses of launch templates, placement groups and capacity reservations."""

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.ec2_capacity import offering
from local.cloud.aws.ec2_templates import template_data
from local.cloud.aws.facts import instance, offered_zone_ids, zone_id
from local.cloud.aws.quotas import exceeded, quota, vcpu_bucket
from local.cloud.aws.rulebook import CREATE, DELETE, WRITE, RuleBook, prior_id
from local.cloud.model import Account, Request

RULES = RuleBook()
_LT = {"name": "pool", "instanceType": "p5.48xlarge"}
_CLUSTER_GROUP = (on.PLACEMENT_TOKEN, "pg", {"name": "ring", "strategy": "cluster"})
_RESERVATION = {
    "availabilityZone": "us-east-1a",
    "instanceCount": 4,
    "instancePlatform": "Linux/UNIX",
    "instanceType": "p5.48xlarge",
}


@RULES.rule(
    "ec2-template-name",
    on.TEMPLATE_TOKEN,
    CREATE,
    "InvalidLaunchTemplateName.AlreadyExistsException",
    source="EC2 API error codes: Launch template name already in use",
    accepts=on.creation({**_LT, "name": "second"}, (on.TEMPLATE_TOKEN, "lt", _LT)),
    refuses=on.creation(_LT, (on.TEMPLATE_TOKEN, "lt", _LT)),
)
def _template_once(request: Request) -> None:
    if request.account.find("ec2:LaunchTemplate", LaunchTemplateName=get(request.body, "LaunchTemplateName")):
        refuse("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")


@RULES.rule(
    "ec2-template-instance-type",
    on.TEMPLATE_TOKEN,
    WRITE,
    "InvalidInstanceType",
    source="EC2 API error codes: InvalidInstanceType; types of DescribeInstanceTypes",
    accepts=on.creation(_LT),
    refuses=on.creation({**_LT, "instanceType": "p5.47xlarge"}),
)
def _template_type(request: Request) -> None:
    name = get(request.body, "LaunchTemplateData.InstanceType")
    if name is not None and instance(str(name)) is None:
        refuse("InvalidInstanceType", f"The following supplied instance types do not exist: [{name}]")


@RULES.rule(
    "ec2-template-groups",
    on.TEMPLATE_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source="EC2 RunInstances: Network interfaces and an instance-level security groups may not be specified on the "
    "same request",
    accepts=on.creation(
        {**_LT, "networkInterfaces": [{"deviceIndex": 0, "securityGroups": ["${sg}"]}]}, on.VPC, on.GROUP
    ),
    refuses=on.creation(
        {**_LT, "vpcSecurityGroupIds": ["${sg}"], "networkInterfaces": [{"deviceIndex": 0}]}, on.VPC, on.GROUP
    ),
)
def _template_groups(request: Request) -> None:
    data = get(request.body, "LaunchTemplateData", {})
    if get(data, "NetworkInterfaces") and get(data, "SecurityGroupIds"):
        refuse(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level security groups may not be specified on the same request",
        )


@RULES.rule(
    "ec2-template-group-exists",
    on.TEMPLATE_TOKEN,
    WRITE,
    "InvalidGroup.NotFound",
    source="EC2 API error codes: InvalidGroup.NotFound",
    accepts=on.creation({**_LT, "vpcSecurityGroupIds": ["${sg}"]}, on.VPC, on.GROUP),
    refuses=on.creation({**_LT, "vpcSecurityGroupIds": ["sg-0123456789abcdef0"]}, on.VPC, on.GROUP),
)
def _template_group_exists(request: Request) -> None:
    data = get(request.body, "LaunchTemplateData", {})
    groups = list(get(data, "SecurityGroupIds", []))
    groups += [group for card in get(data, "NetworkInterfaces", []) for group in get(card, "Groups", [])]
    for group in groups:
        if request.account.get("ec2:SecurityGroup", str(group)) is None:
            refuse("InvalidGroup.NotFound", f"The security group '{group}' does not exist")


@RULES.rule(
    "ec2-placement-name",
    on.PLACEMENT_TOKEN,
    CREATE,
    "InvalidPlacementGroup.Duplicate",
    source="EC2 API error codes: InvalidPlacementGroup.Duplicate",
    accepts=on.creation({"name": "second", "strategy": "cluster"}, _CLUSTER_GROUP),
    refuses=on.creation({"name": "ring", "strategy": "cluster"}, _CLUSTER_GROUP),
)
def _placement_once(request: Request) -> None:
    name = get(request.body, "GroupName")
    if request.account.get("ec2:PlacementGroup", str(name)) is not None:
        refuse("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")


@RULES.rule(
    "ec2-placement-partitions",
    on.PLACEMENT_TOKEN,
    CREATE,
    "InvalidParameterCombination",
    source="EC2 API reference, CreatePlacementGroup: PartitionCount is valid only with strategy partition",
    accepts=on.creation({"name": "parts", "strategy": "partition", "partitionCount": 3}),
    refuses=on.creation({"name": "parts", "strategy": "cluster", "partitionCount": 3}),
)
def _placement_partitions(request: Request) -> None:
    if get(request.body, "PartitionCount") and get(request.body, "Strategy") != "partition":
        refuse("InvalidParameterCombination", "The parameter PartitionCount is valid only with strategy 'partition'.")


@RULES.rule(
    "ec2-placement-quota",
    on.PLACEMENT_TOKEN,
    CREATE,
    "PlacementGroupLimitExceeded",
    source="EC2 service quotas: 500 placement groups per Region",
    accepts=on.creation({"name": "second", "strategy": "cluster"}, _CLUSTER_GROUP),
    refuses=on.creation(
        {"name": "second", "strategy": "cluster"}, _CLUSTER_GROUP, **{"quota__ec2__placement-groups": 1}
    ),
)
def _placement_quota(request: Request) -> None:
    if request.account.count("ec2:PlacementGroup") >= quota(request.account, "ec2:placement-groups"):
        exceeded("PlacementGroupLimitExceeded", "The maximum number of placement groups has been reached.")


def placed_groups(account: Account, group: str) -> list[str]:
    """Names of the node groups whose instances run in a placement group."""
    found = []
    for pool in account.find("eks:Nodegroup"):
        data = template_data(account, pool.body.get("launchTemplate")) or {}
        if group in (get(data, "Placement.GroupName"), get(data, "Placement.GroupId")):
            found.append(pool.id)
    return found


@RULES.rule(
    "ec2-placement-in-use",
    on.PLACEMENT_TOKEN,
    DELETE,
    "InvalidPlacementGroup.InUse",
    source="EC2 API reference, DeletePlacementGroup: you must terminate all instances in the placement group",
    accepts=on.removal("pg", _CLUSTER_GROUP),
    refuses=on.removal(
        "pg",
        *on.BEFORE_NODES,
        _CLUSTER_GROUP,
        (
            on.TEMPLATE_TOKEN,
            "lt",
            {"name": "lt", "instanceType": "p5.48xlarge", "placement": {"groupName": "${pg.name}"}},
        ),
        (on.NODE_GROUP_TOKEN, "pool", on.TEMPLATE_NODE_INPUTS),
    ),
)
def _placement_idle(request: Request) -> None:
    group = prior_id(request)
    if placed_groups(request.account, group):
        refuse("InvalidPlacementGroup.InUse", f"The placement group {group} is in use and may not be deleted.")


@RULES.rule(
    "ec2-reservation-zone",
    on.RESERVATION_TOKEN,
    CREATE,
    "Unsupported",
    source="EC2 API error codes: Unsupported; offerings of DescribeInstanceTypeOfferings by zone id",
    accepts=on.creation(_RESERVATION),
    refuses=on.creation({**_RESERVATION, "instanceType": "p5en.48xlarge", "availabilityZone": "us-east-1b"}),
)
def _reservation_zone(request: Request) -> None:
    name, zone = get(request.body, "InstanceType"), get(request.body, "AvailabilityZone")
    if zone_id(request.account.region, str(zone)) not in offered_zone_ids(request.account.region, str(name)):
        refuse(
            "Unsupported",
            f"Your requested instance type ({name}) is not supported in your requested Availability Zone ({zone}).",
        )


@RULES.rule(
    "ec2-reservation-placement",
    on.RESERVATION_TOKEN,
    CREATE,
    "InvalidParameterValue",
    source="EC2 user guide, Capacity Reservations with cluster placement groups: only strategy cluster",
    accepts=on.creation({**_RESERVATION, "placementGroupArn": "${pg.arn}"}, _CLUSTER_GROUP),
    refuses=on.creation(
        {**_RESERVATION, "placementGroupArn": "${pg.arn}"},
        (on.PLACEMENT_TOKEN, "pg", {"name": "ring", "strategy": "spread"}),
    ),
)
def _reservation_placement(request: Request) -> None:
    wanted = get(request.body, "PlacementGroupArn")
    found = request.account.find("ec2:PlacementGroup", GroupArn=wanted) if wanted is not None else []
    if found and found[0].body["Strategy"] != "cluster":
        refuse("InvalidParameterValue", "Capacity Reservations can be created in cluster placement groups only.")


@RULES.rule(
    "ec2-reservation-end",
    on.RESERVATION_TOKEN,
    WRITE,
    "InvalidParameterCombination",
    source="EC2 API reference, CreateCapacityReservation: EndDate if and only if EndDateType is limited",
    accepts=on.creation({**_RESERVATION, "endDateType": "limited", "endDate": "2030-01-01T00:00:00Z"}),
    refuses=on.creation({**_RESERVATION, "endDateType": "limited"}),
)
def _reservation_end(request: Request) -> None:
    limited = get(request.body, "EndDateType", "unlimited") == "limited"
    if limited != (get(request.body, "EndDate") is not None):
        refuse(
            "InvalidParameterCombination",
            "The EndDate parameter must be specified if, and only if, EndDateType is limited.",
        )


_BLOCK_TOKEN = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"
_BLOCK = {"capacityBlockOfferingId": "cb-0123456789abcdef0", "instancePlatform": "Linux/UNIX"}


@RULES.rule(
    "ec2-capacity-block-offering",
    _BLOCK_TOKEN,
    CREATE,
    "InvalidCapacityBlockOfferingId.NotFound",
    source="EC2 API reference, PurchaseCapacityBlock: an offering of DescribeCapacityBlockOfferings",
    accepts=on.creation(_BLOCK, **{"ec2__capacity-block-offerings": [on.OFFERING]}),
    refuses=on.creation(_BLOCK),
)
def _offering(request: Request) -> None:
    wanted = get(request.body, "CapacityBlockOfferingId")
    if offering(request.account, str(wanted)) is None:
        refuse("InvalidCapacityBlockOfferingId.NotFound", f"The capacity block offering ID '{wanted}' does not exist")


@RULES.rule(
    "ec2-reservation-quota",
    on.RESERVATION_TOKEN,
    WRITE,
    "InstanceLimitExceeded",
    source="EC2 user guide, Capacity Reservation limits: reserved instances count towards the On-Demand vCPU quotas",
    accepts=on.creation(_RESERVATION, **{"quota__ec2__vcpus-p": 768}),
    refuses=on.creation(_RESERVATION, **{"quota__ec2__vcpus-p": 767}),
)
def _reservation_quota(request: Request) -> None:
    name = str(get(request.body, "InstanceType"))
    facts = instance(name)
    wanted = (facts.vcpus if facts else 0) * int(get(request.body, "TotalInstanceCount", 0))
    limit = quota(request.account, vcpu_bucket(name))
    if wanted > limit:
        exceeded(
            "InstanceLimitExceeded",
            f"You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance "
            "bucket that the specified instance type belongs to.",
        )
