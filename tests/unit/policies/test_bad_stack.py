"""One stack in which everything is wrong at once: no rule hides another, and each is told once, where it belongs."""

import json
from dataclasses import replace
from pathlib import Path

from policies.evaluate import evaluate
from policies.graph import Resource, ResourceGraph
from policies.mutate import failing
from policies.rule import Rule
from policies.rules import RULES
from policies.sources import files
from tests.support.policy_probes import TODAY

AT_LEAST = 40


def renamed(rule: Rule) -> tuple[Resource, ...]:
    """The failing half of the rule's example under names of its own, so that all of them fit into one stack."""
    resources = failing(rule.example)
    urns = {item.urn: f"{item.urn}-of-{rule.id}" for item in resources}

    def of(urn: str) -> str:
        return urns.get(urn, urn)

    return tuple(
        replace(
            item,
            name=f"{item.name}-of-{rule.id}",
            urn=of(item.urn),
            parent=of(item.parent),
            provider=of(item.provider),
            dependencies=tuple(map(of, item.dependencies)),
            property_dependencies={name: tuple(map(of, given)) for name, given in item.property_dependencies.items()},
        )
        for item in resources
    )


def test_every_rule_is_told_once_on_its_own_resource() -> None:
    chosen = [rule for rule in RULES if rule.example.limits == type(rule.example.limits)() and not rule.whole_stack]
    graph = ResourceGraph(resources=tuple(item for rule in chosen for item in renamed(rule)), stack="bad")
    result = evaluate(graph, chosen, today=TODAY)
    assert result.faults == ()
    told = {
        rule.id: [
            item.resource.name
            for item in result.violations
            if item.rule is rule and item.resource.name.endswith(f"-of-{rule.id}")
        ]
        for rule in chosen
    }
    expected = {rule.id: [f"{rule.example.resource}-of-{rule.id}"] for rule in chosen}
    assert {name: found[:1] for name, found in told.items()} == expected
    assert [name for name, found in told.items() if len(found) > 1] == [], "one mistake, one violation"


BAD_POD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "bad", "namespace": "research"},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "hostNetwork": True,
                "hostPID": True,
                "hostIPC": True,
                "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
                "containers": [
                    {
                        "name": "main",
                        "image": "tools:latest",
                        "securityContext": {
                            "privileged": True,
                            "allowPrivilegeEscalation": True,
                            "runAsUser": 0,
                            "capabilities": {"add": ["SYS_ADMIN"]},
                        },
                    }
                ],
            }
        },
    },
}


def test_one_bad_pod_breaks_many_rules_each_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(BAD_POD))
    result = evaluate(files.read(path), RULES, today=TODAY)
    assert result.faults == ()
    told = [(item.rule.id, item.violation.property) for item in result.violations]
    assert {item.resource.name for item in result.violations} == {"bad"}
    assert len(told) == len(set(told)), "one property, one violation of each rule"
    assert len({name for name, _ in told}) >= 12, "a pod without any care breaks most of the rules about pods"


def test_together_at_least_forty_rules_are_broken() -> None:
    graph = ResourceGraph(resources=tuple(item for rule in RULES for item in renamed(rule)), stack="bad")
    broken = {item.rule.id for item in evaluate(graph, RULES, today=TODAY).violations}
    assert len(broken) >= AT_LEAST
