"""Makes ``data/constraints.json`` from cfn-lint's CloudFormation schemas, botocore's service models and the overrides.

Run it after an upgrade of either package, read the difference, and check the file in::

    python -m local.cloud.aws.generate
"""

import gzip
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from local.cloud.aws.constraints import DATA
from local.cloud.aws.overrides import NEVER, OVERRIDES, SOURCES, Source
from local.cloud.schema import ResourceSchema, SdkSchemas, Shape, Type
from local.cloud.values import Json

DEPTH = 6
_NUMERIC = frozenset({"integer", "number"})


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise RuntimeError(f"the package {package} is not installed: run `uv sync` (dependency group `local`)")
    return Path(spec.origin).parent


@cache
def _cloudformation(name: str) -> dict[str, Json]:
    folder = _folder("cfnlint") / "data" / "schemas"
    number = json.loads((folder / "providers" / "us-east-1.json").read_text())[name]
    return dict(json.loads((folder / "resources" / f"{number}.json").read_text()))


@cache
def _service(name: str) -> dict[str, Json]:
    folder = max((_folder("botocore") / "data" / name).iterdir())
    return dict(json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes())))


class _Node:
    """A vendor's description of a value: members, items, constraints; the two vendors differ only in spelling."""

    def __init__(self, vendor: str, root: Mapping[str, Json], raw: Mapping[str, Json]) -> None:
        self.vendor = vendor
        self._root = root
        self._raw = self._follow(raw)

    def _follow(self, raw: Mapping[str, Json]) -> Mapping[str, Json]:
        for _ in range(DEPTH):
            if self.vendor == "botocore" and "shape" in raw:
                raw = self._root["shapes"][raw["shape"]]
            elif self.vendor == "cfn-lint" and "$ref" in raw:
                found: Any = self._root
                for part in raw["$ref"].removeprefix("#/").split("/"):
                    found = found[part]
                raw = found
        return raw

    def _child(self, raw: Mapping[str, Json]) -> "_Node":
        return _Node(self.vendor, self._root, raw)

    @property
    def members(self) -> Mapping[str, "_Node"]:
        """Members of an object by the vendor's names."""
        found = self._raw.get("members" if self.vendor == "botocore" else "properties") or {}
        return {name: self._child(raw) for name, raw in found.items()}

    @property
    def item(self) -> "_Node | None":
        """The description of a list's items."""
        raw = self._raw.get("member" if self.vendor == "botocore" else "items")
        return self._child(raw) if isinstance(raw, dict) else None

    def member(self, name: str) -> "_Node | None":
        """A member by name, whatever its case, with or without a plural s."""
        wanted = {_plain(name), _plain(name).removesuffix("s"), _plain(name) + "s"}
        return next((node for found, node in self.members.items() if _plain(found) in wanted), None)

    def row(self, kind: Type) -> dict[str, Json]:
        """The constraints that make sense for a property of ``kind``, in the file's spelling."""
        raw = self._raw
        row: dict[str, Json] = {}
        if raw.get("enum"):
            row["values"] = sorted({str(value) for value in raw["enum"]})
        if kind.name in _NUMERIC:
            low, high = ("min", "max") if self.vendor == "botocore" else ("minimum", "maximum")
            row |= {name: raw[key] for name, key in (("minimum", low), ("maximum", high)) if key in raw}
        elif kind.name == "string" and "values" not in row:
            low, high = ("min", "max") if self.vendor == "botocore" else ("minLength", "maxLength")
            row |= {name: raw[key] for name, key in (("minLength", low), ("maxLength", high)) if key in raw}
            pattern = _pattern(raw.get("pattern"), whole=self.vendor == "botocore")
            row |= {"pattern": pattern} if pattern else {}
        return row


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _pattern(text: Json, *, whole: bool) -> str | None:
    """A vendor's pattern for a search in Python; None for one that says nothing or that Python does not understand.

    CloudFormation's patterns are JSON Schema's, which search; the APIs match the whole value where a pattern has no
    anchor of its own.
    """
    if not isinstance(text, str) or text in (".*", "^.*$", r"[\s\S]*"):
        return None
    anchored = f"^(?:{text})$" if whole and not text.startswith("^") and not text.endswith("$") else text
    try:
        re.compile(anchored)
    except re.error:
        return None
    return anchored


def _roots(source: Source) -> list[tuple[str, list[_Node]]]:
    """The vendor objects in which a type's top-level properties are looked for, most trusted first."""
    found = []
    if source.operation is not None:
        service, operation = source.operation
        model = _service(service)
        request = {"shape": model["operations"][operation]["input"]["shape"]}
        label = f"botocore {service} {operation}"
        found.append((label, _Node("botocore", model, request)))
    if source.schema is not None:
        schema = _cloudformation(source.schema)
        found.append((f"cfn-lint {source.schema}", _Node("cfn-lint", schema, {"properties": schema["properties"]})))
    result = []
    for label, root in found:
        inner = [node for name in source.inside if (node := root.member(name)) is not None]
        result.append((label, [root, *inner]))
    return result


def _walk(nodes: list[_Node], shape: Shape, schema: ResourceSchema, source: Source, path: str) -> Iterator[Json]:
    for name, kind in sorted(shape.properties.items()):
        at = f"{path}.{name}" if path else name
        if (not path and name in NEVER) or at.count(".") + at.count("[]") > DEPTH:
            continue
        wanted = source.names.get(name, name) if not path else name
        node = next((found for root in nodes if (found := root.member(wanted)) is not None), None)
        if node is not None:
            yield from _value(node, kind, schema, source, at)


def _value(node: _Node, kind: Type, schema: ResourceSchema, source: Source, at: str) -> Iterator[Json]:
    if kind.name == "list" and kind.item is not None:
        item = node.item
        yield from _value(item or node, kind.item, schema, source, f"{at}[]") if item else ()
    elif kind.name == "object":
        shape = schema.shapes.get(kind.shape, Shape())
        yield from _walk([node], shape, schema, source, at)
    elif kind.name != "map":
        row = node.row(kind)
        if row:
            yield at, row


def properties(token: str, schema: ResourceSchema) -> dict[str, dict[str, Json]]:
    """Constraints of one type by path, each with its source."""
    source, rows = SOURCES[token], {}
    for label, nodes in reversed(_roots(source)):  # the most trusted one last, so that it wins
        for path, row in _walk(nodes, schema.inputs, schema, source, ""):
            rows[path] = {**row, "source": label}
    for override in OVERRIDES:
        if override.resource == token:
            rows.pop(override.path, None)
            if override.row is not None:
                rows[override.path] = {**override.row, "source": f"reviewed: {override.reason}"}
    return dict(sorted(rows.items()))


def create_only(token: str) -> list[str]:
    """CloudFormation's create-only properties, as paths of its own spelling; to compare with the binding's list."""
    source = SOURCES[token]
    if source.schema is None:
        return []
    found = _cloudformation(source.schema).get("createOnlyProperties") or []
    return sorted(path.removeprefix("/properties/").replace("/", ".") for path in found)


def document() -> dict[str, Json]:
    """The whole file."""
    schemas = SdkSchemas("pulumi_aws")
    return {
        "sources": {package: importlib.metadata.version(package) for package in ("botocore", "cfn-lint", "pulumi-aws")},
        "types": {
            token: {
                "schema": source.schema,
                "createOnly": create_only(token),
                "properties": properties(token, schemas.get(token)),
            }
            for token, source in sorted(SOURCES.items())
        },
    }


def text() -> str:
    """The file's text: one property per line, so that a difference is readable."""
    made = document()
    lines = ["{", f' "sources": {json.dumps(made["sources"], sort_keys=True)},', ' "types": {']
    tokens = list(made["types"])
    for token in tokens:
        entry = made["types"][token]
        lines.append(f"  {json.dumps(token)}: {{")
        lines.append(f'   "schema": {json.dumps(entry["schema"])}, "createOnly": {json.dumps(entry["createOnly"])},')
        rows = [f"    {json.dumps(path)}: {json.dumps(row)}" for path, row in entry["properties"].items()]
        lines.append('   "properties": {' + ("\n" + ",\n".join(rows) + "\n   " if rows else "") + "}")
        lines.append("  }" + ("," if token != tokens[-1] else ""))
    return "\n".join([*lines, " }", "}", ""])


def main() -> None:
    """Write the file."""
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(text())


if __name__ == "__main__":
    main()
