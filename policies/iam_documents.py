"""IAM documents as rules read them: JSON text, or the same as an object; parts of it may be unknown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.graph import SECRET, UNKNOWN, Json, Resource, UndecidedError, holds_unknown

_LONGEST: Final = 200_000
"""Characters; IAM takes 10,240 at most. Longer text is no policy, and reading it would take a rule's time."""


@dataclass(frozen=True)
class Statement:
    """One statement of a policy."""

    raw: Mapping[str, Json]
    path: str
    """Of the input that holds the document."""

    @property
    def allows(self) -> bool:
        """Whether it grants something."""
        return self.raw.get("Effect") == "Allow" if not _open(self.raw.get("Effect")) else self._undecided()

    def values(self, name: str) -> tuple[str, ...]:
        """An element such as ``Action`` as a list of texts.

        Raises:
            UndecidedError: a part of it is unknown.
        """
        value = self.raw.get(name)
        if holds_unknown(value):
            self._undecided()
        items = value if isinstance(value, list) else [value]
        return tuple(item for item in items if isinstance(item, str))

    def principals(self, kind: str) -> tuple[str, ...]:
        """Principals of a kind (``AWS``, ``Service``, ``Federated``); ``*`` alone is everybody, of every kind."""
        value = self.raw.get("Principal")
        if holds_unknown(value):
            self._undecided()
        if isinstance(value, str):
            return (value,)
        named = value.get(kind) if isinstance(value, Mapping) else None
        items = named if isinstance(named, list) else [named]
        return tuple(item for item in items if isinstance(item, str))

    def condition_keys(self) -> frozenset[str]:
        """The keys that its conditions test, in lower case; their values may be unknown."""
        conditions = self.raw.get("Condition")
        if _open(conditions):
            self._undecided()
        found: set[str] = set()
        for tests in conditions.values() if isinstance(conditions, Mapping) else ():
            if _open(tests):
                self._undecided()
            found |= {str(key).lower() for key in tests} if isinstance(tests, Mapping) else set()
        return frozenset(found)

    def tests(self, key: str) -> tuple[str, ...]:
        """The values that its conditions want of ``key``."""
        conditions = self.raw.get("Condition")
        if holds_unknown(conditions):
            self._undecided()
        found: list[str] = []
        for tests in conditions.values() if isinstance(conditions, Mapping) else ():
            for name, value in tests.items() if isinstance(tests, Mapping) else ():
                if str(name).lower() == key.lower():
                    found += [str(item).lower() for item in (value if isinstance(value, list) else [value])]
        return tuple(found)

    def _undecided(self) -> Any:
        raise UndecidedError(self.path)


def _open(value: Json) -> bool:
    return value is UNKNOWN or value is SECRET


def statements(resource: Resource, path: str) -> Iterator[Statement]:
    """The statements of the document at ``path``; none when it is no document.

    Raises:
        UndecidedError: the document, or its list of statements, is unknown.
    """
    value = resource.get(path)
    if isinstance(value, str) and len(value) <= _LONGEST:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    if not isinstance(value, Mapping):
        return
    given = value.get("Statement")
    items = given if isinstance(given, list) else [given]
    if any(_open(item) for item in items):
        raise UndecidedError(path)
    yield from (Statement(item, path) for item in items if isinstance(item, Mapping))
