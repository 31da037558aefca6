"""What a node group would launch: its template's data and its own settings, put together as EKS does."""

from dataclasses import dataclass

from local.cloud.aws.common import get
from local.cloud.aws.ec2_templates import template_data
from local.cloud.aws.facts import InstanceFacts, instance
from local.cloud.model import Account, CloudObject, Request
from local.cloud.values import Json

DEFAULT_TYPE = "t3.medium"


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Instances that a node group asks EC2 for."""

    data: dict[str, Json]
    """Launch template data; empty without a template."""
    types: tuple[str, ...]
    zones: tuple[str, ...]
    desired: int
    capacity_type: str
    reservation_id: str | None
    placement: str | None

    @property
    def interfaces(self) -> list[dict[str, Json]]:
        """Network interfaces of the template."""
        return list(get(self.data, "NetworkInterfaces", []))

    @property
    def market_type(self) -> str | None:
        """``spot`` or ``capacity-block`` of the template, or None."""
        found: str | None = get(self.data, "InstanceMarketOptions.MarketType")
        return found

    @property
    def vcpus(self) -> int:
        """Virtual CPUs of the desired instances, by the widest of the types."""
        found = [instance(name) for name in self.types]
        return self.desired * max((facts.vcpus for facts in found if facts), default=0)


def launch_of(account: Account, body: Json) -> Launch:
    """The launch that a node group's body means."""
    template = get(body, "launchTemplate")
    data = (template_data(account, template) if template is not None else None) or {}
    own = [str(name) for name in get(body, "instanceTypes", [])]
    fixed = get(data, "InstanceType")
    subnets = [account.get("ec2:Subnet", str(name)) for name in get(body, "subnets", [])]
    target = "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId"
    return Launch(
        data=data,
        types=tuple([str(fixed)] if fixed is not None else own or [DEFAULT_TYPE]),
        zones=tuple(dict.fromkeys(subnet.body["AvailabilityZone"] for subnet in subnets if subnet)),
        desired=int(get(body, "scalingConfig.desiredSize", 0)),
        capacity_type=str(get(body, "capacityType", "ON_DEMAND")),
        reservation_id=get(data, target),
        placement=get(data, "Placement.GroupName") or get(data, "Placement.GroupId"),
    )


def merged(request: Request) -> dict[str, Json]:
    """The node group as it would be after the request."""
    return {**(request.prior.body if request.prior else {}), **request.body}


def launch(request: Request) -> Launch:
    """The launch that a request about a node group means."""
    return launch_of(request.account, merged(request))


def placement_group(account: Account, name: str | None) -> CloudObject | None:
    """A placement group by its name or id."""
    if name is None:
        return None
    found = account.get("ec2:PlacementGroup", name)
    if found is not None:
        return found
    by_id = account.find("ec2:PlacementGroup", GroupId=name)
    return by_id[0] if by_id else None


def only_type(found: Launch) -> InstanceFacts | None:
    """Facts of the launch's instance type, when there is exactly one and EC2 knows it."""
    return instance(found.types[0]) if len(found.types) == 1 else None
