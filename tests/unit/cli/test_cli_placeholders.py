"""Secrets that nobody has written yet stop an update of the stack, once and with their names."""

from pathlib import Path

import pytest
from rich.console import Console

from cli import session
from cli.errors import UserError
from cli.placeholders import is_placeholder
from cli.project import open_stack, stack_names

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("stack", sorted(set(stack_names(REPOSITORY)) - {"local"}))
def test_an_update_with_placeholders_is_refused_before_anything_starts(
    stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError) as error:
        session.started(open_stack(stack), Console())
    assert "placeholders" in error.value.what
    assert error.value.value == "slipway:registry.credentials.password"
    assert f"pulumi config set --stack {stack} --secret --path" in str(error.value.fix)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1:cGxhY2Vob2xkZXI=:cGxhY2Vob2xkZXI=", True),
        ("v1:mMQrHj5Gh2U=:4PGdLvnbNC2P+TRzVAi", False),
        ("AAABAOJ9", False),
        ("v1", False),
    ],
)
def test_only_what_says_that_it_is_a_placeholder_is_one(text: str, *, expected: bool) -> None:
    assert is_placeholder(text) is expected
