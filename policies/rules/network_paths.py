"""Ways inside and out of a network: endpoints, NAT, logs, names, and room for the nodes."""

import ipaddress
import json
from collections.abc import Iterator
from typing import Final

from policies.aws_pools import INTERFACES, pool_of, subnets_of, zone_of, zones_of
from policies.aws_types import (
    ADDON,
    CLUSTER,
    FLOW_LOG,
    NAT_GATEWAY,
    NODE_GROUP,
    ROUTE,
    ROUTE_TABLE,
    ROUTE_TABLE_ASSOCIATION,
    SUBNET,
    VPC,
    VPC_ENDPOINT,
)
from policies.examples import REGION, addon, cluster, made, pool, subnet, template, vpc
from policies.frameworks import cis_eks, fsbp
from policies.graph import Resource, UndecidedError, holds_unknown
from policies.reading import entries, flag, referrers, settle, targets, text
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_NEEDED: Final = ("ec2", "ecr.api", "ecr.dkr", "sts")
_KEPT_BY_AWS: Final = 5
"""Addresses of every subnet (Amazon VPC user guide, Subnet CIDR blocks)."""


def _services(resource: Resource, context: Context) -> frozenset[str]:
    names = (text(item, "serviceName") for item in referrers(context.graph, resource, "vpcId", VPC_ENDPOINT))
    return frozenset(".".join(name.split(".")[3:]) for name in names)


def _s3_endpoint(resource: Resource, context: Context) -> Iterator[Violation]:
    if "s3" not in _services(resource, context):
        settle(context.graph, resource, "vpcId", VPC_ENDPOINT)
        yield Violation(message="the network has no endpoint for S3: image layers and data sets pass the NAT gateway")


_S3: Final = made(
    VPC_ENDPOINT, "s3", vpcId="vpc-1", serviceName=f"com.amazonaws.{REGION}.s3", vpcEndpointType="Gateway"
)

S3_ENDPOINT = Rule(
    id="network-s3-endpoint",
    title="Networks reach S3 by a gateway endpoint",
    severity=Severity.MEDIUM,
    rationale="The endpoint costs nothing. Without it every GB of data sets, checkpoints and image layers is charged "
    "by the "
    "NAT gateway and slowed down by it.",
    source="Amazon S3 user guide, Gateway endpoints for Amazon S3 (no additional charge); Amazon VPC pricing, NAT "
    "gateway",
    fix="Add an ec2.VpcEndpoint of type Gateway for S3 (Network does).",
    types=frozenset({VPC}),
    check=_s3_endpoint,
    whole_stack=True,
    example=Example(
        passing=(vpc(), _S3),
        resource="network",
        changed="s3",
        path="serviceName",
        value=f"com.amazonaws.{REGION}.dynamodb",
    ),
)


def _service_endpoints(resource: Resource, context: Context) -> Iterator[Violation]:
    if not context.limits.production or not context.graph.of_type(CLUSTER):
        return
    missing = [name for name in _NEEDED if name not in _services(resource, context)]
    if missing:
        settle(context.graph, resource, "vpcId", VPC_ENDPOINT)
        yield Violation(
            message=f"no interface endpoints for {', '.join(missing)}: when the way out fails, nodes cannot start or "
            "join"
        )


SERVICE_ENDPOINTS = Rule(
    id="network-service-endpoints",
    title="Networks of production clusters have endpoints for the services that nodes call",
    severity=Severity.MEDIUM,
    rationale="Nodes call EC2, STS and the registry when they start. Through NAT this leaves the network, and stops "
    "with the "
    "NAT gateway; through endpoints it does neither.",
    source="Amazon EKS user guide, Deploy private clusters with limited internet access (private-clusters)",
    fix="Set place.network.interfaceEndpoints to true.",
    types=frozenset({VPC}),
    check=_service_endpoints,
    whole_stack=True,
    references=(fsbp("EC2.10"), fsbp("EC2.55"), fsbp("EC2.56")),
    example=Example(
        passing=(
            vpc(),
            cluster(),
            *(
                made(VPC_ENDPOINT, name, vpcId="vpc-1", serviceName=f"com.amazonaws.{REGION}.{name}")
                for name in _NEEDED
            ),
        ),
        resource="network",
        changed="sts",
        path="serviceName",
        value=f"com.amazonaws.{REGION}.ssm",
    ),
)


def _flow_log(resource: Resource, context: Context) -> Iterator[Violation]:
    found = referrers(context.graph, resource, "vpcId", FLOW_LOG)
    if any(text(item, "trafficType", "ALL") in {"ALL", "REJECT"} for item in found):
        return
    settle(context.graph, resource, "vpcId", FLOW_LOG)
    yield Violation(
        message="nothing records who talked to whom in this network (no flow log of all or rejected traffic)"
    )


FLOW_LOGS = Rule(
    id="network-flow-logs",
    title="Networks have flow logs",
    severity=Severity.MEDIUM,
    rationale="After an incident the first question is where data went. Without flow logs there is no answer, and no "
    "way to "
    "get one afterwards.",
    source="Amazon VPC user guide, Logging IP traffic using VPC Flow Logs; AWS Security Hub EC2.6",
    fix="Add an ec2.FlowLog with traffic type ALL (Network does; place.network.flowLogRetentionDays).",
    types=frozenset({VPC}),
    check=_flow_log,
    whole_stack=True,
    references=(fsbp("EC2.6"),),
    example=Example(
        passing=(vpc(), made(FLOW_LOG, "log", vpcId="vpc-1", trafficType="ALL")),
        resource="network",
        changed="log",
        path="trafficType",
        value="ACCEPT",
    ),
)


def _names(resource: Resource, _: Context) -> Iterator[Violation]:
    for name, default in (("enableDnsSupport", True), ("enableDnsHostnames", False)):
        if not flag(resource, name, default=default):
            yield Violation(
                message=f"{name} is off: private endpoints have no names, and nodes do not join", property=name
            )


NAMES = Rule(
    id="network-dns-on",
    title="Networks resolve names and give host names",
    severity=Severity.HIGH,
    rationale="A private API endpoint and interface endpoints are found by names that only such a network has. "
    "Otherwise "
    "nodes start, call the public addresses, and never join.",
    source="Amazon EKS user guide, Amazon EKS networking requirements for VPC and subnets: DNS hostname and resolution "
    "support",
    fix="Set enableDnsSupport and enableDnsHostnames to true (Network does).",
    types=frozenset({VPC}),
    check=_names,
    example=Example(
        passing=(vpc(enableDnsSupport=True, enableDnsHostnames=True),),
        resource="network",
        changed="network",
        path="enableDnsHostnames",
        value=REMOVED,
    ),
)


def _own_nat(resource: Resource, context: Context) -> Iterator[Violation]:
    if not context.limits.production or "natGatewayId" not in resource.properties:
        return
    graph = context.graph
    gateways = targets(graph, resource, "natGatewayId", NAT_GATEWAY)
    ways_out = frozenset(zone for item in gateways for zone in zones_of(graph, item, "subnetId"))
    for table in targets(graph, resource, "routeTableId", ROUTE_TABLE):
        for way in referrers(graph, table, "routeTableId", ROUTE_TABLE_ASSOCIATION):
            for item in targets(graph, way, "subnetId", SUBNET):
                if ways_out and zone_of(item) and zone_of(item) not in ways_out:
                    yield Violation(
                        message=f"subnet {item.name} in {zone_of(item)} leaves through a NAT gateway in "
                        f"{', '.join(sorted(ways_out))}: when that zone fails, this one is cut off too",
                        property="natGatewayId",
                    )


OWN_NAT = Rule(
    id="network-nat-per-zone",
    title="In production each zone leaves through a NAT gateway of its own",
    severity=Severity.MEDIUM,
    rationale="A shared gateway makes every zone depend on one, and traffic to it from other zones is charged.",
    source="Amazon VPC user guide, NAT gateway basics: create a NAT gateway in each Availability Zone",
    fix="Set place.network.natPerZone to true.",
    types=frozenset({ROUTE}),
    check=_own_nat,
    whole_stack=True,
    example=Example(
        passing=(
            subnet(),
            subnet("out-a"),
            subnet("out-b", availabilityZone="us-east-1b"),
            made(NAT_GATEWAY, "nat-a", resource_id="nat-a", subnetId="out-a"),
            made(NAT_GATEWAY, "nat-b", resource_id="nat-b", subnetId="out-b"),
            made(ROUTE_TABLE, "table", resource_id="rtb-1", vpcId="vpc-1"),
            made(ROUTE_TABLE_ASSOCIATION, "way", subnetId="nodes", routeTableId="rtb-1"),
            made(ROUTE, "out", routeTableId="rtb-1", destinationCidrBlock="0.0.0.0/0", natGatewayId="nat-a"),
        ),
        resource="out",
        changed="out",
        path="natGatewayId",
        value="nat-b",
    ),
)


def _usable(subnet_: Resource) -> int | None:
    try:
        block = ipaddress.ip_network(text(subnet_, "cidrBlock"))
    except ValueError:
        return None
    return max(0, block.num_addresses - _KEPT_BY_AWS) if block.version == 4 else None  # noqa: PLR2004 -- IPv4


def _room(resource: Resource, context: Context) -> Iterator[Violation]:
    graph = context.graph
    found = pool_of(graph, resource)
    template_ = found.template
    paths = entries(template_, INTERFACES) if template_ else ()
    addressed = sum(text(template_, f"{path}.interfaceType") != "efa-only" for path in paths) if template_ else 0
    rooms = [_usable(item) for item in subnets_of(graph, resource, "subnetIds")]
    known = [room for room in rooms if room is not None]
    if not known or len(known) != len(rooms):
        return
    wanted = found.most * max(1, addressed)
    if wanted > sum(known):
        yield Violation(
            message=f"{found.most} nodes with {max(1, addressed)} addresses each need {wanted}; the pool's subnets "
            "have "
            f"{sum(known)}",
            property="scalingConfig.maxSize",
        )


ROOM = Rule(
    id="network-subnet-fits-nodes",
    title="The subnets of a pool have an address for every interface of its nodes",
    severity=Severity.HIGH,
    rationale="Each interface of type interface or efa takes an address: 32 per p5.48xlarge in the older layout. When "
    "they "
    "run out the last nodes of a pool never start, and a gang of pods waits for them.",
    source="Amazon EKS user guide, node-efa: efa-only interfaces take no IP address; Amazon VPC user guide, Subnet "
    "CIDR blocks",
    fix="Choose a larger place.network.cidr, or efa-only interfaces (the kit's layout has one address per node).",
    types=frozenset({NODE_GROUP}),
    check=_room,
    whole_stack=True,
    example=Example(
        passing=(subnet(cidrBlock="10.0.0.0/28"), template(), pool()),
        resource="training",
        changed="training",
        path="scalingConfig.maxSize",
        value=40,
    ),
)


def _enforced(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "addonName") != "vpc-cni":
        return
    given = resource.get("configurationValues")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = None
    if holds_unknown(given):
        raise UndecidedError("configurationValues")
    value = given.get("enableNetworkPolicy") if isinstance(given, dict) else None
    if str(value).lower() != "true":
        yield Violation(
            message='enableNetworkPolicy is not "true": NetworkPolicy objects exist and nothing enforces them',
            property="configurationValues",
        )


ENFORCED = Rule(
    id="network-policies-enforced",
    title="The VPC CNI enforces network policies",
    severity=Severity.HIGH,
    rationale="Kubernetes stores network policies whether or not somebody enforces them. A default-deny that nothing "
    "enforces "
    "lets every team reach every other team's pods.",
    source="Amazon EKS user guide, Limit pod traffic with Kubernetes network policies (cni-network-policy)",
    fix='Give the add-on the configuration {"enableNetworkPolicy": "true"} (the kit does).',
    types=frozenset({ADDON}),
    check=_enforced,
    references=(cis_eks("4.3.1"), cis_eks("5.4.4")),
    example=Example(
        passing=(addon("vpc-cni", configurationValues='{"enableNetworkPolicy": "true"}'),),
        resource="vpc-cni",
        changed="vpc-cni",
        path="configurationValues",
        value='{"enableNetworkPolicy": "false"}',
    ),
)


def _two_zones(resource: Resource, context: Context) -> Iterator[Violation]:
    found = [zone_of(item) for item in _cluster_subnets(resource, context)]
    if found and all(found) and len(set(found)) == 1:
        yield Violation(
            message=f"all subnets of the cluster lie in {found[0]}; EKS wants two zones at least",
            property="vpcConfig.subnetIds",
        )


def _cluster_subnets(resource: Resource, context: Context) -> tuple[Resource, ...]:
    resource.get("vpcConfig.subnetIds")
    return subnets_of(context.graph, resource, "vpcConfig")


TWO_ZONES = Rule(
    id="network-cluster-two-zones",
    title="A cluster has subnets in two zones",
    severity=Severity.HIGH,
    rationale="EKS puts the control plane's interfaces into two zones and refuses a cluster that offers only one.",
    source="Amazon EKS user guide, Amazon EKS networking requirements: at least two subnets in different Availability "
    "Zones",
    fix="Name two zones or more in place.network.zones.",
    types=frozenset({CLUSTER}),
    check=_two_zones,
    whole_stack=True,
    example=Example(
        passing=(subnet(), subnet("spare", availabilityZone="us-east-1b"), cluster()),
        resource="main",
        changed="main",
        path="vpcConfig.subnetIds",
        value=["nodes"],
    ),
)
