"""``pulumi stack export``, and the checkpoint of a file backend."""

from collections.abc import Mapping
from typing import Any, Final

from policies.graph import Operation, ResourceGraph
from policies.sources import values
from policies.sources.errors import SourceError
from policies.sources.state import is_simulated, resource_of

_KNOWN_VERSIONS: Final = (3, 4)
"""Deployment versions with this shape (sdk/go/common/apitype)."""


def read(document: Mapping[str, Any], *, origin: str = "") -> ResourceGraph:
    """The stack as the engine last saw it.

    Resources that a replacement left behind (``delete``) are about to go, so no rule looks at them; operations that
    never ended are named in the notes.

    Raises:
        SourceError: it holds no list of resources.
    """
    deployment = _deployment(document)
    states = deployment.get("resources")
    if not isinstance(states, list):
        raise SourceError(
            "this export holds no list of resources",
            hint="write it with: pulumi stack export --stack NAME --file export.json",
        )
    resources = tuple(
        resource_of(state, Operation.DELETE if state.get("delete") is True else Operation.SAME)
        for state in states
        if isinstance(state, Mapping) and isinstance(state.get("urn"), str)
    )
    stack, project = values.place_of([item.urn for item in resources])
    return ResourceGraph(
        resources=resources,
        stack=stack,
        project=project,
        simulated=is_simulated(resources),
        origin=origin or "pulumi stack export",
        tells_options=any(item.ignore_changes for item in resources),
        notes=tuple(_notes(document, deployment, len(states) - len(resources))),
    )


def _deployment(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("deployment")
    if found is None:
        checkpoint = document.get("checkpoint")
        found = checkpoint.get("latest") if isinstance(checkpoint, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _notes(document: Mapping[str, Any], deployment: Mapping[str, Any], unreadable: int) -> list[str]:
    notes = []
    version = document.get("version")
    if version not in _KNOWN_VERSIONS:
        notes.append(f"deployment version {version!r} is not known here; it was read as version 3")
    if unreadable:
        notes.append(f"{unreadable} entries are no resources (no URN) and were left out")
    pending = deployment.get("pending_operations")
    given = pending if isinstance(pending, list) else []
    return [*notes, *(_interrupted(item) for item in given if isinstance(item, Mapping))]


def _interrupted(operation: Mapping[str, Any]) -> str:
    resource = operation.get("resource")
    urn = values.text(resource.get("urn")) if isinstance(resource, Mapping) else ""
    doing = values.text(operation.get("type")) or "working on"
    return (
        f"an update was interrupted while {doing} {values.type_of(urn)} {values.name_of(urn)}: "
        "`slipway recover` finds out what became of it"
    )
