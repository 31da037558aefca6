"""The whole evaluation as one JSON document."""

from typing import Any

from policies.evaluate import Evaluation, Fault, Finding, Undecided
from policies.graph import Resource
from policies.reports.locations import Locations
from policies.rule import Rule, Severity
from stacks.governance import Suppression


def document(result: Evaluation, locations: Locations, *, fail_on: Severity | None = None) -> dict[str, Any]:
    """Plain data; ``failed`` and ``stopping`` by the threshold."""
    graph = result.graph
    stopping = {id(item) for item in result.stopping(fail_on)}
    return {
        "stack": graph.stack,
        "origin": graph.origin,
        "simulated": graph.simulated,
        "failed": result.failed(fail_on),
        "failOn": fail_on.value if fail_on else "mandatory",
        "rules": len(result.rules),
        "resources": len(graph.resources),
        "violations": [
            {**finding(item, locations, graph_line=locations.line(graph, item.resource)), "fails": id(item) in stopping}
            for item in result.violations
        ],
        "decidedAtUpdate": [_open(item) for item in result.undecided],
        "suppressed": [
            {**finding(item.finding, locations, graph_line=0), "suppression": _suppression(item.suppression)}
            for item in result.suppressed
        ],
        "expiredSuppressions": [_suppression(item) for item in result.expired],
        "unusedSuppressions": [_suppression(item) for item in result.unused],
        "faults": [_fault(item) for item in result.faults],
        "notes": list(graph.notes),
    }


def finding(item: Finding, locations: Locations, *, graph_line: int) -> dict[str, Any]:
    """One violation."""
    return {
        "rule": item.rule.id,
        "title": item.rule.title,
        "severity": item.rule.severity.value,
        "level": item.level.value,
        "resource": _resource(item.resource),
        "property": item.violation.property,
        "message": item.violation.message,
        "fix": item.rule.fix,
        "remediated": item.remedied,
        "file": locations.file,
        "line": graph_line,
    }


def _resource(item: Resource) -> dict[str, str]:
    return {"type": item.type, "name": item.name, "urn": item.urn}


def _open(item: Undecided) -> dict[str, Any]:
    return {"rule": item.rule.id, "resource": _resource(item.resource), "property": item.property}


def _fault(item: Fault) -> dict[str, Any]:
    return {"rule": item.rule.id, "resource": _resource(item.resource), "error": item.error}


def _suppression(item: Suppression) -> dict[str, Any]:
    return item.model_dump(by_alias=True)


def described(rule: Rule) -> dict[str, Any]:
    """Everything that is told about one rule."""
    return {
        "id": rule.id,
        "family": rule.family.value,
        "title": rule.title,
        "severity": rule.severity.value,
        "rationale": rule.rationale,
        "source": rule.source,
        "fix": rule.fix,
        "types": sorted(rule.types),
        "references": [
            {"framework": item.framework, "version": item.version, "requirement": item.requirement}
            for item in rule.references
        ],
        "wholeStack": rule.whole_stack,
        "remediates": rule.remediate is not None,
    }
