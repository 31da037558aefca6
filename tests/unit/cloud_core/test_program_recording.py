import asyncio
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
import pytest

from local.cloud.model import CloudObject
from local.cloud.plan import PlanError, ProgramRefusedError, record, run_program
from local.cloud.recording import Recording
from local.cloud.store import SqliteStore
from local.cloud.values import Json, Secret
from tests.unit.cloud_core.toy import CLUSTER, PACKAGE, SUBNET, VPC, ZONES

TOY = {"aws": PACKAGE}


class Network(pulumi.ComponentResource):
    """A component as the kit's are."""

    def __init__(self, name: str, provider: aws.Provider) -> None:
        super().__init__("slipway:aws:Network", name, None, pulumi.ResourceOptions(providers=[provider]))
        own = pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=["tags"])
        self.vpc = aws.ec2.Vpc(f"{name}-vpc", cidr_block="10.0.0.0/16", opts=own)
        after = pulumi.ResourceOptions(parent=self, depends_on=[self.vpc])
        self.subnet = aws.ec2.Subnet(f"{name}-a", vpc_id=self.vpc.id, cidr_block="10.0.0.0/24", opts=after)
        self.register_outputs({"vpc_id": self.vpc.id})


def _platform() -> pulumi.Output[str]:
    provider = aws.Provider(
        "aws",
        region="eu-west-1",
        allowed_account_ids=["123456789012"],
        default_tags={"tags": {"owner": "ml"}},
    )
    network = Network("net", provider)
    cluster = aws.eks.Cluster(
        "main",
        role_arn="arn:aws:iam::000000000000:role/x",
        vpc_config={"subnet_ids": [network.subnet.id]},
        opts=pulumi.ResourceOptions(provider=provider),
    )
    names = kubernetes.core.v1.Namespace("team", metadata={"labels": {"cluster": cluster.name}})
    pulumi.export("namespace", names.metadata["name"])
    pulumi.export("password", pulumi.Output.secret("hunter2"))
    return cluster.endpoint


@pytest.fixture(scope="module")
def platform() -> Recording:
    return record(_platform, packages=TOY, stack="dev")


def test_resources_have_the_engines_urns_and_parents(platform: Recording) -> None:
    vpc = platform.get(VPC)
    assert vpc.urn == "urn:pulumi:dev::slipway::slipway:aws:Network$aws:ec2/vpc:Vpc::net-vpc"
    network = platform.get("slipway:aws:Network")
    assert vpc.parent == network.urn
    assert {child.name for child in platform.children(network)} == {"net-vpc", "net-a"}
    assert platform.by_urn(network.parent).type == "pulumi:pulumi:Stack"


def test_simulated_resources_are_really_made(platform: Recording) -> None:
    vpc, subnet, cluster = platform.get(VPC), platform.get(SUBNET), platform.get(CLUSTER, "main")
    assert subnet.inputs["vpcId"] == vpc.id
    assert cluster.inputs["vpcConfig"] == {"subnetIds": [subnet.id]}
    assert platform.result == "https://cluster.example"
    assert cluster.outputs["arn"] == f"arn:aws:eks:eu-west-1:000000000000:cluster/{cluster.id}"


def test_inputs_are_those_after_the_check(platform: Recording) -> None:
    assert platform.get(VPC).inputs["tags"] == {"owner": "ml"}
    assert str(platform.get(CLUSTER).inputs["name"]).startswith("main-")
    assert all(not name.startswith("__") for item in platform.resources for name in item.inputs)


def test_options_and_dependencies_are_recorded(platform: Recording) -> None:
    vpc, subnet = platform.get(VPC), platform.get(SUBNET)
    assert (vpc.protect, vpc.options["ignoreChanges"]) == (True, ["tags"])
    assert subnet.dependencies == (vpc.urn,)
    assert subnet.property_dependencies["vpcId"] == (vpc.urn,)
    provider = platform.get("pulumi:providers:aws")
    assert subnet.provider == f"{provider.urn}::{provider.id}"


def test_component_outputs_exports_and_secrets_are_recorded(platform: Recording) -> None:
    network = platform.get("slipway:aws:Network")
    assert network.registered_outputs
    assert network.outputs == {"vpc_id": platform.get(VPC).id}
    assert platform.exports == {
        "namespace": platform.get("kubernetes:core/v1:Namespace").outputs["metadata"]["name"],
        "password": "hunter2",
    }
    assert platform.secret_exports == {"password"}


def test_other_packages_are_recorded_with_their_inputs_as_outputs(platform: Recording) -> None:
    namespace = platform.get("kubernetes:core/v1:Namespace")
    assert namespace.outputs["metadata"]["labels"] == {"cluster": platform.get(CLUSTER).id}
    assert str(namespace.outputs["metadata"]["name"]).startswith("team-")


def test_two_recordings_of_one_program_agree(platform: Recording) -> None:
    again = record(_platform, packages=TOY, stack="dev")
    assert [item.urn for item in again.resources] == [item.urn for item in platform.resources]
    assert again.get(CLUSTER).inputs["name"] == platform.get(CLUSTER).inputs["name"]


def test_asking_for_what_is_not_there_says_what_is(platform: Recording) -> None:
    with pytest.raises(LookupError, match=r"0 resources are aws:ec2/subnet:Subnet x; .* there are: net-a"):
        platform.get(SUBNET, "x")
    with pytest.raises(LookupError, match="no resource has the URN urn:none"):
        platform.by_urn("urn:none")


def test_a_refused_resource_is_one_error_that_names_it() -> None:
    def program() -> None:
        vpc = aws.ec2.Vpc("v", cidr_block="10.0.0.0/16")
        for number in range(2):
            aws.ec2.Subnet(f"s{number}", vpc_id=vpc.id, cidr_block="10.0.0.0/24")

    with pytest.raises(PlanError) as refused:
        record(program, packages=TOY)
    assert [failure.type for failure in refused.value.failures] == [SUBNET]
    assert "aws:ec2/subnet:Subnet 's1': creating EC2 Subnet (s1)" in str(refused.value)
    assert "InvalidSubnet.Conflict" in str(refused.value)


def test_all_problems_of_one_resource_come_together() -> None:
    def program() -> None:
        aws.ec2.Vpc("v", cidr_block="10.0.0.0/16", instance_tenancy="shared", tags={"a": "b"})
        aws.ec2.Subnet("s", vpc_id="vpc-none", cidr_block="10.0.0.0/24")

    with pytest.raises(PlanError) as refused:
        record(program, packages=TOY)
    assert {failure.name for failure in refused.value.failures} == {"v", "s"}


def test_a_duplicate_name_is_refused_as_the_engine_does() -> None:
    def program() -> None:
        aws.ec2.Vpc("v", cidr_block="10.0.0.0/16")
        aws.ec2.Vpc("v", cidr_block="10.1.0.0/16")

    with pytest.raises(PlanError, match="duplicate resource URN"):
        record(program, packages=TOY)


def test_the_programs_own_errors_propagate() -> None:
    def direct() -> None:
        raise KeyError("mine")

    def in_apply() -> None:
        nothing: dict[str, str] = {}
        pulumi.Output.from_input(1).apply(lambda _: nothing["mine"])

    for program in (direct, in_apply):
        with pytest.raises(KeyError, match="mine"):
            record(program, packages=TOY)


def test_a_failed_recording_leaves_nothing_for_the_next() -> None:
    with pytest.raises(PlanError):
        record(lambda: aws.ec2.Vpc("v", cidr_block="10.0.0.0/16", instance_tenancy="shared"), packages=TOY)
    recording = record(lambda: aws.ec2.Vpc("v", cidr_block="10.0.0.0/16").id, packages=TOY)
    assert recording.result == recording.get(VPC).id


def test_assertions_inside_an_apply_count() -> None:
    def program() -> pulumi.Output[None]:
        def wrong(_: str) -> None:
            raise AssertionError("seen")

        return aws.ec2.Vpc("v", cidr_block="10.0.0.0/16").id.apply(wrong)

    with pytest.raises(AssertionError, match="seen"):
        record(program, packages=TOY)


def test_configuration_reaches_the_program_and_default_providers() -> None:
    def program() -> Json:
        config = pulumi.Config("slipway")
        zones = aws.get_availability_zones_output()
        return {"pools": config.require_object("pools"), "key": config.require_secret("key"), "zones": zones.names}

    config = {"slipway:pools": [{"name": "a"}], "slipway:key": Secret("k"), "aws:region": "eu-west-1"}
    recording = record(program, packages=TOY, config=config)
    assert recording.result == {
        "pools": [{"name": "a"}],
        "key": "k",
        "zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
    }
    assert [invoke.token for invoke in recording.invokes] == [ZONES]


def test_data_sources_that_are_not_modelled_fail_by_name() -> None:
    with pytest.raises(PlanError, match="aws:ec2/getAmi:getAmi is not modelled"):
        record(lambda: aws.ec2.get_ami_output(most_recent=True).id, packages=TOY)


def test_existing_objects_are_read_from_a_prepared_account() -> None:
    store = SqliteStore(":memory:")
    body = {"VpcId": "vpc-1", "CidrBlock": "10.9.0.0/16"}
    store.put(CloudObject(kind="ec2:Vpc", id="vpc-1", region="us-east-1", body=body))
    recording = record(lambda: aws.ec2.Vpc.get("v", "vpc-1").cidr_block, packages=TOY, store=store)
    assert (recording.result, recording.get(VPC).read) == ("10.9.0.0/16", True)
    with pytest.raises(PlanError, match="'vpc-2' does not exist in the simulated account"):
        record(lambda: aws.ec2.Vpc.get("v", "vpc-2").id, packages=TOY)


def test_outputs_of_other_stacks_are_given_by_the_caller() -> None:
    def program() -> pulumi.Output[str]:
        return pulumi.StackReference("organization/slipway/prod").require_output("endpoint")

    references = {"organization/slipway/prod": {"endpoint": "https://prod"}}
    assert record(program, packages=TOY, stack_references=references).result == "https://prod"
    with pytest.raises(PlanError, match="no outputs were given for the stack 'organization/slipway/prod'"):
        record(program, packages=TOY)


def test_types_without_a_binding_are_marked() -> None:
    recording = record(lambda: aws.ec2.KeyPair("k", public_key="ssh-rsa AAAA").public_key, packages=TOY)
    assert recording.get("aws:ec2/keyPair:KeyPair").marker == "shape only, replacement unknown"


def test_a_program_may_be_a_coroutine_and_logs_are_kept() -> None:
    async def program() -> str:
        await asyncio.sleep(0)
        pulumi.log.warn("look here")
        return "done"

    recording = record(program, packages=TOY)
    assert recording.result == "done"
    assert ("warning", "look here") in recording.logs


def test_a_program_directory_is_run_as_the_engine_runs_it(tmp_path: Path) -> None:
    main = tmp_path / "stacks"
    main.mkdir()
    (main / "__main__.py").write_text(
        "import os, pulumi, pulumi_aws as aws\n"
        "vpc = aws.ec2.Vpc('v', cidr_block=pulumi.Config().require('cidr'))\n"
        "pulumi.export('stack', f'{pulumi.get_project()}/{pulumi.get_stack()}')\n"
        "pulumi.export('directory', os.path.basename(os.getcwd()))\n"
    )
    before = Path.cwd()
    recording = run_program(main, project="p", stack="s", config={"p:cidr": "10.0.0.0/16"}, packages=TOY)
    assert recording.exports == {"stack": "p/s", "directory": "stacks"}
    assert recording.get(VPC).inputs == {"cidrBlock": "10.0.0.0/16"}
    assert Path.cwd() == before


def test_what_a_program_says_before_it_gives_up_is_the_error(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text(
        "import sys\nimport pulumi\npulumi.log.error('the pool has no nodes')\nsys.exit(32)\n"
    )
    with pytest.raises(ProgramRefusedError, match="the pool has no nodes"):
        run_program(tmp_path, project="demo", stack="test", config={})
