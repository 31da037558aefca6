"""The simulated account of an environment, for commands that look into it or play tricks on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.errors import UserError
from cli.exits import Exit
from local.cloud.store import SqliteStore
from local.paths import StatePaths


@contextmanager
def open_account(environment: str) -> Iterator[SqliteStore]:
    """The account's store.

    Raises:
        UserError: the environment has none: it is not up, or is not a simulated one.
    """
    path = StatePaths.of(environment).account
    if not path.exists():
        raise UserError(
            "this environment has no simulated account",
            where=str(path),
            value=environment,
            fix=f"run `slipway local up --env {environment}` first",
            status=Exit.NOT_READY,
        )
    store = SqliteStore(path)
    try:
        yield store
    finally:
        store.close()
