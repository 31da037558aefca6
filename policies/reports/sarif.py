"""SARIF 2.1.0 (OASIS, 2020-03-27), for code scanning: results point into the environment's file."""

import hashlib
from typing import Any, Final

from policies.evaluate import Evaluation, Finding
from policies.reports.locations import Locations
from policies.rule import Rule, Severity

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
_SCORES: Final = {Severity.LOW: "3.0", Severity.MEDIUM: "5.5", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}
"""``security-severity``, by which GitHub's code scanning sorts (its documentation, "SARIF support for code scanning":
over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium)."""


def document(result: Evaluation, locations: Locations, *, version: str) -> dict[str, Any]:
    """One run; suppressed violations are results with a suppression, rules that broke are notifications."""
    index = {rule.id: position for position, rule in enumerate(result.rules)}
    results = [_result(item, result, locations, index) for item in result.violations]
    for excused in result.suppressed:
        one = _result(excused.finding, result, locations, index)
        given = excused.suppression
        reason = f"{given.reason} ({given.owner}, until {given.expires})"
        results.append({**one, "suppressions": [{"kind": "external", "justification": reason}]})
    driver = {"name": "slipway", "version": version, "rules": [_rule(rule) for rule in result.rules]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "invocations": [_invocation(result)], "results": results}],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.rationale},
        "help": {"text": f"{rule.fix}\n\nSource: {rule.source}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": [rule.family.value, *(f"{item.framework} {item.requirement}" for item in rule.references)],
            "security-severity": _SCORES[rule.severity],
            "precision": "very-high",
        },
    }


def _result(item: Finding, result: Evaluation, locations: Locations, index: dict[str, int]) -> dict[str, Any]:
    resource = item.resource
    fingerprint = hashlib.sha256(f"{item.rule.id}\n{resource.urn}\n{item.violation.property}".encode()).hexdigest()
    logical = {"name": resource.name, "fullyQualifiedName": resource.urn, "kind": "resource"}
    location: dict[str, Any] = {"logicalLocations": [logical]}
    if locations.file:
        line = locations.line(result.graph, resource)
        region = {"region": {"startLine": line}} if line else {}
        location["physicalLocation"] = {"artifactLocation": {"uri": locations.file}, **region}
    return {
        "ruleId": item.rule.id,
        "ruleIndex": index[item.rule.id],
        "level": _LEVELS[item.rule.severity],
        "message": {"text": f"{resource.name}: {item.violation.message}. {item.rule.fix}"},
        "locations": [location],
        "partialFingerprints": {"slipway/v1": fingerprint},
    }


def _invocation(result: Evaluation) -> dict[str, Any]:
    faults = [
        {"level": "error", "message": {"text": f"{item.rule.id} broke on {item.resource.name}: {item.error}"}}
        for item in result.faults
    ]
    ended = [
        {
            "level": "error",
            "message": {"text": f"the suppression of {item.rule} on {item.resource} ended {item.expires}"},
        }
        for item in result.expired
    ]
    told = [{"level": "note", "message": {"text": note}} for note in result.graph.notes]
    return {"executionSuccessful": not faults, "toolExecutionNotifications": [*faults, *ended, *told]}
