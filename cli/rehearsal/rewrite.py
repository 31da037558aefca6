"""A stack's file as its rehearsal reads it: pure, so that every change is seen, told and tested.

Only what ties the stack to a real account is replaced. Sizes, zones, versions and options stay: they are what is
rehearsed.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ACCOUNT: Final = "0" * 12
"""The account that no cloud has: it marks a simulation."""
DEPLOYER: Final = f"arn:aws:iam::{ACCOUNT}:role/slipway-deployer"
CLIENT_RANGE: Final = "203.0.113.0/24"
"""Where the simulated client calls from (RFC 5737, documentation)."""
MIRROR: Final = "env:SLIPWAY_CHARTS_MIRROR"
TUNNEL: Final = "http://127.0.0.1:1"
"""Stands for the simulated tunnel until its port is known."""
_NAMESPACE: Final = "slipway:"
_ARN_ACCOUNT: Final = re.compile(r"^(arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:)(\d{12})(:.+)$")
_OF_THE_BACKEND: Final = ("encryptionsalt", "encryptedkey", "secretsprovider")


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """The copied file and what is different in it."""

    document: Mapping[str, Any]
    """For the engine: without ``secure:`` values, which it could not decrypt."""
    whole: Mapping[str, Any]
    """For checking settings without an engine: with them."""
    secrets: tuple[str, ...]
    """Paths of ``secure:`` values, which need placeholders that the copy's own secrets provider encrypted."""
    told: tuple[str, ...]
    """One sentence per change that a reader of the report must know of."""


@dataclass
class _Notes:
    secrets: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def rehearsed(document: Mapping[str, Any], *, name: str) -> Rewritten:
    """The document of ``Pulumi.<stack>.yaml`` for the simulated stack ``name``; the original is not touched."""
    notes = _Notes()
    config = copy.deepcopy(dict(document.get("config") or {}))
    changed = {
        f"{_NAMESPACE}place": _place(config.get(f"{_NAMESPACE}place"), notes),
        f"{_NAMESPACE}access": _access(config.get(f"{_NAMESPACE}access"), notes),
        f"{_NAMESPACE}stateBackend": {"url": f"file://.slipway/{name}/backend", "secretsProvider": "passphrase"},
        f"{_NAMESPACE}charts": {**_mapping(config.get(f"{_NAMESPACE}charts")), "mirror": MIRROR},
    }
    if _mapping(config.get(f"{_NAMESPACE}dataLake")).get("retain"):
        changed[f"{_NAMESPACE}dataLake"] = {**config[f"{_NAMESPACE}dataLake"], "retain": False}
        notes.told.append("data lake: deleted with the copy, although the stack's own outlives it")
    notes.told.append("state: a file backend of its own, encrypted with a passphrase")
    config = {key: _simulated_arns(value) for key, value in {**config, **changed}.items() if value is not None}
    without = {key: _without_secrets(value, key, notes) for key, value in config.items()}
    without = {key: value for key, value in without.items() if value is not _REMOVED}
    kept = {key: value for key, value in document.items() if key not in {"config", *_OF_THE_BACKEND}}
    if notes.secrets:
        notes.told.append(f"secrets: placeholders for {', '.join(notes.secrets)}")
    return Rewritten(
        document={**kept, "config": without},
        whole={**kept, "config": config},
        secrets=tuple(notes.secrets),
        told=tuple(notes.told),
    )


class _Removed:
    """What stands for a secret until it is taken out of its parent."""


_REMOVED: Final = _Removed()


def _without_secrets(value: Any, path: str, notes: _Notes) -> Any:
    if isinstance(value, dict):
        if set(value) == {"secure"}:
            notes.secrets.append(path)
            return _REMOVED
        below = {key: _without_secrets(item, f"{path}.{key}", notes) for key, item in value.items()}
        return {key: item for key, item in below.items() if item is not _REMOVED}
    if isinstance(value, list):
        return [_without_secrets(item, f"{path}[{number}]", notes) for number, item in enumerate(value)]
    return value


def _place(value: Any, notes: _Notes) -> Any:
    place = _mapping(value)
    if place.get("cloud") != "aws":
        return value
    real = str(place.get("accountId", ""))
    if real != ACCOUNT:
        notes.told.append(f"account: {ACCOUNT} instead of {real}")
    return {**place, "accountId": ACCOUNT, "deployerRoleArn": DEPLOYER, "assumeRole": False}


def _access(value: Any, notes: _Notes) -> Any:
    access = _mapping(value)
    if not access:
        return value
    admins = [_simulated_arns(item) for item in access.get("admins") or []]
    access["admins"] = list(dict.fromkeys([*admins, DEPLOYER]))
    kind = access.get("kind")
    if kind == "public" and CLIENT_RANGE not in (access.get("cidrs") or []):
        access["cidrs"] = [*(access.get("cidrs") or []), CLIENT_RANGE]
        notes.told.append(f"access: {CLIENT_RANGE}, where the simulated client is, added to the allow-list")
    elif kind == "tunnel":
        access["proxyUrl"] = TUNNEL
        notes.told.append("access: the simulated tunnel instead of yours; the endpoint stays private")
    elif kind == "runner":
        access = {"kind": "tunnel", "proxyUrl": TUNNEL, "admins": access["admins"]}
        notes.told.append("access: a simulated tunnel in place of the runner; the endpoint stays private")
    return access


def _simulated_arns(value: Any) -> Any:
    """Every ARN of an account as the simulated account's; AWS's own (no account) stay."""
    if isinstance(value, dict):
        return {key: _simulated_arns(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_simulated_arns(item) for item in value]
    return _ARN_ACCOUNT.sub(rf"\g<1>{ACCOUNT}\g<3>", value) if isinstance(value, str) else value


def reservations(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(reservation id, pool) of every pool that the account must hold a reservation for."""
    for pool in config.get(f"{_NAMESPACE}pools") or []:
        capacity = _mapping(_mapping(pool).get("capacity"))
        if capacity.get("kind") in {"reservation", "capacityBlock"} and capacity.get("id"):
            yield str(capacity["id"]), pool


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
