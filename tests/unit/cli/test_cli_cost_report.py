import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.cost_report import Findings, Form, rendered
from cli.main import run
from policies.cost.actual import Actual, Billed, TagNotActiveError
from policies.cost.budgets import standings
from policies.cost.catalogue import Catalogue, Price
from policies.cost.estimate import estimate
from policies.cost.model import Estimate
from policies.cost.summary import money
from policies.cost.workloads import workloads
from policies.graph import Operation, Resource, ResourceGraph
from stacks.governance import Budget

CLUSTER = Resource(
    type="aws:eks/cluster:Cluster",
    name="main",
    urn="urn:main",
    properties={"region": "us-east-1", "name": "main"},
)
CATALOGUE = Catalogue.load()


def price(graph: ResourceGraph) -> Estimate:
    return estimate(graph, catalogue=CATALOGUE)


def findings(*resources: Resource) -> Findings:
    graph = ResourceGraph(resources=resources, stack="test")
    found = price(graph)
    limit = tuple(standings(found, Budget.model_validate({"monthlyUsd": 100})))
    return Findings(
        environment="test",
        graph=graph,
        estimate=found,
        standings=limit,
        workloads=workloads(graph, found),
        price=price,
    )


@pytest.mark.parametrize("form", list(Form))
def test_every_form_tells_the_total_and_the_change(form: Form) -> None:
    known = findings(CLUSTER, replace(CLUSTER, urn="urn:more", name="more", operation=Operation.CREATE))
    text = rendered(form, known, top=10)
    total = known.estimate.total.expected
    assert total > 0, "the control plane has a price"
    amounts = (money(total), f"{total:,.2f}", f'"expected": "{total.normalize():f}"')
    if form is Form.CSV:
        assert text.count("\r\n") == 3, "a header and a row for each control plane"
    else:
        assert any(amount in text for amount in amounts), f"{form} tells {money(total)}"
        assert "more" in text, "and the cluster that the change adds"


def test_the_change_is_one_of_a_preview_only() -> None:
    assert findings(CLUSTER).change is None, "a plan changes nothing"
    known = findings(replace(CLUSTER, operation=Operation.DELETE))
    assert known.change is not None
    assert known.change.monthly < 0, "a cluster less"
    assert json.loads(rendered(Form.JSON, known, top=1))["change"]["monthly"].startswith("-")


def test_a_report_is_written_where_somebody_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export = {
        "version": 3,
        "deployment": {
            "resources": [
                {
                    "urn": "urn:pulumi:x::slipway::aws:eks/cluster:Cluster::main",
                    "type": "aws:eks/cluster:Cluster",
                    "custom": True,
                    "id": "main",
                    "inputs": dict(CLUSTER.properties),
                    "outputs": {},
                }
            ]
        },
    }
    source, report = tmp_path / "export.json", tmp_path / "report.html"
    source.write_text(json.dumps(export))
    assert run(["cost", "dev", "--from", str(source), "--format", "html", "--output", str(report)]) == 0
    assert report.read_text().startswith("<!doctype html>"), "the page is in the file"
    assert str(report) in capsys.readouterr().err.replace("\n", ""), "and the command says so"


def test_a_simulated_account_has_no_bill(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "actual", "local"]) == 1
    assert "sends no bill" in capsys.readouterr().err


@pytest.fixture
def bill(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Cost Explorer is to answer; the estimate is 730 USD a month."""
    unit = Price(usd=Decimal(1), unit="hour", region="us-east-1", as_of="2026-07-20", sources=("T1",))
    found = estimate(ResourceGraph(resources=(CLUSTER,)), catalogue=Catalogue({("eks:cluster", "us-east-1"): unit}))
    answer: dict[str, Any] = {}

    def billed(_client: Any, stack: str, *, today: date, days: int) -> Actual:
        answer["asked"] = (stack, days, today)
        if "error" in answer:
            raise answer["error"]
        services = (Billed(service="Amazon EKS", usd=Decimal(48)),)
        return Actual(first=date(2026, 11, 19), last=date(2026, 11, 20), services=services, preliminary=True)

    monkeypatch.setattr("cli.cost_actual.billed", billed)
    monkeypatch.setattr("cli.cost.planned_estimate", lambda _stack: found)
    return answer


def test_the_bill_stands_beside_the_estimate(bill: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "actual", "prod", "--days", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert bill["asked"][:2] == ("slipway/prod", 2), "it asks by the stack's tag"
    assert Decimal(told["monthly"]) == 730, "48 dollars in 48 hours"
    assert told["services"] == {"Amazon EKS": "48"}


def test_a_tag_that_is_not_active_says_what_to_do(bill: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    bill["error"] = TagNotActiveError("slipway:stack", known=True)
    assert run(["cost", "actual", "prod"]) == 1
    told = capsys.readouterr().err
    assert "is not activated" in told
    assert "update-cost-allocation-tags-status" in told, "the command that helps"
