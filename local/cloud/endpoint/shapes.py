"""Bodies of the store as botocore's output shapes; what does not fit is named, never sent."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from local.cloud.values import Json

_SCALARS: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (str, int, float),
    "blob": (str, bytes),
}


class ShapeError(Exception):
    """A response that the service model does not know; the message lists every place."""


def conform(value: Json, shape: Any, where: str) -> Json:
    """``value``, checked member by member against a botocore shape.

    Raises:
        ShapeError: a member that the shape lacks, a required one that is missing, a value of another type.
    """
    problems: list[str] = []
    if shape is not None:
        _check(value, shape, where, problems)
    elif value:
        problems.append(f"{where}: the operation returns nothing, got {sorted(value)}")
    if problems:
        raise ShapeError("; ".join(problems))
    return value


def project(body: Mapping[str, Json], shape: Any) -> dict[str, Json]:
    """The top-level members of a stored object that ``shape`` has: the store also keeps what other calls return."""
    return {name: value for name, value in body.items() if name in shape.members and value is not None}


def _check(value: Json, shape: Any, where: str, problems: list[str]) -> None:
    checks: dict[str, Callable[[Json, Any, str, list[str]], None]] = {
        "structure": _structure,
        "list": _list,
        "map": _map,
    }
    check = checks.get(shape.type_name, _scalar)
    check(value, shape, where, problems)


def _structure(value: Json, shape: Any, where: str, problems: list[str]) -> None:
    if not isinstance(value, dict):
        problems.append(f"{where}: {shape.name} is a structure, got {type(value).__name__}")
        return
    problems += [f"{where}: {shape.name} has no member {name}" for name in value.keys() - shape.members.keys()]
    problems += [f"{where}: {shape.name} needs {name}" for name in shape.required_members if value.get(name) is None]
    for name in value.keys() & shape.members.keys():
        if value[name] is not None:
            _check(value[name], shape.members[name], f"{where}.{name}", problems)


def _list(value: Json, shape: Any, where: str, problems: list[str]) -> None:
    if not isinstance(value, list):
        problems.append(f"{where}: {shape.name} is a list, got {type(value).__name__}")
        return
    for index, item in enumerate(value):
        _check(item, shape.member, f"{where}[{index}]", problems)


def _map(value: Json, shape: Any, where: str, problems: list[str]) -> None:
    if not isinstance(value, dict):
        problems.append(f"{where}: {shape.name} is a map, got {type(value).__name__}")
        return
    for key, item in value.items():
        _check(item, shape.value, f"{where}[{key}]", problems)


def _scalar(value: Json, shape: Any, where: str, problems: list[str]) -> None:
    allowed = _SCALARS[shape.type_name]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        problems.append(f"{where}: {shape.name} is a {shape.type_name}, got {type(value).__name__}")
