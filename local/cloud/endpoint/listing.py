"""Pages and filters, as all Describe and List calls have them."""

import base64
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from local.cloud.model import ApiError
from local.cloud.paths import values_at
from local.cloud.values import Json

T = TypeVar("T")
_MARK: Final = "slipway-page:"


def page(items: Sequence[T], token: Json, size: Json, *, default: int, invalid: str) -> tuple[list[T], str | None]:
    """One page of ``items`` and the token of the next, or None.

    Raises:
        ApiError: ``token`` is none that an earlier page returned; its code is ``invalid``.
    """
    start = _offset(str(token), len(items), invalid) if token else 0
    end = start + int(size or default)
    following = base64.urlsafe_b64encode(f"{_MARK}{end}".encode()).decode() if end < len(items) else None
    return list(items[start:end]), following


def _offset(token: str, count: int, invalid: str) -> int:
    try:
        text = base64.urlsafe_b64decode(token).decode()
    except ValueError:
        text = ""
    number = text.removeprefix(_MARK)
    if not text.startswith(_MARK) or not number.isdigit() or int(number) > count:
        raise ApiError(invalid, "The pagination token is not one that this call returned")
    return int(number)


def tags_in(body: Mapping[str, Json]) -> dict[str, str]:
    """An object's tags, in any of the forms in which services keep them."""
    found: Json = next((body[name] for name in ("Tags", "tags", "TagSet") if body.get(name)), {})
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    return {str(item["Key"]): str(item["Value"]) for item in found}


def select(
    bodies: Sequence[dict[str, Json]], filters: Sequence[Mapping[str, Json]], paths: Mapping[str, str]
) -> list[dict[str, Json]]:
    """EC2's filters: names are joined by and, values by or, with ``*`` and ``?``; all know ``tag:KEY`` and ``tag-key``.

    Raises:
        ApiError: ``InvalidParameterValue`` for a filter that is not among ``paths``: it is not ignored in silence.
    """
    tests = [_test(item, paths) for item in filters]
    return [body for body in bodies if all(test(body) for test in tests)]


def _test(item: Mapping[str, Json], paths: Mapping[str, str]) -> Callable[[dict[str, Json]], bool]:
    name, wanted = str(item.get("Name")), [str(value) for value in item.get("Values") or []]
    if name == "tag-key":
        return lambda body: any(_matches(key, wanted) for key in tags_in(body))
    if name.startswith("tag:"):
        key = name.removeprefix("tag:")
        return lambda body: key in tags_in(body) and _matches(tags_in(body)[key], wanted)
    if name not in paths:
        known = ", ".join(sorted([*paths, "tag:KEY", "tag-key"]))
        raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid; the simulated account knows {known}")
    return lambda body: any(_matches(_text(value), wanted) for _, value in values_at(body, paths[name]))


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _matches(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)
