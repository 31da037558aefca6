"""Changed inputs on their way back to the engine: what was secret or unknown is copied, never written anew."""

from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from policies.graph import SECRET, UNKNOWN, Json
from policies.sources.engine import from_struct


class UnwritableError(Exception):
    """A secret or an unknown value was moved to where the engine had none."""


def rewritten(original: Struct, inputs: Json) -> Struct:
    """A struct that holds ``inputs``; values equal to the original's are the original's, with every mark in them.

    Raises:
        UnwritableError: a marker stands where the original holds no such value.
    """
    before = from_struct(original)
    made = Struct()
    for name, item in inputs.items():
        known = name in before
        _fill(
            made.fields[name], item, original.fields[name] if known else None, before.get(name) if known else _NOTHING
        )
    # What is not told to rules (the provider's own notes) stays as it is.
    for name, value in original.fields.items():
        if name[:2] == "__" and name not in inputs:
            made.fields[name].CopyFrom(value)
    return made


_NOTHING = object()


def _fill(target: Value, item: Json, original: Value | None, before: Any) -> None:
    if item is UNKNOWN or item is SECRET:
        if original is None or before is not item:
            raise UnwritableError
        target.CopyFrom(original)
    elif isinstance(item, dict):
        _fill_mapping(target, item, original, before)
    elif isinstance(item, list):
        _fill_list(target, item, original, before)
    elif isinstance(item, bool):
        target.bool_value = item
    elif isinstance(item, int | float):
        target.number_value = item
    elif isinstance(item, str):
        target.string_value = item
    else:
        target.null_value = 0  # type: ignore[assignment] # an enumeration of one


def _fill_mapping(target: Value, item: dict[str, Json], original: Value | None, before: Any) -> None:
    target.struct_value.SetInParent()
    same = original is not None and isinstance(before, dict) and original.WhichOneof("kind") == "struct_value"
    for name, inner in item.items():
        known = same and name in before
        value = original.struct_value.fields[name] if known and original is not None else None
        _fill(target.struct_value.fields[name], inner, value, before[name] if known else _NOTHING)


def _fill_list(target: Value, items: list[Json], original: Value | None, before: Any) -> None:
    target.list_value.SetInParent()
    same = original is not None and isinstance(before, list) and original.WhichOneof("kind") == "list_value"
    for position, inner in enumerate(items):
        known = same and position < len(before)
        value = original.list_value.values[position] if known and original is not None else None
        _fill(target.list_value.values.add(), inner, value, before[position] if known else _NOTHING)
