"""Orders of deletion of whole platforms: valid ones leave nothing, wrong steps are refused and harm nothing.

`CI=true` plays sixty.
"""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from cli.plan import record
from cli.project import open_stack
from cli.reservations import account_of
from tests.support.teardown import Account, holders, resources, valid_order

EACH = 30 if os.environ.get("CI") == "true" else 8
ORDERS = [(stack, number) for stack in ("local", "prod") for number in range(EACH)]
IN_USE = {
    "DependencyViolation",
    "ResourceInUseException",
    "DeleteConflict",
    "InvalidIPAddress.InUse",
    "InvalidPlacementGroup.InUse",
}
"""How EC2, EKS and IAM refuse the deletion of what is in use."""
NETWORK = {"ec2:SecurityGroup", "ec2:Vpc", "ec2:RouteTable", "ec2:NetworkAcl"}
"""A network with what comes with it."""


@dataclass(frozen=True)
class Platform:
    """A platform that stands in an account; every order gets a copy."""

    account: Account
    held_by: Mapping[str, set[str]]
    in_use: frozenset[str]
    """What the services refuse to delete while the whole platform stands."""


@pytest.fixture(scope="module")
def platforms() -> dict[str, Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_CHARTS_MIRROR", "http://127.0.0.1:8080/charts")
        return {name: _standing(name) for name in ("local", "prod")}


def _standing(name: str) -> Platform:
    stack = open_stack(name)
    store = account_of(stack.settings)
    before = frozenset((item.kind, item.id) for item in store.objects())
    account = Account(store, record(stack, store), before)
    account.unprotect()
    in_use = frozenset(item.urn for item in resources(account.recording) if Account.copy(account).delete(item.urn))
    return Platform(account, holders(account.recording), in_use)


@pytest.mark.parametrize(("stack", "number"), ORDERS)
def test_any_valid_order_leaves_nothing(stack: str, number: int, platforms: dict[str, Platform]) -> None:
    platform = platforms[stack]
    account = Account.copy(platform.account)
    order = valid_order(platform.held_by, random.Random(number))
    assert {urn: code for urn in order if (code := account.delete(urn))} == {}
    assert account.left() == []


@pytest.mark.parametrize(("stack", "number"), ORDERS)
def test_wrong_steps_are_refused_in_the_services_words_and_a_valid_order_still_empties_the_account(
    stack: str, number: int, platforms: dict[str, Platform]
) -> None:
    chance, platform = random.Random(number), platforms[stack]
    account = Account.copy(platform.account)
    remaining = valid_order(platform.held_by, chance)
    refusals = []
    while remaining:
        early = [urn for urn in remaining[1:] if urn in platform.in_use]
        # Services hold less than the program knows of: what they would let go too early is no refusal to look at.
        if early and chance.random() < 0.3 and Account.copy(account).delete(urn := chance.choice(early)):
            before = account.everything()
            refusals.append(account.delete(urn))
            assert account.everything() == before, f"the refused deletion of {urn} changed the account"
        assert account.delete(due := remaining.pop(0)) == "", f"{due} was due"
    assert len(refusals) > 5, "wrong steps were tried"
    assert set(refusals) <= IN_USE
    assert account.left() == []


@pytest.mark.parametrize(("stack", "number"), ORDERS)
def test_deleting_in_any_order_over_and_over_ends_with_nothing_but_what_services_write(
    stack: str, number: int, platforms: dict[str, Platform]
) -> None:
    account = Account.copy(platforms[stack].account)
    remaining = [item.urn for item in resources(account.recording)]
    random.Random(number).shuffle(remaining)
    rounds = 0
    while True:
        left = [urn for urn in remaining if account.delete(urn)]
        if len(left) == len(remaining):
            break
        remaining, rounds = left, rounds + 1
    assert rounds > 1, "the first round met refusals"
    # A log group that goes before its writer is written anew. The cluster's own group stays when a rule still named it
    # as the cluster went, and keeps its network: that is why the program's order matters.
    assert {item.partition(" ")[0] for item in account.left()} <= {"logs:LogGroup", *NETWORK}
    assert {urn.split("::")[2].rpartition("$")[2] for urn in remaining} <= {"aws:ec2/vpc:Vpc"}
