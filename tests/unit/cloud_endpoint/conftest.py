"""A full account behind the endpoint, and boto3 clients that reach it over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.cloud.endpoint.server import EndpointServer
from local.cloud.store import SqliteStore
from tests.support.aws_account import World
from tests.support.aws_platform import SETTINGS, STEPS

STACK = "slipway/dev"
"""Whose everything is that the fixture ``owned_platform`` makes."""
DEPLOYER = "arn:aws:iam::000000000000:role/slipway-deployer"


@dataclass
class Served:
    """An account, what was made in it, and clients."""

    store: SqliteStore
    builder: World
    server: EndpointServer
    clients: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def client(self, service: str, *, key: str = "", secret: str = "") -> Any:
        """A boto3 client with the account's own key, or another."""
        if (service, key, secret) not in self.clients:
            self.clients[service, key, secret] = self._client(service, key, secret)
        return self.clients[service, key, secret]

    def _client(self, service: str, key: str, secret: str) -> Any:
        known = self.store.credentials(DEPLOYER)
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.server.url,
            aws_access_key_id=key or known.access_key_id,
            aws_secret_access_key=secret or known.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture
def serve() -> Iterator[Callable[[], Served]]:
    """A maker of accounts behind an endpoint."""
    made: list[Served] = []

    def start() -> Served:
        store = SqliteStore(":memory:")
        server = EndpointServer(store)
        server.start()
        made.append(Served(store, World(store=store), server))
        return made[-1]

    yield start
    for one in made:
        one.server.stop()
        one.store.close()


@pytest.fixture(scope="module")
def full() -> Iterator[Served]:
    """One of every bound type; for tests that only read."""
    store = SqliteStore(":memory:")
    for name, value in SETTINGS.items():
        store.set_setting(name, value)
    server = EndpointServer(store)
    server.start()
    builder = World(store=store)
    builder.build(STEPS)
    yield Served(store, builder, server)
    server.stop()
    store.close()


@pytest.fixture
def owned_platform() -> Iterator[Served]:
    """One of every bound type, all with the tag of one stack; for tests that change it."""
    store = SqliteStore(":memory:")
    for name, value in SETTINGS.items():
        store.set_setting(name, value)
    builder = World(store=store)
    builder.simulator.configure({"defaultTags": {"tags": {"slipway:stack": STACK}}}, refuse_real=False)
    server = EndpointServer(store)
    server.start()
    builder.build(STEPS)
    yield Served(store, builder, server)
    server.stop()
    store.close()
