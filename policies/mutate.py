"""One changed property: what an example's failing half is made of, and what tests break on purpose."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from policies.graph import Json, Resource, steps
from policies.rule import REMOVED, Example

_OPTIONS: Final = {
    "protect": "protect",
    "retainOnDelete": "retain_on_delete",
    "ignoreChanges": "ignore_changes",
    "dependencies": "dependencies",
    "parent": "parent",
    "provider": "provider",
}
_OPTION: Final = "options."


def failing(example: Example) -> tuple[Resource, ...]:
    """The example's resources after its one change.

    Raises:
        ValueError: no resource has the name that the example changes.
        TypeError: the path leads through a text or a number.
    """
    if example.changed not in {item.name for item in example.passing}:
        raise ValueError(f"no resource of the example is called {example.changed}")
    return tuple(
        changed(item, example.path, example.value) if item.name == example.changed else item for item in example.passing
    )


def changed(resource: Resource, path: str, value: Json) -> Resource:
    """``resource`` with another input at ``path`` (``options.protect`` and the like are options)."""
    if path.startswith(_OPTION):
        name = _OPTIONS[path.removeprefix(_OPTION)]
        return replace(resource, **{name: value})
    return replace(resource, properties=_with(resource.properties, steps(path), value))


def _with(value: Json, path: tuple[str | int, ...], new: Json) -> Json:
    """A copy of ``value`` in which ``new`` stands at ``path``; mappings on the way are made when they are absent."""
    if not path:
        return new
    step, *rest = path
    if isinstance(step, int):
        if not isinstance(value, list):
            raise TypeError(f"[{step}] leads into {type(value).__name__}")
        item = value[step] if -len(value) <= step < len(value) else {}
        inner = _with(item, tuple(rest), new)
        before, after = value[:step], value[step + 1 :] if step != -1 else []
        return [*before, *([] if inner is REMOVED else [inner]), *after]
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{step} leads into {type(value).__name__}")
    known = dict(value or {})
    inner = _with(known.get(step), tuple(rest), new)
    if inner is REMOVED:
        known.pop(step, None)
        return known
    return {**known, step: inner}


def paths(value: Json, above: str = "") -> Iterator[str]:
    """The path of everything that lies in ``value``, containers too."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            plain = key.isidentifier() or key.replace("-", "").isalnum()
            here = f"{above}.{key}".lstrip(".") if plain else f'{above}["{key}"]'
            yield here
            yield from paths(item, here)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield f"{above}[{position}]"
            yield from paths(item, f"{above}[{position}]")
