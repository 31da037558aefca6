from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from components.aws.data_lake import DataLake, DataLakeArgs
from local.cloud.plan import record
from local.cloud.recording import Recording
from tests.support.aws_components import ACCOUNT, REGION

ARGS = DataLakeArgs(account_id=ACCOUNT, region=REGION)


def built(args: DataLakeArgs = ARGS) -> Recording:
    def program() -> dict[str, Any]:
        outputs = DataLake("lake", args).outputs
        return {"uri": outputs.uri, "key": outputs.kms_key_arn}

    return record(program)


@cache
def lake() -> Recording:
    return built()


def only(kind: str) -> Any:
    return lake().get(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}").inputs


def test_the_bucket_has_a_global_name_made_of_where_it_is() -> None:
    assert only("Bucket")["bucket"] == f"slipway-test-lake-{ACCOUNT}-{REGION}"
    assert lake().result["uri"] == f"s3://slipway-test-lake-{ACCOUNT}-{REGION}"
    assert only("Bucket")["forceDestroy"] is False


def test_a_bucket_that_outlives_its_stack_keeps_its_key_and_its_rules() -> None:
    kept = [item.name for item in built(replace(ARGS, retain=True)).resources if item.options.get("retainOnDelete")]
    assert sorted(kept) == sorted(item.name for item in lake().resources if item.type.startswith("aws:"))
    assert not any(item.options.get("retainOnDelete") for item in lake().resources)


def test_nothing_in_it_can_become_public() -> None:
    block = only("BucketPublicAccessBlock")
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [block[flag] for flag in flags] == [True] * 4
    assert only("BucketOwnershipControls")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert "aws:SecureTransport" in only("BucketPolicy")["policy"]


def test_objects_are_encrypted_with_the_lakes_own_rotated_key() -> None:
    key = lake().get("aws:kms/key:Key")
    (rule,) = only("BucketServerSideEncryptionConfiguration")["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {
        "sseAlgorithm": "aws:kms",
        "kmsMasterKeyId": key.outputs["arn"],
    }
    assert rule["bucketKeyEnabled"] is True
    assert key.inputs["enableKeyRotation"] is True
    assert lake().result["key"] == key.outputs["arn"]


def test_old_versions_are_kept_a_month_and_broken_uploads_a_week() -> None:
    assert only("BucketVersioning")["versioningConfiguration"] == {"status": "Enabled"}
    rules = {rule["id"]: rule for rule in only("BucketLifecycleConfiguration")["rules"]}
    assert rules["forget-old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert rules["forget-broken-uploads"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert rules["tier-what-rests"]["transitions"] == [{"days": 90, "storageClass": "INTELLIGENT_TIERING"}]


def test_without_an_archive_age_objects_stay_where_they_are() -> None:
    kind = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    rules = built(replace(ARGS, archive_after_days=None)).get(kind).inputs["rules"]
    assert sorted(rule["id"] for rule in rules) == ["forget-broken-uploads", "forget-old-versions"]


def test_bucket_and_key_are_protected_together_and_nothing_else_is() -> None:
    assert sorted(item.name for item in lake().resources if item.protect) == ["lake-bucket", "lake-key"]
    assert [item.name for item in built(replace(ARGS, protect=False)).resources if item.protect] == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda args: replace(args, bucket_name="My_Bucket"), "bucket_name 'My_Bucket' is refused by S3"),
        (lambda args: replace(args, bucket_name="ab"), "is refused by S3"),
        (lambda args: replace(args, bucket_name=""), "is refused by S3"),
        (lambda args: replace(args, noncurrent_version_days=0), "must be at least 1"),
        (lambda args: replace(args, archive_after_days=-1), "must be 0 or more"),
        (lambda args: replace(args, region="nowhere"), "is not an AWS region name"),
    ],
)
def test_a_bucket_that_s3_would_refuse_is_refused_here(
    change: Callable[[DataLakeArgs], DataLakeArgs], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        built(change(ARGS))
