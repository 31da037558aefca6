"""What the examples of rules cannot show: other spellings, documents with unknown parts, the whole catalogue."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from components.accelerators import InstanceType, catalogue
from components.aws.interfaces import Interface, interface_layout
from policies.aws_types import (
    BUCKET_POLICY,
    CLUSTER,
    EGRESS_RULE,
    INGRESS_RULE,
    PROVIDER,
    ROLE,
    ROLE_POLICY,
    ROUTE_TABLE_ASSOCIATION,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
)
from policies.eks_support import standard_support_ended
from policies.evaluate import Evaluation, evaluate, remedy
from policies.examples import TAGS, bucket, cluster, fabric_group, lustre, made, pool, subnet, template
from policies.graph import UNKNOWN, Resource, ResourceGraph
from policies.rule import Context, Limits
from policies.rules import BY_ID

TODAY = date(2026, 11, 21)
FABRIC = sorted((item for item in catalogue().values() if item.efa_interfaces), key=lambda item: item.name)
LAYOUT_RULES = ("gpu-interfaces-fit-cards", "gpu-primary-interface", "gpu-fabric-uses-every-card")


def judged(resources: Iterable[Resource], *ids: str, limits: Limits | None = None) -> Evaluation:
    graph = ResourceGraph(resources=tuple(resources), stack="test", preview=True)
    found = evaluate(graph, [BY_ID[name] for name in ids], limits=limits, today=TODAY)
    assert found.faults == (), "a rule broke"
    return found


def broken(resources: Iterable[Resource], *ids: str, limits: Limits | None = None) -> list[str]:
    return [item.rule.id for item in judged(resources, *ids, limits=limits).violations]


def open_at(resources: Iterable[Resource], *ids: str) -> list[str]:
    found = judged(resources, *ids)
    assert found.violations == (), "what is unknown is no violation"
    return [item.property for item in found.undecided]


def interfaces(layout: Iterable[Interface]) -> list[dict[str, Any]]:
    return [
        {
            "networkCardIndex": item.card,
            "deviceIndex": item.device,
            **({"interfaceType": item.type} if item.efa else {}),
        }
        for item in layout
    ]


# --- every type of the catalogue -----------------------------------------------------------------------------------
@pytest.mark.parametrize("machine", FABRIC, ids=lambda item: item.name)
def test_the_layout_that_pools_get_fits_their_type(machine: InstanceType) -> None:
    given = template(instanceType=machine.name, networkInterfaces=interfaces(interface_layout(machine, efa=True)))
    assert broken([given], *LAYOUT_RULES) == [], "the component derives the layout from the same catalogue"


@pytest.mark.parametrize("machine", FABRIC, ids=lambda item: item.name)
def test_a_card_that_the_type_does_not_have_is_found(machine: InstanceType) -> None:
    layout = interfaces(interface_layout(machine, efa=True))
    layout[-1]["networkCardIndex"] = len(machine.network_cards)
    given = template(instanceType=machine.name, networkInterfaces=layout)
    assert "gpu-interfaces-fit-cards" in broken([given], *LAYOUT_RULES), "cards are counted from 0"


def test_the_common_layout_with_efa_on_card_0_is_refused_for_b300() -> None:
    layout: list[dict[str, Any]] = [{"networkCardIndex": 0, "interfaceType": "efa"}]
    layout += [{"networkCardIndex": card, "deviceIndex": 1, "interfaceType": "efa-only"} for card in range(1, 17)]
    given = template(instanceType="p6-b300.48xlarge", networkInterfaces=layout)
    found = [item.violation.property for item in judged([given], "gpu-interfaces-fit-cards").violations]
    assert found == ["networkInterfaces[0].interfaceType", "networkInterfaces"], (
        "its card 0 takes no EFA, and 17 are one more than it has"
    )


def test_the_type_of_a_template_may_stand_in_the_node_group() -> None:
    bare = template(instanceType="", networkInterfaces=[{"networkCardIndex": 3, "interfaceType": "efa"}])
    named = pool(instanceTypes=["p5.4xlarge"])
    assert broken([bare], "gpu-interfaces-fit-cards") == [], "nothing tells which machines these are"
    assert broken([bare, named], "gpu-interfaces-fit-cards") == ["gpu-interfaces-fit-cards"], "p5.4xlarge has one card"


# --- security groups, four spellings -------------------------------------------------------------------------------
def _itself(kind: str) -> list[Resource]:
    if kind == "inline":
        everything = [{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}]
        return [made(SECURITY_GROUP, "fabric", resource_id="fabric", ingress=everything, egress=everything)]
    group = made(SECURITY_GROUP, "fabric", resource_id="fabric")
    if kind == "separate":
        return list(fabric_group())
    peer: dict[str, Any] = {"self": True} if kind == "classic-self" else {"sourceSecurityGroupId": "fabric"}
    return [
        group,
        *(
            made(SECURITY_GROUP_RULE, way, type=way, securityGroupId="fabric", protocol="all", **peer)
            for way in ("ingress", "egress")
        ),
    ]


@pytest.mark.parametrize("kind", ["inline", "separate", "classic-self", "classic-source"])
def test_a_fabric_group_may_be_written_in_four_ways(kind: str) -> None:
    ids = ("gpu-fabric-group-ingress", "gpu-fabric-group-egress")
    assert broken([*_itself(kind), template()], *ids) == [], f"{kind} rules open the group to itself"
    assert broken([_itself("separate")[0], template()], *ids) == list(ids), "a group without rules does not"


def test_a_rule_whose_group_is_not_known_yet_leaves_the_fabric_undecided() -> None:
    group, ingress, egress = fabric_group()
    later = replace(ingress, properties={**ingress.properties, "securityGroupId": UNKNOWN})
    assert open_at([group, later, egress, template()], "gpu-fabric-group-ingress") == ["securityGroupId"]


def test_a_dependency_tells_the_group_of_a_rule_before_its_id_is_known() -> None:
    group, ingress, egress = fabric_group()
    unknown = {"securityGroupId": UNKNOWN, "referencedSecurityGroupId": UNKNOWN}
    urns = dict.fromkeys(unknown, (group.urn,))
    rules = [
        replace(item, properties={**item.properties, **unknown}, property_dependencies=urns)
        for item in (ingress, egress)
    ]
    made_later = [{"interfaceType": "efa", "securityGroups": UNKNOWN}]
    first = replace(template(networkInterfaces=made_later), property_dependencies={"networkInterfaces": (group.urn,)})
    ids = ("gpu-fabric-group-ingress", "gpu-fabric-group-egress")
    assert judged([replace(group, id=""), *rules, first], *ids).undecided == (), "a first preview knows no ids"
    assert broken([replace(group, id=""), rules[0], first], *ids) == ["gpu-fabric-group-egress"]


def test_a_rule_of_a_group_that_comes_from_elsewhere_leaves_nothing_undecided() -> None:
    owner = cluster()
    foreign = made(INGRESS_RULE, "api", securityGroupId=UNKNOWN, ipProtocol="tcp", fromPort=443, toPort=443)
    foreign = replace(foreign, property_dependencies={"securityGroupId": (owner.urn,)})
    found = judged([owner, foreign, *fabric_group(), template()], "gpu-fabric-group-ingress")
    assert (found.violations, found.undecided) == ((), ()), "the cluster's own group is not the fabric's"


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        (INGRESS_RULE, {"cidrIpv4": "0.0.0.0/0"}),
        (INGRESS_RULE, {"cidrIpv6": "::/0"}),
        (SECURITY_GROUP_RULE, {"type": "ingress", "cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"]}),
        (SECURITY_GROUP, {"ingress": [{"protocol": "tcp", "ipv6CidrBlocks": ["::/0"]}]}),
        (INGRESS_RULE, {"cidrIpv4": "128.0.0.0/1"}),
    ],
)
def test_open_ingress_is_found_in_every_spelling(type_: str, properties: dict[str, Any]) -> None:
    assert broken([made(type_, "open", **properties)], "network-no-open-ingress") == ["network-no-open-ingress"]


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        (EGRESS_RULE, {"cidrIpv4": "0.0.0.0/0"}),
        (SECURITY_GROUP_RULE, {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]}),
        (SECURITY_GROUP, {"egress": [{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}]}),
        (INGRESS_RULE, {"cidrIpv4": "10.0.0.0/8"}),
    ],
)
def test_ways_out_and_private_sources_are_not_open_ingress(type_: str, properties: dict[str, Any]) -> None:
    assert broken([made(type_, "fine", **properties)], "network-no-open-ingress") == []


def test_lustre_ports_may_be_spread_over_several_groups() -> None:
    def group(name: str, *ports: tuple[int, int]) -> Resource:
        rules = [{"protocol": "tcp", "fromPort": low, "toPort": high, "self": True} for low, high in ports]
        return made(SECURITY_GROUP, name, resource_id=name, ingress=rules, egress=rules)

    both = [group("one", (988, 988)), group("two", (1018, 1023))]
    assert broken([lustre(securityGroupIds=["one", "two"]), *both], "storage-lustre-ports") == []
    assert broken([lustre(securityGroupIds=["one"]), *both], "storage-lustre-ports") == ["storage-lustre-ports"] * 2
    assert broken([lustre(securityGroupIds=["one", "sg-foreign"]), *both], "storage-lustre-ports") == [], (
        "what a group of another program allows is not known here"
    )


# --- zones ---------------------------------------------------------------------------------------------------------
def test_subnets_are_found_through_their_route_table_associations() -> None:
    subnets = [subnet("a"), subnet("b", availabilityZone="us-east-1b")]
    ways = [
        replace(
            made(ROUTE_TABLE_ASSOCIATION, f"way-{item.name}", subnetId=UNKNOWN),
            property_dependencies={"subnetId": (item.urn,)},
        )
        for item in subnets
    ]
    group = replace(
        pool(subnetIds=[UNKNOWN, UNKNOWN]), property_dependencies={"subnetIds": tuple(way.urn for way in ways)}
    )
    assert broken([*subnets, *ways, template(), group], "gpu-fabric-one-zone") == ["gpu-fabric-one-zone"], (
        "the kit hands subnet ids on from the associations, so that nodes wait for their routes"
    )


# --- IAM documents -------------------------------------------------------------------------------------------------
def grant(policy: Any) -> list[Resource]:
    return [made(ROLE_POLICY, "grant", role="x", policy=policy)]


@pytest.mark.parametrize(
    "statement",
    [
        {"Action": "*", "Resource": "*"},
        {"Action": ["s3:GetObject", "*"], "Resource": ["*"]},
        {"Action": "*:*", "NotResource": "arn:aws:s3:::audit"},
        {"NotAction": "iam:*", "Resource": "*"},
    ],
)
def test_everything_is_found_however_it_is_spelled(statement: dict[str, Any]) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", **statement}}
    for policy in (document, json.dumps(document)):
        assert broken(grant(policy), "identity-no-admin-policy") == ["identity-no-admin-policy"]


def test_a_denial_of_everything_is_no_grant() -> None:
    document = {"Statement": [{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}]}
    assert broken(grant(document), "identity-no-admin-policy") == []


def test_an_unknown_part_of_a_document_is_undecided_only_where_it_matters() -> None:
    narrow = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": [UNKNOWN]}]}
    assert open_at(grant(narrow), "identity-no-admin-policy") == ["policy"], "the resource may be a star"
    denied = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": UNKNOWN}]}
    assert open_at(grant(denied), "identity-no-admin-policy") == [], "a denial grants nothing, whatever it names"
    trust = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": UNKNOWN}},
            }
        ]
    }
    role = [made(ROLE, "r", assumeRolePolicy=trust)]
    assert open_at(role, "identity-confused-deputy") == [], (
        "that the account is tested is known, which one is not asked"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"Statement": 7}', '{"Statement": [7]}', "[" * 5000])
def test_text_that_is_no_policy_grants_nothing(text: str) -> None:
    assert broken(grant(text), "identity-no-admin-policy", "identity-no-service-wildcard") == []


def test_everybody_with_a_condition_on_the_account_is_not_everybody() -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "*"}
    narrowed = {**statement, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}
    region = {**statement, "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}}
    verdicts = [
        broken([made(BUCKET_POLICY, "p", policy={"Statement": [item]})], "identity-no-wildcard-principal")
        for item in (statement, narrowed, region)
    ]
    assert verdicts == [["identity-no-wildcard-principal"], [], ["identity-no-wildcard-principal"]], (
        "a condition on the region leaves everybody in"
    )


# --- absence is the cloud's default --------------------------------------------------------------------------------
def test_absent_endpoint_settings_are_public_to_everybody() -> None:
    bare = made(CLUSTER, "bare", vpcConfig={"subnetIds": ["a"]})
    assert broken([bare], "network-api-not-open") == ["network-api-not-open"], "EKS opens what nobody closes"
    assert broken([bare], "network-api-private") == ["network-api-private"] * 2, "no private endpoint, and a public one"


def test_a_bucket_policy_of_another_bucket_does_not_count() -> None:
    deny = BY_ID["storage-s3-tls-only"].example.passing[1]
    other = replace(deny, properties={**deny.properties, "bucket": "other"})
    assert broken([bucket(), other], "storage-s3-tls-only") == ["storage-s3-tls-only"]
    later = replace(deny, properties={**deny.properties, "bucket": UNKNOWN})
    assert open_at([bucket(), later], "storage-s3-tls-only") == ["bucket"], "it may be this bucket's"


def test_default_tags_of_the_provider_count_also_as_json_text() -> None:
    for given in ({"tags": TAGS}, json.dumps({"tags": TAGS})):
        provider = made(PROVIDER, "aws", defaultTags=given)
        item = replace(cluster(), provider=provider.urn)
        assert broken([provider, item], "cost-required-tags") == [], "engines hand provider inputs over as text"


# --- remediation ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "resource"),
    [
        ("cost-required-tags", cluster(tags={"Name": "main"})),
        ("cost-tags-on-machines", template(tagSpecifications=[{"resourceType": "instance", "tags": {"Name": "x"}}])),
        ("identity-imds-v2", template()),
        ("identity-imds-one-hop", template(metadataOptions={"httpTokens": "required"})),
        ("storage-ebs-encrypted", template(blockDeviceMappings=[{"ebs": {"volumeSize": 20}}])),
        ("storage-s3-public-access", made("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "b", bucket="b")),
        ("storage-efs-encrypted", made("aws:efs/fileSystem:FileSystem", "home")),
        ("identity-kms-rotation", made("aws:kms/key:Key", "key")),
        ("cost-log-retention", made("aws:cloudwatch/logGroup:LogGroup", "logs")),
    ],
)
def test_a_remedy_puts_the_resource_right_and_keeps_the_rest(rule: str, resource: Resource) -> None:
    limits = Limits(tags=TAGS)
    context = Context(graph=ResourceGraph(resources=(resource,)), limits=limits)
    assert broken([resource], rule, limits=limits), "there is something to put right"
    better = remedy(BY_ID[rule], resource, context)
    assert better is not None, "and the rule knows how"
    assert broken([replace(resource, properties=better)], rule, limits=limits) == []
    assert set(resource.properties) <= set(better), "nothing that was declared is lost"


def test_tags_that_nobody_knows_are_not_invented() -> None:
    bare = cluster(tags={})
    context = Context(graph=ResourceGraph(resources=(bare,)))
    assert remedy(BY_ID["cost-required-tags"], bare, context) is None, "a made-up owner is worse than none"


# --- dates and size ------------------------------------------------------------------------------------------------
def test_support_ends_on_its_day() -> None:
    assert standard_support_ended("1.34", date(2026, 12, 2)) is None, "the last day counts"
    assert standard_support_ended("1.34", date(2026, 12, 3)) == date(2026, 12, 2)
    assert standard_support_ended("1.18", date(2026, 1, 1)) == date(2025, 3, 23), "older than the list is over"
    assert standard_support_ended("1.99", TODAY) is None, "of a newer one nothing is known"
    assert standard_support_ended("latest", TODAY) is None


def test_too_many_gpus_are_reported_once_on_the_largest_pool() -> None:
    small = pool("small", scalingConfig={"maxSize": 3})
    large = pool("large", scalingConfig={"maxSize": 5})
    found = judged([template(), small, large], "cost-max-gpus", limits=Limits(max_gpus=7)).violations
    assert [item.resource.name for item in found] == ["large"]
    assert "8 accelerators" in found[0].violation.message, "one GPU per machine, 3 + 5 machines"


def test_an_export_leaves_the_owner_of_a_size_undecided() -> None:
    example = BY_ID["gpu-capacity-block-size-ignored"].example
    bare = tuple(replace(item, ignore_changes=()) for item in example.passing)
    graph = ResourceGraph(resources=bare, tells_options=False)
    found = evaluate(graph, [BY_ID["gpu-capacity-block-size-ignored"]], today=TODAY)
    assert (found.violations, len(found.undecided)) == ((), 1), "a state does not hold ignoreChanges"


def test_overlapping_repositories_are_told_on_the_inner_one_of_the_same_file_system() -> None:
    def link(name: str, owner: str, path: str) -> Resource:
        token = "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation"
        return made(token, name, fileSystemId=owner, fileSystemPath=path)

    links = [link("outer", "fs-1", "/data"), link("inner", "fs-1", "/data/sets"), link("apart", "fs-2", "/data/sets")]
    found = judged(links, "storage-repository-paths").violations
    assert [item.resource.name for item in found] == ["inner"], "another file system has its own paths"


def test_a_foreign_launch_template_is_not_judged() -> None:
    foreign = pool(launchTemplate={"id": "lt-elsewhere", "version": "3"}, instanceTypes=[], amiType="CUSTOM")
    ids = [name for name in BY_ID if name.startswith("gpu-")]
    assert broken([foreign], *ids) == [], "nothing is known of its machines"
