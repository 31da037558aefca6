"""The resource graph as rules and prices see it, whatever it was read from.

``policies/sources`` fills it from a plan, from the engine's policy run, from ``pulumi preview --json``, from
``pulumi stack export`` and from rendered Kubernetes manifests. Property names are Pulumi's (camelCase). What a preview
cannot know stays ``UNKNOWN`` and is named when somebody asks; secrets are replaced by ``SECRET`` when they are read,
so no report can show one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = Any
"""str, float, int, bool, None, list or dict of these, at any depth also ``UNKNOWN`` and ``SECRET``."""


class _Marker:
    """A value that is not there to be read; one instance for each meaning."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    def __bool__(self) -> bool:
        raise UndecidedError("")


UNKNOWN: Final = _Marker("<known at update>")
"""Only the update will know."""
SECRET: Final = _Marker("<secret>")
"""Encrypted; its value never entered the graph."""


class UndecidedError(Exception):
    """A rule needs a value that is unknown (or secret); it is decided at update.

    Attributes:
        path: the property, as in ``vpcConfig.subnetIds[0]``.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not known before the update")
        self.path = path


class Operation(StrEnum):
    """What is about to happen to a resource; ``SAME`` where the source does not say."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a stack, or one object of a rendered manifest."""

    type: str
    """Pulumi's token; a manifest's object has ``kubernetes:<group>/<version>:<Kind>`` as the SDK spells it."""
    name: str
    """Logical name."""
    urn: str
    properties: Mapping[str, Json] = field(default_factory=dict)
    """Declared inputs; where the source has only outputs, those."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """What the cloud answered, or will; empty where the source does not say."""
    id: str = ""
    parent: str = ""
    """URN, or empty."""
    provider: str = ""
    """URN of the provider, or empty for the default one."""
    dependencies: tuple[str, ...] = ()
    """URNs."""
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """URNs by input."""
    protect: bool = False
    retain_on_delete: bool = False
    ignore_changes: tuple[str, ...] = ()
    custom: bool = True
    """False for components and for the stack itself."""
    external: bool = False
    """Looked up, not managed: it may be referred to, and no rule judges it."""
    operation: Operation = Operation.SAME
    before: Mapping[str, Json] | None = None
    """Inputs before the change, for an update, a replacement or a deletion."""

    def get(self, path: str, default: Json = None) -> Json:
        """The input at ``path`` (``vpcConfig.subnetIds[0]``, ``metadata.labels["a.b/c"]``), or ``default`` when it is
        absent or null.

        Raises:
            UndecidedError: it, or what it lies in, is unknown or secret.
        """
        return read(self.properties, path, default)

    def output(self, path: str, default: Json = None) -> Json:
        """As ``get``, among the outputs; where these lack it, among the inputs."""
        found = read(self.outputs, path)
        return read(self.properties, path, default) if found is None else found

    def knows(self, path: str) -> bool:
        """Whether the input at ``path`` can be read (absent counts as readable)."""
        try:
            read(self.properties, path)
        except UndecidedError:
            return False
        return True


_STEP: Final = re.compile(r'(?:^|\.)(?P<name>[^.\[\]"]+)|\[(?P<index>-?\d+)\]|(?:^|\.)?\["(?P<key>[^"]*)"\]')


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[str | int, ...]:
    """``a.b[0]["c.d/e"]`` -> ``("a", "b", 0, "c.d/e")``: a key that holds dots stands in brackets and quotes."""
    found = _STEP.finditer(path)
    return tuple(int(step["index"]) if step["index"] else step["name"] or step["key"] or "" for step in found)


def read(value: Json, path: str, default: Json = None, *, within: str = "") -> Json:
    """What lies at ``path`` in ``value``, or ``default`` when it is absent or null.

    Args:
        value: properties, or a part of them.
        path: as in ``Resource.get``.
        default: what absent means.
        within: where ``value`` itself lies, for the error.

    Raises:
        UndecidedError: it, or what it lies in, is unknown or secret.
    """
    for step in steps(path):
        if value is UNKNOWN or value is SECRET:
            raise UndecidedError(f"{within}{path}")
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is None:
            return default
    if value is UNKNOWN or value is SECRET:
        raise UndecidedError(f"{within}{path}")
    return value


@dataclass(frozen=True, kw_only=True)
class ResourceGraph:
    """All resources of one stack at one moment (or of several manifests)."""

    resources: tuple[Resource, ...]
    stack: str = ""
    project: str = ""
    simulated: bool = False
    """Whether the account is the one that only a simulation has."""
    preview: bool = False
    """Whether unknown values are to be expected."""
    origin: str = ""
    """What it was read from, in words for a report."""
    tells_options: bool = True
    """Whether the source tells ``ignoreChanges``; an export of the state does not."""
    notes: tuple[str, ...] = ()
    """What a reader of the report must know about the source: a part that is missing, an operation that never ended."""

    @cached_property
    def by_urn(self) -> Mapping[str, Resource]:
        """Every resource by its URN."""
        return MappingProxyType({item.urn: item for item in self.resources})

    @cached_property
    def _by_type(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for item in self.resources:
            found.setdefault(item.type, []).append(item)
        return {token: tuple(items) for token, items in found.items()}

    def of_type(self, *tokens: str) -> tuple[Resource, ...]:
        """The resources of these types that the stack will have (not those about to be deleted)."""
        return tuple(
            item for token in tokens for item in self._by_type.get(token, ()) if item.operation is not Operation.DELETE
        )

    @property
    def types(self) -> Iterable[str]:
        """Every type token that occurs."""
        return self._by_type.keys()

    @cached_property
    def _by_parent(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for item in self.resources:
            found.setdefault(item.parent, []).append(item)
        return {urn: tuple(items) for urn, items in found.items()}

    def children(self, resource: Resource) -> tuple[Resource, ...]:
        """The resources whose parent is ``resource``."""
        return self._by_parent.get(resource.urn, ())

    def references(self, resource: Resource, name: str, *types: str) -> tuple[Resource, ...]:
        """The resources of ``types`` that the input ``name`` of ``resource`` refers to, as far as that is known.

        By the recorded dependency of the property and, where the source has none or the value is known, by comparing
        the value with ids, ARNs and names.
        """
        wanted = frozenset(types)
        urns = dict.fromkeys(resource.property_dependencies.get(name, ()))
        named = (self.by_urn[urn] for urn in urns if urn in self.by_urn)
        by_dependency = tuple(item for item in named if _counts(item, wanted))
        if by_dependency:
            return by_dependency
        found = {
            item.urn: item
            for text in texts(resource.properties.get(name))
            for item in self._by_handle.get(text, ())
            if _counts(item, wanted)
        }
        return tuple(found.values())

    @cached_property
    def _by_handle(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for item in self.resources:
            for handle in _handles(item):
                found.setdefault(handle, []).append(item)
        return {handle: tuple(items) for handle, items in found.items()}

    @cached_property
    def _derived(self) -> dict[object, Any]:
        return {}

    def derived(self, build: Callable[["ResourceGraph"], T]) -> T:
        """What ``build`` makes of this graph, made once: an index that a rule looks things up in for every resource."""
        if build not in self._derived:
            self._derived[build] = build(self)
        made: T = self._derived[build]
        return made

    def region_of(self, resource: Resource) -> str | None:
        """The region that a resource lies in: its own, or its provider's; None when nothing says it."""
        own = resource.properties.get("region")
        if isinstance(own, str):
            return own
        provider = self.by_urn.get(resource.provider)
        given = provider.properties.get("region") if provider else None
        return given if isinstance(given, str) else None


def _counts(item: Resource, wanted: frozenset[str]) -> bool:
    return item.type in wanted and item.operation is not Operation.DELETE


def texts(value: Json) -> Iterator[str]:
    """Every text in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from texts(item)


def holds_unknown(value: Json) -> bool:
    """Whether something in a value, at any depth, is unknown or secret."""
    if isinstance(value, list | Mapping):
        return any(holds_unknown(item) for item in (value.values() if isinstance(value, Mapping) else value))
    return value is UNKNOWN or value is SECRET


def _handles(resource: Resource) -> set[str]:
    """The texts by which other resources refer to this one."""
    known = {resource.id} if resource.id else set()
    for name in ("id", "arn", "name", "bucket", "keyId"):
        for given in (resource.outputs.get(name), resource.properties.get(name)):
            if isinstance(given, str):
                known.add(given)
    return known
