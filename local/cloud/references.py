"""Referential integrity: what a body names must exist, and what is named cannot go."""

from collections.abc import Iterator, Mapping

from local.cloud.model import Account, ApiError, Binding, CloudObject, Reference
from local.cloud.paths import lookup, values_at
from local.cloud.store import SqliteStore
from local.cloud.values import Json, is_unknown


def check_targets(binding: Binding, body: Mapping[str, Json], account: Account) -> None:
    """Refuse a body that names what does not exist.

    Raises:
        ApiError: with the reference's own code and message.
    """
    for reference in binding.references:
        for value in _named(reference, body):
            if not _exists(reference, value, account):
                raise ApiError(
                    reference.missing_code, reference.missing_message.format(value=value, kind=reference.kind)
                )


def check_holders(target: CloudObject, bindings: Mapping[str, Binding], store: SqliteStore, *, label: str) -> None:
    """Refuse the removal of an object that others name.

    Raises:
        ApiError: with the reference's own code and message; names the first holder.
    """
    for binding, reference in _references_to(target.kind, bindings):
        key = target.id if reference.by == "id" else lookup(target.body, reference.by)
        if not isinstance(key, str):
            continue
        for holder in store.mentioning(binding.kind, key):
            if (holder.kind, holder.id) != (target.kind, target.id) and key in _named(reference, holder.body):
                message = reference.in_use_message.format(target=label, holder=holder.id, kind=holder.kind)
                raise ApiError(reference.in_use_code, message)


def _references_to(kind: str, bindings: Mapping[str, Binding]) -> Iterator[tuple[Binding, Reference]]:
    for binding in bindings.values():
        for reference in binding.references:
            if reference.kind == kind and reference.holds:
                yield binding, reference


def _named(reference: Reference, body: Mapping[str, Json]) -> list[str]:
    found = (value for _, value in values_at(dict(body), reference.body_path) if not is_unknown(value))
    return [str(value) for value in found if value not in (None, "")]


def _exists(reference: Reference, value: str, account: Account) -> bool:
    if reference.by == "id":
        return account.get(reference.kind, value) is not None
    if "." not in reference.by:
        return bool(account.find(reference.kind, **{reference.by: value}))
    return any(lookup(item.body, reference.by) == value for item in account.find(reference.kind))
