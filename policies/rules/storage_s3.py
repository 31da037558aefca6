"""Buckets: private, encrypted with a key of one's own, versioned, reached by TLS only, and tidied up."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from policies.aws_types import (
    BUCKET_ENCRYPTION,
    BUCKET_LIFECYCLE,
    BUCKET_OWNERSHIP,
    BUCKET_POLICY,
    BUCKET_PRIVACY,
    BUCKET_VERSIONING,
    BUCKETS,
)
from policies.examples import bucket, made
from policies.frameworks import cis_aws, fsbp, ml_lens, security_hub
from policies.graph import Json, Resource
from policies.iam_documents import statements
from policies.reading import entries, flag, referrers, settle, text
from policies.rule import Context, Example, Limits, Rule, Severity, Violation

_FLAGS: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_BY_DEFAULT: Final = "applyServerSideEncryptionByDefault.sseAlgorithm"


def _companion(
    types: tuple[str, ...], good: Callable[[Resource], bool], inline: str, message: str
) -> Callable[[Resource, Context], Iterator[Violation]]:
    """A check that one of ``types`` belongs to the bucket and is good, or that the bucket's own input is there."""

    def check(resource: Resource, context: Context) -> Iterator[Violation]:
        if inline and resource.get(inline) is not None and good(resource):
            return
        found = referrers(context.graph, resource, "bucket", *types)
        if any(good(item) for item in found):
            return
        settle(context.graph, resource, "bucket", *types)
        yield Violation(message=message, property=inline)

    return check


def _private(resource: Resource) -> bool:
    return all(flag(resource, name, default=False) for name in _FLAGS)


def _all_blocked(resource: Resource, _: Context) -> Iterator[Violation]:
    for name in _FLAGS:
        if not flag(resource, name, default=False):
            yield Violation(message=f"{name} is not true: the bucket may become public", property=name)


def _block_all(properties: Mapping[str, Json], _: Limits) -> dict[str, Json]:
    return {**properties, **dict.fromkeys(_FLAGS, True)}


_PRIVATE: Final = made(
    BUCKET_PRIVACY,
    "privacy",
    bucket="lake",
    blockPublicAcls=True,
    blockPublicPolicy=True,
    ignorePublicAcls=True,
    restrictPublicBuckets=True,
)

ALL_BLOCKED = Rule(
    id="storage-s3-public-access",
    title="A bucket's public access block blocks everything",
    severity=Severity.CRITICAL,
    rationale="Data sets, checkpoints and models are what the platform is for. One ACL or one policy with a star would "
    "show "
    "them to everybody; the block makes both ineffective. Absent flags are false.",
    source="Amazon S3 user guide, Blocking public access to your Amazon S3 storage; AWS Security Hub S3.8",
    fix="Set all four flags to true (DataLake does).",
    types=frozenset({BUCKET_PRIVACY}),
    check=_all_blocked,
    remediate=_block_all,
    references=(fsbp("S3.8"), cis_aws("2.1.4")),
    example=Example(
        passing=(_PRIVATE,), resource="privacy", changed="privacy", path="restrictPublicBuckets", value=False
    ),
)

HAS_BLOCK = Rule(
    id="storage-s3-public-access-declared",
    title="Every bucket has a public access block",
    severity=Severity.HIGH,
    rationale="Buckets made since April 2023 start blocked, but nothing then puts the block back when somebody takes "
    "it away "
    "by hand; a declared one is restored by the next update.",
    source="Amazon S3 user guide, Blocking public access; AWS Security Hub S3.8",
    fix="Add an s3.BucketPublicAccessBlock for the bucket (DataLake does).",
    types=BUCKETS,
    check=_companion(
        (BUCKET_PRIVACY,), _private, "", "no public access block that blocks everything belongs to the bucket"
    ),
    whole_stack=True,
    references=(fsbp("S3.8"), cis_aws("2.1.4")),
    example=Example(
        passing=(bucket(), _PRIVATE), resource="lake", changed="privacy", path="bucket", value="another-bucket"
    ),
)


def _versioned(resource: Resource) -> bool:
    if text(resource, "versioningConfiguration.status") == "Enabled":
        return True
    return any(flag(resource, f"{path}.enabled", default=False) for path in entries(resource, "versioning"))


VERSIONED = Rule(
    id="storage-s3-versioning",
    title="Buckets keep versions",
    severity=Severity.MEDIUM,
    rationale="A job that writes to the wrong prefix overwrites checkpoints of weeks. Without versions, and without "
    "backups "
    "of the bucket, they are gone at once.",
    source="Amazon S3 user guide, Retaining multiple versions of objects with S3 Versioning; AWS Security Hub S3.14",
    fix="Add an s3.BucketVersioning with status Enabled (DataLake does).",
    types=BUCKETS,
    check=_companion(BUCKET_VERSIONING, _versioned, "versioning", "the bucket keeps no versions"),
    whole_stack=True,
    references=(security_hub("S3.14"), ml_lens("MLREL-05")),
    example=Example(
        passing=(
            bucket(),
            made(BUCKET_VERSIONING[0], "versions", bucket="lake", versioningConfiguration={"status": "Enabled"}),
        ),
        resource="lake",
        changed="versions",
        path="versioningConfiguration.status",
        value="Suspended",
    ),
)


def _with_key(resource: Resource) -> bool:
    rules = (*entries(resource, "rules"), *entries(resource, "serverSideEncryptionConfiguration.rule"))
    inline = entries(resource, "serverSideEncryptionConfigurations")
    rules += tuple(rule for path in inline for rule in entries(resource, f"{path}.rules"))
    return any(text(resource, f"{path}.{_BY_DEFAULT}").startswith("aws:kms") for path in rules)


ENCRYPTED = Rule(
    id="storage-s3-kms",
    title="Buckets encrypt with a KMS key",
    severity=Severity.MEDIUM,
    rationale="S3 always encrypts, but with its own key whoever may read the bucket may read the data. A KMS key has a "
    "policy "
    "of its own, its use is logged, and it can be switched off.",
    source="Amazon S3 user guide, Using server-side encryption with AWS KMS keys; AWS Security Hub S3.17",
    fix="Add an s3.BucketServerSideEncryptionConfiguration with sse_algorithm aws:kms (DataLake does).",
    types=BUCKETS,
    check=_companion(
        BUCKET_ENCRYPTION, _with_key, "serverSideEncryptionConfiguration", "objects are encrypted with S3's own key"
    ),
    whole_stack=True,
    references=(security_hub("S3.17"), ml_lens("MLSEC-05")),
    example=Example(
        passing=(
            bucket(),
            made(
                BUCKET_ENCRYPTION[0],
                "encryption",
                bucket="lake",
                rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}],
            ),
        ),
        resource="lake",
        changed="encryption",
        path="rules[0].applyServerSideEncryptionByDefault.sseAlgorithm",
        value="AES256",
    ),
)


def _owned(resource: Resource, _: Context) -> Iterator[Violation]:
    given = text(resource, "rule.objectOwnership")
    if given != "BucketOwnerEnforced":
        yield Violation(
            message=f"object ownership {given or 'is missing and'} leaves ACLs in force; allowed is "
            "BucketOwnerEnforced",
            property="rule.objectOwnership",
        )


OWNED = Rule(
    id="storage-s3-no-acls",
    title="Object ownership switches ACLs off",
    severity=Severity.MEDIUM,
    rationale="With ACLs in force an object may belong to, and be opened by, another account than the bucket's, and no "
    "policy "
    "shows it.",
    source="Amazon S3 user guide, Controlling ownership of objects and disabling ACLs; AWS Security Hub S3.12",
    fix="Set object_ownership to BucketOwnerEnforced (DataLake does).",
    types=frozenset({BUCKET_OWNERSHIP}),
    check=_owned,
    references=(fsbp("S3.12"),),
    example=Example(
        passing=(made(BUCKET_OWNERSHIP, "ownership", bucket="lake", rule={"objectOwnership": "BucketOwnerEnforced"}),),
        resource="ownership",
        changed="ownership",
        path="rule.objectOwnership",
        value="ObjectWriter",
    ),
)


def _refuses_plain_text(resource: Resource) -> bool:
    for item in statements(resource, "policy"):
        refuses = not item.allows and "*" in item.principals("AWS")
        if refuses and "false" in item.tests("aws:SecureTransport") and {"s3:*", "*"} & set(item.values("Action")):
            return True
    return False


_TLS_ONLY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}

TLS_ONLY = Rule(
    id="storage-s3-tls-only",
    title="Buckets refuse requests without TLS",
    severity=Severity.MEDIUM,
    rationale="S3 answers over plain HTTP too. A client with http:// in its endpoint sends data sets, and signed URLs, "
    "in "
    "clear through every network on the way.",
    source="Amazon S3 user guide, Security best practices: enforce encryption of data in transit; AWS Security Hub "
    "S3.5",
    fix="Add an s3.BucketPolicy that denies s3:* where aws:SecureTransport is false (DataLake does).",
    types=BUCKETS,
    check=_companion((BUCKET_POLICY,), _refuses_plain_text, "policy", "no policy denies requests without TLS"),
    whole_stack=True,
    references=(fsbp("S3.5"),),
    example=Example(
        passing=(bucket(), made(BUCKET_POLICY, "policy", bucket="lake", policy=_TLS_ONLY)),
        resource="lake",
        changed="policy",
        path="policy.Statement[0].Effect",
        value="Allow",
    ),
)


def _lifecycle(resource: Resource, has: Callable[[Resource, str], bool]) -> bool:
    paths = (*entries(resource, "rules"), *entries(resource, "lifecycleRules"))
    return any(has(resource, path) and _in_force(resource, path) for path in paths)


def _in_force(resource: Resource, path: str) -> bool:
    return text(resource, f"{path}.status") == "Enabled" or flag(resource, f"{path}.enabled", default=False)


def _ends_uploads(resource: Resource, path: str) -> bool:
    return any(
        resource.get(f"{path}.{name}") is not None
        for name in ("abortIncompleteMultipartUpload.daysAfterInitiation", "abortIncompleteMultipartUploadDays")
    )


def _forgets_versions(resource: Resource, path: str) -> bool:
    return any(
        resource.get(f"{path}.{name}") is not None
        for name in (
            "noncurrentVersionExpiration.noncurrentDays",
            "noncurrentVersionExpiration.newerNoncurrentVersions",
            "noncurrentVersionExpiration.days",
        )
    )


def _example(rule: dict[str, Json], path: str) -> Example:
    companion = made(BUCKET_LIFECYCLE[0], "lifecycle", bucket="lake", rules=[{"status": "Enabled", **rule}])
    return Example(
        passing=(bucket(), companion), resource="lake", changed="lifecycle", path=f"rules[0].{path}", value="Disabled"
    )


UPLOADS = Rule(
    id="storage-s3-broken-uploads",
    title="Buckets end uploads that were broken off",
    severity=Severity.LOW,
    rationale="A killed trainer leaves the parts of its checkpoint behind. They show in no listing and are billed for "
    "ever; "
    "checkpoints are what is uploaded in most parts.",
    source="Amazon S3 user guide, Configuring a bucket lifecycle configuration to delete incomplete multipart uploads; "
    "AWS "
    "Security Hub S3.13",
    fix="Add a lifecycle rule with abort_incomplete_multipart_upload (DataLake does, after 7 days).",
    types=BUCKETS,
    check=_companion(
        BUCKET_LIFECYCLE,
        partial(_lifecycle, has=_ends_uploads),
        "lifecycleRules",
        "no lifecycle rule ends incomplete uploads",
    ),
    whole_stack=True,
    references=(fsbp("S3.13"),),
    example=_example({"abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}}, "status"),
)


def _old_versions(resource: Resource, context: Context) -> Iterator[Violation]:
    if not any(_versioned(item) for item in referrers(context.graph, resource, "bucket", *BUCKET_VERSIONING)):
        return
    yield from _companion(
        BUCKET_LIFECYCLE,
        partial(_lifecycle, has=_forgets_versions),
        "lifecycleRules",
        "versions are kept and no lifecycle rule ever removes one",
    )(resource, context)


_LIFECYCLE_EXAMPLE: Final = _example({"noncurrentVersionExpiration": {"noncurrentDays": 30}}, "status")

OLD_VERSIONS = Rule(
    id="cost-s3-old-versions",
    title="Versioned buckets forget old versions some day",
    severity=Severity.LOW,
    rationale="Each overwritten checkpoint stays as a version at full price. A run that saves 1 TB every hour to the "
    "same key "
    "costs more each day than the day before.",
    source="Amazon S3 user guide, Examples of S3 Lifecycle configurations: versioning-enabled buckets",
    fix="Set dataLake.noncurrentDays.",
    types=BUCKETS,
    check=_old_versions,
    whole_stack=True,
    references=(fsbp("S3.13"),),
    example=Example(
        passing=(
            *_LIFECYCLE_EXAMPLE.passing,
            made(BUCKET_VERSIONING[0], "versions", bucket="lake", versioningConfiguration={"status": "Enabled"}),
        ),
        resource="lake",
        changed="lifecycle",
        path="rules[0].status",
        value="Disabled",
    ),
)
