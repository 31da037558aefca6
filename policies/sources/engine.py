"""What the engine tells a policy pack: one resource at a time (inputs), and all of them at the end (outputs).

Read from the protocol's own messages: the SDK's arguments hold the clear text of secrets, and are made anew for every
policy, which for dozens of rules takes longer than the rules do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from policies.graph import SECRET, UNKNOWN, Json, Resource, ResourceGraph
from policies.sources import values
from policies.sources.state import is_simulated

_COMPONENT: Final = "slipway:"
_STACK: Final = "pulumi:pulumi:Stack"


def resource_of(message: Any) -> Resource:
    """An ``AnalyzeRequest`` or an ``AnalyzerResource``; its properties are inputs in the one, outputs in the other."""
    options = message.options
    dependencies = getattr(message, "propertyDependencies", {})
    return Resource(
        type=message.type,
        name=message.name,
        urn=message.urn,
        properties=values.properties(message.type, from_struct(message.properties)),
        parent=getattr(message, "parent", "") or options.parent,
        provider=message.provider.urn if message.HasField("provider") else "",
        dependencies=tuple(getattr(message, "dependencies", ())),
        property_dependencies={name: tuple(item.urns) for name, item in dependencies.items()},
        protect=options.protect,
        ignore_changes=tuple(options.ignoreChanges),
        custom=message.type != _STACK and not message.type.startswith(_COMPONENT),
    )


def with_inputs(resource: Resource, struct: Any) -> Resource:
    """``resource`` with the inputs of a protobuf struct."""
    return replace(resource, properties=values.properties(resource.type, from_struct(struct)))


def provider_of(message: Any) -> Resource | None:
    """The provider that the resource is made with."""
    if not message.HasField("provider"):
        return None
    given = message.provider
    return Resource(
        type=given.type,
        name=given.name,
        urn=given.urn,
        properties=values.properties(given.type, from_struct(given.properties)),
    )


def alone(message: Any, *, preview: bool) -> ResourceGraph:
    """A graph of one resource and its provider: all that is known while the update runs."""
    provider = provider_of(message)
    resource = resource_of(message)
    return ResourceGraph(resources=(resource, provider) if provider else (resource,), preview=preview)


def whole(messages: Iterable[Any], inputs: Mapping[str, Mapping[str, Json]], *, preview: bool) -> ResourceGraph:
    """The stack at the end of a preview or an update.

    Args:
        messages: the engine's resources, with outputs.
        inputs: those that were seen one by one, by URN.
        preview: whether unknown values are to be expected.
    """
    found = []
    for message in messages:
        resource = resource_of(message)
        declared = inputs.get(resource.urn)
        found.append(
            replace(
                resource, outputs=resource.properties, properties=resource.properties if declared is None else declared
            )
        )
    resources = tuple(found)
    stack, project = values.place_of([item.urn for item in resources])
    return ResourceGraph(
        resources=resources,
        stack=stack,
        project=project,
        simulated=is_simulated(resources),
        preview=preview,
        origin="the engine",
    )


def from_struct(struct: Any) -> dict[str, Json]:
    """A protobuf struct as plain values, secrets and unknown ones replaced."""
    return {name: _value(item) for name, item in struct.fields.items()}


def _value(value: Any) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in values.UNKNOWN_TEXTS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _object(value.struct_value.fields)
    return None


def _object(fields: Any) -> Json:
    if values.SIGNATURE in fields:
        signature = fields[values.SIGNATURE].string_value
        if signature == values.SECRET_SIGNATURE:
            return SECRET
        if signature == values.OUTPUT_SIGNATURE:
            if "secret" in fields and fields["secret"].bool_value:
                return SECRET
            return _value(fields["value"]) if "value" in fields else UNKNOWN
    return {name: _value(item) for name, item in fields.items()}
