"""Whose a resource is, how long it may live, and where: what makes a bill readable."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from components import tags
from policies.aws_types import (
    BUCKETS,
    CAPACITY_RESERVATION,
    CLUSTER,
    EFS,
    INSTANCE,
    KEY,
    LAUNCH_TEMPLATE,
    LOG_GROUP,
    LUSTRE,
    NAT_GATEWAY,
    NODE_GROUP,
    PROVIDER,
    VOLUME,
    VPC,
    VPC_ENDPOINT,
)
from policies.examples import REGION, TAGS, cluster, made, template
from policies.frameworks import ml_lens
from policies.graph import Json, Resource, ResourceGraph, UndecidedError, holds_unknown
from policies.reading import entries, flag, text, with_all, with_value
from policies.rule import REMOVED, Context, Example, Limits, Rule, Severity, Violation

_BILLED: Final = frozenset(
    {
        CLUSTER,
        NODE_GROUP,
        LAUNCH_TEMPLATE,
        INSTANCE,
        VOLUME,
        LUSTRE,
        EFS,
        NAT_GATEWAY,
        VPC,
        VPC_ENDPOINT,
        LOG_GROUP,
        KEY,
        CAPACITY_RESERVATION,
        *BUCKETS,
    }
)
_LAUNCHED: Final = ("instance", "volume")


def _default_tags(graph: ResourceGraph, resource: Resource) -> Mapping[str, Json]:
    """Tags that the provider adds; providers keep objects as JSON text."""
    provider = graph.by_urn.get(resource.provider)
    given = provider.get("defaultTags") if provider else None
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = None
    found = given.get("tags") if isinstance(given, Mapping) else None
    if holds_unknown(found) and not isinstance(found, Mapping):
        raise UndecidedError("defaultTags")
    return found if isinstance(found, Mapping) else {}


def _own_tags(resource: Resource) -> Mapping[str, Json]:
    found = resource.get("tags")
    every = resource.outputs.get("tagsAll")
    return {**(every if isinstance(every, Mapping) else {}), **(found if isinstance(found, Mapping) else {})}


def _missing(given: Mapping[str, Json], wanted: frozenset[str]) -> list[str]:
    return [name for name in sorted(wanted) if name not in given or given[name] in ("", None)]


def _required(resource: Resource, context: Context) -> Iterator[Violation]:
    given = {**_default_tags(context.graph, resource), **_own_tags(resource)}
    for name in _missing(given, context.limits.required_tags):
        yield Violation(message=f"tag {name} is missing", property="tags")


def _add_tags(properties: Mapping[str, Json], limits: Limits) -> dict[str, Json] | None:
    given = properties.get("tags")
    known = given if isinstance(given, Mapping) else {}
    missing = _missing(known, limits.required_tags)
    if any(name not in limits.tags for name in missing):
        return None
    return with_all(properties, "tags", {name: limits.tags[name] for name in missing})


REQUIRED = Rule(
    id="cost-required-tags",
    title="What is billed says whose it is",
    severity=Severity.MEDIUM,
    rationale="A bill of six figures with one line per service cannot be split or questioned. Tags that are added "
    "later do not "
    "reach back.",
    source="AWS Billing user guide, Organizing and tracking costs using AWS cost allocation tags (not retroactive)",
    fix="Set owner, costCenter and environment: they become default tags of the provider.",
    types=_BILLED,
    check=_required,
    remediate=_add_tags,
    whole_stack=True,
    references=(ml_lens("MLCOST-27"),),
    example=Example(
        passing=(cluster(tags=TAGS),),
        resource="main",
        changed="main",
        path="tags.owner",
        value=REMOVED,
        limits=Limits(tags=TAGS),
    ),
)


def _launched(resource: Resource, context: Context) -> Iterator[Violation]:
    found: dict[str, set[str]] = {}
    for path in entries(resource, "tagSpecifications"):
        given = resource.get(f"{path}.tags")
        names = set(given) if isinstance(given, Mapping) else set()
        found.setdefault(text(resource, f"{path}.resourceType"), set()).update(names)
    for kind in _LAUNCHED:
        missing = sorted(context.limits.required_tags - found.get(kind, set()))
        if missing:
            yield Violation(
                message=f"each {kind} that is launched lacks {', '.join(missing)}: the provider's default tags do not "
                "reach it",
                property="tagSpecifications",
            )


def _tag_launched(properties: Mapping[str, Json], limits: Limits) -> dict[str, Json] | None:
    own = properties.get("tags")
    known = {**limits.tags, **(own if isinstance(own, Mapping) else {})}
    wanted = {name: known[name] for name in sorted(limits.required_tags) if name in known}
    given = properties.get("tagSpecifications")
    if len(wanted) < len(limits.required_tags) or (given is not None and not isinstance(given, list)):
        return None
    others = [
        item for item in given or [] if not isinstance(item, Mapping) or item.get("resourceType") not in _LAUNCHED
    ]
    before = {
        item["resourceType"]: item.get("tags")
        for item in given or []
        if isinstance(item, Mapping) and item.get("resourceType") in _LAUNCHED
    }
    mine = []
    for kind in _LAUNCHED:
        had = before.get(kind)
        mine.append({"resourceType": kind, "tags": {**wanted, **(had if isinstance(had, Mapping) else {})}})
    return with_value(properties, "tagSpecifications", [*others, *mine])


_SPECIFIED: Final = [{"resourceType": kind, "tags": TAGS} for kind in _LAUNCHED]

LAUNCHED = Rule(
    id="cost-tags-on-machines",
    title="Machines and disks that a template launches say whose they are",
    severity=Severity.MEDIUM,
    rationale="GPU machines are most of the bill, and are launched by a scaling group: the stack's tags reach the "
    "template and "
    "the node group, not the machines.",
    source="Amazon EKS user guide, Tagging your Amazon EKS resources: tags of a node group do not propagate to "
    "instances",
    fix="Give tagSpecifications for instance and volume (the kit's pools do, from owner, costCenter, environment).",
    types=frozenset({LAUNCH_TEMPLATE}),
    check=_launched,
    remediate=_tag_launched,
    references=(ml_lens("MLCOST-27"),),
    example=Example(
        passing=(template(tags=TAGS, tagSpecifications=_SPECIFIED),),
        resource="template",
        changed="template",
        path="tagSpecifications[1].resourceType",
        value="network-interface",
    ),
)


def _ends(resource: Resource, context: Context) -> Iterator[Violation]:
    kept = resource.protect or flag(resource, "deletionProtection", default=False)
    if context.limits.production or kept:
        return
    given = {**_default_tags(context.graph, resource), **_own_tags(resource)}
    if not given.get(tags.TTL):
        yield Violation(
            message=f"the cluster is neither protected nor has it an end (tag {tags.TTL}): it is forgotten and paid "
            "for",
            property="tags",
        )


ENDS = Rule(
    id="cost-ttl",
    title="A cluster that is not production and not protected has an end",
    severity=Severity.MEDIUM,
    rationale="Test clusters with GPUs cost as much as production ones, and nobody misses them when their purpose is "
    "over.",
    source="AWS Well-Architected Framework, Cost Optimization pillar: decommission resources (COST04)",
    fix="Set ttl, for example 14d, or protect: true.",
    types=frozenset({CLUSTER}),
    check=_ends,
    whole_stack=True,
    references=(ml_lens("MLCOST-16"),),
    example=Example(
        passing=(cluster(tags={tags.TTL: "14d"}, deletionProtection=False),),
        resource="main",
        changed="main",
        path=f'tags["{tags.TTL}"]',
        value=REMOVED,
        limits=Limits(production=False),
    ),
)


def _allowed_region(resource: Resource, context: Context) -> Iterator[Violation]:
    region = text(resource, "region")
    if region and context.limits.regions and region not in context.limits.regions:
        yield Violation(
            message=f"region {region} is not allowed here; allowed are {', '.join(sorted(context.limits.regions))}",
            property="region",
        )


ALLOWED_REGION = Rule(
    id="cost-allowed-regions",
    title="Everything lies in a region that the environment allows",
    severity=Severity.HIGH,
    rationale="Data may have to stay in a country, prices differ by up to two thirds, and a resource in a region that "
    "nobody "
    "looks at is found on the bill.",
    source="AWS Well-Architected Framework, COST05 and SUS01: choose Regions by requirement and price",
    fix="Set place.region, or widen policies.limits.regions.",
    types=frozenset({PROVIDER, CLUSTER, NODE_GROUP, LUSTRE, INSTANCE, VPC, NAT_GATEWAY, *BUCKETS}),
    check=_allowed_region,
    references=(ml_lens("MLCOST-21"),),
    example=Example(
        passing=(made(PROVIDER, "aws", region=REGION),),
        resource="aws",
        changed="aws",
        path="region",
        value="sa-east-1",
        limits=Limits(regions=frozenset({REGION})),
    ),
)
