"""What is left in a simulated account: everything but what an account holds from its beginning."""

from local.cloud.model import CloudObject
from local.cloud.plugin import load_package
from local.cloud.store import SqliteStore

_PENDING_DELETION = "PendingDeletion"


def residue(store: SqliteStore) -> list[CloudObject]:
    """Objects that somebody would pay for or trip over, oldest first.

    Keys that wait for their deletion are left out: AWS keeps them for days and charges nothing.
    """
    seeded = _seeded(store)
    return [item for item in store.objects() if (item.kind, item.id) not in seeded and not _is_waiting_key(item)]


def _seeded(store: SqliteStore) -> set[tuple[str, str]]:
    fresh = SqliteStore(":memory:", account_id=store.account_id, region=store.region)
    try:
        seed = load_package("aws").seed
        if seed is not None:
            seed(fresh)
        return {(item.kind, item.id) for item in fresh.objects()}
    finally:
        fresh.close()


def _is_waiting_key(item: CloudObject) -> bool:
    metadata = item.body.get("KeyMetadata") or item.body
    return item.kind == "kms:Key" and metadata.get("KeyState") == _PENDING_DELETION
