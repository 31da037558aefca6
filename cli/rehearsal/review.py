"""What a state says about names, tags and keeping, before anything goes wrong: pure functions of an exported state."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cli.checkpoint import resources
from cli.events import short_type, urn_name
from components.tags import RESOURCE, STACK

_NAMES: Final = {
    "aws:cloudwatch/logGroup:LogGroup": "name",
    "aws:ec2/launchTemplate:LaunchTemplate": "name",
    "aws:ec2/placementGroup:PlacementGroup": "name",
    "aws:eks/cluster:Cluster": "name",
    "aws:iam/instanceProfile:InstanceProfile": "name",
    "aws:iam/policy:Policy": "name",
    "aws:iam/role:Role": "name",
    "aws:kms/alias:Alias": "name",
    "aws:s3/bucket:Bucket": "bucket",
}
"""Types whose names an account (or, for buckets, all accounts) has once, with the input that is the name."""
_UNIQUE_END: Final = re.compile(r"-[0-9a-f]{7,}$")
"""The hash of a name that was cut, or the random end that the engine gives."""
_LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
_BUCKET: Final = "aws:s3/bucket:Bucket"
_FILE_SYSTEM: Final = "aws:fsx/lustreFileSystem:LustreFileSystem"
_ASSOCIATION: Final = "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation"
_DEFAULTS: Final = "__defaults"
"""Inputs that the provider filled in: among them the names that it made up."""


def clashing(document: Mapping[str, Any], stack: str) -> Iterator[str]:
    """Names that a second stack in the same account would want too: chosen, and without this stack's name in them."""
    for item in _custom(document):
        member = _NAMES.get(str(item["type"]))
        inputs = item.get("inputs") or {}
        if member is None or member not in inputs or member in (inputs.get(_DEFAULTS) or []):
            continue
        name = str(inputs[member])
        if stack not in name and not _UNIQUE_END.search(name):
            yield f"{_label(item)} is called {name}, and so would that of every other stack in the account"


def untagged(document: Mapping[str, Any]) -> Iterator[str]:
    """What takes tags and lacks those by which ``recover``, ``destroy`` and cost reports find it."""
    for item in _custom(document):
        tags = (item.get("outputs") or {}).get("tagsAll")
        if not isinstance(tags, dict) or item.get("external"):
            continue
        missing = [key for key in (STACK, RESOURCE) if key not in tags]
        if missing:
            yield f"{_label(item)} lacks the tag {' and '.join(missing)}"


def endless(document: Mapping[str, Any]) -> Iterator[str]:
    """Logs that are kept, and paid for, for ever."""
    for item in _custom(document):
        if item["type"] == _LOG_GROUP and not (item.get("outputs") or {}).get("retentionInDays"):
            yield f"{_label(item)} has no retentionInDays: what is logged is kept for ever"


def unkept(document: Mapping[str, Any]) -> Iterator[str]:
    """Data of a protected stack that goes with its resource: no versions, no backup, no copy elsewhere."""
    linked = {
        str((item.get("inputs") or {}).get("fileSystemId"))
        for item in _custom(document)
        if item["type"] == _ASSOCIATION
    }
    for item in _custom(document):
        inputs = item.get("inputs") or {}
        if item["type"] == _BUCKET and inputs.get("forceDestroy"):
            yield f"{_label(item)} is emptied when it is deleted (forceDestroy)"
        # FSx backs up no file system that is linked to a bucket: there the bucket is the copy.
        if item["type"] == _FILE_SYSTEM and inputs.get("skipFinalBackup", True) and str(item["id"]) not in linked:
            yield f"{_label(item)} is deleted without a last backup (skipFinalBackup)"


def _custom(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in resources(document):
        if item.get("custom") and not item.get("delete") and str(item["type"]).startswith("aws:"):
            yield item


def _label(item: Mapping[str, Any]) -> str:
    return f"{short_type(str(item['type']))} {urn_name(str(item['urn']))}"
