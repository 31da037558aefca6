"""Words that all services share: ARNs, times, identifiers, refusals, and looking into request bodies."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NoReturn

from local.cloud.model import Account, ApiError
from local.cloud.values import Json, UndecidedError, contains_unknown, is_unknown

PARTITION = "aws"
PLAIN_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
UPPER_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def refuse(code: str, message: str, *, status: int = 400) -> NoReturn:
    """Raise the service's own refusal."""
    raise ApiError(code, message, status=status)


def arn(service: str, resource: str, account: Account, *, region: bool = True, owner: bool = True) -> str:
    """``arn:aws:<service>:<region>:<account>:<resource>``; S3 has neither region nor owner, IAM no region."""
    return ":".join(
        ["arn", PARTITION, service, account.region if region else "", account.account_id if owner else "", resource]
    )


def iso_time(account: Account) -> str:
    """The account's clock as an RFC 3339 UTC timestamp, to the second, as the provider prints times."""
    return datetime.fromtimestamp(account.now(), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_iso(seconds: float) -> str:
    """Seconds since the epoch as an RFC 3339 UTC timestamp."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(*parts: str, length: int = 8, alphabet: str = "0123456789abcdef") -> str:
    """Characters of ``alphabet`` that are always the same for the same parts: for values that a service derives."""
    number = int.from_bytes(hashlib.sha256("\x00".join(parts).encode()).digest())
    text = ""
    for _ in range(length):
        number, index = divmod(number, len(alphabet))
        text += alphabet[index]
    return text


def public_address(key: str) -> str:
    """An address of TEST-NET-2 and the benchmarking range (RFC 5737, RFC 2544): it routes nowhere."""
    number = int(digest(key, length=4), 16)
    return f"198.{18 + (number >> 15)}.{number >> 8 & 0x7F}.{max(number & 0xFF, 1)}"


def get(body: Json, path: str, default: Json = None) -> Json:
    """The value at a dotted path, or ``default`` where a member is missing or null."""
    value = body
    for part in path.split("."):
        if is_unknown(value):
            return value
        if not isinstance(value, Mapping) or value.get(part) is None:
            return default
        value = value[part]
    return value


def known(body: Json, path: str, default: Json = None) -> Json:
    """As ``get``, but raises ``UndecidedError`` when the value is, or holds, something that only the update knows."""
    value = get(body, path, default)
    for leaf in _unknown_leaves(value):
        bool(leaf)  # an unknown refuses to be looked at
    return value


def _unknown_leaves(value: Json) -> Iterator[Json]:
    if is_unknown(value):
        yield value
    elif contains_unknown(value):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _unknown_leaves(item)


def document(value: Json) -> Json:
    """A JSON document that the API takes as text; raises ``ValueError`` when it is not JSON.

    Raises:
        UndecidedError: a preview does not know it.
    """
    if is_unknown(value):
        raise UndecidedError
    return json.loads(value) if isinstance(value, str) else value


def as_list(value: Json) -> list[Json]:
    """A policy element that may be one value or a list of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the shape of EC2, IAM, FSx: ``[{"Key": …, "Value": …}]``, sorted by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def unmodelled(inputs: Mapping[str, Json], *properties: str, instead: str) -> None:
    """Refuse properties that the simulation does not carry out, rather than ignoring them."""
    for name in properties:
        if inputs.get(name) is not None:
            refuse("UnsupportedOperation", f"the simulation does not carry out `{name}`: {instead}")


def joined(values: Iterable[str]) -> str:
    """Values as AWS lists them in messages."""
    return ", ".join(values)
