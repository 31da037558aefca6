"""Random stacks under the real engine: up, nothing to change, a stage of the destruction alone, then the rest.

`CI=true` plays all three; otherwise one does, which stands in another region than the account's own.
"""

import os
from typing import Any

import pytest

from cli.teardown import acts
from tests.support.sandbox import Sandbox
from tests.support.valid_stacks import drawn
from tests.support.valid_workloads import DEPLOYER, Document

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

STACKS = 3
STAGES = ("add-ons", "nodes", "cluster")
"""The stage that goes first and alone, by stack."""


def documents() -> list[Document]:
    """Small stacks with an accelerated pool that nobody has to reserve, so that every part of the kit has work."""
    found: list[Document] = []
    number = 0
    while len(found) < STACKS:
        document = drawn(number, small=True)
        kinds = [(pool.get("capacity") or {}).get("kind") for pool in document["pools"]]
        if not {"reservation", "capacityBlock"} & set(kinds) and any("gpu" in p["name"] for p in document["pools"]):
            # The simulated client calls from there; the other ways to an API server have tests of their own.
            document["access"] = {"kind": "public", "cidrs": ["203.0.113.0/24"], "admins": [DEPLOYER]}
            document.pop("registry", None)  # its made-up password is encrypted with no key of this stack
            for pool in document["pools"]:
                pool.pop("scaling", None)  # nothing here would start the nodes that a run waits for
            found.append(document)
        number += 1
    return found


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox.copy(tmp_path_factory.mktemp("random"))


@pytest.mark.parametrize("number", range(STACKS) if os.environ.get("CI") == "true" else [1])
def test_a_random_stack_goes_up_and_down_under_the_engine(number: int, sandbox: Sandbox) -> None:
    document = documents()[number]

    def write(settings: dict[str, Any]) -> None:
        settings.clear()
        settings.update(document)

    sandbox.settings(write)
    try:
        up_and_down(sandbox, STAGES[number])
    finally:
        sandbox.close()


def up_and_down(sandbox: Sandbox, stage: str) -> None:
    assert "ready (simulated" in sandbox.expect("up", "local", "--yes").text
    again = sandbox.expect("up", "local", "--yes").text
    assert not {"created", "updated", "replaced", "deleted"} & set(again.split()), f"a second update changed: {again}"
    state = sandbox.pulumi("stack", "export").json
    for act in [act for act in acts(state) if act.title == stage]:
        for _ in range(2):  # the second time there is nothing left of it, which is no error
            left = {item["urn"] for item in sandbox.pulumi("stack", "export").json["deployment"]["resources"]}
            targets = [argument for argument in act.arguments if argument.partition("=")[2] in left]
            if targets:
                answer = sandbox.pulumi("destroy", "--yes", "--skip-preview", *targets, "--target-dependents")
                assert answer.status == 0, answer.text
    sandbox.expect("destroy", "local", "--yes")
    assert sandbox.remaining() == []
