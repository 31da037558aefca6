"""Values as the simulator's core sees them: plain JSON plus the two that only Pulumi has."""

from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""str, float, int, bool, None, list or dict of these; in a preview also ``Unknown`` and, at any time, ``Secret``."""


class UndecidedError(Exception):
    """A rule looked at a value that is unknown in a preview; the core counts the rule as decided at update."""


class Unknown:
    """A value that only the update will know. Reading it, in a rule, ends that rule without a verdict."""

    def _undecided(self, *_: object) -> Any:
        raise UndecidedError

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __len__ = __iter__ = __getitem__ = _undecided
    __contains__ = __add__ = __radd__ = __int__ = __float__ = __str__ = __format__ = _undecided
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return "<unknown>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise UndecidedError


UNKNOWN = Unknown()


@dataclass(frozen=True)
class Secret:
    """A secret on its way through the core; its repr never shows the value."""

    value: Json

    def __repr__(self) -> str:
        return "<secret>"


def is_unknown(value: Json) -> bool:
    """True for the unknown itself (``==`` would raise on purpose)."""
    return isinstance(value, Unknown)


def contains_unknown(value: Json) -> bool:
    """True when ``value`` is, or holds at any depth, an unknown."""
    if isinstance(value, Secret):
        return contains_unknown(value.value)
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return is_unknown(value)


def plain(value: Json) -> Json:
    """``value`` without its secret wrappers: for rules and for the store, never for a log."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
