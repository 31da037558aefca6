"""Rendered Kubernetes manifests: YAML or JSON, one document or many, ``List`` kinds unpacked."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from policies.graph import Resource, ResourceGraph
from policies.sources import values
from policies.sources.errors import SourceError

_MAX_VALUES: Final = 2_000_000
"""Values of one document with its aliases written out: a few lines of nested aliases stand for billions."""
_MAX_DEPTH: Final = 100
_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml's, where PyYAML has it
    """YAML as Kubernetes reads it: a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(text: str, *, origin: str = "manifests", name: str = "manifests") -> ResourceGraph:
    """The objects of ``text``, each with its own fields as properties.

    Args:
        text: what `helm template`, `kustomize build` or `kubectl get -o yaml` print.
        origin: for reports.
        name: for the URNs, which manifests do not have.

    Raises:
        SourceError: it is no YAML, or a document is no Kubernetes object.
    """
    found: dict[str, Resource] = {}
    for number, document in enumerate(_documents(text), start=1):
        for item in _objects(document, number):
            resource = _resource(item, name)
            # The same object twice (two overlays in one file) stays two resources.
            urn = resource.urn if resource.urn not in found else f"{resource.urn}#{number}"
            found[urn] = resource if urn == resource.urn else _resource(item, name, urn)
    return ResourceGraph(resources=tuple(found.values()), stack=name, origin=origin)


def _documents(text: str) -> Iterator[Any]:
    try:
        _check_depth(text)
        for number, document in enumerate(yaml.load_all(text, Loader=_Loader), start=1):
            if document is not None:
                _measure(document, number)
                yield document
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise SourceError(f"this is no YAML{where}: {problem}", hint="render the manifests again") from None
    except (RecursionError, ValueError) as error:
        raise SourceError(
            f"this cannot be read as YAML: {str(error)[:200]}", hint="render the manifests again"
        ) from None


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply before it is built: libyaml builds by recursion, without a limit."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise ValueError(f"more than {_MAX_DEPTH} levels lie within each other")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _measure(document: Any, number: int) -> None:
    """Refuse what would not fit when its aliases were written out, and keys that no Kubernetes object has."""
    sizes: dict[int, int] = {}

    def size(value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        known = sizes.get(id(value))
        if known is not None:
            return known
        sizes[id(value)] = _MAX_VALUES + 1  # an alias to itself never ends
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise SourceError(
                        f"document {number} holds the key {key!r}, which is no text",
                        hint='Kubernetes knows text keys only: put it in quotes, as in "8080": value',
                    )
        total = 1 + sum(size(item) for item in (value.values() if isinstance(value, dict) else value))
        sizes[id(value)] = total
        return total

    if size(document) > _MAX_VALUES:
        raise SourceError(
            f"document {number} holds more than {_MAX_VALUES:,} values once its aliases are written out",
            hint="manifests need no nested YAML aliases: render them without",
        )


def _objects(document: Any, number: int) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, list):
        for item in document:
            yield from _objects(item, number)
        return
    kind = document.get("kind") if isinstance(document, dict) else None
    version = document.get("apiVersion") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not isinstance(version, str) or not kind or not version:
        raise SourceError(
            f"document {number} is no Kubernetes object: it has no apiVersion and kind",
            hint="give rendered manifests, `pulumi preview --json` or `pulumi stack export`",
        )
    items = document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for item in items:
            # Objects of a typed list (PodList) may leave their own kind out.
            whole = (
                {"apiVersion": version, "kind": kind.removesuffix("List"), **item} if isinstance(item, dict) else item
            )
            yield from _objects(whole, number)
        return
    yield document


def _resource(item: Mapping[str, Any], stem: str, urn: str = "") -> Resource:
    version = str(item["apiVersion"])
    token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{item['kind']}"
    metadata = item.get("metadata")
    given = metadata if isinstance(metadata, Mapping) else {}
    name = values.printable(values.text(given.get("name")) or values.text(given.get("generateName")) or "unnamed")
    namespace = values.printable(values.text(given.get("namespace")))
    whole = f"{namespace}/{name}" if namespace else name
    return Resource(
        type=token,
        name=name,
        urn=urn or f"urn:pulumi:{stem}::manifests::{token}::{whole}",
        properties=values.properties(token, item),
        id=whole,
    )
