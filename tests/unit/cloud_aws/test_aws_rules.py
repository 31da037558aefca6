"""Every rule says yes to one request, no to another, and is the reason for that no."""

from collections.abc import Callable
from typing import Any

import pytest

from local.cloud.aws.package import PACKAGE
from local.cloud.failures import CloudError
from local.cloud.model import CloudPackage, Rule

RULES = [pytest.param(rule, id=rule.id) for rule in PACKAGE.rules]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lets_its_accepted_request_pass(rule: Rule, world: Any) -> None:
    world.play(rule.accepts, rule.tokens[0])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_refuses_with_its_code_and_only_because_of_itself(
    rule: Rule, new_world: Callable[..., Any], without_rule: Callable[[Rule], CloudPackage]
) -> None:
    with pytest.raises(CloudError) as refusal:
        new_world().play(rule.refuses, rule.tokens[0])
    assert refusal.value.code == rule.code
    said = _words(str(refusal.value))

    other = _refusal(new_world(without_rule(rule)), rule)
    assert other != said, f"the request is refused in the same way without {rule.id}"


def _refusal(world: Any, rule: Rule) -> str:
    try:
        world.play(rule.refuses, rule.tokens[0])
    except CloudError as error:
        return _words(str(error))
    return ""


def _words(text: str) -> str:
    """A refusal without its request id, which differs every time, and without ids of objects."""
    kept = [word for word in text.replace(",", " ").split() if "-" not in word]
    return " ".join(kept)


def test_rules_have_unique_ids_a_source_and_known_tokens() -> None:
    assert len({rule.id for rule in PACKAGE.rules}) == len(PACKAGE.rules)
    for rule in PACKAGE.rules:
        assert len(rule.source) > 10, rule.id
        assert set(rule.tokens) <= set(PACKAGE.bindings), rule.id
