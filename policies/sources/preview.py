"""``pulumi preview --json``, best with ``--show-sames``: the stack as it will be, with what will change."""

from collections.abc import Mapping
from typing import Any, Final

from policies.graph import Operation, Resource, ResourceGraph
from policies.sources import values
from policies.sources.errors import SourceError
from policies.sources.state import is_simulated, resource_of

_OPERATIONS: Final = {
    "same": Operation.SAME,
    "read": Operation.SAME,
    "refresh": Operation.SAME,
    "import": Operation.SAME,
    "create": Operation.CREATE,
    "update": Operation.UPDATE,
    "delete": Operation.DELETE,
    "remove-pending-replace": Operation.DELETE,
    "replace": Operation.REPLACE,
    "create-replacement": Operation.REPLACE,
    "read-replacement": Operation.REPLACE,
    "import-replacement": Operation.REPLACE,
    "delete-replaced": Operation.DELETE,
    "discard-replaced": Operation.DELETE,
    "discard": Operation.DELETE,
}
"""Steps of the engine (pkg/resource/deploy/step.go)."""
_RANK: Final = {
    Operation.DELETE: 0,
    Operation.SAME: 1,
    Operation.UPDATE: 2,
    Operation.CREATE: 3,
    Operation.REPLACE: 4,
}
"""A replacement is told in several steps of one URN; the last of these says most."""


def read(document: Mapping[str, Any], *, origin: str = "") -> ResourceGraph:
    """The stack after the update.

    Raises:
        SourceError: it holds no list of steps.
    """
    steps = document.get("steps")
    if not isinstance(steps, list):
        raise SourceError(
            "this preview holds no list of steps",
            hint="write it with: pulumi preview --json --show-sames --stack NAME > preview.json",
        )
    found: dict[str, Resource] = {}
    unknown: set[str] = set()
    for step in steps:
        if not isinstance(step, Mapping):
            continue
        word = values.text(step.get("op"))
        operation = _OPERATIONS.get(word)
        if operation is None:
            # A step of a newer engine: the resource is there, only what happens to it is not known here.
            unknown.add(word)
            operation = Operation.UPDATE
        resource = _resource(step, operation)
        known = found.get(resource.urn) if resource else None
        if resource and (known is None or _RANK[operation] >= _RANK[known.operation]):
            found[resource.urn] = resource
    resources = tuple(found.values())
    stack, project = values.place_of(list(found))
    return ResourceGraph(
        resources=resources,
        stack=stack,
        project=project,
        simulated=is_simulated(resources),
        preview=True,
        origin=origin or "pulumi preview",
        tells_options=any(item.ignore_changes for item in resources),
        notes=tuple(_notes(document, resources, unknown)),
    )


def _resource(step: Mapping[str, Any], operation: Operation) -> Resource | None:
    before, after = step.get("oldState"), step.get("newState")
    old = before if isinstance(before, Mapping) else None
    state = after if isinstance(after, Mapping) else old
    if state is None:
        urn = values.text(step.get("urn"))
        return resource_of({"urn": urn, "custom": True}, operation) if urn else None
    given = state if isinstance(state.get("urn"), str) else {**state, "urn": values.text(step.get("urn"))}
    changes = operation in (Operation.UPDATE, Operation.REPLACE, Operation.DELETE)
    return resource_of(given, operation, old if changes else None)


def _notes(document: Mapping[str, Any], resources: tuple[Resource, ...], unknown: set[str]) -> list[str]:
    notes = []
    summary = document.get("changeSummary")
    same = summary.get("same", 0) if isinstance(summary, Mapping) else 0
    there = sum(item.operation is Operation.SAME for item in resources)
    if isinstance(same, int) and same > there:
        notes.append(
            f"{same - there} resources that stay as they are do not stand in this preview, so nothing was said about "
            "them: write it with --show-sames"
        )
    if unknown:
        notes.append(f"steps that are not known here were read as updates: {', '.join(sorted(unknown))}")
    return notes
