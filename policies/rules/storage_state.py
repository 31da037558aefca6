"""What holds data: encrypted, and hard to lose by mistake."""

from collections.abc import Iterator, Mapping
from typing import Final

from policies.aws_types import BUCKETS, EFS, INSTANCE, LAUNCH_TEMPLATE, LUSTRE, VOLUME
from policies.examples import bucket, lustre, made, template
from policies.frameworks import fsbp, ml_lens
from policies.graph import Json, Resource
from policies.reading import entries, flag, with_value
from policies.rule import Context, Example, Limits, Rule, Severity, Violation

_HOLDERS: Final = frozenset({LUSTRE, EFS, VOLUME, *BUCKETS})


def _protected(resource: Resource, context: Context) -> Iterator[Violation]:
    if context.limits.production and not resource.protect and not resource.retain_on_delete:
        yield Violation(
            message="this holds data, and one confirmed update or destroy deletes it: it is neither protected nor "
            "retained"
        )


PROTECTED = Rule(
    id="storage-protected",
    title="What holds data in production is protected, or stays when it is removed from the stack",
    severity=Severity.HIGH,
    rationale="A changed subnet, key or name replaces a file system: Pulumi deletes the old one. Protection turns that "
    "into "
    "an error before anything is lost.",
    source="Pulumi documentation, Resource options: protect, retainOnDelete",
    fix="Set protect: true in the environment's settings.",
    types=_HOLDERS,
    check=_protected,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(lustre(protect=True),), resource="scratch", changed="scratch", path="options.protect", value=False
    ),
)


def _kept(resource: Resource, context: Context) -> Iterator[Violation]:
    if context.limits.production and flag(resource, "forceDestroy", default=False):
        yield Violation(
            message="forceDestroy empties the bucket before it deletes it; without, S3 refuses while objects are there",
            property="forceDestroy",
        )


KEPT = Rule(
    id="storage-s3-not-emptied",
    title="Deleting a bucket of production does not delete its objects",
    severity=Severity.CRITICAL,
    rationale="With forceDestroy the last barrier between a wrong destroy and all data sets, checkpoints and models, "
    "of all "
    "versions, is gone.",
    source="pulumi-aws 7.51, s3.Bucket.force_destroy: all objects are deleted and not recoverable",
    fix="Leave forceDestroy out (DataLakeArgs.force_destroy is false unless set).",
    types=BUCKETS,
    check=_kept,
    references=(ml_lens("MLREL-13"),),
    example=Example(
        passing=(bucket(forceDestroy=False),), resource="lake", changed="lake", path="forceDestroy", value=True
    ),
)


def _disks(resource: Resource) -> Iterator[tuple[str, str]]:
    """Every disk's path, and the path of its input ``encrypted``."""
    if resource.type == LAUNCH_TEMPLATE:
        for path in entries(resource, "blockDeviceMappings"):
            if resource.get(f"{path}.ebs") is not None:
                yield path, f"{path}.ebs.encrypted"
    else:
        for path in (*entries(resource, "rootBlockDevice"), *entries(resource, "ebsBlockDevices")):
            yield path, f"{path}.encrypted"


def _encrypted_disks(resource: Resource, _: Context) -> Iterator[Violation]:
    if resource.type == VOLUME:
        if not flag(resource, "encrypted", default=False):
            yield Violation(message="the volume is not encrypted", property="encrypted")
        return
    found = tuple(_disks(resource))
    for _path, place in found:
        if not flag(resource, place, default=False):
            yield Violation(message="the volume is not encrypted", property=place)
    if not found and resource.type == LAUNCH_TEMPLATE:
        yield Violation(
            message="no volume is described, so the root volume is what the image says: not encrypted",
            property="blockDeviceMappings",
        )


def _encrypt_disks(properties: Mapping[str, Json], _: Limits) -> dict[str, Json] | None:
    mappings = properties.get("blockDeviceMappings")
    if "blockDeviceMappings" not in properties:
        return with_value(properties, "encrypted", value=True)
    if not isinstance(mappings, list):
        return None
    return with_value(
        properties,
        "blockDeviceMappings",
        [
            {**item, "ebs": {**item["ebs"], "encrypted": "true"}}
            if isinstance(item, Mapping) and isinstance(item.get("ebs"), Mapping)
            else item
            for item in mappings
        ],
    )


ENCRYPTED_DISKS = Rule(
    id="storage-ebs-encrypted",
    title="Disks of machines are encrypted",
    severity=Severity.HIGH,
    rationale="Images, logs, caches of data sets and secrets of pods lie on node disks. Unencrypted, a snapshot or a "
    "discarded disk shows them; EBS encrypts only where it is asked to, or where the account demands it.",
    source="Amazon EBS user guide, Amazon EBS encryption; AWS Security Hub EC2.181 and EC2.3",
    fix='Set encrypted to "true" for every block device (the kit\'s pools do).',
    types=frozenset({LAUNCH_TEMPLATE, INSTANCE, VOLUME}),
    check=_encrypted_disks,
    remediate=_encrypt_disks,
    references=(fsbp("EC2.181"), fsbp("EC2.3")),
    example=Example(
        passing=(
            template(
                blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"volumeType": "gp3", "encrypted": "true"}}]
            ),
        ),
        resource="template",
        changed="template",
        path="blockDeviceMappings[0].ebs.encrypted",
        value="false",
    ),
)


def _encrypted_efs(resource: Resource, _: Context) -> Iterator[Violation]:
    if not flag(resource, "encrypted", default=False):
        yield Violation(message="the file system is not encrypted; this cannot be changed later", property="encrypted")


def _encrypt(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return with_value(properties, "encrypted", value=True)


ENCRYPTED_EFS = Rule(
    id="storage-efs-encrypted",
    title="EFS file systems are encrypted",
    severity=Severity.HIGH,
    rationale="EFS does not encrypt unless it is asked to when the file system is made; afterwards all data has to be "
    "copied "
    "to another one.",
    source="Amazon EFS user guide, Encrypting data at rest; AWS Security Hub EFS.1",
    fix="Set encrypted to true.",
    types=frozenset({EFS}),
    check=_encrypted_efs,
    remediate=_encrypt,
    references=(fsbp("EFS.1"),),
    example=Example(
        passing=(made(EFS, "home", encrypted=True),), resource="home", changed="home", path="encrypted", value=False
    ),
)
