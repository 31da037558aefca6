"""The resource graph of a plan, for rules and prices: one program run in this process, every value known."""

import os
from collections.abc import Mapping
from typing import Any

from cli.project import Stack
from local.cloud.recording import RecordedResource, Recording
from policies.graph import SECRET, Resource, ResourceGraph
from policies.sources import values


def planned_graph(stack: Stack) -> ResourceGraph:
    """Run the stack's program against the simulator and return what it declares.

    Raises:
        UserError: the simulator refuses something.
    """
    # Imported here: a graph of a file needs neither the program nor the provider SDKs.
    from cli.plan import record

    # A plan stands in for a mirror that only a running environment knows; an engine started later must not see it.
    before = dict(os.environ)
    try:
        return graph_of(record(stack), simulated=stack.simulated)
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]


def graph_of(recording: Recording, *, simulated: bool) -> ResourceGraph:
    """A recorded program as rules and prices see it."""
    return ResourceGraph(
        resources=tuple(_resource(item) for item in recording.resources),
        stack=recording.stack,
        project=recording.project,
        simulated=simulated,
        origin="slipway plan",
    )


def _resource(item: RecordedResource) -> Resource:
    return Resource(
        type=item.type,
        name=item.name,
        urn=item.urn,
        properties=_hidden(item, item.inputs),
        outputs=_hidden(item, item.outputs),
        id=item.id,
        parent=item.parent,
        provider=item.provider.rpartition("::")[0],
        dependencies=item.dependencies,
        property_dependencies=item.property_dependencies,
        protect=item.protect,
        retain_on_delete=item.options.get("retainOnDelete") is True,
        ignore_changes=tuple(item.options.get("ignoreChanges") or ()),
        custom=item.custom,
        external=item.read,
    )


def _hidden(item: RecordedResource, given: Mapping[str, Any]) -> dict[str, Any]:
    found = values.properties(item.type, given)
    return {name: SECRET if name in item.secrets else value for name, value in found.items()}
