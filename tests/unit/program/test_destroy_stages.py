"""The stages of `slipway destroy` in every order, repeated and interrupted: what they leave the next run takes."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from cli.plan import record
from cli.project import open_stack
from cli.reservations import account_of
from cli.teardown import Act, acts, in_order
from tests.support.teardown import Account, valid_order

STAGES = ("runs and services", "load balancers and claims", "add-ons", "nodes", "cluster")


class Engine:
    """What `pulumi destroy` does to a recorded program: targets go with what depends on them, dependents first."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.there = {item.urn: item for item in account.recording.resources}

    def state(self) -> dict[str, Any]:
        """As `pulumi stack export` gives it."""
        rows = [{"urn": item.urn, "type": item.type, "custom": item.custom} for item in self.there.values()]
        return {"version": 3, "deployment": {"resources": rows}}

    def destroy(self, act: Act, *, steps: int | None = None) -> None:
        """Perform a stage, or its first ``steps`` deletions."""
        targets = set(act.urns or self.there)
        held_by = self._held_by()
        while more := {urn for target in targets for urn in held_by[target]} - targets:
            targets |= more
        order = valid_order({urn: held_by[urn] for urn in targets}, random.Random(len(targets)))
        for urn in order[:steps]:
            if self.there[urn].custom and self.there[urn].type.startswith("aws:"):
                assert self.account.delete(urn) == "", f"{act.title}: {urn} is refused"
            del self.there[urn]

    def _held_by(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {urn: set() for urn in self.there}
        for item in self.there.values():
            for other in {*item.dependencies, item.parent, item.provider.rpartition("::")[0]} & self.there.keys():
                found[other].add(item.urn)
        return found


@pytest.fixture(scope="module")
def standing() -> Account:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_CHARTS_MIRROR", "http://127.0.0.1:8080/charts")
        stack = open_stack("local")
        store = account_of(stack.settings)
        return Account(store, record(stack, store))


@pytest.fixture
def engine(standing: Account) -> Iterator[Engine]:
    account = Account.copy(standing)
    yield Engine(account)
    account.store.close()


def perform(engine: Engine, titles: Sequence[str]) -> None:
    """The stages of these names, as far as there is still something of them."""
    for title in titles:
        for act in [act for act in acts(engine.state()) if act.title == title]:
            engine.destroy(act)


def finish(engine: Engine) -> None:
    """`slipway destroy`, from here on to its end."""
    for act in in_order(engine.state):
        engine.destroy(act)
    assert engine.there == {}
    assert engine.account.left() == []


def test_the_stages_in_their_own_order_leave_nothing(engine: Engine) -> None:
    assert [act.title for act in acts(engine.state())] == [
        *(title for title in STAGES if title != "load balancers and claims" or _has_claims(engine)),
        "network and the rest",
    ]
    finish(engine)


def _has_claims(engine: Engine) -> bool:
    return any("Claim" in item.type or item.type.endswith(":Service") for item in engine.there.values())


@pytest.mark.parametrize("number", range(12))
def test_the_stages_in_any_order_leave_nothing(number: int, engine: Engine) -> None:
    titles = list(STAGES)
    random.Random(number).shuffle(titles)
    perform(engine, titles)
    finish(engine)


@pytest.mark.parametrize("title", STAGES)
def test_one_stage_alone_and_repeated_goes_no_further_than_its_own(title: str, engine: Engine) -> None:
    perform(engine, [title])
    left = set(engine.there)
    assert left, "the network stays until the last stage"
    assert [act for act in acts(engine.state()) if act.title == title] == [], "nothing of it is left to do"
    perform(engine, [title])
    assert set(engine.there) == left
    finish(engine)


@pytest.mark.parametrize("number", range(12))
def test_a_destruction_that_is_interrupted_anywhere_goes_on_from_there(number: int, engine: Engine) -> None:
    chance = random.Random(number)
    for _ in range(3):
        for act in in_order(engine.state):
            engine.destroy(act, steps=chance.randint(0, 40))
            if chance.random() < 0.5:
                break
    finish(engine)
