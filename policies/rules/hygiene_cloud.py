"""What keeps a stack the same from one update to the next, and in support."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from policies.aws_pools import pool_of
from policies.aws_types import ADDON, CLUSTER, LOG_GROUP, NODE_GROUP, PROVIDER, RELEASE
from policies.eks_support import STANDARD_SUPPORT_ENDS, standard_support_ended
from policies.examples import ACCOUNT, addon, cluster, made, pool, template
from policies.frameworks import cis_eks, fsbp, ml_lens
from policies.graph import Json, Resource, ResourceGraph, UndecidedError
from policies.reading import flag, strings, text, with_value
from policies.rule import REMOVED, Context, Example, Limits, Rule, Severity, Violation

_EXACT: Final = re.compile(r"v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]+)?")
_MINOR: Final = re.compile(r"1\.\d+")
_AUDITED: Final = ("audit", "authenticator")


def _stated_version(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "version")
    if not _MINOR.fullmatch(given):
        what = f"version {given!r} is not a minor version" if given else "no version is given, so EKS takes its newest"
        yield Violation(message=f"{what}; write for example 1.36", property="version")


STATED_VERSION = Rule(
    id="hygiene-cluster-version-stated",
    title="Clusters state their Kubernetes version",
    severity=Severity.MEDIUM,
    rationale="A second environment from the same code, made a month later, has another Kubernetes: APIs are gone that "
    "the "
    "first still has, and add-ons do not fit.",
    source="Amazon EKS API reference, CreateCluster version: the latest available version when none is given",
    fix="Set cluster.version.",
    types=frozenset({CLUSTER}),
    check=_stated_version,
    example=Example(passing=(cluster(),), resource="main", changed="main", path="version", value=REMOVED),
)


def _supported(resource: Resource, context: Context) -> Iterator[Violation]:
    given = text(resource, "version")
    ended = standard_support_ended(given, context.today)
    if ended is not None:
        running = [name for name, end in STANDARD_SUPPORT_ENDS.items() if end >= context.today]
        yield Violation(
            message=f"EKS's standard support of {given} ended on {ended} or before; supported are {', '.join(running)} "
            "and "
            "newer",
            property="version",
        )


SUPPORTED = Rule(
    id="hygiene-cluster-version-supported",
    title="Clusters run a version in standard support",
    severity=Severity.HIGH,
    rationale="Afterwards the cluster costs six times as much, or is upgraded on a day that EKS chooses, with running "
    "jobs on "
    "it. Patches for nodes and add-ons end too.",
    source="Amazon EKS user guide, Understand the Kubernetes version lifecycle on EKS: release calendar (standard "
    "support "
    "ends: 1.33 2026-07-29, 1.34 2026-12-02, 1.35 2027-03-27; as kept by endoflife.date)",
    fix="Raise cluster.version, one minor version at a time.",
    types=frozenset({CLUSTER}),
    check=_supported,
    references=(fsbp("EKS.2"),),
    example=Example(passing=(cluster(),), resource="main", changed="main", path="version", value="1.31"),
)


def _pinned_addon(resource: Resource, _: Context) -> Iterator[Violation]:
    if "addonVersion" not in resource.properties or not text(resource, "addonVersion"):
        yield Violation(
            message="no addonVersion: EKS takes its default of the day, another one in the next environment",
            property="addonVersion",
        )


PINNED_ADDON = Rule(
    id="hygiene-addons-pinned",
    title="EKS add-ons state their version",
    severity=Severity.LOW,
    rationale="EKS installs its default of the day. staging and prod then run different network plugins, and a "
    "replacement "
    "changes the version without anybody having asked.",
    source="Amazon EKS API reference, CreateAddon addonVersion; Amazon EKS user guide, Create an Amazon EKS add-on",
    fix="Name the versions in cluster.addonVersions (aws eks describe-addon-versions lists them).",
    types=frozenset({ADDON}),
    check=_pinned_addon,
    references=(ml_lens("MLOE-12"),),
    example=Example(
        passing=(addon("coredns", addonVersion="v1.14.3-eksbuild.1"),),
        resource="coredns",
        changed="coredns",
        path="addonVersion",
        value=REMOVED,
    ),
)


def _pinned_chart(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "version")
    if not _EXACT.fullmatch(given):
        what = f"version {given!r} is not one exact release" if given else "no version is given, so Helm takes the "
        "newest"
        yield Violation(message=what, property="version")


PINNED_CHART = Rule(
    id="hygiene-charts-pinned",
    title="Helm charts are one exact version",
    severity=Severity.HIGH,
    rationale="A range, or none, installs what the repository offers at that moment: a preview shows nothing, and a "
    "driver or "
    "an operator changes under running jobs.",
    source="Helm documentation, helm install --version: the latest is used when this is not specified",
    fix="Pin the chart's version in components/versions.py.",
    types=frozenset({RELEASE}),
    check=_pinned_chart,
    references=(ml_lens("MLOE-13"),),
    example=Example(
        passing=(
            made(
                RELEASE,
                "plugin",
                chart="nvidia-device-plugin",
                version="0.20.0",
                repositoryOpts={"repo": "https://charts.example.com"},
            ),
        ),
        resource="plugin",
        changed="plugin",
        path="version",
        value=">=0.20.0",
    ),
)


def _named_repository(resource: Resource, _: Context) -> Iterator[Violation]:
    chart = text(resource, "chart")
    if not chart or chart.startswith((".", "/", "oci://")):
        return
    repository = text(resource, "repositoryOpts.repo")
    if chart.startswith("http://") or repository.startswith("http://"):
        yield Violation(message="the chart comes over plain HTTP: anybody on the way may change it", property="chart")
    elif not chart.startswith("https://") and not repository:
        yield Violation(
            message=f"chart {chart} names no repository: it depends on what this machine's helm happens to know",
            property="repositoryOpts.repo",
        )


NAMED_REPOSITORY = Rule(
    id="hygiene-chart-repository",
    title="Helm charts name their repository, by TLS",
    severity=Severity.MEDIUM,
    rationale="A name such as stable/x is resolved by whatever repositories the machine has added: another chart "
    "elsewhere, "
    "or none in CI.",
    source="Pulumi documentation, kubernetes.helm.v3.Release repositoryOpts; Helm documentation, Repositories",
    fix="Set charts.mirror, or repositoryOpts.repo to an https:// address.",
    types=frozenset({RELEASE}),
    check=_named_repository,
    references=(ml_lens("MLOE-13"),),
    example=Example(
        passing=PINNED_CHART.example.passing,
        resource="plugin",
        changed="plugin",
        path="repositoryOpts.repo",
        value=REMOVED,
    ),
)


def _node_version(resource: Resource, context: Context) -> Iterator[Violation]:
    if text(resource, "version") or text(resource, "releaseVersion"):
        return
    found = pool_of(context.graph, resource)
    if found.template is None or not text(found.template, "imageId"):
        yield Violation(
            message="neither version nor releaseVersion nor an image of the template's own: nodes stay behind when the "
            "cluster is upgraded",
            property="version",
        )


NODE_VERSION = Rule(
    id="hygiene-node-version-stated",
    title="Node groups state their Kubernetes version or their image",
    severity=Severity.MEDIUM,
    rationale="A group without a version is made with the cluster's and never follows it. After some upgrades the skew "
    "is more "
    "than Kubernetes allows, and nodes that are replaced differ from their neighbours.",
    source="Amazon EKS API reference, CreateNodegroup version, releaseVersion; Kubernetes version skew policy",
    fix="Set the node group's version (the kit's pools follow cluster.version).",
    types=frozenset({NODE_GROUP}),
    check=_node_version,
    whole_stack=True,
    references=(ml_lens("MLOE-12"),),
    example=Example(
        passing=(template(), pool(version="1.36")),
        resource="training",
        changed="training",
        path="version",
        value=REMOVED,
    ),
)


def _living_image(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "amiType")
    if given.startswith("AL2_"):
        yield Violation(
            message=f"{given} is Amazon Linux 2, for which EKS publishes no images any more; allowed are AL2023 and "
            "BOTTLEROCKET types",
            property="amiType",
        )


LIVING_IMAGE = Rule(
    id="hygiene-node-image-supported",
    title="Node images are of a system that EKS still builds",
    severity=Severity.HIGH,
    rationale="Amazon Linux 2 images get no patches and no newer drivers, and there is none for Kubernetes 1.33 and "
    "later: the "
    "next upgrade of the cluster leaves the nodes behind.",
    source="Amazon EKS user guide, Upgrade from Amazon Linux 2 to Amazon Linux 2023 (AL2 images end 2025-11-26; 1.32 "
    "is the "
    "last version with them)",
    fix="Use an AL2023 or BOTTLEROCKET amiType (the kit uses AL2023).",
    types=frozenset({NODE_GROUP}),
    check=_living_image,
    example=Example(passing=(pool(),), resource="training", changed="training", path="amiType", value="AL2_x86_64_GPU"),
)


def _cannot_vanish(resource: Resource, context: Context) -> Iterator[Violation]:
    if context.limits.production and not flag(resource, "deletionProtection", default=False):
        yield Violation(message="one API call deletes the cluster of production", property="deletionProtection")


def _protect(properties: Mapping[str, Json], limits: Limits) -> dict[str, Json] | None:
    return with_value(properties, "deletionProtection", value=True) if limits.production else None


CANNOT_VANISH = Rule(
    id="hygiene-cluster-deletion-protection",
    title="Clusters of production refuse to be deleted",
    severity=Severity.HIGH,
    rationale="A changed name replaces the cluster, and a command in the wrong shell deletes it; every pod, claim and "
    "job of "
    "every team goes with it. EKS itself can refuse.",
    source="Amazon EKS user guide, Protect EKS clusters from accidental deletion; CreateCluster deletionProtection "
    "(default "
    "false)",
    fix="Set protect: true.",
    types=frozenset({CLUSTER}),
    check=_cannot_vanish,
    remediate=_protect,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(cluster(deletionProtection=True),),
        resource="main",
        changed="main",
        path="deletionProtection",
        value=REMOVED,
    ),
)


def _audited(resource: Resource, _: Context) -> Iterator[Violation]:
    given = strings(resource, "enabledClusterLogTypes")
    missing = [name for name in _AUDITED if name not in given]
    if missing:
        yield Violation(
            message=f"the control plane writes no log of type {', '.join(missing)}: nobody can tell who did what",
            property="enabledClusterLogTypes",
        )


AUDITED = Rule(
    id="hygiene-audit-logs",
    title="Clusters write audit and authenticator logs",
    severity=Severity.MEDIUM,
    rationale="EKS writes none unless told to. After an incident, or a deleted namespace, there is no record of who "
    "did it and "
    "from where.",
    source="Amazon EKS user guide, Send control plane logs to CloudWatch Logs; AWS Security Hub EKS.8",
    fix="Name audit and authenticator in enabledClusterLogTypes (Cluster enables all five).",
    types=frozenset({CLUSTER}),
    check=_audited,
    references=(cis_eks("2.1.1"), fsbp("EKS.8")),
    example=Example(
        passing=(cluster(enabledClusterLogTypes=["api", "audit", "authenticator"]),),
        resource="main",
        changed="main",
        path="enabledClusterLogTypes",
        value=["api"],
    ),
)


def _log_group_names(graph: ResourceGraph) -> tuple[frozenset[str], bool]:
    found, undecided = set(), False
    for item in graph.of_type(LOG_GROUP):
        try:
            found.add(text(item, "name"))
        except UndecidedError:
            undecided = True
    return frozenset(found), undecided


def _declared_log(resource: Resource, context: Context) -> Iterator[Violation]:
    name = text(resource, "name")
    if not name or not strings(resource, "enabledClusterLogTypes"):
        return
    names, undecided = context.graph.derived(_log_group_names)
    wanted = f"/aws/eks/{name}/cluster"
    if wanted in names:
        return
    if undecided:
        raise UndecidedError("name")
    yield Violation(
        message=f"log group {wanted} is not declared: EKS makes it, unencrypted, keeps it for ever, and leaves it "
        "behind",
        property="enabledClusterLogTypes",
    )


DECLARED_LOG = Rule(
    id="hygiene-cluster-log-group",
    title="The log group of a cluster belongs to the stack",
    severity=Severity.LOW,
    rationale="A group that EKS makes has no retention and no tags, and a destroyed cluster leaves it. The next "
    "cluster of that "
    "name finds it and cannot declare its own.",
    source="Amazon EKS user guide, Send control plane logs to CloudWatch Logs: log group /aws/eks/<cluster>/cluster",
    fix="Declare the log group before the cluster (Cluster does).",
    types=frozenset({CLUSTER}),
    check=_declared_log,
    whole_stack=True,
    references=(cis_eks("2.1.2"),),
    example=Example(
        passing=(
            cluster(enabledClusterLogTypes=["audit", "authenticator"]),
            made(LOG_GROUP, "logs", name="/aws/eks/main/cluster", retentionInDays=90),
        ),
        resource="main",
        changed="logs",
        path="name",
        value="/aws/eks/other/cluster",
    ),
)


def _own_account(resource: Resource, _: Context) -> Iterator[Violation]:
    if not resource.properties.get("allowedAccountIds"):
        yield Violation(
            message="the provider works in whatever account the shell's credentials belong to",
            property="allowedAccountIds",
        )


OWN_ACCOUNT = Rule(
    id="hygiene-provider-account",
    title="The AWS provider names the account that it may work in",
    severity=Severity.MEDIUM,
    rationale="With yesterday's credentials in the shell an update of dev builds, or destroys, in production's "
    "account.",
    source="Pulumi AWS provider documentation, configuration: allowedAccountIds",
    fix="Set place.accountId; the kit's provider refuses every other account.",
    types=frozenset({PROVIDER}),
    check=_own_account,
    example=Example(
        passing=(made(PROVIDER, "aws", region="us-east-1", allowedAccountIds=[ACCOUNT]),),
        resource="aws",
        changed="aws",
        path="allowedAccountIds",
        value=REMOVED,
    ),
)
