"""Live prices against botocore's model of the API: it validates requests, and replies have its recorded shape."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli.cost_refresh import refresh
from cli.errors import UserError
from cli.exits import Exit
from cli.main import run
from policies.cost.catalogue import Catalogue, read_overlay
from policies.cost.live import ENDPOINT_REGIONS, endpoint_region, fetch, query

NODE = "ec2:on-demand:p5.48xlarge"


def product(usage_type: str, unit: str, *prices: tuple[str, str]) -> str:
    """One product as the API spells it: a JSON document as text. ``prices`` are (begin of the range, USD)."""
    dimensions = {
        f"SKU.TERM.{number}": {
            "unit": unit,
            "beginRange": begin,
            "endRange": "Inf",
            "description": "recorded shape",
            "appliesTo": [],
            "rateCode": f"SKU.TERM.{number}",
            "pricePerUnit": {"USD": usd},
        }
        for number, (begin, usd) in enumerate(prices)
    }
    terms = {"SKU.TERM": {"sku": "SKU", "effectiveDate": "2026-11-01T00:00:00Z", "priceDimensions": dimensions}}
    attributes = {"servicecode": "X", "usagetype": usage_type, "regionCode": "eu-central-1"}
    return json.dumps({"product": {"sku": "SKU", "attributes": attributes}, "terms": {"OnDemand": terms}})


def arguments(service: str, filters: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "ServiceCode": service,
        "Filters": [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in filters.items()],
        "FormatVersion": "aws_v1",
        "MaxResults": 100,
        **more,
    }


NAT = {"regionCode": "eu-central-1", "productFamily": "NAT Gateway"}
P5 = {
    "regionCode": "us-east-1",
    "instanceType": "p5.48xlarge",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


@pytest.fixture
def client() -> Any:
    return boto3.client("pricing", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


@pytest.fixture
def stubber(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_an_instance_is_asked_for_by_all_that_makes_its_price_one(client: Any, stubber: Stubber) -> None:
    page = {"FormatVersion": "aws_v1", "PriceList": [product("BoxUsage:p5.48xlarge", "Hrs", ("0", "55.0400000000"))]}
    stubber.add_response("get_products", page, arguments("AmazonEC2", P5))
    ((item, price),) = fetch(client, [(NODE, "us-east-1")], today="2026-11-21")
    assert (item, price.usd, price.live, price.as_of) == (NODE, Decimal("55.04"), True, "2026-11-21")


def test_all_pages_are_read_and_other_products_left_out(client: Any, stubber: Stubber) -> None:
    bytes_, hours = (
        product("EUC1-NatGateway-Bytes", "GB", ("0", "0.052")),
        product("EUC1-NatGateway-Hours", "Hrs", ("0", "0.052")),
    )
    regional = product("EUC1-RegionalNatGateway-Hours", "Hrs", ("0", "0.099"))
    first = {"PriceList": [bytes_, regional], "NextToken": "more"}
    stubber.add_response("get_products", first, arguments("AmazonEC2", NAT))
    stubber.add_response("get_products", {"PriceList": [hours]}, arguments("AmazonEC2", NAT, NextToken="more"))
    ((item, price),) = fetch(client, [("nat:gateway", "eu-central-1")], today="2026-11-21")
    assert (item, price.usd) == ("nat:gateway", Decimal("0.052")), "neither the data price nor the regional gateway's"


def test_the_first_tier_counts_and_units_are_converted(client: Any, stubber: Stubber) -> None:
    tiers = product("EU-Requests-Tier1", "Requests", ("0", "0.0000054"), ("1000", "0.000001"))
    stubber.add_response("get_products", {"PriceList": [tiers]})
    ((_, price),) = fetch(client, [("s3:standard:write", "eu-central-1")], today="2026-11-21")
    assert (price.usd, price.unit) == (Decimal("0.0054"), "1k requests")


@pytest.mark.parametrize(
    "found",
    [
        [],
        [product("NatGateway-Hours", "Hrs", ("0", "0.0000000000"))],
        [product("NatGateway-Hours", "Hrs", ("0", "0.045")), product("NatGateway-Hours", "Hrs", ("0", "0.06"))],
        [product("NatGateway-Hours", "Hrs", ("0", "n/a"))],
        ["{}"],
    ],
)
def test_what_is_missing_zero_or_ambiguous_is_no_price(client: Any, stubber: Stubber, found: list[str]) -> None:
    stubber.add_response("get_products", {"PriceList": found})
    assert list(fetch(client, [("nat:gateway", "us-east-1")], today="2026-11-21")) == []


def test_what_no_list_holds_is_not_asked_for(client: Any, stubber: Stubber) -> None:
    items = [("ec2:spot:p5.48xlarge", "us-east-1"), ("ec2:capacity-block:p5.48xlarge", "us-east-1")]
    assert list(fetch(client, items, today="2026-11-21")) == []


def test_what_a_query_returns_has_the_unit_of_the_catalogue() -> None:
    catalogue = Catalogue.load()
    asked = {item: found for item in catalogue.items if (found := query(item)) is not None}
    units = {price.unit for (item, _), price in catalogue.prices.items() if item in asked}
    assert len(asked) > 80, "most of what is listed can be refreshed"
    for (item, _), price in catalogue.prices.items():
        if item in asked:
            assert asked[item].unit == price.unit, item
    assert units


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("us-west-2", "us-east-1"),
        ("eu-west-1", "eu-central-1"),
        ("ap-northeast-1", "ap-south-1"),
        ("sa-east-1", "us-east-1"),
    ],
)
def test_the_nearest_endpoint_is_asked(region: str, endpoint: str) -> None:
    assert endpoint_region(region) == endpoint


def test_the_endpoints_are_those_that_boto3_knows() -> None:
    assert set(ENDPOINT_REGIONS) <= set(boto3.Session().get_available_regions("pricing"))


def test_a_refresh_writes_a_file_and_keeps_what_it_did_not_ask_for(
    client: Any, stubber: Stubber, tmp_path: Path
) -> None:
    path = tmp_path / "deep" / "prices.json"
    path.parent.mkdir()
    old = {"item": "kms:key", "region": "us-east-1", "unit": "key-month", "usd": "1", "as_of": "2026-01-01"}
    path.write_text(json.dumps({"version": 1, "prices": [old]}))
    page = {"PriceList": [product("BoxUsage:p5.48xlarge", "Hrs", ("0", "50"))]}
    stubber.add_response("get_products", page, arguments("AmazonEC2", P5))
    done = refresh(
        [(NODE, "us-east-1"), ("ec2:spot:p5.48xlarge", "us-east-1")], path, region="us-east-1", connect=lambda _: client
    )
    assert done.fetched == ((NODE, "us-east-1"),)
    assert done.kept == (("ec2:spot:p5.48xlarge", "us-east-1"),)
    assert set(read_overlay(path)) == {(NODE, "us-east-1"), ("kms:key", "us-east-1")}
    assert [item.name for item in path.parent.iterdir()] == ["prices.json"], "nothing half written is left"


def test_a_refusal_is_one_error_and_leaves_the_file(client: Any, stubber: Stubber, tmp_path: Path) -> None:
    stubber.add_client_error("get_products", "AccessDeniedException", "not authorized", http_status_code=400)
    path = tmp_path / "prices.json"
    with pytest.raises(UserError, match="AccessDenied"):
        refresh([(NODE, "us-east-1")], path, region="us-east-1", connect=lambda _: client)
    assert not path.exists()


def test_without_credentials_the_verb_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert run(["cost", "refresh", "dev", "--output", str(tmp_path / "p.json")]) == Exit.FAILED
    error = capsys.readouterr().err
    assert "pricing:GetProducts" in error
    assert "aws sso login" in error
    assert not (tmp_path / "p.json").exists()
