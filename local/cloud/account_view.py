"""The account as one operation sees it: in the provider's region, and with modest answers in a preview."""

from collections.abc import Collection

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cloud.values import Json, UndecidedError, is_unknown


class AccountView:
    """An ``Account`` over the store for one provider instance.

    In a preview what is not there may be made by the same update, and what is there may go: looking for an object
    that is absent, or listing a kind that programs make, ends a rule undecided.
    """

    def __init__(self, store: SqliteStore, region: str, *, undecided: Collection[str] | None = None) -> None:
        self.account_id = store.account_id
        self.region = region
        self._store = store
        self._undecided = undecided

    def get(self, kind: str, identifier: str) -> CloudObject | None:
        """The object, or None."""
        if is_unknown(identifier):
            raise UndecidedError
        found = self._store.get(kind, identifier)
        if found is None and self._undecided is not None:
            raise UndecidedError
        return found

    def find(self, kind: str, **where: Json) -> list[CloudObject]:
        """Objects of ``kind`` whose body members equal ``where``, oldest first."""
        if self._undecided is not None and (kind in self._undecided or any(map(is_unknown, where.values()))):
            raise UndecidedError
        return self._store.find(kind, **where)

    def count(self, kind: str) -> int:
        """How many objects of ``kind`` there are."""
        if self._undecided is not None and kind in self._undecided:
            raise UndecidedError
        return self._store.count(kind)

    def put(self, item: CloudObject) -> None:
        """Insert or overwrite."""
        self._writable()
        self._store.put(item)

    def remove(self, kind: str, identifier: str) -> None:
        """Delete; no error when absent."""
        self._writable()
        self._store.remove(kind, identifier)

    def new_id(self, prefix: str, *, length: int = 17, alphabet: str = "0123456789abcdef") -> str:
        """A fresh id."""
        self._writable()
        return self._store.new_id(prefix, length=length, alphabet=alphabet)

    def now(self) -> float:
        """Seconds since the epoch on the account's clock."""
        return self._store.now()

    def setting(self, name: str, default: Json = None) -> Json:
        """An account setting."""
        return self._store.setting(name, default)

    def _writable(self) -> None:
        if self._undecided is not None:
            raise UndecidedError
