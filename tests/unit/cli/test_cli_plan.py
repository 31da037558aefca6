"""The plan of the checked-in stack `local`, and what it must say."""

import json
import os
from pathlib import Path

import pytest

from cli.exits import Exit
from cli.main import run
from cli.outputs import StackOutputs, parse_exports
from cli.plan import record
from cli.plan_model import Branch, Plan, plan_of
from cli.plan_view import print_plan, to_json
from cli.project import open_stack
from cli.terminal import output
from local.cloud.recording import RecordedResource, Recording

# Loading pulumi_aws warns about each of its own deprecated types.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def recorded() -> tuple[Plan, StackOutputs]:
    before = dict(os.environ)
    try:
        recording = record(open_stack("local"))
    finally:
        os.environ.clear()
        os.environ.update(before)
    return plan_of(recording), parse_exports(recording.exports, stack="local")


def test_the_document_counts_gpus_interfaces_and_every_resource(recorded: tuple[Plan, StackOutputs]) -> None:
    plan, outputs = recorded
    document = json.loads(json.dumps(to_json(plan, outputs, stack="local", simulated=True)))
    assert (document["environment"], document["account"], document["simulated"]) == ("local", "000000000000", True)
    pools = {pool["name"]: pool for pool in document["clusters"][0]["pools"]}
    training = pools["training"]
    assert training["nodes"] * training["gpus_per_node"] == 32
    assert training["nodes"] * training["efa_per_node"] == 128
    assert pools["system"]["gpus_per_node"] == 0
    assert [(run["nodes"], run["gpus"]) for run in document["training"]] == [(4, 32), (2, 0)]
    assert [(item["kind"], item["capacity_gib"]) for item in document["storage"]] == [("lustre", 4800)]
    assert len(document["resources"]) == plan.tree.total()
    assert {"type", "name", "urn", "parent", "inputs", "marker"} == set(document["resources"][0])
    vpc = next(item for item in document["resources"] if item["type"] == "aws:ec2/vpc:Vpc")
    assert vpc["inputs"]["cidrBlock"] == "10.64.0.0/16"
    assert vpc["parent"].endswith("slipway:aws:Network::network")
    assert "kubeconfig" not in document["clusters"][0]


def test_the_address_plan_gives_each_zone_a_private_and_a_public_subnet(recorded: tuple[Plan, StackOutputs]) -> None:
    plan, _ = recorded
    assert [(item.zone, item.public) for item in plan.subnets] == [
        (f"us-east-1{letter}", public) for letter in "abc" for public in (False, True)
    ]
    # /19 and /24, less the five addresses that AWS keeps.
    assert {(item.public, item.usable) for item in plan.subnets} == {(False, 8187), (True, 251)}


def test_add_ons_come_from_eks_and_helm(recorded: tuple[Plan, StackOutputs]) -> None:
    by = {addon.name: addon.by for addon in recorded[0].addons}
    assert (by["aws-fsx-csi-driver"], by["nvidia-device-plugin"]) == ("EKS", "Helm")


def test_what_can_be_reached_from_outside_is_said(recorded: tuple[Plan, StackOutputs]) -> None:
    assert list(recorded[0].exposed) == ["API server of main-cluster: public, answers 203.0.113.0/24"]


def test_people_see_components_with_counts_and_every_resource_on_request(
    recorded: tuple[Plan, StackOutputs], capsys: pytest.CaptureFixture[str]
) -> None:
    plan, outputs = recorded
    print_plan(plan, outputs, output(), full=False)
    short = capsys.readouterr().out
    assert f"slipway-local: {plan.tree.total()} resources" in short
    assert "ec2:Subnet x6" in short
    assert "32 H100 (4 x 8)" in short
    assert "128 (4 x 32)" in short
    assert "network-private-us-east-1a  ec2:Subnet" not in short
    print_plan(plan, outputs, output(), full=True)
    assert "network-private-us-east-1a  ec2:Subnet" in capsys.readouterr().out


def test_a_cluster_with_aws_defaults_is_told_as_open_to_everybody() -> None:
    stack = RecordedResource(urn="s", type="pulumi:pulumi:Stack", name="s", custom=False)
    cluster = RecordedResource(urn="c", type="aws:eks/cluster:Cluster", name="main", custom=True, parent="s")
    plan = plan_of(Recording(project="p", stack="s", resources=[stack, cluster]))
    assert plan.exposed == ["API server of main: public, answers 0.0.0.0/0"]
    assert isinstance(plan.tree, Branch)


def test_a_secret_input_is_not_printed() -> None:
    stack = RecordedResource(urn="s", type="pulumi:pulumi:Stack", name="s", custom=False)
    item = RecordedResource(
        urn="r",
        type="aws:x:Y",
        name="r",
        custom=True,
        parent="s",
        inputs={"password": "open sesame", "size": 1},
        secrets=frozenset({"password"}),
    )
    plan = plan_of(Recording(project="p", stack="s", resources=[stack, item]))
    outputs = StackOutputs(environment="e", account="0", region="r")
    document = to_json(plan, outputs, stack="s", simulated=True)
    assert document["resources"][0]["inputs"] == {"password": "[secret]", "size": 1}


def test_a_refused_resource_is_one_error_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_stack("local")
    (tmp_path / "stacks" / "config").mkdir(parents=True)
    (tmp_path / "Pulumi.yaml").write_text((source.directory / "Pulumi.yaml").read_text())
    (tmp_path / "stacks" / "config" / "Pulumi.local.yaml").write_text(source.file.read_text())
    (tmp_path / "stacks" / "__main__.py").write_text(
        "import pulumi, pulumi_aws as aws\n"
        "provider = aws.Provider('aws', region='us-east-1', allowed_account_ids=['000000000000'])\n"
        "aws.ec2.Vpc('wide', cidr_block='10.0.0.0/8', opts=pulumi.ResourceOptions(provider=provider))\n"
    )
    monkeypatch.chdir(tmp_path)
    assert run(["plan", "local"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "InvalidVpc.Range" in said
    assert "aws:ec2/vpc:Vpc wide" in said
    assert "1 resource of local would be refused" in said
