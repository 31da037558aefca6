"""What changed, property by property, from the engine's step metadata."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.events import Picture, is_component, short_type, urn_name, urn_type

_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""Marks secrets, assets and outputs in property values (``pkg/resource/stack`` of the engine)."""
_ABSENT: Final = object()
_MAX_TEXT: Final = 60
_WORDS: Final = {
    "create": "create",
    "update": "update",
    "delete": "delete",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "import": "import",
}
_STYLES: Final = {"create": "green", "update": "yellow", "delete": "red", "replace": "magenta"}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One property of one resource: before and after, as short texts; a secret is never shown."""

    path: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One resource and what is, or would be, different."""

    urn: str
    operation: str
    properties: tuple[Difference, ...]

    @property
    def type(self) -> str:
        """Short type."""
        return short_type(urn_type(self.urn))

    @property
    def name(self) -> str:
        """Logical name."""
        return urn_name(self.urn)


def drift(picture: Picture) -> list[Change]:
    """What a refresh found: the outputs that the cloud shows against those in the state."""
    return [_change(urn, metadata, "outputs") for urn, metadata in picture.drifted.items()]


def planned(picture: Picture) -> list[Change]:
    """What a preview would do, or what an update has done; components are left out."""
    return [
        _change(urn, metadata, "inputs") for urn, metadata in picture.changes.items() if not is_component(urn_type(urn))
    ]


def _change(urn: str, metadata: Mapping[str, Any], member: str) -> Change:
    operation = _WORDS.get(str(metadata["op"]), str(metadata["op"]))
    before = (metadata.get("old") or {}).get(member) or {}
    after = (metadata.get("new") or {}).get(member) or {}
    # A whole new or deleted resource is one fact, not fifty.
    properties = tuple(differences(before, after)) if operation in {"update", "replace"} else ()
    return Change(urn=urn, operation=operation, properties=properties)


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """The leaves in which two property values differ."""
    if _is_secret(before) or _is_secret(after):
        if before != after:
            yield Difference(path=path, before=_text(before), after=_text(after))
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            if not key.startswith("__"):
                below = f"{path}.{key}" if path else key
                yield from differences(before.get(key, _ABSENT), after.get(key, _ABSENT), below)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from differences(left, right, f"{path}[{number}]")
    elif before != after:
        yield Difference(path=path, before=_text(before), after=_text(after))


def _is_secret(value: Any) -> bool:
    return value == "[secret]" or (isinstance(value, dict) and _SIGNATURE in value)


def _text(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    if _is_secret(value):
        return "[secret]"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 3]}..."


def print_changes(changes: list[Change], console: Console, title: str) -> None:
    """One line per resource, one below it per property."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2), show_header=False)
    for change in changes:
        style = _STYLES.get(change.operation, "")
        table.add_row(Text(change.operation, style=style), change.type, Text(change.name, style="bold"))
        for difference in change.properties:
            table.add_row("", "", Text(f"  {difference}", style="dim"))
    console.print(table)


def changes_json(changes: list[Change]) -> list[dict[str, Any]]:
    """For ``--json``."""
    return [
        {
            "urn": change.urn,
            "operation": change.operation,
            "properties": [
                {"path": item.path, "before": item.before, "after": item.after} for item in change.properties
            ],
        }
        for change in changes
    ]
