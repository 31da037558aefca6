"""Node groups as rules see them: with their launch template, machines, interfaces, capacity and zones."""

from dataclasses import dataclass

from components.accelerators import EFA, EFA_ONLY, InstanceType, catalogue
from policies.aws_types import LAUNCH_TEMPLATE, NODE_GROUP, ROUTE_TABLE_ASSOCIATION, SUBNET
from policies.graph import Resource, ResourceGraph
from policies.reading import entries, number, referrers, strings, targets, text

TARGET = "capacityReservationSpecification.capacityReservationTarget"
MARKET = "instanceMarketOptions.marketType"
BLOCK = "CAPACITY_BLOCK"
INTERFACES = "networkInterfaces"


@dataclass(frozen=True)
class Pool:
    """A managed node group and its launch template, when that belongs to the same stack."""

    group: Resource
    template: Resource | None

    @property
    def instance_types(self) -> tuple[str, ...]:
        """Names of its machine types; empty when only another program knows them."""
        own = text(self.template, "instanceType") if self.template else ""
        return (own,) if own else strings(self.group, "instanceTypes")

    @property
    def machines(self) -> tuple[InstanceType, ...]:
        """Those of its types that the catalogue has."""
        return tuple(catalogue()[name] for name in self.instance_types if name in catalogue())

    @property
    def accelerated(self) -> bool:
        """Whether a machine of it has an accelerator."""
        return any(machine.devices for machine in self.machines)

    @property
    def efa(self) -> bool:
        """Whether its machines have a fabric."""
        return self.template is not None and bool(efa_interfaces(self.template))

    @property
    def block(self) -> bool:
        """Whether its machines come from a capacity block, by the group or by the template."""
        market = text(self.template, MARKET) if self.template else ""
        return text(self.group, "capacityType") == BLOCK or market == "capacity-block"

    @property
    def reserved(self) -> bool:
        """Whether its machines come from a reservation."""
        return self.block or (self.template is not None and bool(self.template.get(TARGET)))

    @property
    def most(self) -> int:
        """The most machines that it may have."""
        return max(0, number(self.group, "scalingConfig.maxSize") or 0)


def pool_of(graph: ResourceGraph, group: Resource) -> Pool:
    """A node group with its template.

    Raises:
        UndecidedError: which template it is will only be known at update.
    """
    found = targets(graph, group, "launchTemplate", LAUNCH_TEMPLATE)
    return Pool(group, found[0] if found else None)


def pools_of(graph: ResourceGraph, template: Resource) -> tuple[Pool, ...]:
    """The pools that are made from ``template``."""
    return tuple(Pool(group, template) for group in referrers(graph, template, "launchTemplate", NODE_GROUP))


def machines_of(graph: ResourceGraph, template: Resource) -> tuple[InstanceType, ...]:
    """The machine types that are made from ``template``: its own, or those of the groups that use it."""
    own = text(template, "instanceType")
    if own:
        return (catalogue()[own],) if own in catalogue() else ()
    return tuple(machine for pool in pools_of(graph, template) for machine in pool.machines)


def efa_interfaces(template: Resource) -> tuple[str, ...]:
    """Paths of the interfaces that carry the fabric."""
    return tuple(
        path for path in entries(template, INTERFACES) if text(template, f"{path}.interfaceType") in {EFA, EFA_ONLY}
    )


def subnets_of(graph: ResourceGraph, resource: Resource, name: str) -> tuple[Resource, ...]:
    """The subnets that an input names, also by way of their route table association; those of this stack only."""
    found = targets(graph, resource, name, SUBNET, ROUTE_TABLE_ASSOCIATION)
    ways = [item for item in found if item.type == ROUTE_TABLE_ASSOCIATION]
    subnets = {item.urn: item for item in found if item.type == SUBNET}
    subnets.update({item.urn: item for way in ways for item in targets(graph, way, "subnetId", SUBNET)})
    return tuple(subnets.values())


def zones_of(graph: ResourceGraph, resource: Resource, name: str) -> frozenset[str]:
    """The zones of the subnets that an input names, as far as they belong to this stack."""
    subnets = subnets_of(graph, resource, name)
    return frozenset(zone for item in subnets if (zone := zone_of(item)))


def zone_of(subnet: Resource) -> str:
    """Name or id of a subnet's zone; empty when AWS chooses it."""
    return text(subnet, "availabilityZone") or text(subnet, "availabilityZoneId")
