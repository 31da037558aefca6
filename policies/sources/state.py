"""One resource as the engine keeps it (apitype.ResourceV3): in exports, and in the steps of a preview."""

from collections.abc import Mapping
from typing import Any, Final

from policies.graph import Operation, Resource
from policies.sources import values

SIMULATED_ACCOUNT: Final = "0" * 12


def resource_of(state: Mapping[str, Any], operation: Operation, before: Mapping[str, Any] | None = None) -> Resource:
    """The resource; whatever is missing or of another type than Pulumi writes is left out."""
    urn = values.text(state.get("urn"))
    token = values.text(state.get("type")) or values.type_of(urn)
    outputs = values.properties(token, state.get("outputs"))
    inputs = values.properties(token, state.get("inputs"))
    known = state.get("propertyDependencies")
    dependencies = {name: values.texts(urns) for name, urns in known.items()} if isinstance(known, Mapping) else {}
    return Resource(
        type=token,
        name=values.name_of(urn),
        urn=urn,
        properties=inputs or outputs,
        outputs=outputs,
        id=values.text(state.get("id")),
        parent=values.text(state.get("parent")),
        provider=values.text(state.get("provider")).rpartition("::")[0],
        dependencies=values.texts(state.get("dependencies")),
        property_dependencies=dependencies,
        protect=state.get("protect") is True,
        retain_on_delete=state.get("retainOnDelete") is True,
        ignore_changes=values.texts(state.get("ignoreChanges")),
        custom=state.get("custom") is True,
        external=state.get("external") is True,
        operation=operation,
        before=None if before is None else values.properties(token, before.get("inputs")),
    )


def is_simulated(resources: tuple[Resource, ...]) -> bool:
    """Whether a provider may work in no account but the one that only a simulation has."""
    return any(
        item.type == "pulumi:providers:aws" and SIMULATED_ACCOUNT in str(item.properties.get("allowedAccountIds", ""))
        for item in resources
    )
