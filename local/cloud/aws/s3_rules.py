"""What S3 refuses of buckets and their settings."""

import json
import re

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import as_list, get, refuse
from local.cloud.aws.iam_documents import Kind, parse, problem
from local.cloud.aws.kms import key_of
from local.cloud.aws.quotas import exceeded, quota
from local.cloud.aws.rulebook import CREATE, DELETE, WRITE, RuleBook, prior_id
from local.cloud.aws.s3 import OBJECTS, resources
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
TAKEN_SETTING = "s3:taken-names"
"""Account setting: bucket names that somebody else owns; names are one space for all accounts."""
INFREQUENT_AFTER_DAYS = 30
_NAME = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_BUCKET = (on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data"})
_OBJECT = ("aws:s3/bucketObjectv2:BucketObjectv2", "held", {"bucket": "${bucket.bucket}", "key": "x"})
_LIFECYCLE_TOKEN = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_ENCRYPTION_TOKEN = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_BLOCK_TOKEN = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


def _policy(bucket: str = "slipway-data", principal: object = "*", effect: str = "Deny") -> str:
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        **({"Condition": {"Bool": {"aws:SecureTransport": "false"}}} if effect == "Deny" else {}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@RULES.rule(
    "s3-bucket-name",
    on.BUCKET_TOKEN,
    CREATE,
    "InvalidBucketName",
    source="S3 user guide, General purpose bucket naming rules",
    accepts=on.creation({"bucket": "slipway-data"}),
    refuses=on.creation({"bucket": "192.168.5.4"}),
)
def _bucket_name(request: Request) -> None:
    name = str(get(request.body, "Name"))
    reserved = name.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or name.endswith(("-s3alias", "--ol-s3", "--x-s3"))
    if not _NAME.fullmatch(name) or _ADDRESS.fullmatch(name) or reserved:
        refuse("InvalidBucketName", "The specified bucket is not valid.")


@RULES.rule(
    "s3-bucket-owned",
    on.BUCKET_TOKEN,
    CREATE,
    "BucketAlreadyOwnedByYou",
    source="S3 API error codes: BucketAlreadyOwnedByYou",
    accepts=on.creation({"bucket": "slipway-other"}, _BUCKET),
    refuses=on.creation({"bucket": "slipway-data"}, _BUCKET),
)
def _bucket_owned(request: Request) -> None:
    if request.account.get("s3:Bucket", str(get(request.body, "Name"))) is not None:
        refuse(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            status=409,
        )


@RULES.rule(
    "s3-bucket-taken",
    on.BUCKET_TOKEN,
    CREATE,
    "BucketAlreadyExists",
    source="S3 API error codes: BucketAlreadyExists",
    accepts=on.creation({"bucket": "slipway-data"}, **{"s3__taken-names": ["data"]}),
    refuses=on.creation({"bucket": "data"}, **{"s3__taken-names": ["data"]}),
)
def _bucket_taken(request: Request) -> None:
    if get(request.body, "Name") in (request.account.setting(TAKEN_SETTING, []) or []):
        refuse(
            "BucketAlreadyExists",
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again.",
            status=409,
        )


@RULES.rule(
    "s3-bucket-quota",
    on.BUCKET_TOKEN,
    CREATE,
    "TooManyBuckets",
    source="S3 API error codes: TooManyBuckets; S3 quotas: 10,000 general purpose buckets",
    accepts=on.creation({"bucket": "slipway-other"}, _BUCKET),
    refuses=on.creation({"bucket": "slipway-other"}, _BUCKET, quota__s3__buckets=1),
)
def _bucket_quota(request: Request) -> None:
    if request.account.count("s3:Bucket") >= quota(request.account, "s3:buckets"):
        exceeded("TooManyBuckets", "You have attempted to create more buckets than allowed")


@RULES.rule(
    "s3-bucket-not-empty",
    on.BUCKET_TOKEN,
    DELETE,
    "BucketNotEmpty",
    source="S3 API error codes: BucketNotEmpty",
    accepts=on.removal("bucket", _BUCKET),
    refuses=on.removal("bucket", _BUCKET, _OBJECT),
)
def _bucket_empty(request: Request) -> None:
    if request.account.find(OBJECTS, Bucket=prior_id(request)):
        refuse("BucketNotEmpty", "The bucket you tried to delete is not empty", status=409)


@RULES.rule(
    "s3-bucket-policy-document",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "MalformedPolicy",
    source="S3 API error codes: MalformedPolicy",
    accepts=on.creation({"bucket": "${bucket}", "policy": _policy()}, _BUCKET),
    refuses=on.creation({"bucket": "${bucket}", "policy": on.permissions()}, _BUCKET),
)
def _policy_document(request: Request) -> None:
    text = problem(get(request.body, "Policy"), Kind.RESOURCE)
    if text:
        refuse("MalformedPolicy", text)


@RULES.rule(
    "s3-bucket-policy-resource",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "MalformedPolicy",
    source="S3 PutBucketPolicy: Policy has invalid resource",
    accepts=on.creation({"bucket": "${bucket}", "policy": _policy()}, _BUCKET),
    refuses=on.creation({"bucket": "${bucket}", "policy": _policy("slipway-other")}, _BUCKET),
)
def _policy_resource(request: Request) -> None:
    own = f"arn:aws:s3:::{get(request.body, 'Bucket')}"
    for resource in resources(get(request.body, "Policy")):
        if resource != own and not resource.startswith(f"{own}/"):
            refuse("MalformedPolicy", "Policy has invalid resource")


@RULES.rule(
    "s3-bucket-policy-public",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "AccessDenied",
    source="S3 user guide, Block public access: BlockPublicPolicy rejects public bucket policies",
    accepts=on.creation(
        {"bucket": "${bucket}", "policy": _policy(principal={"AWS": "arn:aws:iam::000000000000:root"}, effect="Allow")},
        _BUCKET,
        (_BLOCK_TOKEN, "block", {"bucket": "${bucket}", "blockPublicPolicy": True}),
    ),
    refuses=on.creation(
        {"bucket": "${bucket}", "policy": _policy(effect="Allow")},
        _BUCKET,
        (_BLOCK_TOKEN, "block", {"bucket": "${bucket}", "blockPublicPolicy": True}),
    ),
)
def _policy_public(request: Request) -> None:
    bucket = get(request.body, "Bucket")
    block = request.account.get("s3:PublicAccessBlockConfiguration", str(bucket))
    if block is None or not block.body.get("BlockPublicPolicy"):
        return
    for item in as_list((parse(get(request.body, "Policy")) or {}).get("Statement")):
        everyone = item.get("Principal") in ("*", {"AWS": "*"})
        if item.get("Effect") == "Allow" and everyone and not item.get("Condition"):
            refuse(
                "AccessDenied",
                f'User is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::{bucket}" because '
                "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
                status=403,
            )


@RULES.rule(
    "s3-lifecycle-rules",
    _LIFECYCLE_TOKEN,
    WRITE,
    "InvalidRequest",
    source="S3 PutBucketLifecycleConfiguration: At least one action needs to be specified in a rule",
    accepts=on.creation(
        {
            "bucket": "${bucket}",
            "rules": [{"id": "old", "status": "Enabled", "filter": {}, "expiration": {"days": 30}}],
        },
        _BUCKET,
    ),
    refuses=on.creation(
        {"bucket": "${bucket}", "rules": [{"id": "old", "status": "Enabled", "filter": {"prefix": "x"}}]}, _BUCKET
    ),
)
def _lifecycle(request: Request) -> None:
    actions = (
        "Expiration",
        "Transitions",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransitions",
        "AbortIncompleteMultipartUpload",
    )
    for rule in get(request.body, "Rules", []):
        if not any(get(rule, name) for name in actions):
            refuse("InvalidRequest", "At least one action needs to be specified in a rule")


@RULES.rule(
    "s3-lifecycle-ids",
    _LIFECYCLE_TOKEN,
    WRITE,
    "InvalidArgument",
    source="S3 PutBucketLifecycleConfiguration: Rule ID must be unique. Found same ID for more than one rule",
    accepts=on.creation(
        {
            "bucket": "${bucket}",
            "rules": [{"id": "old", "status": "Enabled", "filter": {}, "expiration": {"days": 30}}],
        },
        _BUCKET,
    ),
    refuses=on.creation(
        {
            "bucket": "${bucket}",
            "rules": [{"id": "old", "status": "Enabled", "filter": {}, "expiration": {"days": 30}}] * 2,
        },
        _BUCKET,
    ),
)
def _lifecycle_ids(request: Request) -> None:
    names = [get(rule, "ID") for rule in get(request.body, "Rules", [])]
    if len(set(names)) != len(names):
        refuse("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")


def _moves(days: int) -> dict[str, Json]:
    rule = {
        "id": "cold",
        "status": "Enabled",
        "filter": {},
        "transitions": [{"days": days, "storageClass": "STANDARD_IA"}],
    }
    return {"bucket": "${bucket}", "rules": [rule]}


@RULES.rule(
    "s3-lifecycle-infrequent-days",
    _LIFECYCLE_TOKEN,
    WRITE,
    "InvalidArgument",
    source="S3 user guide, Transitioning objects: 30 days minimum before STANDARD_IA and ONEZONE_IA",
    accepts=on.creation(_moves(30), _BUCKET),
    refuses=on.creation(_moves(7), _BUCKET),
)
def _lifecycle_days(request: Request) -> None:
    for rule in get(request.body, "Rules", []):
        for move in get(rule, "Transitions", []):
            days, target = get(move, "Days"), get(move, "StorageClass")
            if target in {"STANDARD_IA", "ONEZONE_IA"} and days is not None and days < INFREQUENT_AFTER_DAYS:
                refuse(
                    "InvalidArgument",
                    f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{target}'",
                )


@RULES.rule(
    "s3-encryption-key",
    _ENCRYPTION_TOKEN,
    WRITE,
    "InvalidArgument",
    source="S3 API reference, ServerSideEncryptionByDefault: KMSMasterKeyID only with SSEAlgorithm aws:kms",
    accepts=on.creation(
        {
            "bucket": "${bucket}",
            "rules": [
                {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "${key.arn}"}}
            ],
        },
        _BUCKET,
        (on.KEY_TOKEN, "key", {}),
    ),
    refuses=on.creation(
        {
            "bucket": "${bucket}",
            "rules": [
                {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256", "kmsMasterKeyId": "${key.arn}"}}
            ],
        },
        _BUCKET,
        (on.KEY_TOKEN, "key", {}),
    ),
)
def _encryption(request: Request) -> None:
    for rule in get(request.body, "Rules", []):
        wanted = get(rule, "ApplyServerSideEncryptionByDefault.KMSMasterKeyID")
        if wanted is None:
            continue
        if get(rule, "ApplyServerSideEncryptionByDefault.SSEAlgorithm") == "AES256":
            refuse("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms")
        if str(wanted).startswith("arn:") and key_of(request.account, wanted) is None:
            refuse("KMS.NotFoundException", f"Key '{wanted}' does not exist")
