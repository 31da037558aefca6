"""Previews of a new platform: hardly anything is known, so nothing may be refused or crash because of it."""

import re
from typing import Any

import pytest

from local.cloud.aws import scenarios as on
from local.cloud.failures import CloudError
from local.cloud.values import UNKNOWN
from tests.support.aws_platform import SETTINGS, STEPS

_PLACEHOLDER = re.compile(r"\$\{.*\}")


def _unknown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unknown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unknown(item) for item in value]
    return UNKNOWN if isinstance(value, str) and _PLACEHOLDER.fullmatch(value) else value


@pytest.mark.parametrize("step", STEPS, ids=[name for _, name, _ in STEPS])
def test_a_preview_in_an_empty_account_passes_with_unknown_references(world: Any, step: on.Step) -> None:
    token, name, inputs = step
    for setting, value in SETTINGS.items():
        world.store.set_setting(setting, value)
    checked = world.simulator.check(token, name, _unknown(dict(inputs)))
    made = world.simulator.create(token, name, checked.inputs, preview=True)

    assert checked.failures == []
    assert made.id == ""
    assert [item for item in world.store.objects() if item.kind != "iam:Policy"] == []


@pytest.mark.parametrize("step", STEPS, ids=[name for _, name, _ in STEPS])
def test_no_single_unknown_input_is_refused(world: Any, step: on.Step) -> None:
    token, name, inputs = step
    for setting, value in SETTINGS.items():
        world.store.set_setting(setting, value)
    for unknown in inputs:
        checked = world.simulator.check(token, name, {**_unknown(dict(inputs)), unknown: UNKNOWN})
        assert checked.failures == [], f"{unknown} is only known at the update"
        world.simulator.create(token, name, checked.inputs, preview=True)


def test_a_preview_refuses_what_can_be_decided_without_the_account(world: Any) -> None:
    world.create(*on.VPC)
    with pytest.raises(CloudError) as refusal:
        world.simulator.create(on.VPC_TOKEN, "wide", {"cidrBlock": "10.0.0.0/8"}, preview=True)

    assert refusal.value.code == "InvalidVpc.Range"


def test_a_preview_of_an_update_keeps_what_is_known(everything: Any) -> None:
    made = everything.made["cluster"]
    checked = everything.simulator.check(
        made.token, "cluster", {**made.inputs, "enabledClusterLogTypes": ["api"]}, olds=made.inputs
    )
    state = everything.simulator.update(made.token, made.id, made.inputs, checked.inputs, olds=made.state, preview=True)

    assert state["endpoint"] == made.state["endpoint"]
    assert everything.store.get("eks:Cluster", "demo").body["logging"]["clusterLogging"][0]["types"] == ["api", "audit"]


def test_a_policy_that_only_the_update_knows_is_not_called_malformed(world: Any) -> None:
    world.create(*on.NODE_ROLE)
    inputs = {"role": "node", "policy": UNKNOWN}
    made = world.simulator.create(on.ROLE_POLICY_TOKEN, "read", inputs, preview=True)
    assert made.id == ""
