"""What every rule must withstand, told from its own example; used on the kit's rules and on deliberately bad ones."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any, Final

from policies.evaluate import Evaluation, evaluate
from policies.graph import SECRET, UNKNOWN, Resource, ResourceGraph, steps
from policies.mutate import changed, failing, paths
from policies.rule import REMOVED, Rule

TODAY: Final = date(2026, 11, 21)
JUNK: Final[tuple[Any, ...]] = (None, 7, -1.5, True, "", "junk", [], {}, [None], [7], ["junk"], {"junk": None}, [[{}]])
"""Wrong types, and right ones that mean nothing."""


def verdict(rule: Rule, resources: tuple[Resource, ...]) -> Evaluation:
    """One rule over a few resources, with the limits of its example."""
    graph = ResourceGraph(resources=resources, stack="test", preview=True)
    return evaluate(graph, [rule], limits=rule.example.limits, today=TODAY)


def metadata_faults(rule: Rule) -> list[str]:
    """What a reader would miss."""
    found = []
    texts = {"title": (rule.title, 15), "rationale": (rule.rationale, 40), "source": (rule.source, 15)}
    for name, (text, least) in {**texts, "fix": (rule.fix, 15)}.items():
        if len(text.strip()) < least:
            found.append(f"{name} says too little: {text!r}")
    if rule.title.endswith("."):
        found.append("a title ends without a full stop")
    if not rule.types:
        found.append("no type, so it never looks at anything")
    if any(not item.framework or not item.requirement for item in rule.references):
        found.append("a reference names no framework or no requirement")
    return found


def example_faults(rule: Rule) -> list[str]:
    """Whether the passing example passes, and its one change breaks the rule, on the resource that it names."""
    example = rule.example
    before = verdict(rule, example.passing)
    after = verdict(rule, failing(example))
    found = [f"broke: {item.error}" for item in (*before.faults, *after.faults)]
    found += [f"the passing example is undecided at {item.property}" for item in before.undecided]
    found += [f"the passing example fails: {item.violation.message}" for item in before.violations]
    if not after.violations:
        found.append(f"the change of {example.path} is not seen")
    elsewhere = {item.resource.name for item in after.violations} - {example.resource}
    if elsewhere:
        found.append(f"reported on {', '.join(sorted(elsewhere))} instead of {example.resource}")
    if not any(item.type in rule.types for item in example.passing):
        found.append("the example holds no resource that the rule looks at")
    return found + [fault for item in after.violations for fault in _cited(rule, item.violation.property)]


def _cited(rule: Rule, cited: str) -> Iterator[str]:
    """The change is in the property that the violation cites: same place, or one within the other."""
    example = rule.example
    if not cited or example.changed != example.resource or example.path.startswith("options."):
        return
    one, other = steps(cited), steps(example.path)
    shared = min(len(one), len(other))
    if one[:shared] != other[:shared]:
        yield f"cites {cited} and the example changes {example.path}"


def _variants(rule: Rule, values: tuple[Any, ...], resources: tuple[Resource, ...]) -> Iterator[tuple[str, Any]]:
    for position, resource in enumerate(resources):
        for path in paths(resource.properties):
            for value in values:
                other = changed(resource, path, value)
                yield f"{resource.name}: {path} = {value!r}", (*resources[:position], other, *resources[position + 1 :])
        for name in resource.outputs:
            for value in values:
                other = replace(resource, outputs={**resource.outputs, name: value})
                yield (
                    f"{resource.name}: output {name} = {value!r}",
                    (
                        *resources[:position],
                        other,
                        *resources[position + 1 :],
                    ),
                )


def unknown_faults(rule: Rule) -> list[str]:
    """An unknown or secret value leaves a rule undecided or changes nothing; it makes no violation."""
    found = []
    for change, resources in _variants(rule, (UNKNOWN, SECRET), rule.example.passing):
        result = verdict(rule, resources)
        found += [f"{change}: broke: {item.error}" for item in result.faults]
        found += [f"{change}: called a violation: {item.violation.message}" for item in result.violations]
    return found


def junk_faults(rule: Rule) -> list[str]:
    """Values of wrong types, and missing ones, break no rule, in neither half of the example."""
    found = []
    for resources in (rule.example.passing, failing(rule.example)):
        for change, variant in _variants(rule, (*JUNK, REMOVED), resources):
            found += [f"{change}: broke: {item.error}" for item in verdict(rule, variant).faults]
        bare = tuple(replace(item, properties={}, outputs={}) for item in resources)
        found += [f"no properties at all: broke: {item.error}" for item in verdict(rule, bare).faults]
    return found


def alone_faults(rule: Rule) -> list[str]:
    """In the engine a rule that is not of the whole stack sees one resource and its provider; it says the same."""
    if rule.whole_stack:
        return []
    found = []
    for resources in (rule.example.passing, failing(rule.example)):
        by_urn = {item.urn: item for item in resources}
        whole = {item.resource.urn for item in verdict(rule, resources).violations}
        alone: set[str] = set()
        for item in resources:
            provider = by_urn.get(item.provider)
            here = verdict(rule, (item, provider) if provider else (item,))
            alone |= {broken.resource.urn for broken in here.violations}
        if alone != whole:
            found.append("looks at other resources, so it needs whole_stack=True")
    return found


PROBES: Final[tuple[Callable[[Rule], list[str]], ...]] = (
    metadata_faults,
    example_faults,
    alone_faults,
    unknown_faults,
    junk_faults,
)
