"""Between Pulumi's properties (camelCase) and the body that the service's API would show."""

from collections.abc import Mapping
from typing import Any

from local.cloud.diff import DEFAULTS, same
from local.cloud.model import Account, Binding, CloudObject, Context
from local.cloud.paths import assign, lookup
from local.cloud.schema import ResourceSchema, Shape, Type
from local.cloud.values import Json, Secret, is_unknown, plain

REGION = "region"
TAGS = "tags"
ALL_TAGS = "tagsAll"
_TEXT = Type("any")


class Converter:
    """Conversions of one resource type, by its binding and its schema."""

    def __init__(self, binding: Binding, schema: ResourceSchema) -> None:
        self.binding = binding
        self.schema = schema
        self._provider_only = {*binding.client_only, DEFAULTS, REGION, *schema.secrets}
        self._fields = {path.replace("[]", ""): member for path, member in binding.fields.items()}

    # --- to the API ----------------------------------------------------------------------------------------------

    def to_body(self, inputs: Mapping[str, Json], context: Context) -> dict[str, Json]:
        """The request body for checked inputs.

        Raises:
            UndecidedError: a converter of the package read an unknown value (previews only).
        """
        flat: dict[str, Json] = plain(dict(inputs))
        if self.binding.to_body is not None:
            flat.pop(DEFAULTS, None)
            body = self.binding.to_body(flat, context)
            if self.binding.tags and flat.get(TAGS) is not None and lookup(body, self.binding.tags) is None:
                assign(body, self.binding.tags, self._tags_to_body(flat[TAGS]))
            return body
        return self.default_body(flat)

    def default_body(self, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """The default conversion alone, for ``Binding.to_body`` functions that only adjust it."""
        body: dict[str, Json] = {}
        for name, value in inputs.items():
            if name in self._provider_only or value is None:
                continue
            if name == TAGS and self.binding.tags:
                assign(body, self.binding.tags, self._tags_to_body(value))
            else:
                kind = self.schema.inputs.properties.get(name, _TEXT)
                assign(body, self.path_of(name), self._to_body(value, kind, name))
        return body

    def path_of(self, name: str) -> str:
        """Body path of a top-level property."""
        return self._fields.get(name) or self._spelled(name)

    def _spelled(self, name: str) -> str:
        return name if self.binding.camel_case_body else name[:1].upper() + name[1:]

    def _member(self, path: str, name: str) -> str:
        return self._fields.get(f"{path}.{name}") or self._spelled(name)

    def _to_body(self, value: Json, kind: Type, path: str) -> Json:
        if is_unknown(value):
            return value
        if isinstance(value, list) and kind.item is not None:
            return [self._to_body(item, kind.item, path) for item in value]
        if kind.name == "object" and isinstance(value, dict):
            shape = self.schema.shapes.get(kind.shape, Shape())
            body: dict[str, Json] = {}
            for name, item in value.items():
                if item is not None:
                    inner = self._to_body(item, shape.properties.get(name, _TEXT), f"{path}.{name}")
                    assign(body, self._member(path, name), inner)
            return body
        return value

    def _tags_to_body(self, tags: Json) -> Json:
        if self.binding.tags_as_map or not isinstance(tags, dict):
            return tags
        key, value = ("key", "value") if self.binding.camel_case_body else ("Key", "Value")
        return [{key: name, value: text} for name, text in sorted(tags.items())]

    # --- from the API --------------------------------------------------------------------------------------------

    def to_state(self, item: CloudObject, account: Account, inputs: Mapping[str, Json]) -> dict[str, Json]:
        """Pulumi outputs: ``inputs`` for what only the provider knows, overlaid by what the body says.

        Secret outputs and whatever was secret in the inputs stay wrapped.
        """
        state = {name: value for name, value in inputs.items() if name != DEFAULTS and value is not None}
        derived = self.from_body(item.body)
        if REGION in self.schema.outputs.properties:
            derived[REGION] = item.region
        if self.binding.to_state is not None:
            derived |= self.binding.to_state(item, account)
        for name, value in derived.items():
            known = state.get(name)
            if known is None or not same(known, value):
                state[name] = Secret(value) if isinstance(known, Secret) or _holds_secret(known) else value
        return self.wrap_secrets({name: value for name, value in state.items() if value is not None})

    def from_body(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """The default conversion alone."""
        state: dict[str, Json] = {}
        for name, kind in self.schema.outputs.properties.items():
            if name in self._provider_only:
                continue
            if name in {TAGS, ALL_TAGS} and self.binding.tags:
                state[name] = self._tags_from_body(lookup(body, self.binding.tags))
                continue
            value = lookup(body, self.path_of(name))
            if value is not None:
                state[name] = self._from_body(value, kind, name)
        return state

    def wrap_secrets(self, properties: dict[str, Json]) -> dict[str, Json]:
        """Properties with those wrapped that the schema calls secret."""
        for name in self.schema.secrets & properties.keys():
            if not isinstance(properties[name], Secret):
                properties[name] = Secret(properties[name])
        return properties

    def _from_body(self, value: Json, kind: Type, path: str) -> Json:
        if isinstance(value, list):
            return [self._from_body(item, kind.item or _TEXT, path) for item in value]
        if kind.name == "object" and isinstance(value, dict):
            shape = self.schema.shapes.get(kind.shape, Shape())
            found = ((name, lookup(value, self._member(path, name)), inner) for name, inner in shape.properties.items())
            return {
                name: self._from_body(item, inner, f"{path}.{name}") for name, item, inner in found if item is not None
            }
        return value

    def _tags_from_body(self, tags: Json) -> Json:
        if isinstance(tags, list):
            key, value = ("key", "value") if self.binding.camel_case_body else ("Key", "Value")
            return {tag[key]: tag[value] for tag in tags}
        return tags or {}

    # --- inputs from what is there -------------------------------------------------------------------------------

    def inputs_from(
        self, item: CloudObject, context: Context, inputs: Mapping[str, Json], state: Mapping[str, Json]
    ) -> dict[str, Json]:
        """The inputs that would have made ``item`` as it is now: for refresh, and for import when ``inputs`` is empty.

        A property is reported as drifted only when the body differs from what its input converts to, so that a
        converter which normalises a value (a policy document) causes no drift of its own.
        """
        actual = self.to_state(item, context.account, {})
        if not inputs:
            return self._imported(actual)
        wanted = self._expected(item, context, inputs)
        kept = dict(inputs)
        for name in self.schema.inputs.properties:
            if name in self._provider_only:
                continue
            now = self._as_input(name, actual.get(name))
            if name in inputs:
                if not same(wanted.get(name), actual.get(name)):
                    kind = self.schema.inputs.properties[name]
                    now = self._drifted(plain(inputs[name]), plain(wanted.get(name)), plain(now), kind)
                    kept[name] = Secret(now) if isinstance(inputs[name], Secret) else now
            elif state and not isinstance(now, list | dict) and not same(state.get(name), actual.get(name)):
                # Not asked for, and changed behind the program's back. Lists and objects that nobody asked for are
                # left alone: other resources fill them (the routes of a route table).
                kept[name] = now
        return {name: value for name, value in kept.items() if value is not None}

    def _expected(self, item: CloudObject, context: Context, inputs: Mapping[str, Json]) -> dict[str, Json]:
        request = self.to_body(inputs, context)
        body = overlay(item.body, request)
        maps = [self.path_of(name) for name, kind in self.schema.inputs.properties.items() if kind.name == "map"]
        for path in [*maps, *([self.binding.tags] if self.binding.tags else [])]:
            if lookup(request, path) is not None:  # a map is the program's as a whole: an added key is drift
                assign(body, path, lookup(request, path))
        expected = CloudObject(kind=item.kind, id=item.id, region=item.region, body=body, created_at=item.created_at)
        return self.to_state(expected, context.account, {})

    def _drifted(self, asked: Json, wanted: Json, now: Json, kind: Type) -> Json:
        """``asked`` with what changed; members that nobody asked for and that did not change stay out."""
        if kind.name != "object" or not (
            isinstance(asked, dict) and isinstance(wanted, dict) and isinstance(now, dict)
        ):
            return now
        shape = self.schema.shapes.get(kind.shape, Shape())
        result = dict(asked)
        for name, inner in shape.properties.items():
            if not same(wanted.get(name), now.get(name)):
                result[name] = self._drifted(asked.get(name), wanted.get(name), now.get(name), inner)
        return {name: value for name, value in result.items() if value is not None}

    def _imported(self, actual: Mapping[str, Json]) -> dict[str, Json]:
        found = {name: self._as_input(name, value) for name, value in actual.items()}
        return {
            name: value
            for name, value in found.items()
            if name in self.schema.inputs.properties and name != REGION and value not in (None, {}, [], "")
        }

    def _as_input(self, name: str, value: Json) -> Json:
        kind = self.schema.inputs.properties.get(name)
        return value if kind is None else self._trim(value, kind)

    def _trim(self, value: Json, kind: Type) -> Json:
        """Without the members that only outputs have."""
        if isinstance(value, Secret):
            return Secret(self._trim(value.value, kind))
        if isinstance(value, list) and kind.item is not None:
            return [self._trim(item, kind.item) for item in value]
        if kind.name == "object" and isinstance(value, dict):
            shape = self.schema.shapes.get(kind.shape, Shape())
            return {name: self._trim(value[name], inner) for name, inner in shape.properties.items() if name in value}
        return value


def overlay(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """``old`` with the members of ``new``; objects are merged, everything else is replaced."""
    merged: dict[str, Any] = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        merged[name] = overlay(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def update_body(
    stored: Mapping[str, Json], old: Mapping[str, Json], new: Mapping[str, Json], defaults: Mapping[str, Json]
) -> dict[str, Json]:
    """The body after an update: what the old request set and the new one leaves out goes (or back to its default)."""
    merged = dict(stored)
    for name in [*old, *new]:
        before, after, base = old.get(name), new.get(name), defaults.get(name)
        if after is None:
            merged.pop(name, None)
            if base is not None:
                merged[name] = base
        elif isinstance(after, dict) and isinstance(stored.get(name), dict):
            inner_defaults = base if isinstance(base, dict) else {}
            merged[name] = update_body(stored[name], before if isinstance(before, dict) else {}, after, inner_defaults)
        else:
            merged[name] = after
    return merged


def _holds_secret(value: Json) -> bool:
    if isinstance(value, dict):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, Secret)
