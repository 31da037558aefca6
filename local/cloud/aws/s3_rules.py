"""What S3 refuses of buckets and their configurations."""

import ipaddress
import json
import re

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import arn, as_list, get, known, refuse
from local.cloud.aws.iam_documents import Kind, parse, problem
from local.cloud.aws.rulebook import CREATE, DELETE, WRITE, RuleBook
from local.cloud.aws.s3 import OBJECT_TOKEN
from local.cloud.model import Request
from local.cloud.values import Json

RULES = RuleBook()
ENCRYPTION_TOKEN = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LIFECYCLE_TOKEN = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
PUBLIC_ACCESS_TOKEN = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_INFREQUENT_AFTER_DAYS = 30
_BUCKET = (on.BUCKET_TOKEN, "b", {"bucket": "lake-demo"})
_BLOCK = (PUBLIC_ACCESS_TOKEN, "block", {"bucket": "${b}", "blockPublicPolicy": True})


def _policy(principal: Json, resource: str = "arn:aws:s3:::lake-demo/*", effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_OWN = {"AWS": "arn:aws:iam::000000000000:root"}


def _encryption(algorithm: str) -> dict[str, Json]:
    default = {"sseAlgorithm": algorithm, "kmsMasterKeyId": "${key.arn}"}
    return {"bucket": "${b}", "rules": [{"applyServerSideEncryptionByDefault": default}]}


def _lifecycle(*rules: dict[str, Json]) -> dict[str, Json]:
    base = {"status": "Enabled", "filter": {"prefix": ""}}
    return {"bucket": "${b}", "rules": [{**base, **rule} for rule in rules]}


_EXPIRE = {"id": "expire", "expiration": {"days": 90}}


def _moves(days: int) -> dict[str, Json]:
    return {"id": "move", "transitions": [{"days": days, "storageClass": "STANDARD_IA"}]}


@RULES.rule(
    "s3-bucket-name",
    on.BUCKET_TOKEN,
    CREATE,
    "InvalidBucketName",
    source="S3 user guide, General purpose bucket naming rules",
    accepts=on.creation({"bucket": "lake-demo"}),
    refuses=on.creation({"bucket": "lake..demo"}),
)
def _bucket_name(request: Request) -> None:
    name = str(known(request.body, "Name"))
    broken = not _NAME.fullmatch(name) or ".." in name or _is_address(name)
    if broken or name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS):
        refuse("InvalidBucketName", "The specified bucket is not valid.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


@RULES.rule(
    "s3-bucket-exists",
    on.BUCKET_TOKEN,
    CREATE,
    "BucketAlreadyOwnedByYou",
    source="botocore s3 CreateBucket: BucketAlreadyOwnedByYou",
    accepts=on.creation({"bucket": "lake-other"}, _BUCKET),
    refuses=on.creation({"bucket": "lake-demo"}, _BUCKET),
)
def _bucket_once(request: Request) -> None:
    if request.account.get("s3:Bucket", str(get(request.body, "Name"))) is not None:
        refuse(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            status=409,
        )


@RULES.rule(
    "s3-encryption-key",
    ENCRYPTION_TOKEN,
    WRITE,
    "InvalidArgument",
    source="botocore s3 PutBucketEncryption, ServerSideEncryptionByDefault: KMSMasterKeyID is allowed if and only if "
    "SSEAlgorithm is aws:kms or aws:kms:dsse",
    accepts=on.creation(_encryption("aws:kms"), _BUCKET, (on.KEY_TOKEN, "key", {})),
    refuses=on.creation(_encryption("AES256"), _BUCKET, (on.KEY_TOKEN, "key", {})),
)
def _encryption_key(request: Request) -> None:
    for rule in get(request.body, "ServerSideEncryptionConfiguration.Rules", []):
        default = get(rule, "ApplyServerSideEncryptionByDefault", {})
        if get(default, "KMSMasterKeyID") is not None and get(default, "SSEAlgorithm") == "AES256":
            refuse(
                "InvalidArgument",
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            )


@RULES.rule(
    "s3-policy-document",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "MalformedPolicy",
    source="S3 error responses: MalformedPolicy",
    accepts=on.creation({"bucket": "${b}", "policy": _policy(_OWN)}, _BUCKET),
    refuses=on.creation({"bucket": "${b}", "policy": '{"Version": "2012-10-17", "Statement": []}'}, _BUCKET),
)
def _policy_document(request: Request) -> None:
    text = problem(known(request.body, "Policy"), Kind.RESOURCE)
    if text:
        refuse("MalformedPolicy", text)


@RULES.rule(
    "s3-policy-resource",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "MalformedPolicy",
    source="S3 user guide, Bucket policies: a policy names its own bucket; otherwise 'Policy has invalid resource'",
    accepts=on.creation({"bucket": "${b}", "policy": _policy(_OWN)}, _BUCKET),
    refuses=on.creation({"bucket": "${b}", "policy": _policy(_OWN, "arn:aws:s3:::elsewhere/*")}, _BUCKET),
)
def _policy_resource(request: Request) -> None:
    own = arn("s3", str(known(request.body, "Bucket")), request.account, region=False, owner=False)
    for statement in as_list((parse(known(request.body, "Policy")) or {}).get("Statement")):
        for resource in as_list(statement.get("Resource")):
            if resource != own and not str(resource).startswith(f"{own}/"):
                refuse("MalformedPolicy", "Policy has invalid resource")


@RULES.rule(
    "s3-policy-public",
    on.BUCKET_POLICY_TOKEN,
    WRITE,
    "AccessDenied",
    source="S3 user guide, Blocking public access: BlockPublicPolicy rejects PutBucketPolicy calls with a public one",
    accepts=on.creation({"bucket": "${b}", "policy": _policy("*", effect="Deny")}, _BUCKET, _BLOCK),
    refuses=on.creation({"bucket": "${b}", "policy": _policy("*")}, _BUCKET, _BLOCK),
)
def _policy_public(request: Request) -> None:
    block = request.account.get("s3:PublicAccessBlockConfiguration", str(known(request.body, "Bucket")))
    if block is None or not get(block.body, "PublicAccessBlockConfiguration.BlockPublicPolicy"):
        return
    for statement in as_list((parse(known(request.body, "Policy")) or {}).get("Statement")):
        # Conditions that fix the caller make a policy non-public; the simulation counts any condition as one.
        everyone = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        if statement.get("Effect") == "Allow" and everyone and not statement.get("Condition"):
            refuse(
                "AccessDenied",
                f"User: {arn('iam', 'role/slipway-deployer', request.account, region=False)} is not authorized to "
                "perform: s3:PutBucketPolicy because public policies are blocked by the BlockPublicPolicy block public "
                "access setting.",
                status=403,
            )


@RULES.rule(
    "s3-lifecycle-rule-once",
    LIFECYCLE_TOKEN,
    WRITE,
    "InvalidArgument",
    source="S3 user guide, Lifecycle configuration elements: an ID is unique within the configuration",
    accepts=on.creation(_lifecycle(_EXPIRE, {**_EXPIRE, "id": "second"}), _BUCKET),
    refuses=on.creation(_lifecycle(_EXPIRE, _EXPIRE), _BUCKET),
)
def _lifecycle_once(request: Request) -> None:
    names = [get(rule, "ID") for rule in get(request.body, "Rules", [])]
    for name in names:
        if name is not None and names.count(name) > 1:
            refuse("InvalidArgument", f"Rule ID must be unique. Found same ID for more than one rule: {name}")


@RULES.rule(
    "s3-lifecycle-infrequent-days",
    LIFECYCLE_TOKEN,
    WRITE,
    "InvalidArgument",
    source="S3 user guide, Transitioning objects: 30 days minimum before STANDARD_IA and ONEZONE_IA",
    accepts=on.creation(_lifecycle(_moves(30)), _BUCKET),
    refuses=on.creation(_lifecycle(_moves(7)), _BUCKET),
)
def _lifecycle_days(request: Request) -> None:
    for rule in get(request.body, "Rules", []):
        for move in get(rule, "Transitions", []):
            days, target = get(move, "Days"), get(move, "StorageClass")
            if target in {"STANDARD_IA", "ONEZONE_IA"} and days is not None and days < _INFREQUENT_AFTER_DAYS:
                refuse(
                    "InvalidArgument",
                    f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{target}'",
                )


@RULES.rule(
    "s3-bucket-not-empty",
    on.BUCKET_TOKEN,
    DELETE,
    "BucketNotEmpty",
    source="S3 API reference, DeleteBucket: all objects, including all versions, must be deleted first",
    accepts=on.removal("b", _BUCKET),
    refuses=on.removal("b", _BUCKET, (OBJECT_TOKEN, "o", {"bucket": "${b}", "key": "a", "content": "x"})),
)
def _bucket_empty(request: Request) -> None:
    name = str(get(request.body, "Name"))
    if request.account.find("s3:Object", Bucket=name):
        refuse(
            "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions.", status=409
        )
