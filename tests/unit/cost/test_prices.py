import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from docs.reference_prices import TOLERANCE, checked_items, deviation, single_source_items
from policies.cost.catalogue import DATA, Catalogue, Check, Price, checks, overlay, read_overlay
from policies.cost.estimate import PRICERS
from policies.cost.free import why_free
from stacks.aws_facts import AWS_REGIONS

CATALOGUE = Catalogue.load()
SOURCES = set(re.findall(r"^\| (S\d+) \|", (DATA / "SOURCES.md").read_text(encoding="utf-8"), re.MULTILINE))
DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?|undated")
GENERATED = Path(__file__).parents[3] / "docs" / "reference" / "prices.md"


@pytest.mark.parametrize("key", sorted(CATALOGUE.prices), ids=":".join)
def test_every_price_is_positive_dated_and_sourced(key: tuple[str, str]) -> None:
    price = CATALOGUE.prices[key]
    assert price.usd > 0, "an unknown price has no row; nothing is listed as free"
    assert DATE.fullmatch(price.as_of), "a reader must see how old a figure is"
    assert set(price.sources) <= SOURCES, "each id stands in SOURCES.md"
    assert key[1] in {*AWS_REGIONS, "*"}
    assert price.derived or key[1] != "*", "what holds everywhere is an assumption and says so"


@pytest.mark.parametrize("check", checks(), ids=lambda one: f"{one.item}-{one.region}-{one.source}")
def test_a_second_source_agrees_within_one_per_cent(check: Check) -> None:
    price = CATALOGUE.prices[check.item, check.region]
    assert deviation(price, check) <= TOLERANCE, f"{price.usd} is listed, {check.source} says {check.usd}"
    assert check.source in SOURCES
    # S2 read in us-east-1 confirms S4 read elsewhere; a row that names both is confirmed by a third.
    assert set(price.sources) - {check.source}, "a figure cannot confirm itself"


def test_what_one_source_alone_lists_is_said_in_the_reference() -> None:
    page = GENERATED.read_text(encoding="utf-8")
    listed = page.rpartition("## Single source")[2]
    assert [item for item in single_source_items() if f"`{item}`" not in listed] == []
    assert "ec2:on-demand:p5.48xlarge" in checked_items(), "most of the bill rests on it"
    assert "fsx:PERSISTENT_2:SSD:500" in checked_items()


def test_nothing_is_priced_and_free_at_once() -> None:
    both = [token for token in PRICERS if why_free(token) and not token.startswith(("kubernetes:", "aws:s3/bucket"))]
    assert both == []


def test_a_listed_price_goes_before_a_derived_one() -> None:
    listed = CATALOGUE.price("ebs:gp3", "eu-central-1")
    assert listed is not None
    assert (listed.usd, listed.derived) == (Decimal("0.0952"), "")
    derived = CATALOGUE.price("ec2:on-demand:g5.12xlarge", "eu-west-1")
    assert derived is not None
    assert derived.usd == Decimal("5.672") * Decimal("1.1163")
    assert derived.derived


@pytest.mark.parametrize("item", ["ec2:spot:p4d.24xlarge", "ec2:capacity-block:p5.48xlarge"])
def test_what_follows_supply_and_demand_is_never_derived(item: str) -> None:
    assert CATALOGUE.price(item, "ap-south-1") is None


def test_live_prices_replace_listed_ones_and_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    live = Price(usd=Decimal("54.1234567890"), unit="hour", region="us-east-1", as_of="2026-11-21", sources=("x",))
    path.write_text(json.dumps(overlay([("ec2:on-demand:p5.48xlarge", live)])))
    found = Catalogue.load(path).price("ec2:on-demand:p5.48xlarge", "us-east-1")
    assert found is not None
    assert (str(found.usd), found.live, found.as_of) == ("54.1234567890", True, "2026-11-21")
    assert CATALOGUE.price("ec2:on-demand:p5.48xlarge", "us-east-1") != found, "the kit's own table stays"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 9, "prices": []}', '{"version": 1, "prices": [{}]}'])
def test_a_broken_file_of_prices_is_one_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"prices\.json is no file of live prices"):
        read_overlay(path)
