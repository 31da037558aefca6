import importlib
import pkgutil
from collections.abc import Callable

import pytest

from policies import rules
from policies.evaluate import evaluate
from policies.graph import ResourceGraph
from policies.rule import Rule
from policies.rules import RULES
from tests.support.policy_probes import PROBES, TODAY


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_withstands(rule: Rule, probe: Callable[[Rule], list[str]]) -> None:
    assert probe(rule) == [], f"{rule.id} must hold this whatever a stack contains"


def test_no_two_rules_share_an_id_or_a_title() -> None:
    ids, titles = [rule.id for rule in RULES], [rule.title for rule in RULES]
    assert len(set(ids)) == len(ids), "an id names one rule in suppressions and reports"
    assert len(set(titles)) == len(titles), "two rules of one title are one rule, or one title is wrong"


def test_no_module_of_rules_is_forgotten() -> None:
    found = {
        item.id
        for module in pkgutil.iter_modules(rules.__path__)
        for item in vars(importlib.import_module(f"{rules.__name__}.{module.name}")).values()
        if isinstance(item, Rule)
    }
    assert found == {rule.id for rule in RULES}, "policies/rules/__init__.py lists every module"


def test_all_rules_together_break_on_no_example() -> None:
    for rule in RULES:
        graph = ResourceGraph(resources=rule.example.passing, stack="test")
        faults = evaluate(graph, RULES, limits=rule.example.limits, today=TODAY).faults
        assert faults == (), f"the example of {rule.id} holds nothing that another rule may break on"
