"""Reading inputs that may be of any type, and following what refers to what. Wrong types read as absent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from policies.graph import SECRET, UNKNOWN, Json, Resource, ResourceGraph, UndecidedError, holds_unknown


def text(resource: Resource, path: str, default: str = "") -> str:
    """The text at ``path``."""
    value = resource.get(path)
    return value if isinstance(value, str) else default


def flag(resource: Resource, path: str, *, default: bool) -> bool:
    """The flag at ``path``; some inputs spell flags as texts."""
    value = resource.get(path)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value, default) if isinstance(value, str) else default


def number(resource: Resource, path: str) -> int | None:
    """The whole number at ``path``; JSON makes fractions of them, and some inputs spell them as texts."""
    value = resource.get(path)
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else None
    return int(value) if isinstance(value, int) or (isinstance(value, float) and value.is_integer()) else None


def strings(resource: Resource, path: str) -> tuple[str, ...]:
    """The texts of the list at ``path``; one text alone counts as a list.

    Raises:
        UndecidedError: one of them is unknown.
    """
    value = resource.get(path)
    items = value if isinstance(value, list) else [value]
    if any(item is UNKNOWN or item is SECRET for item in items):
        raise UndecidedError(path)
    return tuple(item for item in items if isinstance(item, str))


def entries(resource: Resource, path: str) -> tuple[str, ...]:
    """The paths of the objects in the list at ``path``; one object alone counts as a list.

    Raises:
        UndecidedError: one of them is unknown.
    """
    value = resource.get(path)
    if isinstance(value, Mapping):
        return (path,)
    items = value if isinstance(value, list) else []
    if any(item is UNKNOWN or item is SECRET for item in items):
        raise UndecidedError(path)
    return tuple(f"{path}[{position}]" for position, item in enumerate(items) if isinstance(item, Mapping))


def targets(graph: ResourceGraph, resource: Resource, name: str, *types: str) -> tuple[Resource, ...]:
    """The resources of ``types`` that the input ``name`` refers to.

    Raises:
        UndecidedError: the input is unknown, in part or as a whole, and nothing tells what it will come from. Where
            the source records that it comes from resources of other types only, it refers to none of these.
    """
    found = graph.references(resource, name, *types)
    if not resource.property_dependencies.get(name) and holds_unknown(resource.properties.get(name)):
        raise UndecidedError(name)
    return found


@dataclass(frozen=True)
class _Index:
    found: Mapping[str, tuple[Resource, ...]]
    undecided: bool


@cache
def _index(types: tuple[str, ...], name: str, target: str) -> Callable[[ResourceGraph], _Index]:
    def build(graph: ResourceGraph) -> _Index:
        found: dict[str, list[Resource]] = {}
        undecided = False
        for item in graph.of_type(*types):
            try:
                for peer in targets(graph, item, name, target):
                    found.setdefault(peer.urn, []).append(item)
            except UndecidedError:
                undecided = True
        return _Index({urn: tuple(items) for urn, items in found.items()}, undecided)

    return build


def referrers(graph: ResourceGraph, target: Resource, name: str, *types: str) -> tuple[Resource, ...]:
    """The resources of ``types`` whose input ``name`` refers to ``target``, as far as that is known."""
    return graph.derived(_index(types, name, target.type)).found.get(target.urn, ())


def settle(graph: ResourceGraph, target: Resource, name: str, *types: str) -> None:
    """To be called before the absence of a referrer is called a fault.

    Raises:
        UndecidedError: of one of ``types`` it is not known what its input ``name`` refers to.
    """
    if graph.derived(_index(types, name, target.type)).undecided:
        raise UndecidedError(name)


def with_value(properties: Mapping[str, Json], name: str, value: Any) -> dict[str, Json]:
    """A copy of inputs with another value for one of them."""
    return {**properties, name: value}


def with_all(properties: Mapping[str, Json], name: str, values: Mapping[str, Json]) -> dict[str, Json]:
    """A copy of inputs with ``values`` in the object ``name``, which is made where it is absent."""
    known = properties.get(name)
    return {**properties, name: {**(known if isinstance(known, Mapping) else {}), **values}}
