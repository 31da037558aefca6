import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from cli.main import run
from policies.cost import as_json


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLIPWAY_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")


def document(capsys: pytest.CaptureFixture[str], *arguments: str, status: Exit = Exit.OK) -> dict[str, Any]:
    assert run(["cost", *arguments, "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_document_carries_totals_lines_dates_and_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "dev")
    assert found["version"] == as_json.VERSION
    total = sum(Decimal(line["monthly"]["expected"]) for line in found["lines"])
    assert Decimal(found["monthly"]["expected"]) == total, "every digit is there"
    assert found["unpriced"] == []
    assert found["priceDates"] == sorted(found["priceDates"])
    assert all(part["unitPrice"]["asOf"] for line in found["lines"] for part in line["components"])


def test_the_table_says_what_is_guessed_and_that_local_is_simulated(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run(["cost", "local"]) == Exit.OK
    out = " ".join(capsys.readouterr().out.split())
    assert "simulated: this environment sends no bill" in out
    assert "rest on usage.* of the settings" in out
    assert "budget.monthlyUsd:" in out
    assert "no throughput given" in out


def test_a_usage_of_the_command_line_counts_this_once(capsys: pytest.CaptureFixture[str]) -> None:
    before = Decimal(document(capsys, "dev")["monthly"]["expected"])
    after = Decimal(document(capsys, "dev", "--usage", "natGb=1100")["monthly"]["expected"])
    assert after - before == Decimal("0.045") * 1000


@pytest.mark.parametrize("given", ["natGb", "natGB=1", "runs=1", "natGb=-1", "natGb=many"])
def test_a_usage_that_there_is_not_is_one_error(capsys: pytest.CaptureFixture[str], given: str) -> None:
    assert run(["cost", "dev", "--usage", given]) == Exit.USAGE
    assert given in capsys.readouterr().err


def test_an_exceeded_budget_is_an_exit_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from policies.cost import budgets
    from stacks.governance import Budget

    small = Budget.model_validate({"monthlyUsd": 10})
    of = budgets.Spending.of
    monkeypatch.setattr(
        budgets.Spending, "of", lambda settings: budgets.Spending(budget=small, usage=of(settings).usage)
    )
    found = document(capsys, "dev", status=Exit.VIOLATIONS)
    assert [item["verdict"] for item in found["budget"]] == ["over"]


def test_live_prices_in_the_users_cache_are_used_and_broken_ones_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stored = tmp_path / "cache" / "prices" / "us-east-1.json"
    stored.parent.mkdir(parents=True)
    row = {"item": "nat:gateway", "region": "us-east-1", "unit": "hour", "usd": "1", "as_of": "2026-11-21"}
    stored.write_text(json.dumps({"version": 1, "prices": [row]}))
    lines = {line["name"]: line for line in document(capsys, "dev")["lines"]}
    hours = lines["network-nat-us-east-1a"]["components"][0]
    assert (hours["monthly"], hours["unitPrice"]["live"]) == ("730", True)
    stored.write_text("junk")
    assert run(["cost", "dev"]) == Exit.FAILED
    assert "is no file of live prices" in capsys.readouterr().err


def test_an_export_is_priced_by_the_same_rules(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    urn = "urn:pulumi:dev::slipway::"
    provider = f"{urn}pulumi:providers:aws::aws"
    state = [
        {"urn": f"{urn}pulumi:pulumi:Stack::slipway-dev", "type": "pulumi:pulumi:Stack", "custom": False},
        {"urn": provider, "type": "pulumi:providers:aws", "custom": True, "id": "p", "inputs": {"region": "us-east-1"}},
        {
            "urn": f"{urn}aws:ec2/eip:Eip::address",
            "type": "aws:ec2/eip:Eip",
            "custom": True,
            "id": "eipalloc-1",
            "provider": f"{provider}::p",
            "inputs": {"domain": "vpc"},
        },
        {
            "urn": f"{urn}aws:sagemaker/endpoint:Endpoint::odd",
            "type": "aws:sagemaker/endpoint:Endpoint",
            "custom": True,
        },
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"version": 3, "deployment": {"manifest": {}, "resources": state}}))
    found = document(capsys, "dev", "--from", str(path))
    assert found["monthly"]["expected"] == "3.65"
    assert [item["name"] for item in found["unpriced"]] == ["odd"]
