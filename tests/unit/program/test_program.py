"""The program over the checked-in local stack, on the simulated account, in this process."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cloud.plan import record, run_program
from local.cloud.recording import RecordedResource, Recording
from stacks.__main__ import main

ROOT = Path(__file__).parents[3]
STACKS = ROOT / "stacks"


def configuration() -> dict[str, Any]:
    text = (STACKS / "config" / "Pulumi.local.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    return config


def execute(config: Mapping[str, Any]) -> Recording:
    return run_program(STACKS, project="slipway", stack="local", config=config)


@pytest.fixture(autouse=True)
def _mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_CHARTS_MIRROR", "http://127.0.0.1:8080/charts")


@pytest.fixture(scope="module")
def local() -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_CHARTS_MIRROR", "http://127.0.0.1:8080/charts")
        return execute(configuration())


def training_job(made: Recording) -> RecordedResource:
    (run,) = [item for item in made.exports["training"] if item["name"] == "pretrain-demo"]
    return made.get("kubernetes:batch/v1:Job", f"{run['run']}-job")


def test_the_local_stack_exports_32_gpus_and_128_interfaces(local: Recording) -> None:
    (cluster,) = local.exports["clusters"]
    pools = {pool["name"]: pool for pool in cluster["pools"]}
    training = pools["training"]
    assert training["nodes"] * training["gpusPerNode"] == 32
    assert training["nodes"] * training["efaPerNode"] == 128
    assert pools["system"]["gpusPerNode"] == 0
    assert (local.exports["account"], local.exports["region"]) == ("000000000000", "us-east-1")


def test_the_kubeconfig_runs_a_command_and_holds_no_secret(local: Recording) -> None:
    (cluster,) = local.exports["clusters"]
    user = yaml.safe_load(cluster["kubeconfig"])["users"][0]["user"]
    assert set(user) == {"exec"}, "no token, no certificate, no password"
    assert user["exec"]["command"] == "slipway"
    assert not local.secret_exports


def test_the_run_takes_the_whole_pool_and_mounts_its_teams_claim(local: Recording) -> None:
    (run,) = [item for item in local.exports["training"] if item["name"] == "pretrain-demo"]
    (storage,) = local.exports["storage"]
    job = training_job(local).inputs
    volumes = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert (run["nodes"], run["gpus"], run["job"]) == (4, 32, job["metadata"]["name"])
    assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == storage["claim"]
    assert job["metadata"]["namespace"] == storage["namespace"] == run["namespace"] == "research"


def test_the_job_waits_for_nodes_devices_names_limits_and_its_claim(local: Recording) -> None:
    job = training_job(local)
    types = {local.by_urn(urn).type for urn in job.dependencies}
    assert {
        "aws:eks/nodeGroup:NodeGroup",
        "aws:eks/addon:Addon",
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:core/v1:PersistentVolumeClaim",
    } <= types


def test_the_job_waits_for_the_directory_that_its_checkpoints_go_to(local: Recording) -> None:
    directory = local.get("kubernetes:batch/v1:Job", "scratch-directories-research")
    job = training_job(local)
    (container,) = job.inputs["spec"]["template"]["spec"]["containers"]
    values = {item["name"]: item.get("value") for item in container["env"]}
    assert directory.urn in job.dependencies
    assert values["SLIPWAY_CHECKPOINTS"] == "/shared/research/checkpoints/pretrain-demo"


def test_the_volume_waits_for_its_driver(local: Recording) -> None:
    volume = local.get("kubernetes:core/v1:PersistentVolume", "research-scratch-volume")
    addons = {
        local.by_urn(urn).inputs["addonName"]
        for urn in volume.dependencies
        if local.by_urn(urn).type == "aws:eks/addon:Addon"
    }
    assert "aws-fsx-csi-driver" in addons


def test_a_model_service_reads_its_prefix_of_the_lake_with_a_role_of_its_teams(local: Recording) -> None:
    service = local.get("kubernetes:serving.kserve.io/v1beta1:InferenceService", "chat-assistant-service")
    predictor = service.inputs["spec"]["predictor"]
    address = {item["name"]: item.get("value") for item in predictor["containers"][0]["env"]}["STORAGE_URI"]
    bucket = "slipway-local-lake-000000000000-us-east-1"
    assert address == f"s3://{bucket}/models/assistant/v3"
    account = local.get("kubernetes:core/v1:ServiceAccount", "chat-models-account-service-account")
    assert (predictor["serviceAccountName"], account.inputs["metadata"]["namespace"]) == ("models", "chat")
    association = local.get("aws:eks/podIdentityAssociation:PodIdentityAssociation", "chat-models-association")
    assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == ("chat", "models")
    assert account.urn in service.dependencies, "KServe looks for it when it makes the pods"
    assert association.urn in account.dependencies, "pods made before it would stay without the role"
    (policy,) = [item for item in local.resources if item.name.startswith("chat-models-role-lake-models")]
    statements = {item["Sid"]: item for item in json.loads(policy.inputs["policy"])["Statement"]}
    assert statements["Objects"]["Action"] == ["s3:GetObject"], "it reads, and nothing else"
    assert statements["Objects"]["Resource"] == f"arn:aws:s3:::{bucket}/models/assistant/*"
    assert statements["List"]["Condition"] == {"StringLike": {"s3:prefix": ["models/assistant", "models/assistant/*"]}}
    assert statements["Key"]["Action"] == ["kms:Decrypt"], "the lake has a key of its own"


def test_nothing_uses_a_default_provider(local: Recording) -> None:
    for resource in local.resources:
        if resource.custom and not resource.type.startswith("pulumi:"):
            name = resource.type.partition(":")[0]
            assert f"pulumi:providers:{name}::{name}" in resource.provider, f"{resource.name} has another provider"


def test_the_provider_refuses_every_other_account(local: Recording) -> None:
    provider = local.get("pulumi:providers:aws").inputs
    assert "000000000000" in str(provider["allowedAccountIds"])
    assert "assumeRoles" not in provider, "the simulated caller is the deployer already"
    assert "slipway/local" in str(provider["defaultTags"])


def test_a_longer_life_of_the_stack_replaces_no_node(local: Recording) -> None:
    templates = [item for item in local.resources if item.type == "aws:ec2/launchTemplate:LaunchTemplate"]
    tags = [spec["tags"] for item in templates for spec in item.inputs["tagSpecifications"]]
    assert len(tags) == 3 * len(templates) > 0, "instance, volume and interface of every pool"
    assert all("slipway:ttl" not in each and each["owner"] == "platform-team" for each in tags)


def test_the_stack_stays_under_300_resources(local: Recording) -> None:
    assert len(local.resources) < 300, "a stack is one cluster in one place"


def test_bad_settings_end_the_program_with_one_error_and_create_nothing() -> None:
    config = configuration()
    config["slipway:pools"][1]["instanceType"] = "p5.48xlarg"
    codes = []

    def program() -> None:
        with pytest.raises(SystemExit) as end:
            main()
        codes.append(end.value.code)

    recording = record(program, stack="local", config=config, packages={})
    assert codes == [32], "the code that tells the language host that the user was told already"
    assert [item.type for item in recording.resources] == ["pulumi:pulumi:Stack"], "nothing was created"
    ((severity, text),) = recording.logs
    assert severity.lower() == "error"
    assert "slipway:pools[1].instanceType" in text
    assert "Traceback" not in text
