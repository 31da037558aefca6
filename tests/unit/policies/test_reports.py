import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cfnlint.jsonschema import StandardValidator
from rich.console import Console

from policies.evaluate import Evaluation, Levels, evaluate
from policies.graph import UNKNOWN, Resource, ResourceGraph
from policies.reports import as_json, junit, markdown, sarif, table
from policies.reports.locations import Locations
from policies.rule import Rule, Severity
from stacks.governance import PolicyLevel
from tests.support.policy_probes import TODAY
from tests.unit.policies.test_evaluate import RULE, bucket, excuse

REPOSITORY = Path(__file__).parents[3]
SCHEMA = REPOSITORY / "tests" / "data" / "sarif" / "sarif-schema-2.1.0.json"
MILD = replace(RULE, id="hygiene-bucket-tidy", title="A bucket is tidy", severity=Severity.LOW)


def broken(_resource: Resource, _context: object) -> list[Any]:
    raise KeyError("oops")


FAULTY = replace(RULE, id="cost-broken-rule", title="A rule that breaks", check=broken)


def result(*rules: Rule, resources: tuple[Resource, ...] = (), notes: tuple[str, ...] = ()) -> Evaluation:
    graph = ResourceGraph(resources=resources, stack="prod", origin="slipway plan", notes=notes)
    given = (excuse("excused"), excuse("old", expires="2026-01-01"), excuse("nobody"))
    levels = Levels(named={"hygiene": PolicyLevel.ADVISORY})
    return evaluate(graph, rules, levels=levels, suppressions=given, today=TODAY)


EVIL = "<b>|`x`\n\x1b[31m [red]@here \x00 ]]>"
FULL = result(
    RULE,
    MILD,
    FAULTY,
    resources=(bucket(lock={"mode": EVIL}), bucket("excused"), bucket("later", lock=UNKNOWN)),
    notes=("a part is missing",),
)
NOTHING = result(RULE, MILD)
WHERE = Locations(file="stacks/config/Pulumi.prod.yaml", lines={})


@pytest.fixture(scope="module")
def schema() -> StandardValidator:
    return StandardValidator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.mark.parametrize("given", [FULL, NOTHING, result()], ids=["everything", "nothing wrong", "no rules"])
def test_sarif_is_valid_by_its_schema(schema: Any, given: Evaluation) -> None:
    document = sarif.document(given, WHERE, version="0.1.0")
    assert [error.message for error in schema.iter_errors(document)] == []


def test_the_sarif_schema_refuses_what_is_none(schema: Any) -> None:
    document = sarif.document(FULL, WHERE, version="0.1.0")
    document["runs"][0]["results"][0]["level"] = "terrible"
    assert list(schema.iter_errors(document)), "else the test above says nothing"


def test_sarif_tells_rule_place_suppression_and_faults() -> None:
    (run,) = sarif.document(FULL, WHERE, version="0.1.0")["runs"]
    first = run["results"][0]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == RULE.id
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == WHERE.file
    excused = [item for item in run["results"] if "suppressions" in item]
    assert "because of the test (team, until 2026-12-31)" in excused[0]["suppressions"][0]["justification"]
    assert run["invocations"][0]["executionSuccessful"] is False, "a rule broke"
    prints = [item["partialFingerprints"]["slipway/v1"] for item in run["results"]]
    assert len(set(prints)) == len(prints), "one violation, one alert"


def test_json_holds_everything_and_says_what_fails() -> None:
    document = json.loads(json.dumps(as_json.document(FULL, WHERE)))
    assert document["failed"] is True
    assert [(item["rule"], item["fails"]) for item in document["violations"][:2]] == [
        ("storage-bucket-locked", True),
        ("hygiene-bucket-tidy", False),
    ]
    assert [item["resource"]["name"] for item in document["decidedAtUpdate"]] == ["later", "later"]
    assert document["suppressed"][0]["suppression"]["expires"] == "2026-12-31"
    assert [item["resource"] for item in document["expiredSuppressions"]] == ["old"]
    assert [item["resource"] for item in document["unusedSuppressions"]] == ["nobody"]
    assert {item["rule"] for item in document["faults"]} == {"cost-broken-rule"}
    assert document["notes"] == ["a part is missing"]


def test_junit_has_one_case_for_each_rule_and_counts_add_up() -> None:
    root = ET.fromstring(junit.text(FULL))  # noqa: S314 (our own text)
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert cases == {
        "storage-bucket-locked": ["failure"],
        "hygiene-bucket-tidy": ["skipped"],
        "cost-broken-rule": ["error"],
        "storage-bucket-locked old": ["failure"],
    }
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "2", "1", "1"]
    quiet = ET.fromstring(junit.text(NOTHING))  # noqa: S314 (our own text)
    assert quiet.find(".//skipped").get("message") == "no resource of its types"  # type: ignore[union-attr] # is there


def test_markdown_is_short_and_nothing_in_it_becomes_markup() -> None:
    text = markdown.text(FULL)
    assert text.startswith("### Policies of `prod`: \N{CROSS MARK} failed")
    assert "<b>" not in text
    assert text.count("<details>") == text.count("</details>") == 4
    row = next(line for line in text.splitlines() if line.startswith("| high"))
    assert row.replace("\\|", "").count("|") == 6, "what a resource holds ends no cell"
    many = result(RULE, resources=tuple(bucket(f"b{number}") for number in range(2000)))
    assert len(markdown.text(many)) < 65_536, "GitHub takes no longer comment"
    assert "and 1975 more" in markdown.text(many)
    assert "passed" in markdown.text(replace(NOTHING, expired=())).splitlines()[0]


def test_the_table_names_rule_resource_and_fix_and_writes_nothing_that_moves_a_terminal() -> None:
    paper = StringIO()
    table.print_report(FULL, Console(file=paper, width=120))
    text = paper.getvalue()
    assert "storage-bucket-locked" in text
    assert "do: write lock.mode: on in the settings" in text
    assert "later: lock.mode" in text
    assert "\x1b" not in text
    assert "failed: 1 to correct" in text


def test_the_threshold_decides_what_fails() -> None:
    low = replace(NOTHING, violations=(), expired=())
    assert not low.failed()
    mild = result(MILD, resources=(bucket(),))
    assert [len(mild.stopping(given)) for given in (None, Severity.LOW, Severity.MEDIUM)] == [0, 1, 0]


def test_a_huge_value_makes_a_short_message() -> None:
    huge = result(RULE, resources=(bucket(lock={"mode": "x" * 5_000_000}),))
    assert len(huge.violations[0].violation.message) < 700


PROD = REPOSITORY / "stacks" / "config" / "Pulumi.prod.yaml"


def component(kind: str, name: str, parent: str = "") -> Resource:
    return Resource(type=f"slipway:aws:{kind}", name=name, urn=f"urn:{kind}:{name}", parent=parent, custom=False)


@pytest.mark.parametrize(
    ("made_by", "text"),
    [
        (component("GpuNodePool", "burst"), "- name: burst"),
        (component("LustreFileSystem", "home"), "- name: home"),
        (component("DataLake", "lake"), "slipway:dataLake:"),
        (component("Network", "network"), "network:"),
        (component("TrainingRun", "pretrain-b9a8689a"), "- name: pretrain"),
    ],
)
def test_a_resource_is_found_in_the_file_by_the_component_that_made_it(made_by: Resource, text: str) -> None:
    below = replace(bucket("some-part"), parent=made_by.urn)
    line = Locations.of(PROD, "f").line(ResourceGraph(resources=(made_by, below)), below)
    assert PROD.read_text().splitlines()[line - 1].strip() == text


def test_what_no_setting_made_points_at_the_whole_file(tmp_path: Path) -> None:
    assert Locations.of(PROD, "f").line(ResourceGraph(resources=(bucket(),)), bucket()) == 0
    assert Locations.of(tmp_path / "none.yaml", "f").lines == {}
