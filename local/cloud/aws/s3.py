"""S3: buckets and the settings that have a resource type of their own."""

import json

from local.cloud.aws.binding import bind, calls
from local.cloud.aws.common import arn, as_list, get, iso_time, unmodelled
from local.cloud.aws.iam_documents import text_of
from local.cloud.model import Account, Autoname, CloudObject, Context, Reference
from local.cloud.values import Json, is_unknown

HOSTED_ZONES = {"us-east-1": "Z3AQBSTGFYJSTF", "us-east-2": "Z2O1EMRO9K5GLX", "us-west-2": "Z3BJ6K6RIION7M"}
"""Route 53 zones of S3's endpoints (AWS general reference, Amazon S3 endpoints)."""
OBJECTS = "s3:Object"
"""Kind of what is in a bucket; only tests and drift put any."""
INLINE = (
    "accelerationStatus",
    "acl",
    "corsRules",
    "grants",
    "lifecycleRules",
    "logging",
    "objectLockConfiguration",
    "policy",
    "replicationConfiguration",
    "requestPayer",
    "serverSideEncryptionConfiguration",
    "versioning",
    "website",
    "bucketPrefix",
    "bucketNamespace",
)


def _bucket_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, *INLINE, instead="use the resource type of its own, aws.s3.Bucket…, or `bucket` for the name")
    return {"Name": inputs.get("bucket"), "ObjectLockEnabled": inputs.get("objectLockEnabled")}


def _compute_bucket(body: dict[str, Json], context: Context) -> None:
    body["BucketArn"] = arn("s3", str(body["Name"]), context.account, region=False, owner=False)
    body["BucketRegion"] = context.account.region
    body["CreationDate"] = iso_time(context.account)


def _empty_bucket(item: CloudObject, context: Context) -> None:
    for kind in (
        "s3:BucketVersioning",
        "s3:ServerSideEncryptionConfiguration",
        "s3:PublicAccessBlockConfiguration",
        "s3:LifecycleConfiguration",
        "s3:BucketPolicy",
        "s3:OwnershipControls",
    ):
        context.account.remove(kind, item.id)
    if context.inputs.get("forceDestroy"):
        for held in context.account.find(OBJECTS, Bucket=item.id):
            context.account.remove(held.kind, held.id)


def _bucket_state(item: CloudObject, account: Account) -> dict[str, Json]:
    name = item.id
    return {
        "bucket": item.body.get("Name"),
        "arn": item.body.get("BucketArn"),
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{name}.s3.{account.region}.amazonaws.com",
        "bucketRegion": item.body.get("BucketRegion"),
        "hostedZoneId": HOSTED_ZONES.get(account.region, ""),
        "objectLockEnabled": bool(item.body.get("ObjectLockEnabled")),
        "requestPayer": "BucketOwner",
        "accelerationStatus": "",
        "policy": "",
        "bucketPrefix": "",
        "bucketNamespace": "global",
        "websiteDomain": "",
        "websiteEndpoint": "",
    }


BUCKET = bind(
    "aws:s3/bucket:Bucket",
    "s3:Bucket",
    calls("CreateBucket", "DeleteBucket", "PutBucketTagging"),
    identity="{Name}",
    create_only=("bucket", "objectLockEnabled"),
    client_only=("forceDestroy",),
    autoname=Autoname(property="bucket", max_length=63, lowercase=True),
    to_body=_bucket_body,
    compute=_compute_bucket,
    before_delete=_empty_bucket,
    to_state=_bucket_state,
)


def bucket_name(value: Json) -> Json:
    """The bucket that a property names; the provider also takes an ARN."""
    return value if is_unknown(value) else str(value).removeprefix("arn:aws:s3:::")


BUCKET_REFERENCE = Reference(
    body_path="Bucket",
    kind="s3:Bucket",
    missing_code="NoSuchBucket",
    missing_message="The specified bucket does not exist",
    holds=False,  # a bucket takes its settings along
)


def _setting(token: str, kind: str, call: str, *, extra_create_only: tuple[str, ...] = (), **rest: Json) -> Json:
    return bind(
        token,
        kind,
        calls(f"Put{call}", f"Delete{call}", f"Put{call}"),
        identity="{Bucket}",
        overwrites=True,
        create_only=("bucket", "expectedBucketOwner", *extra_create_only),
        client_only=("expectedBucketOwner",),
        tags=None,
        references=(BUCKET_REFERENCE,),
        **rest,
    )


def _versioning_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    given = inputs["versioningConfiguration"]
    return {
        "Bucket": bucket_name(inputs["bucket"]),
        "Status": get(given, "status"),
        "MFADelete": get(given, "mfaDelete"),
    }


VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    "s3:BucketVersioning",
    "BucketVersioning",
    to_body=_versioning_body,
    to_state=lambda item, _account: {
        "versioningConfiguration": {
            "status": item.body.get("Status"),
            **({"mfaDelete": item.body["MFADelete"]} if item.body.get("MFADelete") else {}),
        }
    },
)


def _encryption_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    rules = []
    for rule in inputs.get("rules") or []:
        applied = rule.get("applyServerSideEncryptionByDefault") or {}
        by_default = {"SSEAlgorithm": applied.get("sseAlgorithm"), "KMSMasterKeyID": applied.get("kmsMasterKeyId")}
        rules.append(
            {
                "ApplyServerSideEncryptionByDefault": {k: v for k, v in by_default.items() if v is not None},
                "BucketKeyEnabled": bool(rule.get("bucketKeyEnabled")),
                **(
                    {"BlockedEncryptionTypes": rule["blockedEncryptionTypes"]}
                    if "blockedEncryptionTypes" in rule
                    else {}
                ),
            }
        )
    return {"Bucket": bucket_name(inputs["bucket"]), "Rules": rules}


def _encryption_state(item: CloudObject, _account: Account) -> dict[str, Json]:
    rules = []
    for rule in item.body.get("Rules") or []:
        applied = rule.get("ApplyServerSideEncryptionByDefault") or {}
        by_default = {"sseAlgorithm": applied.get("SSEAlgorithm"), "kmsMasterKeyId": applied.get("KMSMasterKeyID")}
        blocked = rule.get("BlockedEncryptionTypes")
        rules.append(
            {
                "applyServerSideEncryptionByDefault": {k: v for k, v in by_default.items() if v is not None},
                "bucketKeyEnabled": rule.get("BucketKeyEnabled", False),
                **({"blockedEncryptionTypes": blocked} if blocked is not None else {}),
            }
        )
    return {"rules": rules}


ENCRYPTION = _setting(
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "s3:ServerSideEncryptionConfiguration",
    "BucketEncryption",
    to_body=_encryption_body,
    to_state=_encryption_state,
)
PUBLIC_ACCESS = _setting(
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "s3:PublicAccessBlockConfiguration",
    "PublicAccessBlock",
    defaults={
        "BlockPublicAcls": False,
        "BlockPublicPolicy": False,
        "IgnorePublicAcls": False,
        "RestrictPublicBuckets": False,
    },
)
_LIFECYCLE_NAMES = {"id": "ID"}
_LIFECYCLE_BACK = {"ID": "id"}


def _lifecycle_rules(value: Json) -> Json:
    if isinstance(value, list):
        return [_lifecycle_rules(item) for item in value]
    if isinstance(value, dict):
        return {
            _LIFECYCLE_NAMES.get(name, name[:1].upper() + name[1:]): _lifecycle_rules(item)
            for name, item in value.items()
            if item is not None
        }
    return value


def _lifecycle_back(value: Json) -> Json:
    if isinstance(value, list):
        return [_lifecycle_back(item) for item in value]
    if isinstance(value, dict):
        return {
            _LIFECYCLE_BACK.get(name, name[:1].lower() + name[1:]): _lifecycle_back(item)
            for name, item in value.items()
        }
    return value


LIFECYCLE = _setting(
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "s3:LifecycleConfiguration",
    "BucketLifecycleConfiguration",
    to_body=lambda inputs, _context: {
        "Bucket": bucket_name(inputs["bucket"]),
        "Rules": _lifecycle_rules(inputs.get("rules")),
        "TransitionDefaultMinimumObjectSize": inputs.get("transitionDefaultMinimumObjectSize"),
    },
    defaults={"TransitionDefaultMinimumObjectSize": "all_storage_classes_128K"},
    to_state=lambda item, _account: {"rules": _lifecycle_back(item.body.get("Rules"))},
)
POLICY = _setting(
    "aws:s3/bucketPolicy:BucketPolicy",
    "s3:BucketPolicy",
    "BucketPolicy",
    to_body=lambda inputs, _context: {"Bucket": bucket_name(inputs["bucket"]), "Policy": text_of(inputs["policy"])},
)
OWNERSHIP = _setting(
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "s3:OwnershipControls",
    "BucketOwnershipControls",
    to_body=lambda inputs, _context: {
        "Bucket": bucket_name(inputs["bucket"]),
        "Rules": [{"ObjectOwnership": get(inputs["rule"], "objectOwnership")}],
    },
    to_state=lambda item, _account: {"rule": {"objectOwnership": item.body["Rules"][0]["ObjectOwnership"]}},
)


def _object_body(inputs: dict[str, Json], _context: Context) -> dict[str, Json]:
    unmodelled(inputs, "source", "acl", "contentBase64", instead="the simulation keeps small text objects: `content`")
    return {
        "Bucket": bucket_name(inputs["bucket"]),
        "Key": inputs["key"],
        "Content": inputs.get("content"),
        "ContentType": inputs.get("contentType"),
    }


OBJECT = bind(
    "aws:s3/bucketObjectv2:BucketObjectv2",
    OBJECTS,
    calls("PutObject", "DeleteObject", "PutObject"),
    identity="{Bucket}/{Key}",
    overwrites=True,
    create_only=("bucket", "key"),
    client_only=("forceDestroy",),
    defaults={"ContentType": "application/octet-stream"},
    to_body=_object_body,
    references=(BUCKET_REFERENCE,),
    to_state=lambda item, _account: {"arn": f"arn:aws:s3:::{item.id}", "versionId": ""},
)
BINDINGS = (BUCKET, VERSIONING, ENCRYPTION, PUBLIC_ACCESS, LIFECYCLE, POLICY, OWNERSHIP, OBJECT)


def resources(policy: Json) -> list[str]:
    """The resources that a bucket policy names."""
    try:
        found = json.loads(policy) if isinstance(policy, str) else policy
    except ValueError:
        return []
    return [str(name) for item in as_list((found or {}).get("Statement")) for name in as_list(item.get("Resource"))]
