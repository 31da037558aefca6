"""The core's tests run on a toy cloud; schemas come from the real SDK, cached for the session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.schema import CACHE_VARIABLE
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore
from tests.unit.cloud_core.toy import PACKAGE


@pytest.fixture(scope="module", autouse=True)
def schema_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests leave nothing in the user's cache."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(directory))
        yield directory


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    """An account in memory."""
    account = SqliteStore(":memory:")
    yield account
    account.close()


@pytest.fixture
def simulator(store: SqliteStore) -> Simulator:
    """The toy cloud over the account, with nothing made real."""
    return Simulator(PACKAGE, store)
