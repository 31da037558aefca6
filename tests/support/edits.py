"""Documents of settings, and how tests break them: a change at a dotted path, and what the settings say of it."""

from collections.abc import Callable
from typing import Any

import pytest

from stacks.settings import Settings, SettingsError, validate
from stacks.sources import from_mapping

Document = dict[str, Any]
"""Sections of a stack file, keys without the namespace."""
Change = Callable[[Document], None]


def accepted(document: Document) -> Settings:
    """The settings of a document.

    Raises:
        SettingsError: Something is wrong; it lists everything.
    """
    raw = from_mapping({f"slipway:{key}": value for key, value in document.items()}, source="test")
    return validate(raw, encrypted_values_are_clear=False)


def refused(document: Document) -> SettingsError:
    """What the settings say of a document in which something is wrong."""
    with pytest.raises(SettingsError) as error:
        accepted(document)
    return error.value


def problems(document: Document) -> list[tuple[str, str]]:
    """(path, rule) of everything that is wrong in a document."""
    return [(problem.path, problem.rule) for problem in refused(document).problems]


def put(path: str, value: Any) -> Change:
    """Sets the value at a dotted path; numbers are list positions."""

    def change(document: Document) -> None:
        target, last = _place(document, path)
        target[last] = value

    return change


def drop(path: str) -> Change:
    """Removes what stands at a dotted path."""

    def change(document: Document) -> None:
        target, last = _place(document, path)
        del target[last]

    return change


def append(path: str, value: Any) -> Change:
    """Adds an item to the list at a dotted path."""

    def change(document: Document) -> None:
        target, last = _place(document, path)
        target[last].append(value)

    return change


def both(*changes: Change) -> Change:
    """Several changes, for mistakes that take two places."""

    def change(document: Document) -> None:
        for item in changes:
            item(document)

    return change


def _place(document: Document, path: str) -> tuple[Any, int | str]:
    """What holds the value at a dotted path, and the value's key or position in it."""
    *parents, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    target: Any = document
    for step in parents:
        target = target[step]
    return target, last
