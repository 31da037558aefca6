"""Rules about file systems and the prefixes of the data lake that they show."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.aws import lustre_rules
from stacks.problems import Problem
from stacks.rules import Report, aws, rule
from stacks.sections import LustreStorage

if TYPE_CHECKING:
    from stacks.settings import Settings


@rule("storage-zone-in-network", "storage", "place")
def _storage_zones(settings: "Settings", report: Report) -> Iterator[Problem]:
    place = aws(settings)
    for number, item in enumerate(settings.storage):
        if place and item.zone not in place.network.zones:
            yield report.problem(
                "storage",
                number,
                "zone",
                value=item.zone,
                what="the network has no subnet in this zone",
                allowed=", ".join(place.network.zones),
                fix="choose one of those, best the one of the pool that reads it",
            )


def lustre_shape(item: LustreStorage) -> lustre_rules.LustreShape:
    """The sizing of a file system in the component's terms."""
    return lustre_rules.LustreShape(
        deployment_type=item.deployment_type,
        storage_capacity_gib=item.capacity_gib,
        per_unit_storage_throughput=item.throughput_mb_per_tib,
        metadata_mode="AUTOMATIC" if item.deployment_type == "PERSISTENT_2" else None,
        backup_retention_days=item.backup_days,
        linked_to_s3=bool(item.data_repositories),
    )


@rule("lustre-sizing", "storage")
def _lustre_sizes(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, item in enumerate(settings.storage):
        for fault in lustre_rules.problems(lustre_shape(item)):
            if fault.startswith("backup"):
                continue
            member = "throughputMbPerTib" if "throughput" in fault else "capacityGib"
            yield report.problem(
                "storage",
                number,
                member,
                value=item.throughput_mb_per_tib if "throughput" in fault else item.capacity_gib,
                what=fault,
                allowed="sizes and speeds that FSx for Lustre sells for this deployment type",
                fix="choose one of the sizes that the sentence names",
            )


@rule("lustre-backups", "storage")
def _lustre_backups(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, item in enumerate(settings.storage):
        faults = [fault for fault in lustre_rules.problems(lustre_shape(item)) if fault.startswith("backup")]
        for fault in faults:
            yield report.problem(
                "storage",
                number,
                "backupDays",
                value=item.backup_days,
                what=fault,
                allowed="0 to 90, and 0 for scratch file systems and for those with dataRepositories",
                fix="set it to 0; what a linked file system holds is in the data lake, where versions are kept",
            )
        if item.final_backup and (item.data_repositories or item.deployment_type == "SCRATCH_2"):
            yield report.problem(
                "storage",
                number,
                "finalBackup",
                value=item.final_backup,
                what="FSx makes no backup of a scratch file system, nor of one that is linked to S3",
                allowed="false, or leave it out",
                fix="remove finalBackup, or give data that must last a PERSISTENT_2 file system without repositories",
            )


@rule("repository-needs-data-lake", "storage", "data_lake")
def _repositories_have_a_lake(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, item in enumerate(settings.storage):
        if item.data_repositories and settings.data_lake is None:
            yield report.problem(
                "storage",
                number,
                "dataRepositories",
                value=[repository.prefix for repository in item.data_repositories],
                what="these directories come from the data lake, and the stack has none",
                allowed="no data repositories while dataLake is left out",
                fix="add dataLake, or remove the repositories",
            )


@rule("repository-name", "storage")
def _repositories_have_names_of_their_own(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, item in enumerate(settings.storage):
        paths = [repository.path for repository in item.data_repositories]
        keys = [repository.key for repository in item.data_repositories]
        for position, key in enumerate(keys):
            # The same path twice is told by the rule below.
            others = [path for path, other in zip(paths[:position], keys, strict=False) if other == key]
            if others and paths[position] not in others:
                yield report.problem(
                    "storage",
                    number,
                    "dataRepositories",
                    position,
                    "path",
                    value=paths[position],
                    what=f"this path and {others[0]} would give two associations one name ({key})",
                    allowed="paths that differ in more than a slash for a hyphen",
                    fix="rename one of them",
                )


@rule("repository-overlap", "storage")
def _repositories_are_apart(settings: "Settings", report: Report) -> Iterator[Problem]:
    for number, item in enumerate(settings.storage):
        for member in ("path", "prefix"):
            places = [f"{getattr(repository, member).strip('/')}/" for repository in item.data_repositories]
            for position, mine in enumerate(places):
                if any(mine.startswith(other) or other.startswith(mine) for other in places[:position]):
                    yield report.problem(
                        "storage",
                        number,
                        "dataRepositories",
                        position,
                        member,
                        value=getattr(item.data_repositories[position], member),
                        what=f"this {member} lies within that of an earlier repository, or around it",
                        allowed="places that do not overlap: FSx refuses the second association",
                        fix="move one of them",
                    )
