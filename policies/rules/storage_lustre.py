"""FSx for Lustre: sizes that exist, a version that clients can mount, encryption, backups."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from components import versions
from components.aws import lustre_rules
from components.aws.lustre_rules import SCRATCH_1, SCRATCH_2, LustreShape
from policies.aws_types import DATA_REPOSITORY, LUSTRE
from policies.examples import lustre
from policies.frameworks import fsbp, ml_lens
from policies.graph import Json, Resource, ResourceGraph
from policies.reading import flag, number, referrers, settle, text, with_value
from policies.rule import REMOVED, Context, Example, Limits, Rule, Severity, Violation

_GUIDE: Final = "botocore 1.44 service model fsx, CreateFileSystemLustreConfiguration; FSx for Lustre user guide, "


def _shape(resource: Resource) -> LustreShape:
    return LustreShape(
        deployment_type=text(resource, "deploymentType", SCRATCH_1),
        storage_type=text(resource, "storageType", lustre_rules.SSD),
        storage_capacity_gib=number(resource, "storageCapacity"),
        per_unit_storage_throughput=number(resource, "perUnitStorageThroughput"),
        throughput_capacity=number(resource, "throughputCapacity"),
        read_cache_mode=text(resource, "dataReadCacheConfiguration.sizingMode") or None,
        read_cache_gib=number(resource, "dataReadCacheConfiguration.size"),
        metadata_mode=text(resource, "metadataConfiguration.mode") or None,
        metadata_iops=number(resource, "metadataConfiguration.iops"),
        efa_enabled=flag(resource, "efaEnabled", default=False),
    )


def _accepted(
    problems: Callable[[LustreShape], list[str]], property_: str
) -> Callable[[Resource, Context], Iterator[Violation]]:
    def check(resource: Resource, _: Context) -> Iterator[Violation]:
        if text(resource, "backupId"):
            return  # a restored file system takes its size from the backup
        shape = _shape(resource)
        if problems is not lustre_rules.deployment_problems and lustre_rules.deployment_problems(shape):
            return
        for problem in problems(shape):
            yield Violation(message=problem, property=property_)

    return check


DEPLOYMENT = Rule(
    id="storage-lustre-deployment",
    title="Deployment and storage type of a Lustre file system exist together",
    severity=Severity.HIGH,
    rationale="FSx refuses the request after the network, the cluster and the nodes were made, so the update ends half "
    "done.",
    source=_GUIDE + "Deployment and storage class options",
    fix="Set storage[].deploymentType to PERSISTENT_2 or SCRATCH_2, and storageType to SSD.",
    types=frozenset({LUSTRE}),
    check=_accepted(lustre_rules.deployment_problems, "deploymentType"),
    example=Example(
        passing=(lustre(),), resource="scratch", changed="scratch", path="deploymentType", value="PERSISTENT_3"
    ),
)

CAPACITY = Rule(
    id="storage-lustre-capacity",
    title="The capacity of a Lustre file system is a size that FSx sells",
    severity=Severity.HIGH,
    rationale="Capacity goes in steps that depend on the deployment type, the storage type, the throughput and EFA. "
    "FSx "
    "refuses anything between; what is accepted cannot shrink later.",
    source=_GUIDE + "Managing storage capacity",
    fix="Set storage[].capacityGib to 1200, 2400 or a multiple of 2400 (larger steps with EFA).",
    types=frozenset({LUSTRE}),
    check=_accepted(lustre_rules.capacity_problems, "storageCapacity"),
    example=Example(passing=(lustre(),), resource="scratch", changed="scratch", path="storageCapacity", value=5000),
)

THROUGHPUT = Rule(
    id="storage-lustre-throughput",
    title="The throughput of a Lustre file system is a tier that FSx sells",
    severity=Severity.HIGH,
    rationale="Each deployment type has its own tiers of MB/s per TiB; FSx refuses others, and scratch takes none.",
    source=_GUIDE + "Aggregate file system performance",
    fix="Set storage[].throughputMbPerTib to 125, 250, 500 or 1000 on PERSISTENT_2 SSD.",
    types=frozenset({LUSTRE}),
    check=_accepted(
        lambda shape: lustre_rules.throughput_problems(shape) + lustre_rules.tiering_problems(shape),
        "perUnitStorageThroughput",
    ),
    example=Example(
        passing=(lustre(),), resource="scratch", changed="scratch", path="perUnitStorageThroughput", value=200
    ),
)

METADATA = Rule(
    id="storage-lustre-metadata",
    title="Metadata configuration and EFA of a Lustre file system are what its type takes",
    severity=Severity.HIGH,
    rationale="Metadata IOPS come in fixed steps and belong to PERSISTENT_2; EFA needs both. FSx refuses the request.",
    source=_GUIDE + "Managing metadata performance; You cannot create a file system (EFA)",
    fix="Leave metadata on AUTOMATIC, or name IOPS of 1500, 3000, 6000 or a multiple of 12000.",
    types=frozenset({LUSTRE}),
    check=_accepted(
        lambda shape: lustre_rules.metadata_problems(shape) + lustre_rules.efa_problems(shape), "metadataConfiguration"
    ),
    example=Example(
        passing=(lustre(),),
        resource="scratch",
        changed="scratch",
        path="metadataConfiguration",
        value={"mode": "USER_PROVISIONED", "iops": 5000},
    ),
)


def _version(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "fileSystemTypeVersion")
    if given != versions.LUSTRE:
        what = f"Lustre {given}" if given else "no version, which FSx reads as 2.10 or 2.12,"
        yield Violation(
            message=f"{what} cannot be mounted by AL2023 and Bottlerocket clients; allowed is {versions.LUSTRE}",
            property="fileSystemTypeVersion",
        )


VERSION = Rule(
    id="storage-lustre-version",
    title=f"Lustre file systems run version {versions.LUSTRE}",
    severity=Severity.HIGH,
    rationale="Clients of today's node images refuse older servers with 'Invalid argument', so every pod that mounts "
    "the "
    "volume hangs. A lower version cannot be raised without the data moving.",
    source="kubernetes-sigs/aws-fsx-csi-driver issue 437; botocore 1.44 service model fsx, FileSystemTypeVersion "
    "defaults",
    fix=f'Set fileSystemTypeVersion to "{versions.LUSTRE}" (the kit always does).',
    types=frozenset({LUSTRE}),
    check=_version,
    example=Example(
        passing=(lustre(),), resource="scratch", changed="scratch", path="fileSystemTypeVersion", value=REMOVED
    ),
)


def _customer_key(resource: Resource, context: Context) -> Iterator[Violation]:
    if not context.limits.production or text(resource, "deploymentType").startswith("SCRATCH"):
        return
    if "kmsKeyId" not in resource.properties or resource.get("kmsKeyId") is None:
        yield Violation(
            message="the data is encrypted with the account's shared key for FSx, which no policy of yours governs",
            property="kmsKeyId",
        )


CUSTOMER_KEY = Rule(
    id="storage-lustre-customer-key",
    title="Persistent Lustre file systems in production are encrypted with a key of their own",
    severity=Severity.LOW,
    rationale="FSx always encrypts; but with the shared key nobody can be kept from the data by the key's policy, its "
    "use is "
    "not told apart in CloudTrail, and it cannot be taken away.",
    source="FSx for Lustre user guide, Data encryption at rest: AWS managed key unless kmsKeyId is given; set at "
    "creation",
    fix="Give LustreArgs.kms_key_arn when the file system is made; later it means a new file system.",
    types=frozenset({LUSTRE}),
    check=_customer_key,
    references=(ml_lens("MLSEC-05"),),
    example=Example(
        passing=(lustre(kmsKeyId="arn:aws:kms:us-east-1:111122223333:key/1"),),
        resource="scratch",
        changed="scratch",
        path="kmsKeyId",
        value=REMOVED,
    ),
)


def _persistent(resource: Resource, context: Context) -> Iterator[Violation]:
    kind = text(resource, "deploymentType", SCRATCH_1)
    if context.limits.production and kind in {SCRATCH_1, SCRATCH_2}:
        yield Violation(
            message=f"{kind} keeps no copies: when a file server fails, its part of the data is gone; allowed in "
            "production are PERSISTENT_1 and PERSISTENT_2",
            property="deploymentType",
        )


PERSISTENT = Rule(
    id="storage-lustre-persistent",
    title="Lustre file systems in production are persistent",
    severity=Severity.HIGH,
    rationale="Scratch file systems do not replicate data and do not replace a failed server. A run's checkpoints are "
    "lost "
    "with it.",
    source="FSx for Lustre user guide, Deployment and storage class options: scratch file systems",
    fix="Set storage[].deploymentType to PERSISTENT_2.",
    types=frozenset({LUSTRE}),
    check=_persistent,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(lustre(),), resource="scratch", changed="scratch", path="deploymentType", value="SCRATCH_2"
    ),
)


def _has_copy(graph: ResourceGraph, resource: Resource) -> bool:
    if referrers(graph, resource, "fileSystemId", DATA_REPOSITORY) or resource.get("importPath") is not None:
        return True
    settle(graph, resource, "fileSystemId", DATA_REPOSITORY)
    return False


def _backed_up(resource: Resource, context: Context) -> Iterator[Violation]:
    if not context.limits.production or text(resource, "deploymentType", SCRATCH_1).startswith("SCRATCH"):
        return
    if not number(resource, "automaticBackupRetentionDays") and not _has_copy(context.graph, resource):
        yield Violation(
            message="no automatic backups and no data repository: what is deleted or overwritten here cannot come back",
            property="automaticBackupRetentionDays",
        )


BACKED_UP = Rule(
    id="storage-lustre-backed-up",
    title="Lustre file systems in production are backed up or linked to a bucket",
    severity=Severity.HIGH,
    rationale="FSx makes no backups unless told so. A wrong `rm -rf` in a home directory, or a deleted file system, is "
    "final.",
    source="FSx for Lustre user guide, Protecting your data with backups; automaticBackupRetentionDays absent means 0",
    fix="Set storage[].backupDays, or link the file system with storage[].dataRepositories.",
    types=frozenset({LUSTRE}),
    check=_backed_up,
    whole_stack=True,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(lustre(automaticBackupRetentionDays=7),),
        resource="scratch",
        changed="scratch",
        path="automaticBackupRetentionDays",
        value=0,
    ),
)


def _final_backup(resource: Resource, context: Context) -> Iterator[Violation]:
    if not context.limits.production or text(resource, "deploymentType", SCRATCH_1).startswith("SCRATCH"):
        return
    if flag(resource, "skipFinalBackup", default=True) and not _has_copy(context.graph, resource):
        yield Violation(
            message="no backup is made when the file system is deleted, and no bucket holds its data",
            property="skipFinalBackup",
        )


FINAL_BACKUP = Rule(
    id="storage-lustre-final-backup",
    title="Deleting an unlinked file system of production leaves a backup",
    severity=Severity.MEDIUM,
    rationale="A replacement deletes the old file system: by a changed subnet or key, all it takes is one confirmed "
    "update. "
    "pulumi-aws skips the final backup unless told otherwise.",
    source="pulumi-aws 7.51, fsx.LustreFileSystem.skip_final_backup (default true); FSx for Lustre user guide, backups",
    fix="Set storage[].finalBackup to true.",
    types=frozenset({LUSTRE}),
    check=_final_backup,
    whole_stack=True,
    example=Example(
        passing=(lustre(skipFinalBackup=False),),
        resource="scratch",
        changed="scratch",
        path="skipFinalBackup",
        value=True,
    ),
)


def _copied_tags(resource: Resource, _: Context) -> Iterator[Violation]:
    if number(resource, "automaticBackupRetentionDays") and not flag(resource, "copyTagsToBackups", default=False):
        yield Violation(message="backups carry no tags: nobody knows whose they are", property="copyTagsToBackups")


def _copy_tags(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_value(properties, "copyTagsToBackups", value=True)


COPIED_TAGS = Rule(
    id="storage-lustre-tags-on-backups",
    title="Backups of a Lustre file system carry its tags",
    severity=Severity.LOW,
    rationale="Backups outlive the file system and are billed by the GB; without tags their cost belongs to nobody and "
    "no "
    "clean-up finds them.",
    source="AWS Security Hub user guide, FSx.2; botocore 1.44 service model fsx, CopyTagsToBackups (default false)",
    fix="Set copyTagsToBackups to true (the kit does where backups are on).",
    types=frozenset({LUSTRE}),
    check=_copied_tags,
    remediate=_copy_tags,
    references=(fsbp("FSx.2"), ml_lens("MLCOST-27")),
    example=Example(
        passing=(lustre(automaticBackupRetentionDays=7, copyTagsToBackups=True),),
        resource="scratch",
        changed="scratch",
        path="copyTagsToBackups",
        value=False,
    ),
)
