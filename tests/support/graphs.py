"""Resource graphs as plain rows that can be compared and read: what chance made is taken out, nothing else."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cloud.recording import RecordedResource

_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # keys
    r"|(?<=-)[0-9a-f]{17}"  # vpc-…, subnet-…
    r"|(?<=-)[0-9a-f]{7,8}(?![0-9a-z])"  # the end of a name that a provider made up
)
_NODE_IMAGE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+-[0-9]{8}")
"""A release of a node image ends in its day, which no provider made up."""
_MOUNT_NAME = re.compile(r"[0-9a-z]{8}")
_THOUSANDS = re.compile(r"([1-9][0-9]*)k")
_ABSENT = "(absent)"
_AUTONAMED = "pulumi.com/autonamed"
RELEASE = "kubernetes:helm.sh/v3:Release"
KUBERNETES = "kubernetes:"


@dataclass(frozen=True)
class Row:
    """One resource."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: Mapping[str, Any]


@dataclass
class Comparison:
    """Differences of two graphs; made-up parts may differ, but one of them must always meet the same other one."""

    differences: list[str] = field(default_factory=list)
    _forth: dict[str, str] = field(default_factory=dict)
    _back: dict[str, str] = field(default_factory=dict)

    def resources(self, left: Sequence[Row], right: Sequence[Row]) -> None:
        """Compare by URN."""
        ours, theirs = {row.urn: row for row in left}, {row.urn: row for row in right}
        self.differences += [f"only in the first: {urn}" for urn in sorted(ours.keys() - theirs.keys())]
        self.differences += [f"only in the second: {urn}" for urn in sorted(theirs.keys() - ours.keys())]
        for urn in sorted(ours.keys() & theirs.keys()):
            one, other = ours[urn], theirs[urn]
            if one.parent != other.parent:
                self.differences.append(f"{one.name}: parent is {one.parent} and {other.parent}")
            self.values(one.name, one.inputs, other.inputs)

    def values(self, path: str, left: Any, right: Any) -> None:
        """Compare two property values."""
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            for key in sorted(left.keys() | right.keys()):
                self.values(f"{path}.{key}", left.get(key, _ABSENT), right.get(key, _ABSENT))
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            for number, (one, other) in enumerate(zip(left, right, strict=True)):
                self.values(f"{path}[{number}]", one, other)
        elif left != right and not self._same_but_for_chance(path, left, right):
            self.differences.append(f"{path}: {left!r} and {right!r}")

    def _same_but_for_chance(self, path: str, left: Any, right: Any) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            return False
        pattern = _MOUNT_NAME if path.endswith(".mountname") else _RANDOM
        if pattern.split(left) != pattern.split(right):
            return False
        pairs = zip(pattern.findall(left), pattern.findall(right), strict=True)
        return all(
            self._forth.setdefault(one, other) == other and self._back.setdefault(other, one) == one
            for one, other in pairs
        )


def as_the_engine_keeps_it(row: Row) -> Row:
    """``row`` without what only one of plan and engine can have.

    The Kubernetes provider leaves out empty texts, writes 1000 as 1k, fills in every option of a Helm release, and puts
    objects into the namespace ``default`` whose kind was not served when it looked last; the address of the chart
    mirror is known only while an environment runs. Bridged providers list the properties that they made up under
    ``__defaults``.
    """
    inputs = {key: value for key, value in row.inputs.items() if key != "__defaults"}
    if row.type.startswith(KUBERNETES):
        inputs = _without_what_was_made_up(_tidy(inputs))
    if row.type == RELEASE:
        inputs.pop("compat", None)
        inputs["repositoryOpts"] = "the mirror"
    return Row(row.type, row.name, row.urn, row.parent, inputs)


def _tidy(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _tidy(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", False, None)}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if isinstance(value, str) and (found := _THOUSANDS.fullmatch(value)):
        return f"{found[1]}000"
    return value


def _without_what_was_made_up(inputs: dict[str, Any]) -> dict[str, Any]:
    """The Kubernetes provider marks objects that it named itself, not those that it gave a namespace."""
    metadata = dict(inputs.get("metadata") or {})
    if metadata.get("namespace") == "default":
        metadata.pop("namespace")
    annotations = dict(metadata.pop("annotations", {}))
    if annotations.pop(_AUTONAMED, None):
        metadata.pop("name")
    if annotations:
        metadata["annotations"] = annotations
    return {**inputs, "metadata": metadata} if metadata else {key: inputs[key] for key in inputs if key != "metadata"}


def listing(resources: Sequence[RecordedResource]) -> str:
    """A graph as text to review: one block per resource, in the order of its names; references by logical name."""
    known = sorted(_names(resources).items(), key=lambda pair: -len(pair[0]))
    blocks = [_block(item, known) for item in sorted(resources, key=lambda item: (item.urn.count("$"), item.urn))]
    return "\n".join(blocks)


def _names(resources: Sequence[RecordedResource]) -> dict[str, str]:
    """Made-up text -> the logical name that stands for it: of the resource that it identifies, by the shortest id.

    Registration order is the event loop's and decides nothing.
    """
    found: dict[str, tuple[tuple[bool, bool, int, str], str]] = {}
    for item in resources:
        if not item.custom:
            continue
        for text in (item.id, *_texts(item.outputs)):
            for random in () if _NODE_IMAGE.fullmatch(text) else _RANDOM.findall(text):
                # A run's name ends in a hash of its content, which is no chance: it shows, and must.
                if random not in item.name:
                    rank = (random not in item.id, _RANDOM.search(item.name) is not None, len(item.id), item.urn)
                    found[random] = min((rank, item.name), found.get(random, (rank, item.name)))
    return {random: name for random, (_, name) in found.items()}


def _block(item: RecordedResource, known: Sequence[tuple[str, str]]) -> str:
    parent = item.parent.rpartition("::")[2] or "-"
    lines = [f"{item.type}  {item.name}  (in {parent}{', protected' if item.protect else ''})"]
    for path, value in _leaves("", item.inputs):
        text = "[secret]" if path.split(".")[0] in item.secrets else str(value)
        if path.endswith(".mountname"):
            text = "<mount name>"
        for made_up, name in known:
            text = text.replace(made_up, f"<{name}>")
        lines.append(f"    {path} = {text}" if "\n" not in text else f"    {path} =\n{_indented(text)}")
    return "\n".join(lines) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"        {line}".rstrip() for line in text.splitlines())


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key in sorted(value):
            yield from _leaves(f"{path}.{key}" if path else key, value[key])
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(f"{path}[{number}]", item)
    else:
        yield path, value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
