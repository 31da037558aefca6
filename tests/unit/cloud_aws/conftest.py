"""Fixtures that play a rule's scenario against the simulator in a fresh account."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.cloud.aws.package import PACKAGE
from local.cloud.model import CloudPackage, Rule
from tests.support.aws_account import World
from tests.support.aws_platform import SETTINGS, STEPS


def lacking(rule: Rule) -> CloudPackage:
    """The package without one rule."""
    return replace(PACKAGE, rules=tuple(other for other in PACKAGE.rules if other.id != rule.id))


@pytest.fixture
def world() -> Any:
    """A fresh account."""
    made = World()
    yield made
    made.close()


@pytest.fixture
def new_world() -> Any:
    """A maker of fresh accounts over a package of one's choice."""
    worlds: list[World] = []

    def make(package: CloudPackage = PACKAGE) -> World:
        worlds.append(World(package))
        return worlds[-1]

    yield make
    for made in worlds:
        made.close()


@pytest.fixture
def without_rule() -> Callable[[Rule], CloudPackage]:
    """The package without one rule."""
    return lacking


@pytest.fixture(scope="session")
def make_world() -> Any:
    """A maker of accounts that live as long as the session: for tests that only read."""
    worlds: list[World] = []

    def make() -> World:
        worlds.append(World())
        return worlds[-1]

    yield make
    for made in worlds:
        made.close()


@pytest.fixture(scope="module")
def everything(make_world: Callable[[], World]) -> World:
    """An account in which one of every bound type was made."""
    made = make_world()
    for name, value in SETTINGS.items():
        made.store.set_setting(name, value)
    made.build(STEPS)
    return made
