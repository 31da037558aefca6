"""Who reaches the platform from outside: the API server, security groups, public addresses."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from policies.aws_types import (
    CLUSTER,
    DEFAULT_SECURITY_GROUP,
    INGRESS_RULE,
    LAUNCH_TEMPLATE,
    SUBNET,
    VPC,
)
from policies.examples import cluster, made, subnet, template, vpc
from policies.frameworks import cis_eks, fsbp
from policies.graph import Resource
from policies.reading import entries, flag, referrers, settle, strings
from policies.rule import Context, Example, Rule, Severity, Violation
from policies.security_groups import GROUPS, HOLDERS, GroupRule, inline_rules, own_rule

_EVERYBODY: Final = {4: 8, 6: 16}
"""Blocks shorter than this are more than any one organisation has: /1 pairs are a known way around a search for /0."""


def _wide(block: str) -> bool:
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False
    return network.prefixlen < _EVERYBODY[network.version]


def _open_api(resource: Resource, _: Context) -> Iterator[Violation]:
    if not flag(resource, "vpcConfig.endpointPublicAccess", default=True):
        return
    path = "vpcConfig.publicAccessCidrs"
    blocks = strings(resource, path)
    for block in blocks or ("0.0.0.0/0",):
        if _wide(block):
            why = "" if blocks else " (no list is given, and AWS reads that as everybody)"
            yield Violation(message=f"the API server answers {block}{why}", property=path if blocks else "vpcConfig")


_OPEN: Final = cluster(vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.10/32"]})

OPEN_API = Rule(
    id="network-api-not-open",
    title="The API server does not answer the whole internet",
    severity=Severity.CRITICAL,
    rationale="A public endpoint is one leaked token, or one flaw in the API server, away from everybody. EKS opens it "
    "to "
    "0.0.0.0/0 unless it is told otherwise.",
    source="Amazon EKS user guide, Cluster API server endpoint; API reference VpcConfigRequest (endpointPublicAccess "
    "true, "
    "publicAccessCidrs 0.0.0.0/0)",
    fix="Set access.kind to tunnel or runner, or access.cidrs to your own addresses.",
    types=frozenset({CLUSTER}),
    check=_open_api,
    references=(cis_eks("5.4.1"), fsbp("EKS.1")),
    example=Example(
        passing=(_OPEN,), resource="main", changed="main", path="vpcConfig.publicAccessCidrs", value=["0.0.0.0/0"]
    ),
)


def _private_api(resource: Resource, context: Context) -> Iterator[Violation]:
    if not flag(resource, "vpcConfig.endpointPrivateAccess", default=False):
        yield Violation(
            message="no private endpoint: nodes reach the API server over the internet", property="vpcConfig"
        )
    if context.limits.production and flag(resource, "vpcConfig.endpointPublicAccess", default=True):
        yield Violation(message="the API server of production has a public endpoint", property="vpcConfig")


PRIVATE_API = Rule(
    id="network-api-private",
    title="Clusters have a private endpoint, and in production no public one",
    severity=Severity.MEDIUM,
    rationale="An allow-list holds as long as nobody widens it and no address in it is shared. A private endpoint has "
    "no "
    "route from outside at all, and node traffic stays in the network.",
    source="Amazon EKS user guide, Cluster API server endpoint: endpointPrivateAccess defaults to false",
    fix="Set access.kind to tunnel or runner.",
    types=frozenset({CLUSTER}),
    check=_private_api,
    references=(cis_eks("5.4.2"), fsbp("EKS.1")),
    example=Example(
        passing=(cluster(),), resource="main", changed="main", path="vpcConfig.endpointPublicAccess", value=True
    ),
)


def _rules_in(resource: Resource) -> tuple[GroupRule, ...]:
    rules = inline_rules(resource) if resource.type in GROUPS else (own_rule(resource),)
    return tuple(rule for rule in rules if rule.ingress)


def _open_ingress(resource: Resource, _: Context) -> Iterator[Violation]:
    for rule in _rules_in(resource):
        for path, block in rule.cidrs():
            if _wide(block):
                first, last = rule.ports
                ports = "all ports" if rule.protocol == "-1" else f"{rule.protocol} {first} to {last}"
                yield Violation(message=f"{block} may open connections to {ports}", property=path)


OPEN_INGRESS = Rule(
    id="network-no-open-ingress",
    title="No security group lets everybody in",
    severity=Severity.CRITICAL,
    rationale="Nodes, file systems and endpoints of a GPU platform have no business with the internet. What should be "
    "reached from there stands behind a load balancer with a group of its own.",
    source="Amazon VPC user guide, Security group rules; AWS Security Hub EC2.18 and EC2.19",
    fix="Name the network's own block, another group, or your addresses as the source.",
    types=HOLDERS,
    check=_open_ingress,
    references=(fsbp("EC2.18"), fsbp("EC2.19")),
    example=Example(
        passing=(
            made(INGRESS_RULE, "https", securityGroupId="sg-1", ipProtocol="tcp", fromPort=443, cidrIpv4="10.0.0.0/16"),
        ),
        resource="https",
        changed="https",
        path="cidrIpv4",
        value="0.0.0.0/0",
    ),
)


def _default_closed(resource: Resource, context: Context) -> Iterator[Violation]:
    if resource.type == VPC:
        if not referrers(context.graph, resource, "vpcId", DEFAULT_SECURITY_GROUP):
            settle(context.graph, resource, "vpcId", DEFAULT_SECURITY_GROUP)
            yield Violation(message="the default security group is not adopted, so it lets its members through")
        return
    for rule in inline_rules(resource):
        yield Violation(message="the default security group has a rule", property=rule.at)


DEFAULT_CLOSED = Rule(
    id="network-default-group-closed",
    title="The default security group of a network lets nothing through",
    severity=Severity.MEDIUM,
    rationale="Whatever is made without a group lands in the default one, which lets all of its members reach each "
    "other and "
    "the internet: a forgotten input becomes a hole.",
    source="Amazon VPC user guide, Default security groups for your VPCs; AWS Security Hub EC2.2",
    fix="Adopt it with an ec2.DefaultSecurityGroup without rules (Network does).",
    types=frozenset({VPC, DEFAULT_SECURITY_GROUP}),
    check=_default_closed,
    whole_stack=True,
    references=(fsbp("EC2.2"),),
    example=Example(
        passing=(vpc(), made(DEFAULT_SECURITY_GROUP, "default", vpcId="vpc-1")),
        resource="default",
        changed="default",
        path="ingress",
        value=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}],
    ),
)


def _no_public_subnet(resource: Resource, _: Context) -> Iterator[Violation]:
    if flag(resource, "mapPublicIpOnLaunch", default=False):
        yield Violation(message="every machine in this subnet gets a public address", property="mapPublicIpOnLaunch")


NO_PUBLIC_SUBNET = Rule(
    id="network-subnets-private",
    title="Subnets give no public addresses",
    severity=Severity.HIGH,
    rationale="A node with a public address is reachable as soon as one security group allows it; and every public "
    "IPv4 "
    "address is billed by the hour.",
    source="Amazon VPC user guide, IP addressing: modify the public addressing attribute; AWS Security Hub EC2.15",
    fix="Leave mapPublicIpOnLaunch out or false (Network does, for public subnets too).",
    types=frozenset({SUBNET}),
    check=_no_public_subnet,
    references=(fsbp("EC2.15"), cis_eks("5.4.3")),
    example=Example(
        passing=(subnet(mapPublicIpOnLaunch=False),),
        resource="nodes",
        changed="nodes",
        path="mapPublicIpOnLaunch",
        value=True,
    ),
)


def _no_public_node(resource: Resource, _: Context) -> Iterator[Violation]:
    for path in entries(resource, "networkInterfaces"):
        if flag(resource, f"{path}.associatePublicIpAddress", default=False):
            yield Violation(message="machines get a public address", property=f"{path}.associatePublicIpAddress")


NO_PUBLIC_NODE = Rule(
    id="network-nodes-no-public-address",
    title="Launch templates give no public addresses",
    severity=Severity.HIGH,
    rationale="The template overrides the subnet: a node in a private subnet then has a public address that nobody "
    "expects. "
    "With several interfaces EC2 refuses it altogether.",
    source="AWS Security Hub user guide, EC2.25; Amazon EC2 API reference, associatePublicIpAddress",
    fix="Leave associatePublicIpAddress out.",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_no_public_node,
    references=(fsbp("EC2.25"), cis_eks("5.4.3")),
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="networkInterfaces[0].associatePublicIpAddress",
        value="true",
    ),
)
