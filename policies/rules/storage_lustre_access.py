"""FSx for Lustre: who reaches it, what it is linked to, and where it stands."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from components.aws import lustre_rules
from components.aws.lustre_rules import LUSTRE_PORTS
from policies.aws_pools import pool_of, subnets_of, zone_of, zones_of
from policies.aws_types import DATA_REPOSITORY, LUSTRE, NODE_GROUP, SECURITY_GROUP
from policies.examples import fabric_group, lustre, made, pool, repository, subnet, template
from policies.frameworks import ml_lens
from policies.graph import Resource, ResourceGraph, UndecidedError
from policies.reading import flag, strings, targets, text
from policies.rule import Context, Example, Rule, Severity, Violation
from policies.security_groups import ALL, GROUPS, GroupRule, rules_of


def _lets_through(rules: tuple[GroupRule, ...], *, everything: bool) -> bool:
    if everything:
        return any(rule.protocol == ALL for rule in rules)
    return all(any(rule.covers(first, last) for rule in rules) for first, last in LUSTRE_PORTS)


def _ports(resource: Resource, context: Context) -> Iterator[Violation]:
    named = (
        strings(resource, "securityGroupIds") if not resource.property_dependencies.get("securityGroupIds") else ("",)
    )
    groups = targets(context.graph, resource, "securityGroupIds", *GROUPS)
    if not named:
        yield Violation(
            message="no security group is named, so FSx takes the network's default one, which should let nothing "
            "through",
            property="securityGroupIds",
        )
    if not groups or any(item not in {handle for group in groups for handle in (group.id, "")} for item in named):
        return  # groups of another program: their rules are not here
    everything = flag(resource, "efaEnabled", default=False)
    for ingress in (True, False):
        rules = tuple(rule for group in groups for rule in rules_of(context.graph, group, ingress=ingress))
        if not _lets_through(rules, everything=everything):
            wanted = "all traffic (EFA)" if everything else "TCP 988 and 1018-1023"
            yield Violation(
                message=f"the security groups let {wanted} {'in' if ingress else 'out'} from nobody: mounts hang",
                property="securityGroupIds",
            )


PORTS = Rule(
    id="storage-lustre-ports",
    title="The security group of a Lustre file system opens Lustre's ports in both directions",
    severity=Severity.HIGH,
    rationale="Servers talk to each other and to clients on 988 and 1018-1023. With one of them closed FSx refuses the "
    "file "
    "system or mounts hang; rules added afterwards do not reach the servers.",
    source="FSx for Lustre user guide, File system access control with Amazon VPC; bottlerocket-os/bottlerocket issue "
    "3459",
    fix="Give the group rules for TCP 988 and 1018-1023, in and out, to itself and its clients (LustreFileSystem "
    "does).",
    types=frozenset({LUSTRE}),
    check=_ports,
    whole_stack=True,
    example=Example(
        passing=(
            lustre(securityGroupIds=["servers"]),
            made(
                SECURITY_GROUP,
                "servers",
                resource_id="servers",
                ingress=[
                    {"protocol": "tcp", "fromPort": 988, "toPort": 988, "self": True},
                    {"protocol": "tcp", "fromPort": 1018, "toPort": 1023, "self": True},
                ],
                egress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "self": True}],
            ),
        ),
        resource="scratch",
        changed="servers",
        path="ingress[1].toPort",
        value=1021,
    ),
)


def _paths(graph: ResourceGraph) -> Mapping[str, Mapping[str, str]]:
    """By file system (its URN, or the id of a foreign one): each path with the association that has it first."""
    found: dict[str, dict[str, str]] = {}
    for item in graph.of_type(DATA_REPOSITORY):
        try:
            path = text(item, "fileSystemPath")
            owner = _owner(graph, item)
        except UndecidedError:
            continue
        found.setdefault(owner, {}).setdefault(path, item.name)
    return found


def _owner(graph: ResourceGraph, association: Resource) -> str:
    owners = targets(graph, association, "fileSystemId", LUSTRE)
    return owners[0].urn if owners else text(association, "fileSystemId")


def _apart(resource: Resource, context: Context) -> Iterator[Violation]:
    path, mine = text(resource, "fileSystemPath"), {}
    known = context.graph.derived(_paths).get(_owner(context.graph, resource), {})
    above = (str(item) for item in (PurePosixPath(path), *PurePosixPath(path).parents))
    for other in above:
        if known.get(other, resource.name) != resource.name:
            mine[known[other]] = other
    for problem in lustre_rules.repository_path_problems({**mine, resource.name: path}):
        yield Violation(message=problem, property="fileSystemPath")


APART = Rule(
    id="storage-repository-paths",
    title="Data repositories of a file system have directories of their own",
    severity=Severity.HIGH,
    rationale="FSx refuses overlapping paths, after the file system was made: half an hour later, and the update "
    "fails.",
    source="botocore 1.44 service model fsx, CreateDataRepositoryAssociation FileSystemPath: paths must not overlap",
    fix="Give each of storage[].dataRepositories a path such as /datasets that lies in no other.",
    types=frozenset({DATA_REPOSITORY}),
    check=_apart,
    whole_stack=True,
    example=Example(
        passing=(
            lustre(),
            repository(),
            made(DATA_REPOSITORY, "checkpoints", fileSystemId="scratch", fileSystemPath="/checkpoints"),
        ),
        resource="checkpoints",
        changed="checkpoints",
        path="fileSystemPath",
        value="/datasets/checkpoints",
    ),
)


def _keeps_files(resource: Resource, _: Context) -> Iterator[Violation]:
    if flag(resource, "deleteDataInFilesystem", default=False):
        yield Violation(
            message="taking the link away deletes the files too, with those that were not exported yet",
            property="deleteDataInFilesystem",
        )


KEEPS_FILES = Rule(
    id="storage-repository-keeps-files",
    title="Removing the link to a bucket does not delete files",
    severity=Severity.MEDIUM,
    rationale="A renamed path replaces the association. With this input on, everything below it is deleted, also "
    "checkpoints that no export has copied.",
    source="botocore 1.44 service model fsx, DeleteDataRepositoryAssociation DeleteDataInFileSystem",
    fix="Leave deleteDataInFilesystem out (the kit sets it to false).",
    types=frozenset({DATA_REPOSITORY}),
    check=_keeps_files,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(repository(),), resource="datasets", changed="datasets", path="deleteDataInFilesystem", value=True
    ),
)


def _gpu_zones(graph: ResourceGraph) -> frozenset[str]:
    found: set[str] = set()
    for group in graph.of_type(NODE_GROUP):
        if pool_of(graph, group).accelerated:
            found |= zones_of(graph, group, "subnetIds")
    return frozenset(found)


def _near(resource: Resource, context: Context) -> Iterator[Violation]:
    zones = context.graph.derived(_gpu_zones)
    for item in subnets_of(context.graph, resource, "subnetIds"):
        if zones and zone_of(item) and zone_of(item) not in zones:
            yield Violation(
                message=f"the file system lies in {zone_of(item)}, the accelerated nodes in "
                f"{', '.join(sorted(zones))}: "
                "every read crosses zones and is charged",
                property="subnetIds",
            )


NEAR = Rule(
    id="storage-lustre-near-gpus",
    title="Lustre file systems lie in a zone that has accelerated nodes",
    severity=Severity.MEDIUM,
    rationale="Reads from another zone are slower and charged per GB in both directions; a data loader at 20 GB/s pays "
    "for it "
    "every second.",
    source="FSx for Lustre user guide, Pricing and availability: same Availability Zone; Amazon EC2 on-demand pricing, "
    "data "
    "transfer",
    fix="Set storage[].zone to a zone of the pools that read from it.",
    types=frozenset({LUSTRE}),
    check=_near,
    whole_stack=True,
    references=(ml_lens("MLCOST-21"),),
    example=Example(
        passing=(
            subnet(),
            subnet("spare", availabilityZone="us-east-1b"),
            *fabric_group(),
            template(),
            pool(),
            lustre(),
        ),
        resource="scratch",
        changed="scratch",
        path="subnetIds",
        value="spare",
    ),
)
