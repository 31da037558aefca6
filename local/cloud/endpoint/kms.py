"""KMS: keys, for reading, and aliases."""

from collections.abc import Mapping
from typing import Final

from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import Asked, serves
from local.cloud.endpoint.shapes import project
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 100


def _paged(asked: Asked, member: str, items: list[dict[str, Json]]) -> dict[str, Json]:
    token, size = asked.parameters.get("Marker"), asked.parameters.get("Limit")
    shown, following = page(items, token, size, default=_PAGE, invalid="InvalidMarkerException")
    return {member: shown, "Truncated": bool(following), **({"NextMarker": following} if following else {})}


def _key(asked: Asked, name: str) -> CloudObject:
    """A key by id, ARN or alias."""
    alias = asked.store.get("kms:Alias", name)
    wanted = str(alias.body["TargetKeyId"]) if alias else name.rpartition("/")[2]
    item = asked.store.get("kms:Key", wanted)
    if item is None:
        raise ApiError("NotFoundException", f"Key '{name}' does not exist")
    return item


@serves("kms", "ListKeys")
def list_keys(asked: Asked) -> Mapping[str, Json]:
    """All keys."""
    found = asked.store.find("kms:Key")
    return _paged(asked, "Keys", [{"KeyId": item.id, "KeyArn": item.body["Arn"]} for item in found])


@serves("kms", "DescribeKey")
def describe_key(asked: Asked) -> Mapping[str, Json]:
    """One key's metadata."""
    item = _key(asked, asked.parameters["KeyId"])
    return {"KeyMetadata": project(item.body, asked.operation.output_shape.members["KeyMetadata"])}


@serves("kms", "ListAliases")
def list_aliases(asked: Asked) -> Mapping[str, Json]:
    """All aliases, or those of a key."""
    wanted = asked.parameters.get("KeyId")
    key = _key(asked, wanted).id if wanted else ""
    found = [item for item in asked.store.find("kms:Alias") if not key or item.body["TargetKeyId"] == key]
    return _paged(asked, "Aliases", [asked.shaped("Aliases", item) for item in found])


@serves("kms", "DeleteAlias")
def delete_alias(asked: Asked) -> Mapping[str, Json]:
    """Deletes the name; the key stays."""
    name = asked.parameters["AliasName"]
    if asked.store.get("kms:Alias", name) is None:
        raise ApiError("NotFoundException", f"Alias {name} is not found.")
    asked.delete("kms:Alias", name)
    return {}
