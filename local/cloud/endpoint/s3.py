"""S3: buckets, what is set on them, and the versions in them."""

from collections.abc import Mapping
from typing import Final

from local.cloud.endpoint.registry import Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_NOT_FOUND: Final = 404
_PAGE: Final = 1000
_OBJECT: Final = "s3:Object"


def _bucket(asked: Asked) -> CloudObject:
    name = asked.parameters["Bucket"]
    item = asked.store.get("s3:Bucket", name)
    if item is None:
        raise ApiError("NoSuchBucket", f"The specified bucket does not exist: {name}", status=_NOT_FOUND)
    return item


def _setting(asked: Asked, kind: str, code: str) -> CloudObject:
    item = asked.store.get(kind, _bucket(asked).id)
    if item is None:
        raise ApiError(code, "The bucket has no such configuration", status=_NOT_FOUND)
    return item


@serves("s3", "ListBuckets")
def list_buckets(asked: Asked) -> Mapping[str, Json]:
    """All buckets of the account."""
    found = asked.store.find("s3:Bucket")
    owner = {"ID": asked.store.account_id.zfill(64)}
    return {"Buckets": [asked.shaped("Buckets", item) for item in found], "Owner": owner}


@serves("s3", "HeadBucket")
def head_bucket(asked: Asked) -> Mapping[str, Json]:
    """Whether it exists, and where."""
    return {"BucketRegion": _bucket(asked).region}


@serves("s3", "GetBucketLocation")
def get_bucket_location(asked: Asked) -> Mapping[str, Json]:
    """Its region; empty for us-east-1, as ever."""
    region = _bucket(asked).region
    return {"LocationConstraint": "" if region == "us-east-1" else region}


@serves("s3", "GetBucketTagging")
def get_bucket_tagging(asked: Asked) -> Mapping[str, Json]:
    """Its tags; a bucket without any is an error."""
    tags = _bucket(asked).body.get("Tags")
    if not tags:
        raise ApiError("NoSuchTagSet", "The TagSet does not exist", status=_NOT_FOUND)
    return {"TagSet": tags}


@serves("s3", "GetBucketVersioning")
def get_bucket_versioning(asked: Asked) -> Mapping[str, Json]:
    """Its versioning; empty when it was never on."""
    item = asked.store.get("s3:BucketVersioning", _bucket(asked).id)
    return {"Status": item.body["Status"]} if item and item.body.get("Status") in ("Enabled", "Suspended") else {}


@serves("s3", "GetBucketEncryption")
def get_bucket_encryption(asked: Asked) -> Mapping[str, Json]:
    """How new objects are encrypted."""
    kind, code = "s3:ServerSideEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"
    return {"ServerSideEncryptionConfiguration": {"Rules": _setting(asked, kind, code).body["Rules"]}}


@serves("s3", "ListObjectVersions")
def list_object_versions(asked: Asked) -> Mapping[str, Json]:
    """The current version of each object: the simulated account keeps no older ones."""
    bucket, parameters = _bucket(asked).id, asked.parameters
    for name in ("Delimiter", "EncodingType"):
        if parameters.get(name) and (name, parameters[name]) != ("EncodingType", "url"):
            raise ApiError("NotImplemented", f"{name} is not simulated", status=501)
    prefix, after, size = parameters.get("Prefix") or "", parameters.get("KeyMarker") or "", parameters.get("MaxKeys")
    found = sorted(asked.store.find(_OBJECT, Bucket=bucket), key=lambda item: str(item.body["Key"]))
    found = [item for item in found if str(item.body["Key"]).startswith(prefix) and str(item.body["Key"]) > after]
    shown = found[: size if size is not None else _PAGE]
    versions = [
        {
            "Key": item.body["Key"],
            "VersionId": str(item.body.get("VersionId") or "null"),
            "IsLatest": True,
            "LastModified": item.created_at,
            "Size": len(str(item.body.get("Content") or "").encode()),
            "StorageClass": "STANDARD",
        }
        for item in shown
    ]
    cut = len(shown) < len(found)
    markers = {"NextKeyMarker": shown[-1].body["Key"], "NextVersionIdMarker": "null"} if cut and shown else {}
    return {"Name": bucket, "Prefix": prefix, "Versions": versions, "IsTruncated": cut, **markers}


@serves("s3", "DeleteObjects")
def delete_objects(asked: Asked) -> Mapping[str, Json]:
    """Removes objects; one that is not there counts as removed, as at S3."""
    bucket = _bucket(asked).id
    deleted: list[Json] = []
    errors: list[Json] = []
    for one in asked.parameters["Delete"]["Objects"]:
        try:
            for item in asked.store.find(_OBJECT, Bucket=bucket, Key=one["Key"]):
                asked.delete(_OBJECT, item.id)
        except ApiError as error:
            errors.append({"Key": one["Key"], "Code": error.code, "Message": error.message})
        else:
            deleted.append({"Key": one["Key"]})
    quiet = asked.parameters["Delete"].get("Quiet")
    return {**({} if quiet else {"Deleted": deleted}), **({"Errors": errors} if errors else {})}


@serves("s3", "DeleteBucket")
def delete_bucket(asked: Asked) -> Mapping[str, Json]:
    """Deletes an empty bucket."""
    asked.delete("s3:Bucket", _bucket(asked).id)
    return {}
