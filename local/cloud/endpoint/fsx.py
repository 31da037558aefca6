"""FSx: file systems and their data repository associations."""

from collections.abc import Mapping
from typing import Final

from local.cloud.endpoint.listing import page
from local.cloud.endpoint.registry import Asked, serves
from local.cloud.model import ApiError, CloudObject
from local.cloud.values import Json

_PAGE: Final = 100
_FILTERS: Final = {"file-system-id": "FileSystemId"}


def _paged(asked: Asked, member: str, found: list[CloudObject]) -> dict[str, Json]:
    token, size = asked.parameters.get("NextToken"), asked.parameters.get("MaxResults")
    shown, following = page(found, token, size, default=_PAGE, invalid="BadRequest")
    return {
        member: [asked.shaped(member, item) for item in shown],
        **({"NextToken": following} if following else {}),
    }


def _wanted(found: list[CloudObject], ids: list[str], code: str) -> list[CloudObject]:
    absent = [one for one in ids if one not in {item.id for item in found}]
    if absent:
        raise ApiError(code, f"'{absent[0]}' does not exist.")
    return [item for item in found if not ids or item.id in ids]


@serves("fsx", "DescribeFileSystems")
def describe_file_systems(asked: Asked) -> Mapping[str, Json]:
    """All, or those with the given ids."""
    ids = asked.parameters.get("FileSystemIds") or []
    return _paged(asked, "FileSystems", _wanted(asked.store.find("fsx:FileSystem"), ids, "FileSystemNotFound"))


@serves("fsx", "DescribeDataRepositoryAssociations")
def describe_data_repository_associations(asked: Asked) -> Mapping[str, Json]:
    """All, by ids, or of a file system."""
    found = asked.store.find("fsx:DataRepositoryAssociation")
    ids = asked.parameters.get("AssociationIds") or []
    found = _wanted(found, ids, "DataRepositoryAssociationNotFound")
    for one in asked.parameters.get("Filters") or []:
        if one["Name"] not in _FILTERS:
            raise ApiError("BadRequest", f"The filter '{one['Name']}' is not simulated; known: {', '.join(_FILTERS)}")
        found = [item for item in found if item.body.get(_FILTERS[one["Name"]]) in one["Values"]]
    return _paged(asked, "Associations", found)


@serves("fsx", "DeleteFileSystem")
def delete_file_system(asked: Asked) -> Mapping[str, Json]:
    """Deletes it, without a final backup: the simulated account keeps none."""
    identifier = asked.parameters["FileSystemId"]
    _wanted(asked.store.find("fsx:FileSystem"), [identifier], "FileSystemNotFound")
    asked.delete("fsx:FileSystem", identifier)
    return {"FileSystemId": identifier, "Lifecycle": "DELETING"}


@serves("fsx", "DeleteDataRepositoryAssociation")
def delete_data_repository_association(asked: Asked) -> Mapping[str, Json]:
    """Deletes the link; the data stay where they are."""
    identifier = asked.parameters["AssociationId"]
    if asked.parameters.get("DeleteDataInFileSystem"):
        raise ApiError("BadRequest", "DeleteDataInFileSystem is not simulated: delete the association alone")
    known = asked.store.find("fsx:DataRepositoryAssociation")
    _wanted(known, [identifier], "DataRepositoryAssociationNotFound")
    asked.delete("fsx:DataRepositoryAssociation", identifier)
    return {"AssociationId": identifier, "Lifecycle": "DELETING"}
