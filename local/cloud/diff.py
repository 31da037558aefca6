"""What differs between two sets of inputs, property by property, and what of it replaces the resource."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from local.cloud.paths import covers, join, segments
from local.cloud.values import Json, is_unknown, plain

DEFAULTS = "__defaults"
"""Names the properties that the provider made up, as the bridged providers do; never itself a difference."""


class ChangeKind(StrEnum):
    """What happened to a property."""

    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """One changed property."""

    kind: ChangeKind
    replace: bool = False
    output: bool = False
    """True for what the service reports (a failed status), not for an input."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """All changed properties by their Pulumi path."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    delete_before_replace: bool = False

    @property
    def replaces(self) -> list[str]:
        """Paths of the changes that replace the resource."""
        return [path for path, change in self.changes.items() if change.replace]

    @property
    def top_level(self) -> list[str]:
        """First segments of the changed paths, once each."""
        return list(dict.fromkeys(str(segments(path)[0]) for path in self.changes))

    def __bool__(self) -> bool:
        return bool(self.changes)


def difference(
    old: Mapping[str, Json],
    new: Mapping[str, Json],
    *,
    create_only: Sequence[str] = (),
    ignore_changes: Sequence[str] = (),
) -> Difference:
    """Compare two sets of checked inputs.

    Secrets are compared by value, null equals absent, an unknown new value is a change (also of a create-only
    property, since it may differ; that is what the real providers plan).
    """
    fixed = [tuple(part for part in segments(path.replace("[]", "")) if part != "*") for path in create_only]
    ignored = [segments(path) for path in ignore_changes]
    changes: dict[str, Change] = {}
    for parts, before, after in _compare((), _top(old), _top(new)):
        if any(covers(pattern, parts) for pattern in ignored):
            continue
        path = ""
        for part in parts:
            path = join(path, part)
        changes[path] = Change(_kind(before, after), _replaces(parts, before, after, fixed))
    return Difference(changes=changes)


def same(old: Json, new: Json) -> bool:
    """Whether two values are equal to the provider: no difference at any depth."""
    return next(_compare((), plain(old), plain(new)), None) is None


def _top(properties: Mapping[str, Json]) -> dict[str, Json]:
    return {name: plain(value) for name, value in properties.items() if name != DEFAULTS}


def _compare(parts: tuple[str | int, ...], old: Json, new: Json) -> Iterator[tuple[tuple[str | int, ...], Json, Json]]:
    if is_unknown(new) or is_unknown(old):
        yield parts, old, new
    elif isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _compare((*parts, name), old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else None
            after = new[index] if index < len(new) else None
            yield from _compare((*parts, index), before, after)
    elif isinstance(old, bool) != isinstance(new, bool) or old != new:
        yield parts, old, new


def _kind(before: Json, after: Json) -> ChangeKind:
    if before is None:
        return ChangeKind.ADD
    return ChangeKind.DELETE if after is None else ChangeKind.UPDATE


def _replaces(parts: tuple[str | int, ...], before: Json, after: Json, fixed: Sequence[tuple[str | int, ...]]) -> bool:
    names = tuple(part for part in parts if not isinstance(part, int))
    for pattern in fixed:
        if covers(pattern, names):
            return True
        # A whole object came or went: it replaces when it holds a create-only member.
        if covers(names, pattern) and any(_holds(side, pattern[len(names) :]) for side in (before, after)):
            return True
    return False


def _holds(value: Json, names: Sequence[str | int]) -> bool:
    if is_unknown(value) or not names:
        return value is not None
    if isinstance(value, list):
        return any(_holds(item, names) for item in value)
    return isinstance(value, dict) and _holds(value.get(str(names[0])), names[1:])
