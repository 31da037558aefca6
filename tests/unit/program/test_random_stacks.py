"""Random valid stacks go up and down with nothing left, in this process; `CI=true` plays all fifty.

There is no engine here: the program's own dependencies say in which order the engine would delete.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from cli.plan import handed_over
from cli.project import PROJECT
from cli.reservations import account_of
from local.cloud.plan import run_program
from stacks.settings import Settings, validate
from stacks.sources import from_mapping
from tests.support.settings_fields import every_field, leaves
from tests.support.teardown import Account, holders, resources, valid_order
from tests.support.valid_stacks import check_stack, drawn
from tests.support.valid_workloads import Document

STACKS = Path(__file__).parents[3] / "stacks"
ALL = 50
NUMBERS = range(ALL) if os.environ.get("CI") == "true" else range(10)
NAME = "random"


@pytest.fixture(autouse=True)
def _mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_CHARTS_MIRROR", "http://127.0.0.1:8080/charts")


def configuration(document: Document) -> dict[str, Any]:
    return {f"slipway:{key}": value for key, value in document.items()}


def settings_of(document: Document) -> Settings:
    return validate(from_mapping(configuration(document), source="random"), encrypted_values_are_clear=False)


@contextmanager
def up(document: Document) -> Iterator[Account]:
    """The stack, standing in an account of its own."""
    store = account_of(settings_of(document))
    before = frozenset((item.kind, item.id) for item in store.objects())
    try:
        config = handed_over({"pulumi:disable-default-providers": ["aws", "kubernetes"], **configuration(document)})
        recording = run_program(STACKS, project=PROJECT, stack=NAME, config=config, store=store)
        yield Account(store, recording, before)
    finally:
        store.close()


def goes_up_and_down(document: Document) -> None:
    with up(document) as account:
        made = resources(account.recording)
        assert len(made) > 40, "a platform was made"
        assert len(account.recording.resources) < 300, "a stack is one cluster in one place"
        account.unprotect()
        order = valid_order(holders(account.recording), random.Random(len(made)))
        assert {urn: code for urn in order if (code := account.delete(urn))} == {}
        assert account.left() == []


@pytest.mark.parametrize("number", NUMBERS)
def test_a_random_stack_goes_up_and_down_with_nothing_left(number: int) -> None:
    check_stack(number, goes_up_and_down)


def test_the_random_stacks_are_valid_and_set_every_field_and_every_choice() -> None:
    fields: set[str] = set()
    choices: set[str] = set()
    # More than go up: how far chance must reach to touch every field is no promise of theirs.
    for number in range(4 * ALL):
        document = drawn(number)
        settings_of(document)
        fields |= {field for _, field in leaves(Settings, document)}
        choices |= set(chosen(settings_of(document)))
    assert set(every_field()) - fields == set(), "draw these in tests/support/valid_stacks.py"
    assert {
        *("public", "tunnel", "runner"),
        *("onDemand", "spot", "reservation", "capacityBlock"),
        *("settings", "autoscaler", "schedule"),
        *("efa", "none"),
        *("PERSISTENT_2", "SCRATCH_2", "LZ4", "NONE"),
        *("container", "runtime"),
    } <= choices


def chosen(section: BaseModel) -> Iterator[str]:
    """Every text of a section and below, among them what was chosen from closed sets."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, BaseModel):
                yield from chosen(item)
            elif isinstance(item, str):
                yield item
