"""Gateways, endpoints, addresses, load balancers and the traffic through them."""

from collections.abc import Iterator
from typing import Final

from policies.cost.model import Category, Component
from policies.cost.pricing import Priced, Pricing, count
from policies.graph import Resource


def _nat(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.hours(resource, "NAT gateway", "nat:gateway")
    yield pricing.used(resource, "data through it", "nat:data", pricing.usage.nat_gb, "natGb")


def _address(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.hours(resource, "public IPv4 address", "ipv4:public")


def _endpoint(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    kind = str(resource.get("vpcEndpointType", "Gateway"))
    if kind == "Gateway":
        # S3 and DynamoDB: no charge (VPC user guide, "Gateway endpoints").
        return
    zones = count(resource, "subnetIds", 1)
    yield pricing.hours(
        resource, "interface endpoint", "endpoint:interface", zones, assumption=f"{zones:f} zones, one subnet in each"
    )
    yield pricing.used(resource, "data through it", "endpoint:data", pricing.usage.endpoint_gb, "endpointGb")


def _traffic(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    usage = pricing.usage
    yield pricing.component(
        resource,
        "traffic between zones",
        "transfer:zones",
        usage.zones_gb * 2,
        assumption=f"usage.zonesGb: {usage.zones_gb.normalize():f}, billed in each direction",
        usage_based=True,
    )
    yield pricing.used(resource, "traffic to the internet", "transfer:internet", usage.internet_gb, "internetGb")


def _load_balancer(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    kind = str(resource.get("loadBalancerType", "application"))
    yield from load_balancer(resource, kind, pricing)


def load_balancer(resource: Resource, kind: str, pricing: Pricing) -> Iterator[Component]:
    """The billed dimensions of an application or network load balancer."""
    yield pricing.hours(resource, f"{kind} load balancer", f"lb:{kind}")
    units = pricing.usage.load_balancer_units
    yield pricing.hours(
        resource,
        "capacity units",
        f"lb:{kind}:unit",
        units,
        assumption=f"usage.loadBalancerUnits: {units.normalize():f}",
        usage_based=True,
    )


def _vpn(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.hours(resource, "site-to-site VPN connection", "vpn:connection")


def _attachment(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.hours(resource, "transit gateway attachment", "tgw:attachment")
    yield pricing.used(resource, "data through it", "tgw:data", pricing.usage.transit_gateway_gb, "transitGatewayGb")


_NETWORK: Final = Category.NETWORK

PRICERS: Final = {
    "aws:ec2/natGateway:NatGateway": Priced(category=_NETWORK, price=_nat),
    "aws:ec2/eip:Eip": Priced(category=_NETWORK, price=_address),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Priced(category=_NETWORK, price=_endpoint),
    "aws:ec2/vpc:Vpc": Priced(category=_NETWORK, price=_traffic),
    "aws:lb/loadBalancer:LoadBalancer": Priced(category=_NETWORK, price=_load_balancer),
    "aws:alb/loadBalancer:LoadBalancer": Priced(category=_NETWORK, price=_load_balancer),
    "aws:ec2/vpnConnection:VpnConnection": Priced(category=_NETWORK, price=_vpn),
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": Priced(category=_NETWORK, price=_attachment),
}
