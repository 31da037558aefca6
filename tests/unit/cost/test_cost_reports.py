import csv
import io
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from policies.cost.catalogue import Catalogue, Price
from policies.cost.diff import before, difference
from policies.cost.estimate import estimate
from policies.cost.model import Estimate, Range
from policies.cost.reports import comma, markdown, page
from policies.cost.reports.document import Document, Section, Verdict
from policies.cost.summary import REST, by_cluster, by_label, by_pool, dates, money, signed, span, top
from policies.cost.what_if import alternatives
from policies.graph import UNKNOWN, Operation, Resource, ResourceGraph

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
CLUSTER = "aws:eks/cluster:Cluster"
HOSTILE = '<script>alert("1")</script>|`=1+1`'


def price(usd: str) -> Price:
    return Price(usd=Decimal(usd), unit="hour", region="us-east-1", as_of="2026-07-20", sources=("T1",))


CATALOGUE = Catalogue(
    {
        ("ec2:on-demand:p5.48xlarge", "us-east-1"): price("50"),
        ("ec2:spot:p5.48xlarge", "us-east-1"): price("20"),
        ("ec2:on-demand:m7i.2xlarge", "us-east-1"): price("0.4"),
        ("eks:cluster", "us-east-1"): price("0.1"),
    }
)


def resource(type_: str, name: str, /, **properties: object) -> Resource:
    return Resource(type=type_, name=name, urn=f"urn:{type_}::{name}", properties={"region": "us-east-1", **properties})


def pool(name: str, instance: str, desired: int, *, least: int = 0, most: int = 0, **more: object) -> Resource:
    sizes = {"desiredSize": desired, "minSize": least, "maxSize": most or desired}
    return resource(
        NODE_GROUP,
        name,
        clusterName="main",
        instanceTypes=[instance],
        scalingConfig=sizes,
        labels={"slipway.dev/pool": name},
        tags={"team": "research" if instance.startswith("p5") else "platform"},
        **more,
    )


def stack(*resources: Resource) -> ResourceGraph:
    return ResourceGraph(resources=resources, stack="test", origin="a test", simulated=True)


def priced(graph: ResourceGraph) -> Estimate:
    return estimate(graph, catalogue=CATALOGUE)


GPUS = pool("training", "p5.48xlarge", 4, most=6)
SYSTEM = pool("system", "m7i.2xlarge", 2)
UNKNOWN_TYPE = resource("aws:newthing/thing:Thing", HOSTILE)


@pytest.fixture(scope="module")
def document() -> Document:
    graph = stack(GPUS, SYSTEM, UNKNOWN_TYPE)
    found = priced(graph)
    return Document(
        environment=HOSTILE,
        made="2026-11-21",
        estimate=found,
        alternatives=alternatives(graph, found, priced),
        difference=difference(replace(graph, resources=(replace(GPUS, operation=Operation.CREATE), SYSTEM)), priced),
        verdict=Verdict(within=False, text="over the limit of $1.00 a month"),
        sections=[Section(title="Training runs", columns=("run", "a run"), rows=[(HOSTILE, "$1.00")])],
    )


def machines(found: Estimate) -> Decimal:
    return sum(
        (item.monthly or Decimal(0) for line in found.lines for item in line.components if "xlarge" in item.name),
        Decimal(0),
    )


def test_shares_add_up_to_the_estimate_from_every_side() -> None:
    found = priced(stack(GPUS, SYSTEM, resource(CLUSTER, "main", name="main")))
    for shares in (by_pool(found), by_cluster(found), by_label(found, "team")):
        assert sum(share.range.expected for share in shares) == found.total.expected, "nothing is lost on the way"
        assert sum(share.range.high for share in shares) == found.total.high, "nor at the largest size"
    assert [share.name for share in by_pool(found)][:2] == ["training", "system"], "the largest first"
    assert top(found, 1)[0].name == "training", "the top line is the dearest"


def test_what_belongs_to_nobody_is_named_last() -> None:
    found = priced(stack(SYSTEM, resource(CLUSTER, "main", name="main")))
    assert by_pool(found)[-1].name == REST, "the control plane is in no pool"


def test_a_change_is_priced_by_what_it_adds() -> None:
    grown = replace(
        pool("training", "p5.48xlarge", 6),
        operation=Operation.UPDATE,
        before=dict(pool("training", "p5.48xlarge", 4).properties),
    )
    found = difference(stack(grown, SYSTEM), priced)
    assert found.hourly >= Decimal(100), "two nodes of $50 an hour, and their disks where they are priced"
    assert found.accelerated_hourly == found.hourly, "all of it is GPUs"
    assert [change.name for change in found.changes] == ["training"], "the other pool stays as it is"
    assert found.sentence().startswith("this update adds $100."), found.sentence()


def test_deleted_resources_save_and_new_ones_add() -> None:
    gone = replace(GPUS, operation=Operation.DELETE)
    new = replace(pool("extra", "m7i.2xlarge", 1), operation=Operation.CREATE)
    found = difference(stack(gone, new), priced)
    assert {change.name: change.monthly > 0 for change in found.changes} == {"training": False, "extra": True}
    assert found.monthly < 0, "four H100 nodes outweigh one small one"
    assert "saves" in found.sentence(), found.sentence()


def test_the_graph_before_a_change_holds_what_was_there() -> None:
    was = before(
        stack(
            replace(GPUS, operation=Operation.CREATE),
            replace(SYSTEM, operation=Operation.DELETE),
            replace(pool("x", "m7i.2xlarge", 3), operation=Operation.REPLACE, before={"region": "eu-west-1"}),
        )
    )
    assert {item.name for item in was.resources} == {"system", "x"}, "a new resource was not there"
    assert was.of_type(NODE_GROUP)[1].properties == {"region": "eu-west-1"}, "a replaced one had its old inputs"


def test_a_change_that_costs_nothing_says_so() -> None:
    assert difference(stack(SYSTEM), priced).sentence().startswith("this update changes no cost")


def test_new_gaps_are_named_in_the_sentence() -> None:
    new = replace(UNKNOWN_TYPE, operation=Operation.CREATE)
    assert "unpriced: " in difference(stack(SYSTEM, new), priced).sentence(), "an unknown cost is not silent"


def test_alternatives_are_priced_with_the_same_catalogue() -> None:
    graph = stack(GPUS, SYSTEM)
    today = priced(graph)
    found = {item.title: item for item in alternatives(graph, today, priced)}
    spot = found["Spot instead of on demand"]
    assert spot.saving(today) == 4 * 730 * (Decimal(50) - Decimal(20)), "four nodes at the spot price"
    fewer = found["One node fewer in each GPU pool"]
    assert fewer.estimate is not None
    assert machines(today) - machines(fewer.estimate) == 730 * Decimal(50), "three nodes instead of four"
    night = found["GPU pools off at night and at weekends"]
    assert night.estimate is not None
    kept = machines(night.estimate) - 2 * 730 * Decimal("0.4")
    assert abs(kept - 4 * 730 * 50 * Decimal(60) / Decimal(168)) < Decimal("0.01"), "60 of 168 hours"


def test_a_reserved_pool_is_not_offered_spot() -> None:
    template = resource(
        "aws:ec2/launchTemplate:LaunchTemplate",
        "reserved",
        instanceType="p5.48xlarge",
        capacityReservationSpecification={"capacityReservationTarget": {"capacityReservationId": "cr-1"}},
    )
    reserved = resource(
        NODE_GROUP,
        "training",
        scalingConfig={"desiredSize": 2, "minSize": 2, "maxSize": 2},
        launchTemplate={"id": "lt-1"},
    )
    graph = stack(replace(template, id="lt-1"), reserved)
    titles = {item.title for item in alternatives(graph, priced(graph), priced)}
    assert "Spot instead of on demand" not in titles, "what is reserved is paid for anyway"


def test_a_platform_without_gpus_has_no_alternatives() -> None:
    graph = stack(SYSTEM)
    assert alternatives(graph, priced(graph), priced) == ()


def test_amounts_are_rounded_to_the_cent_half_up() -> None:
    assert money(Decimal("1234.565")) == "$1,234.57"
    assert money(Decimal("-0.004")) == "$0.00", "nothing is no negative amount"
    assert signed(Decimal(3)) == "+$3.00"
    assert span(Range(low=Decimal(2), expected=Decimal(2), high=Decimal(2))) == "$2.00", "equal ends are one amount"
    assert span(Range(low=Decimal(1), high=Decimal(2))) == "$1.00 to $2.00"


def test_csv_has_a_row_for_every_component_and_every_gap(document: Document) -> None:
    rows = list(csv.DictReader(io.StringIO(comma.table(document.estimate))))
    components = sum(len(line.components) for line in document.estimate.lines)
    assert len(rows) == components + 1, "one more for the resource of an unknown type"
    told = sum((Decimal(row["monthly_usd"]) for row in rows if row["monthly_usd"]), Decimal(0))
    assert told == document.estimate.total.expected, "the rows add up"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values()), "no cell is a formula"


def test_markdown_keeps_names_in_their_cells(document: Document) -> None:
    text = markdown.text(document)
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text), "a name is no HTML, unless it stands in a code span"
    widths = {line.count("|") - line.count("\\|") for line in text.splitlines() if line.startswith("| run")}
    assert widths == {3}, "and does not end its table"
    assert "without a price" in text, "gaps stand on the report"


def test_a_comment_says_the_change_first(document: Document) -> None:
    assert document.difference is not None
    first = markdown.comment(document, document.difference).splitlines()[0]
    assert first.startswith("### Cost of this change to"), first
    assert signed(document.difference.monthly) in first, "with its amount"


class _Reader(HTMLParser):
    """Finds what an HTML page would fetch, and tags that do not close."""

    void = frozenset({"meta", "br", "!doctype"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetches: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.fetches += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes what it opened"


def test_the_page_is_whole_and_fetches_nothing(document: Document) -> None:
    reader = _Reader()
    made = page.page(document)
    reader.feed(made)
    assert reader.open == [], "every tag is closed"
    assert (reader.fetches, reader.scripts) == ([], 0), "one file, no network, no script, and names are no markup"
    assert not re.search(r"url\(|@import", made), "nor from its styles"


def test_the_page_says_what_a_reader_must_know(document: Document) -> None:
    made = page.page(document)
    for needed in ("Simulated account", dates(document.estimate), "us-east-1", "without a price", "over the limit"):
        assert needed in made, f"{needed} stands on the report"


def test_a_static_claim_costs_nothing_before_its_volume_has_a_name() -> None:
    spec = {"storageClassName": "", "volumeName": UNKNOWN, "resources": {"requests": {"storage": "4800Gi"}}}
    claim = resource("kubernetes:core/v1:PersistentVolumeClaim", "scratch", spec=spec)
    found = priced(stack(claim))
    assert (found.unpriced, len(found.free)) == ((), 1), "the file system behind it has its own price"
