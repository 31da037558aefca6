"""How much may run, of what, and for how long it is paid for."""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.aws_pools import Pool, pool_of
from policies.aws_types import CLUSTER, INSTANCE, LAUNCH_TEMPLATE, LOG_GROUP, LUSTRE, NODE_GROUP, VOLUME
from policies.examples import cluster, lustre, made, pool, template
from policies.frameworks import ml_lens, security_hub
from policies.graph import Json, Resource, ResourceGraph
from policies.reading import entries, number, strings, text, with_value
from policies.rule import REMOVED, Context, Example, Limits, Rule, Severity, Violation

_KARPENTER: Final = frozenset({"kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.sh/v1beta1:NodePool"})


def _allowed_type(resource: Resource, context: Context) -> Iterator[Violation]:
    name = "instanceTypes" if resource.type == NODE_GROUP else "instanceType"
    allowed = context.limits.instance_types
    for given in strings(resource, name):
        if allowed and given not in allowed:
            yield Violation(
                message=f"instance type {given} is not allowed here; allowed are {', '.join(sorted(allowed))}",
                property=name,
            )


ALLOWED_TYPE = Rule(
    id="cost-allowed-instance-types",
    title="Machines are of types that the environment allows",
    severity=Severity.HIGH,
    rationale="One digit in a type is a factor of eight on the bill: p5.4xlarge and p5.48xlarge. An allow-list finds "
    "it before "
    "the first hour.",
    source="AWS Well-Architected Framework, COST06: select the correct resource type and size",
    fix="Change pools[].instanceType, or widen policies.limits.instanceTypes.",
    types=frozenset({NODE_GROUP, LAUNCH_TEMPLATE, INSTANCE}),
    check=_allowed_type,
    references=(ml_lens("MLCOST-09"),),
    example=Example(
        passing=(template(),),
        resource="template",
        changed="template",
        path="instanceType",
        value="p5.48xlarge",
        limits=Limits(instance_types=frozenset({"p5.4xlarge"})),
    ),
)


def _accelerators(found: Pool) -> int:
    return found.most * max((machine.devices for machine in found.machines), default=0)


def _by_pool(graph: ResourceGraph) -> Mapping[str, int]:
    return {group.urn: _accelerators(pool_of(graph, group)) for group in graph.of_type(NODE_GROUP)}


def _few_enough(resource: Resource, context: Context) -> Iterator[Violation]:
    limit = context.limits.max_gpus
    if limit is None:
        return
    counts = context.graph.derived(_by_pool)
    total = sum(counts.values())
    if total > limit and resource.urn == max(counts, key=lambda urn: (counts[urn], urn)):
        yield Violation(
            message=f"the pools may grow to {total} accelerators, {counts[resource.urn]} of them here; allowed are "
            f"{limit}",
            property="scalingConfig.maxSize",
        )


FEW_ENOUGH = Rule(
    id="cost-max-gpus",
    title="The stack cannot grow beyond the accelerators that the environment allows",
    severity=Severity.CRITICAL,
    rationale="An autoscaler goes to maxSize when somebody submits a job that is too large. At 55 USD an hour for 8 "
    "H100 a "
    "forgotten zero costs more in a weekend than the platform in a year.",
    source="Karpenter price table of 2026-07-20, us-east-1 on demand: p5.48xlarge 55.04 USD/h; "
    "Amazon EC2 Auto Scaling user guide, Set scaling limits",
    fix="Lower pools[].nodes, or raise policies.limits.maxGpus.",
    types=frozenset({NODE_GROUP}),
    check=_few_enough,
    whole_stack=True,
    references=(ml_lens("MLCOST-09"),),
    example=Example(
        passing=(template(), pool()),
        resource="training",
        changed="training",
        path="scalingConfig.maxSize",
        value=20,
        limits=Limits(max_gpus=2),
    ),
)


def _bounded(resource: Resource, _: Context) -> Iterator[Violation]:
    limits = resource.get("spec.limits")
    if not (isinstance(limits, Mapping) and limits):
        yield Violation(
            message="the pool has no limits: Karpenter grows it as long as pods are pending", property="spec"
        )


BOUNDED = Rule(
    id="cost-karpenter-limits",
    title="Karpenter's pools have limits",
    severity=Severity.HIGH,
    rationale="Without spec.limits the only bound is the account's quota: one Deployment with a wrong number of "
    "replicas buys "
    "GPUs until somebody looks.",
    source="Karpenter documentation, NodePools: spec.limits",
    fix="Set spec.limits, for example nvidia.com/gpu: 64.",
    types=_KARPENTER,
    check=_bounded,
    references=(ml_lens("MLCOST-09"),),
    example=Example(
        passing=(made("kubernetes:karpenter.sh/v1:NodePool", "gpus", spec={"limits": {"nvidia.com/gpu": "64"}}),),
        resource="gpus",
        changed="gpus",
        path="spec.limits",
        value=REMOVED,
    ),
)


def _spot_choice(resource: Resource, context: Context) -> Iterator[Violation]:
    if context.limits.production and text(resource, "capacityType") == "SPOT":
        types = pool_of(context.graph, resource).instance_types
        if len(types) < 2:  # noqa: PLR2004 -- a choice begins with two
            yield Violation(
                message=f"spot machines of one type only ({', '.join(types) or 'the default'}): when it runs out, the "
                "pool is "
                "empty",
                property="capacityType",
            )


SPOT_CHOICE = Rule(
    id="cost-spot-choice",
    title="Spot pools of production can choose between instance types",
    severity=Severity.MEDIUM,
    rationale="Spot capacity of one type in one zone comes and goes together. A pool with one type loses all of its "
    "nodes at "
    "the same moment, and waits until just that type is back.",
    source="Amazon EKS user guide, Managed node group capacity types: spot, use several instance types",
    fix="Set pools[].capacity to onDemand in production, or give the group several types.",
    types=frozenset({NODE_GROUP}),
    check=_spot_choice,
    whole_stack=True,
    example=Example(
        passing=(pool(launchTemplate=None, instanceTypes=["m7i.2xlarge"]),),
        resource="training",
        changed="training",
        path="capacityType",
        value="SPOT",
    ),
)


def _forgets(resource: Resource, _: Context) -> Iterator[Violation]:
    if not number(resource, "retentionInDays"):
        yield Violation(message="logs are kept, and paid for, for ever", property="retentionInDays")


def _forget(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_value(properties, "retentionInDays", 365)


FORGETS = Rule(
    id="cost-log-retention",
    title="Log groups forget some day",
    severity=Severity.LOW,
    rationale="CloudWatch keeps logs for ever unless told otherwise. Control plane and flow logs of a busy cluster "
    "grow by GB "
    "every day.",
    source="Amazon CloudWatch Logs user guide, Change log data retention (never expire by default); AWS Security Hub "
    "CloudWatch.16",
    fix="Set cluster.logRetentionDays, place.network.flowLogRetentionDays.",
    types=frozenset({LOG_GROUP}),
    check=_forgets,
    remediate=_forget,
    references=(security_hub("CloudWatch.16"),),
    example=Example(
        passing=(made(LOG_GROUP, "logs", retentionInDays=90),),
        resource="logs",
        changed="logs",
        path="retentionInDays",
        value=0,
    ),
)


def _volume_types(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource.type == VOLUME:
        yield "type", text(resource, "type", "gp2")
    elif resource.type == LAUNCH_TEMPLATE:
        for path in entries(resource, "blockDeviceMappings"):
            yield f"{path}.ebs.volumeType", text(resource, f"{path}.ebs.volumeType")
    else:
        for path in (*entries(resource, "rootBlockDevice"), *entries(resource, "ebsBlockDevices")):
            yield f"{path}.volumeType", text(resource, f"{path}.volumeType")


def _newer_disks(resource: Resource, _: Context) -> Iterator[Violation]:
    for path, given in _volume_types(resource):
        if given == "gp2":
            yield Violation(message="a gp2 volume: gp3 is faster at its base rate, and cheaper", property=path)


NEWER_DISKS = Rule(
    id="cost-gp3",
    title="General purpose disks are gp3",
    severity=Severity.LOW,
    rationale="gp2 ties IOPS to size, so small root volumes stall image pulls; gp3 has 3,000 IOPS at any size and "
    "costs a "
    "fifth less per GB.",
    source="Amazon EBS user guide, General Purpose SSD volumes: gp3 up to 20 % lower price per GiB than gp2",
    fix="Set the volume's type to gp3 (the kit's pools do).",
    types=frozenset({VOLUME, LAUNCH_TEMPLATE, INSTANCE}),
    check=_newer_disks,
    example=Example(
        passing=(made(VOLUME, "cache", type="gp3", size=100),),
        resource="cache",
        changed="cache",
        path="type",
        value="gp2",
    ),
)


def _compressed(resource: Resource, _: Context) -> Iterator[Violation]:
    if text(resource, "dataCompressionType", "NONE") == "NONE":
        yield Violation(message="data is stored, and paid for, uncompressed", property="dataCompressionType")


def _compress(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_value(properties, "dataCompressionType", "LZ4")


COMPRESSED = Rule(
    id="cost-lustre-compression",
    title="Lustre file systems compress",
    severity=Severity.LOW,
    rationale="LZ4 costs no noticeable time on the servers; text and tokens shrink by half or more, and less has to be "
    "read "
    "from disk.",
    source="FSx for Lustre user guide, Lustre data compression (NONE unless set; can be switched on at any time)",
    fix="Set storage[].compression to LZ4.",
    types=frozenset({LUSTRE}),
    check=_compressed,
    remediate=_compress,
    example=Example(
        passing=(lustre(dataCompressionType="LZ4"),),
        resource="scratch",
        changed="scratch",
        path="dataCompressionType",
        value="NONE",
    ),
)


def _standard_support(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "upgradePolicy.supportType", "EXTENDED")
    if given != "STANDARD":
        yield Violation(
            message="the cluster enters extended support by itself, at six times the price per hour",
            property="upgradePolicy",
        )


STANDARD_SUPPORT = Rule(
    id="cost-no-extended-support",
    title="Clusters do not enter paid extended support by themselves",
    severity=Severity.LOW,
    rationale="Fourteen months after its release a version goes into extended support, unless the cluster says that it "
    "rather "
    "be upgraded. It is the API's default and shows first on the bill.",
    source="Amazon EKS user guide, View current cluster support period; API reference UpgradePolicyRequest.supportType",
    fix="Set upgradePolicy.supportType to STANDARD (Cluster does).",
    types=frozenset({CLUSTER}),
    check=_standard_support,
    example=Example(
        passing=(cluster(upgradePolicy={"supportType": "STANDARD"}),),
        resource="main",
        changed="main",
        path="upgradePolicy.supportType",
        value="EXTENDED",
    ),
)
