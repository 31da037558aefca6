"""The bucket that holds a platform's data sets, checkpoints and models."""

from dataclasses import dataclass

import pulumi
from pulumi_aws import kms, s3

from components import tokens
from components.aws.documents import data_lake_key_document, tls_only_document
from components.aws.outputs import DataLakeOutputs
from components.aws.partition import partition, place_problems
from components.naming import Service, physical_name
from components.ordering import ready
from components.problems import refuse
from components.tags import resource_tags

ABORT_UPLOADS_AFTER_DAYS = 7
MINIMUM_BUCKET_NAME = 3


@dataclass(frozen=True, kw_only=True)
class DataLakeArgs:
    """Whose bucket it is and how long it keeps what."""

    account_id: str
    region: str
    bucket_name: str | None = None
    """Global name; the default is made of project, stack, logical name, account and region."""
    archive_after_days: int | None = 90
    """When objects move to Intelligent-Tiering; None leaves them in Standard."""
    noncurrent_version_days: int = 30
    """How long an overwritten or deleted version can still be brought back."""
    force_destroy: bool = False
    """True deletes all objects together with the bucket."""
    protect: bool = True
    retain: bool = False
    """True leaves the bucket as it is, with its key and its rules, when the component is deleted."""


class DataLake(pulumi.ComponentResource):
    """A versioned, encrypted, private bucket that refuses plain-text requests. Stateful.

    Raises:
        ValueError: account, region, name or ages that S3 refuses.
    """

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    kms_key_arn: pulumi.Output[str]
    outputs: DataLakeOutputs

    def __init__(self, name: str, args: DataLakeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("DataLake", name, _problems(args))
        physical = args.bucket_name or physical_name(
            Service.S3_BUCKET, pulumi.get_project(), pulumi.get_stack(), name, args.account_id, args.region
        )
        super().__init__(tokens.of(self), name, None, opts)
        # A bucket that stays must stay encrypted, private and versioned: what makes it so stays with it.
        self._options = pulumi.ResourceOptions(parent=self, retain_on_delete=args.retain or None)
        self._stateful = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(protect=args.protect))
        key = self._create_key(name, args, physical)
        bucket = self._create_bucket(name, args, physical)
        encryption = self._create_encryption(name, bucket, key)
        policy = self._create_privacy(name, args, bucket, physical)
        self._create_history(name, args, bucket)
        self.bucket_name = bucket.bucket
        self.bucket_arn = bucket.arn
        self.kms_key_arn = key.arn
        self.outputs = DataLakeOutputs(
            name=name,
            physical_name=physical,
            bucket=self.bucket_name,
            arn=self.bucket_arn,
            kms_key_arn=self.kms_key_arn,
            uri=ready(bucket.bucket.apply(lambda bucket_name: f"s3://{bucket_name}"), encryption, policy),
        )
        self.register_outputs(
            {"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn, "kms_key_arn": self.kms_key_arn}
        )

    def _create_key(self, name: str, args: DataLakeArgs, physical: str) -> kms.Key:
        # Protected like the bucket: without its key the data is gone as well.
        return kms.Key(
            f"{name}-key",
            description=f"Objects of bucket {physical}",
            enable_key_rotation=True,
            policy=data_lake_key_document(args.account_id, args.region),
            tags=resource_tags(f"{name}-key"),
            opts=self._stateful,
        )

    def _create_bucket(self, name: str, args: DataLakeArgs, physical: str) -> s3.Bucket:
        return s3.Bucket(
            f"{name}-bucket",
            bucket=physical,
            force_destroy=args.force_destroy,
            tags=resource_tags(f"{name}-bucket"),
            opts=self._stateful,
        )

    def _create_encryption(self, name: str, bucket: s3.Bucket, key: kms.Key) -> pulumi.Resource:
        by_default = s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms", kms_master_key_id=key.arn
        )
        return s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.bucket,
            # A bucket key saves one KMS request per object, which a data loader would pay and be throttled for.
            rules=[
                s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_default, bucket_key_enabled=True
                )
            ],
            opts=self._options,
        )

    def _create_privacy(self, name: str, args: DataLakeArgs, bucket: s3.Bucket, physical: str) -> pulumi.Resource:
        block = s3.BucketPublicAccessBlock(
            f"{name}-public-access-block",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._options,
        )
        s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.bucket,
            rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=self._options,
        )
        return s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.bucket,
            policy=tls_only_document(physical, args.region),
            # S3 answers OperationAborted when both are written to one bucket at the same time.
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[block])),
        )

    def _create_history(self, name: str, args: DataLakeArgs, bucket: s3.Bucket) -> None:
        versioning = s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.bucket,
            versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._options,
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.bucket,
            rules=lifecycle_rules(args),
            # Rules about old versions mean nothing before there are versions.
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[versioning])),
        )


def lifecycle_rules(args: DataLakeArgs) -> list[s3.BucketLifecycleConfigurationRuleArgs]:
    """What S3 removes or moves by itself."""
    everything = s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    rules = [
        s3.BucketLifecycleConfigurationRuleArgs(
            id="forget-old-versions",
            status="Enabled",
            filter=everything,
            noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=args.noncurrent_version_days
            ),
            expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        ),
        s3.BucketLifecycleConfigurationRuleArgs(
            id="forget-broken-uploads",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=ABORT_UPLOADS_AFTER_DAYS
            ),
        ),
    ]
    if args.archive_after_days is not None:
        move = s3.BucketLifecycleConfigurationRuleTransitionArgs(
            days=args.archive_after_days, storage_class="INTELLIGENT_TIERING"
        )
        rules.append(
            s3.BucketLifecycleConfigurationRuleArgs(
                id="tier-what-rests", status="Enabled", filter=everything, transitions=[move]
            )
        )
    return rules


def bucket_arn(bucket: str, region: str) -> str:
    """ARN of a bucket whose name is known."""
    return f"arn:{partition(region)}:s3:::{bucket}"


def _problems(args: DataLakeArgs) -> list[str]:
    problems = place_problems(args.account_id, args.region)
    if args.bucket_name is not None:
        clean = len(args.bucket_name) >= MINIMUM_BUCKET_NAME and args.bucket_name == physical_name(
            Service.S3_BUCKET, args.bucket_name or "x"
        )
        if not clean:
            problems.append(
                f"bucket_name {args.bucket_name!r} is refused by S3: 3 to 63 lower-case letters, digits and hyphens, "
                "starting and ending with a letter or digit"
            )
    if args.noncurrent_version_days < 1:
        problems.append(f"noncurrent_version_days {args.noncurrent_version_days} must be at least 1")
    if args.archive_after_days is not None and args.archive_after_days < 0:
        problems.append(f"archive_after_days {args.archive_after_days} must be 0 or more, or left out")
    return problems
