"""What FSx refuses of data repository associations."""

import re

from local.cloud.aws import scenarios as on
from local.cloud.aws.common import get, refuse
from local.cloud.aws.rulebook import CREATE, RuleBook
from local.cloud.model import Request

RULES = RuleBook()
BAD = "BadRequest"
_LUSTRE = on.LUSTRE_INPUTS
_BASE = on.NETWORK
_FS = (on.LUSTRE_TOKEN, "fs", _LUSTRE)
_BUCKET = (on.BUCKET_TOKEN, "bucket", {"bucket": "slipway-data"})
_LINK = {"fileSystemId": "${fs}", "fileSystemPath": "/data", "dataRepositoryPath": "s3://slipway-data"}
_LINKED = (*_BASE, _FS, _BUCKET)
_HAS_LINK = (on.DATA_LINK_TOKEN, "first", _LINK)


@RULES.rule(
    "fsx-link-deployment",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx API reference, CreateDataRepositoryAssociation: not on SCRATCH_1; Lustre 2.12 or newer",
    accepts=on.creation(_LINK, *_LINKED),
    refuses=on.creation(
        _LINK,
        *_BASE,
        _BUCKET,
        (on.LUSTRE_TOKEN, "fs", {"subnetIds": "${a}", "deploymentType": "SCRATCH_1", "storageCapacity": 1200}),
    ),
)
def _link_deployment(request: Request) -> None:
    system = request.account.get("fsx:FileSystem", str(get(request.body, "FileSystemId")))
    if system is None:
        return
    if (
        system.body["LustreConfiguration"]["DeploymentType"] == "SCRATCH_1"
        or system.body["FileSystemTypeVersion"] == "2.10"
    ):
        refuse(BAD, "Data repository associations are supported on Lustre 2.12 or newer and not on SCRATCH_1.")


@RULES.rule(
    "fsx-link-backups",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx for Lustre user guide, Working with backups: not on file systems linked to a data repository",
    accepts=on.creation(_LINK, *_LINKED),
    refuses=on.creation(
        _LINK, *_BASE, _BUCKET, (on.LUSTRE_TOKEN, "fs", {**_LUSTRE, "automaticBackupRetentionDays": 7})
    ),
)
def _link_backups(request: Request) -> None:
    system = request.account.get("fsx:FileSystem", str(get(request.body, "FileSystemId")))
    if system and get(system.body, "LustreConfiguration.AutomaticBackupRetentionDays", 0):
        refuse(BAD, "A data repository association cannot be created on a file system with automatic backups.")


@RULES.rule(
    "fsx-link-file-system-path",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx API reference, CreateDataRepositoryAssociation, FileSystemPath: a leading forward slash is required",
    accepts=on.creation(_LINK, *_LINKED),
    refuses=on.creation({**_LINK, "fileSystemPath": "data"}, *_LINKED),
)
def _link_path(request: Request) -> None:
    path = str(get(request.body, "FileSystemPath"))
    if not path.startswith("/") or "//" in path:
        refuse(BAD, f"FileSystemPath '{path}' is invalid: it must start with a forward slash.")


@RULES.rule(
    "fsx-link-repository-path",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx API reference, CreateDataRepositoryAssociation, DataRepositoryPath: s3://bucket-name/prefix/",
    accepts=on.creation({**_LINK, "dataRepositoryPath": "s3://slipway-data/sets/"}, *_LINKED),
    refuses=on.creation({**_LINK, "dataRepositoryPath": "slipway-data"}, *_LINKED),
)
def _link_repository(request: Request) -> None:
    path = str(get(request.body, "DataRepositoryPath"))
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?", path):
        refuse(BAD, f"DataRepositoryPath '{path}' is invalid: it must be of the form s3://bucket-name/prefix/.")


@RULES.rule(
    "fsx-link-bucket",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx for Lustre user guide, Troubleshooting a misconfigured linked S3 bucket: the bucket must exist",
    accepts=on.creation(_LINK, *_LINKED),
    refuses=on.creation({**_LINK, "dataRepositoryPath": "s3://nowhere-data"}, *_LINKED),
)
def _link_bucket(request: Request) -> None:
    bucket = str(get(request.body, "DataRepositoryPath")).removeprefix("s3://").partition("/")[0]
    if request.account.get("s3:Bucket", bucket) is None:
        refuse(BAD, f"Amazon FSx is unable to validate access to the S3 bucket: the bucket {bucket} does not exist")


def _overlap(first: str, second: str) -> bool:
    one, two = first.rstrip("/") + "/", second.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)


@RULES.rule(
    "fsx-link-overlap",
    on.DATA_LINK_TOKEN,
    CREATE,
    BAD,
    source="FSx API reference, CreateDataRepositoryAssociation: neither paths of two associations can overlap",
    accepts=on.creation(
        {**_LINK, "fileSystemPath": "/models", "dataRepositoryPath": "s3://slipway-other"},
        *_LINKED,
        _HAS_LINK,
        (on.BUCKET_TOKEN, "other", {"bucket": "slipway-other"}),
    ),
    refuses=on.creation(
        {**_LINK, "fileSystemPath": "/data/sets", "dataRepositoryPath": "s3://slipway-other"},
        *_LINKED,
        _HAS_LINK,
        (on.BUCKET_TOKEN, "other", {"bucket": "slipway-other"}),
    ),
)
def _link_overlap(request: Request) -> None:
    for other in request.account.find("fsx:DataRepositoryAssociation", FileSystemId=get(request.body, "FileSystemId")):
        for member in ("FileSystemPath", "DataRepositoryPath"):
            mine, theirs = str(get(request.body, member)), str(other.body[member])
            if _overlap(mine, theirs):
                refuse(BAD, f"{member} '{mine}' overlaps with '{theirs}' of data repository association {other.id}.")
