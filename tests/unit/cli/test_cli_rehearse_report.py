"""What a rehearsal judges, and how its report reads."""

import io
import json
from typing import Any

from rich.console import Console

from cli.events import Picture
from cli.rehearsal.judge import changed, left, lost, replaced, stateful, unprotected
from cli.rehearsal.page import page
from cli.rehearsal.report import Reason, Replacement, Report
from cli.rehearsal.words import print_report
from local.cloud.model import CloudObject

BASE = "urn:pulumi:r::slipway::"
BUCKET = f"{BASE}slipway:aws:DataLake$aws:s3/bucket:Bucket::lake-bucket"
SUBNET = f"{BASE}aws:ec2/subnet:Subnet::a"
CLUSTER = f"{BASE}aws:eks/cluster:Cluster::main"


def event(urn: str, operation: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    metadata = {"urn": urn, "op": operation, "old": {"inputs": before}, "new": {"inputs": after}}
    return json.dumps({"resourcePreEvent": {"metadata": metadata}, "timestamp": 1}) + "\n"


def ended(urn: str, operation: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    return event(urn, operation, before, after).replace("resourcePreEvent", "resOutputsEvent")


def picture(*steps: tuple[str, str]) -> Picture:
    made = Picture()
    for urn, operation in steps:
        made.feed(event(urn, operation, {"bucket": "a"}, {"bucket": "b"}))
        made.feed(ended(urn, operation, {"bucket": "a"}, {"bucket": "b"}))
    return made


def state(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"deployment": {"resources": list(resources)}}


def thing(kind: str, identifier: str, **body: Any) -> CloudObject:
    return CloudObject(kind=kind, id=identifier, region="us-east-1", body=body)


def test_a_replaced_bucket_holds_data_and_a_replaced_subnet_does_not() -> None:
    found = replaced(
        picture((BUCKET, "create-replacement"), (SUBNET, "create-replacement"), (CLUSTER, "update")), stage="up"
    )
    assert {item.label: (item.stateful, item.reason) for item in found} == {
        "s3:Bucket lake-bucket": (True, " (bucket)"),
        "ec2:Subnet a": (False, " (bucket)"),
    }


def test_a_replacement_names_three_properties_and_counts_the_others() -> None:
    assert Replacement(urn=SUBNET, stage="up", because=("a", "b", "c", "d", "e")).reason == " (a, b, c and 2 more)"
    assert Replacement(urn=SUBNET, stage="up").reason == ""


def test_a_second_update_that_does_something_is_told_with_its_property() -> None:
    assert changed(picture((SUBNET, "update"))) == ["ec2:Subnet a: update (bucket)"]
    assert changed(picture((SUBNET, "same"))) == []


def test_data_is_lost_when_its_object_is_gone_or_another_one() -> None:
    before = {BUCKET: "lake-1", CLUSTER: "main"}
    account = [thing("s3:Bucket", "lake-1")]
    assert list(lost(before, before, [*account, thing("eks:Cluster", "main")])) == []
    assert list(lost(before, {BUCKET: "lake-2"}, account)) == [
        "s3:Bucket lake-bucket is another one now: lake-1 became lake-2",
        "eks:Cluster main (main) is gone from the state",
    ]
    assert list(lost({CLUSTER: "main"}, {CLUSTER: "main"}, account)) == [
        "eks:Cluster main (main) is gone from the account"
    ]


def test_what_waits_for_deletion_is_not_what_holds_data_now() -> None:
    old = {"urn": BUCKET, "type": "aws:s3/bucket:Bucket", "id": "old", "delete": True}
    new = {"urn": BUCKET, "type": "aws:s3/bucket:Bucket", "id": "new"}
    assert stateful(state(old, new)) == {BUCKET: "new"}


def test_protection_is_asked_of_the_engine_for_buckets_and_of_eks_for_clusters() -> None:
    bucket = {"urn": BUCKET, "type": "aws:s3/bucket:Bucket", "id": "b"}
    cluster = {"urn": CLUSTER, "type": "aws:eks/cluster:Cluster", "id": "main", "outputs": {"deletionProtection": True}}
    assert unprotected(state(bucket, cluster)) == ["s3:Bucket lake-bucket has no protect"]
    assert unprotected(state({**bucket, "protect": True}, {**cluster, "outputs": {}})) == [
        "eks:Cluster main has no deletionProtection"
    ]


def test_a_key_that_waits_for_its_deletion_and_a_seeded_reservation_are_not_left_over() -> None:
    objects = [
        thing("kms:Key", "k", KeyState="PendingDeletion"),
        thing("ec2:CapacityReservation", "cr-1"),
        thing("logs:LogGroup", "/aws/eks/main/cluster"),
    ]
    assert left(objects, ["cr-1"]) == ["logs:LogGroup /aws/eks/main/cluster"]


def filled() -> Report:
    report = Report(environment="prod", place="aws eu-west-1", revision="v1", skipped={"zone-loss": "one zone"})
    with report.stage("up") as stage:
        stage.note("124 created")
    with report.stage("kill <b>") as stage:
        stage.hit("killed 3 times")
        stage.recovered("recovered & converged")
    with report.stage("destroy: residue") as stage:
        report.find(Reason.LEFT, "logs:LogGroup <script>", stage)
    report.replacements.append(Replacement(urn=BUCKET, stage="upgrade: up", because=("bucket",)))
    return report


def test_a_stage_fails_by_what_is_found_in_it_and_a_recovered_one_says_so() -> None:
    assert [stage.result for stage in filled().stages] == ["ok", "recovered", "failed"]
    assert not filled().passed


def test_the_json_names_reason_place_and_replacement() -> None:
    told = filled().to_json()
    assert told["findings"] == [{"reason": "left", "what": "logs:LogGroup <script>", "stage": "destroy: residue"}]
    assert told["replacements"][0]["stateful"] is True
    assert (told["simulated"], told["passed"], told["from"]) == (True, False, "v1")
    assert json.loads(json.dumps(told)) == told
    kill = told["stages"][1]
    assert (kill["wentWrong"], kill["recovery"]) == (["killed 3 times"], ["recovered & converged"])


def test_the_page_stands_alone_and_escapes_what_it_was_told() -> None:
    text = page(filled())
    assert "<script" not in text
    assert "logs:LogGroup &lt;script&gt;" in text
    assert "kill &lt;b&gt;" in text
    assert text.index("killed 3 times") < text.index("recovered &amp; converged") < text.index("<h2>Timeline")
    assert "http" not in text.replace("https://charts", ""), "nothing is fetched from elsewhere"
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport"' in text
    assert text.count('class="bar"') == 3


def test_the_terminal_says_what_was_replaced_found_and_passed_over() -> None:
    stream = io.StringIO()
    print_report(filled(), Console(file=stream, width=200))
    text = stream.getvalue()
    assert "holds data: s3:Bucket lake-bucket (bucket), in upgrade: up" in text
    assert "left: logs:LogGroup <script> (in destroy: residue)" in text
    assert "passed over: zone-loss: one zone" in text
    assert "killed 3 times; recovered & converged" in text
    assert "prod: not passed: 1 finding" in text
