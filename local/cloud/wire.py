"""Between protobuf structs, as the engine and the SDK send them, and the core's values."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from local.cloud.values import UNKNOWN, Json, Secret, is_unknown

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import ListValue

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 a public marker of Pulumi's protocol
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWNS = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
"""pulumi/sdk, ``go/common/resource/plugin/rpc.go``."""


def from_struct(struct: Struct) -> dict[str, Json]:
    """A struct's fields as values; secrets wrapped, unknowns as ``UNKNOWN``, whole numbers as integers."""
    return {name: _from_value(value) for name, value in struct.fields.items()}


def _from_value(value: Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text: str = value.string_value
        return UNKNOWN if text in _UNKNOWNS else text
    if kind == "number_value":
        number: float = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "struct_value":
        return _from_object(value.struct_value)
    return None


def _from_object(struct: Struct) -> Json:
    fields = struct.fields
    if SIGNATURE not in fields:
        return {name: _from_value(value) for name, value in fields.items()}
    signature = fields[SIGNATURE].string_value
    if signature == SECRET:
        return Secret(_from_value(fields["value"]))
    if signature == OUTPUT:
        inner = _from_value(fields["value"]) if "value" in fields else UNKNOWN
        is_secret = "secret" in fields and fields["secret"].bool_value
        return Secret(inner) if is_secret else inner
    # Assets, archives and resource references travel as they are.
    return {name: _from_value(value) for name, value in fields.items()}


def to_struct(properties: Mapping[str, Json]) -> Struct:
    """Values as a struct; the inverse of ``from_struct``."""
    struct = Struct()
    fields = struct.fields
    for name, item in properties.items():
        _fill(fields[name], item)
    return struct


def _fill(value: Value, item: Json) -> None:
    if isinstance(item, str):
        value.string_value = item
    elif isinstance(item, bool):
        value.bool_value = item
    elif isinstance(item, int | float):
        value.number_value = item
    elif isinstance(item, dict):
        _fill_object(value.struct_value, item)
    elif isinstance(item, list | tuple):
        _fill_list(value.list_value, item)
    elif item is None:
        value.null_value = NULL_VALUE
    elif is_unknown(item):
        value.string_value = UNKNOWN_STRING
    elif isinstance(item, Secret):
        _fill_object(value.struct_value, {SIGNATURE: SECRET, "value": item.value})
    else:
        raise TypeError(f"{type(item).__name__} cannot be a property value")


def _fill_object(struct: Struct, item: Mapping[str, Json]) -> None:
    struct.SetInParent()  # an empty object stays an object
    fields = struct.fields
    for name, inner in item.items():
        _fill(fields[name], inner)


def _fill_list(values: "ListValue", item: "list[Json] | tuple[Json, ...]") -> None:
    values.SetInParent()
    for inner in item:
        _fill(values.values.add(), inner)


def decoded(config: Mapping[str, Json]) -> dict[str, Json]:
    """A provider's configuration: everything but strings travels as JSON text."""
    return {name: _decoded(value) for name, value in config.items() if name != "version"}


def _decoded(value: Json) -> Json:
    if isinstance(value, Secret):
        return Secret(_decoded(value.value))
    if isinstance(value, str) and value[:1] in {"{", "[", "t", "f"}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value
