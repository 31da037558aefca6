"""Dotted paths into JSON bodies (``VpcConfig.SubnetIds[]``), and Pulumi's property paths (``tags["a.b"]``)."""

import re
from collections.abc import Iterator, Sequence

from local.cloud.values import Json, Secret, is_unknown

_SEGMENT = re.compile(r"\[\"((?:[^\"\\]|\\.)*)\"\]|\[(\d+|\*)\]|\.?([^.\[\]]+)")
_PLAIN_KEY = re.compile(r"[A-Za-z_$][\w$]*\Z")


def lookup(body: Json, path: str) -> Json:
    """The value at a dotted path without lists, or None."""
    for name in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(name)
    return body


def assign(body: dict[str, Json], path: str, value: Json) -> None:
    """Set the value at a dotted path, making the objects on the way."""
    *parents, last = path.split(".")
    for name in parents:
        inner = body.get(name)
        if not isinstance(inner, dict):
            inner = body[name] = {}
        body = inner
    body[last] = value


def discard(body: dict[str, Json], path: str) -> None:
    """Remove the value at a dotted path, and objects on the way that are empty then."""
    name, _, rest = path.partition(".")
    inner = body.get(name)
    if not rest:
        body.pop(name, None)
    elif isinstance(inner, dict):
        discard(inner, rest)
        if not inner:
            del body[name]


def values_at(value: Json, path: str, at: str = "") -> Iterator[tuple[str, Json]]:
    """All values that a dotted path with ``[]`` meets, each with its concrete path.

    An unknown ends its branch as itself; what lies inside a secret comes wrapped.
    """
    if isinstance(value, Secret):
        for where, inner in values_at(value.value, path, at):
            yield where, inner if isinstance(inner, Secret) else Secret(inner)
    elif is_unknown(value) or not path:
        yield at, value
    elif path.startswith("[]"):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from values_at(item, path[2:].removeprefix("."), f"{at}[{index}]")
    else:
        name = re.split(r"[.\[]", path, maxsplit=1)[0]
        if isinstance(value, dict) and value.get(name) is not None:
            yield from values_at(value[name], path[len(name) :].removeprefix("."), join(at, name))


def join(path: str, segment: str | int) -> str:
    """Pulumi's notation of ``path`` plus one more segment."""
    if isinstance(segment, int):
        return f"{path}[{segment}]"
    if not _PLAIN_KEY.match(segment):
        escaped = segment.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{segment}" if path else segment


def segments(path: str) -> tuple[str | int, ...]:
    """The parts of a property path; ``*`` and ``[*]`` stay ``"*"``."""
    parts: list[str | int] = []
    for quoted, index, name in _SEGMENT.findall(path):
        if index:
            parts.append(index if index == "*" else int(index))
        else:
            parts.append(name or quoted.replace('\\"', '"').replace("\\\\", "\\"))
    return tuple(parts)


def covers(pattern: Sequence[str | int], path: Sequence[str | int]) -> bool:
    """Whether ``pattern`` is ``path`` or one of its parents; ``*`` stands for any segment."""
    return len(pattern) <= len(path) and all(
        want in ("*", have) for want, have in zip(pattern, path[: len(pattern)], strict=True)
    )
