"""The resource graph of every checked-in stack, committed as text and reviewed like code.

After an intended change: `pytest tests/snapshot --snapshot-update`, and read the difference before committing it.
"""

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from cli.plan import record
from cli.project import open_stack, stack_names
from local.cloud.store import SqliteStore
from tests.support.graphs import Comparison, Row, listing
from tests.support.sandbox import REPOSITORY


class TextFile(SingleFileSnapshotExtension):
    """One text file per stack."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


DAY = 1795219200
"""2026-11-21, before the blocks of the checked-in stacks begin."""
STACKS = stack_names(REPOSITORY)


@pytest.fixture(autouse=True)
def _mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror of the developer's own must not show in the graph."""
    monkeypatch.setenv("SLIPWAY_CHARTS_MIRROR", "https://charts.invalid")
    # A capacity block's schedule depends on the day.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(DAY))
    monkeypatch.setattr(SqliteStore, "now", lambda _: float(DAY))


@pytest.mark.parametrize("stack", STACKS)
def test_the_graph_is_the_committed_one(stack: str, snapshot: SnapshotAssertion) -> None:
    made = [item for item in record(open_stack(stack)).resources if not item.type.startswith("pulumi:providers:")]
    assert listing(made) == snapshot(extension_class=TextFile)


@pytest.mark.parametrize("stack", STACKS)
def test_two_plans_differ_in_made_up_names_only(stack: str) -> None:
    first, second = ([_row(item) for item in record(open_stack(stack)).resources] for _ in range(2))
    comparison = Comparison()
    comparison.resources(first, second)
    assert comparison.differences == []


def _row(item: object) -> Row:
    return Row(*(getattr(item, name) for name in ("type", "name", "urn", "parent", "inputs")))
