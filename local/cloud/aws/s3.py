"""S3: buckets and their configurations, each of which is an object of its own to the provider."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, get, iso_time, unmodelled
from local.cloud.aws.iam_documents import text_of
from local.cloud.model import Account, Autoname, Binding, CloudObject, Context, Reference
from local.cloud.values import Json, is_unknown

HOSTED_ZONES = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-central-1": "Z21DNDUVLTQW6Q",
}
"""Hosted zones of the regional endpoints (AWS general reference, Amazon S3 endpoints)."""


def _compute_bucket(body: dict[str, Json], context: Context) -> None:
    name = str(body["Name"])
    body["Arn"] = arn("s3", name, context.account, region=False, owner=False)
    body["BucketRegion"] = context.account.region
    body["CreationDate"] = iso_time(context.account)


def _bucket_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "bucketPrefix", instead="set `bucket`, or neither for a generated name")
    for old in ("versioning", "lifecycleRules", "serverSideEncryptionConfiguration", "policy", "acl", "logging"):
        unmodelled(inputs, old, instead="use the resource of its own, as the provider's documentation asks for")
    return {"Name": inputs.get("bucket"), "ObjectLockEnabledForBucket": inputs.get("objectLockEnabled")}


def _bucket_state(item: CloudObject, account: Account) -> dict[str, Json]:
    name = str(item.body["Name"])
    return {
        "bucket": name,
        "arn": item.body.get("Arn"),
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{item.region}.amazonaws.com",
        "bucketRegion": item.region,
        "hostedZoneId": HOSTED_ZONES.get(account.region),
        "objectLockEnabled": bool(item.body.get("ObjectLockEnabledForBucket")),
        "requestPayer": "BucketOwner",
    }


def _empty_bucket(item: CloudObject, context: Context) -> None:
    """``forceDestroy`` makes the provider delete every object first; configurations go with the bucket."""
    if context.inputs.get("forceDestroy"):
        for stored in context.account.find("s3:Object", Bucket=item.id):
            context.account.remove("s3:Object", stored.id)


BUCKET = bind(
    "aws:s3/bucket:Bucket",
    "s3:Bucket",
    calls("CreateBucket", "DeleteBucket", "PutBucketTagging"),
    identity="{Name}",
    create_only=("bucket", "objectLockEnabled", "bucketNamespace"),
    client_only=("forceDestroy",),
    autoname=Autoname(property="bucket", max_length=63, lowercase=True),
    tags="TagSet",
    to_body=_bucket_body,
    compute=_compute_bucket,
    to_state=_bucket_state,
    before_delete=_empty_bucket,
)


def _configuration(
    token: str,
    shape: str,
    operations: Sequence[str],
    *,
    create_only: Sequence[str] = (),
    **rest: Any,
) -> Binding:
    """One configuration of a bucket: named after it, gone with it. ``operations`` are put and delete."""
    put, delete = operations
    return bind(
        token,
        f"s3:{shape}",
        calls(put, delete, put),
        identity="{Bucket}",
        create_only=("bucket", "expectedBucketOwner", *create_only),
        client_only=("expectedBucketOwner", "skipDestroy", "mfa"),
        references=(
            Reference(
                body_path="Bucket",
                kind="s3:Bucket",
                missing_code="NoSuchBucket",
                missing_message="The specified bucket does not exist",
                holds=False,  # S3 deletes a bucket with its configurations
            ),
        ),
        tags=None,
        **rest,
    )


def _policy_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    return {"Bucket": inputs.get("bucket"), "Policy": text_of(inputs["policy"])}


def _ownership_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    rule = inputs["rule"]
    known = rule if is_unknown(rule) else {"ObjectOwnership": get(rule, "objectOwnership")}
    return {"Bucket": inputs.get("bucket"), "OwnershipControls": {"Rules": [known]}}


def _ownership_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    rules: list[Mapping[str, Json]] = get(item.body, "OwnershipControls.Rules", [])
    return {"rule": {"objectOwnership": rules[0].get("ObjectOwnership")} if rules else None}


VERSIONING = _configuration(
    "aws:s3/bucketVersioning:BucketVersioning", "BucketVersioning", ("PutBucketVersioning", "PutBucketVersioning")
)
ENCRYPTION = _configuration(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "ServerSideEncryptionConfiguration",
    ("PutBucketEncryption", "DeleteBucketEncryption"),
    fields={
        "rules": "ServerSideEncryptionConfiguration.Rules",
        "rules.applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
        "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": "KMSMasterKeyID",
    },
)
PUBLIC_ACCESS = _configuration(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "PublicAccessBlockConfiguration",
    ("PutPublicAccessBlock", "DeletePublicAccessBlock"),
    fields={
        name: f"PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}"
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    },
    defaults={
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": False,
            "BlockPublicPolicy": False,
            "IgnorePublicAcls": False,
            "RestrictPublicBuckets": False,
        }
    },
)
LIFECYCLE = _configuration(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "BucketLifecycleConfiguration",
    ("PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    fields={"rules.id": "ID"},
    defaults={"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"},
)
POLICY = _configuration(
    "aws:s3/bucketPolicy:BucketPolicy",
    "BucketPolicy",
    ("PutBucketPolicy", "DeleteBucketPolicy"),
    to_body=_policy_body,
    to_state=lambda item, _account: {"policy": item.body.get("Policy")},
)
OWNERSHIP = _configuration(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "OwnershipControls",
    ("PutBucketOwnershipControls", "DeleteBucketOwnershipControls"),
    to_body=_ownership_body,
    to_state=_ownership_state,
)


def _object_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "source", "contentBase64", instead="give the text itself in `content`")
    content = inputs.get("content")
    return {
        "Bucket": inputs.get("bucket"),
        "Key": inputs.get("key"),
        "ContentType": inputs.get("contentType"),
        "Content": content,
        "ContentLength": content if content is None or is_unknown(content) else len(str(content).encode()),
    }


OBJECT_TOKEN = "aws:s3/bucketObject:BucketObject"
OBJECT = bind(
    OBJECT_TOKEN,
    "s3:Object",
    calls("PutObject", "DeleteObject", "PutObject"),
    identity="{Bucket}/{Key}",
    create_only=("bucket", "key"),
    client_only=("forceDestroy",),
    tags="TagSet",
    defaults={"ContentType": "application/octet-stream", "StorageClass": "STANDARD"},
    to_body=_object_body,
    references=(
        Reference(
            body_path="Bucket",
            kind="s3:Bucket",
            missing_code="NoSuchBucket",
            missing_message="The specified bucket does not exist",
            holds=False,  # a rule refuses with the service's own BucketNotEmpty
        ),
    ),
)
BINDINGS = (OBJECT, BUCKET, VERSIONING, ENCRYPTION, PUBLIC_ACCESS, LIFECYCLE, POLICY, OWNERSHIP)
