"""AWS Budgets and Cost Anomaly Detection in the real engine, from setting to nothing. The tests run in their order."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

KINDS: Final = ("budgets:Budget", "ce:AnomalyMonitor", "ce:AnomalySubscription")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("billing"))
    sandbox.shrink()
    sandbox.settings(lambda settings: tell(settings, "costs@example.com"))
    sandbox.expect("up", "local", "--yes", "--no-wait")
    yield sandbox
    sandbox.close()


def tell(settings: dict[str, Any], address: str) -> None:
    settings["budget"] = {"monthlyUsd": 900_000, "notify": {"emails": [address]}}


def held(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    with sandbox.store() as store:
        return {item.kind: item.body for kind in KINDS for item in store.find(kind)}


def test_the_account_holds_a_budget_and_a_monitor_with_its_mail(local: Sandbox) -> None:
    found = held(local)
    assert tuple(sorted(found)) == KINDS
    assert "costs@example.com" in str(found["ce:AnomalySubscription"])


def test_refresh_finds_no_drift(local: Sandbox) -> None:
    assert "no drift: the account is as the state says" in local.expect("refresh", "local").text


def test_another_address_changes_what_is_there(local: Sandbox) -> None:
    local.settings(lambda settings: tell(settings, "money@example.com"))
    local.expect("up", "local", "--yes", "--no-wait")
    assert "money@example.com" in str(held(local)["ce:AnomalySubscription"])
    assert "costs@example.com" not in str(held(local))


def test_what_the_state_forgot_is_found_by_its_tag_and_removed(local: Sandbox) -> None:
    for kind in ("AnomalySubscription", "AnomalyMonitor", "Budget"):
        (urn,) = [
            item["urn"]
            for item in local.pulumi("stack", "export").json["deployment"]["resources"]
            if item["type"].startswith("aws:") and item["type"].endswith(f":{kind}")
        ]
        answer = local.pulumi("state", "delete", urn, "--yes")
        assert answer.status == 0, answer.text
    told = local.expect("recover", "local", "--yes").text
    for kind in KINDS:
        assert f"orphan: {kind} " in told
    assert held(local) == {}


def test_after_an_update_and_destroy_the_account_is_empty(local: Sandbox) -> None:
    local.expect("up", "local", "--yes", "--no-wait")
    assert tuple(sorted(held(local))) == KINDS
    local.expect("destroy", "local", "--yes")
    assert local.remaining() == []
