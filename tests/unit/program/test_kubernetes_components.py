"""Components that put things into a cluster: what they declare, in which order, and what they refuse to leave out."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pulumi
import pytest

from components import tokens
from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from components.kubernetes.charts import chart_reference
from components.kubernetes.device_plugins import EFA, NVIDIA, DevicePlugins, DevicePluginsArgs
from components.kubernetes.lustre_volume import LustreVolume, LustreVolumeArgs
from components.kubernetes.namespaces import TeamNamespace, TeamNamespaceArgs
from components.kubernetes.provider import provider
from components.kubernetes.pull_secret import PullCredentials, docker_config
from components.kubernetes.quantities import gibibytes
from components.kubernetes.team_directories import TeamDirectories, TeamDirectoriesArgs
from components.outputs import ClusterOutputs, PoolOutputs, StorageOutputs
from local.cloud.plan import record
from local.cloud.recording import Recording
from workloads.deploy import TrainingRun, TrainingRunArgs
from workloads.specs import NodeShare, TrainingSpec

JOB = "kubernetes:batch/v1:Job"
MIRROR = "http://127.0.0.1:8080/charts"


def known(text: str) -> pulumi.Output[str]:
    return pulumi.Output.from_input(text)


def pool(instance_type: str, *, efa: bool = False) -> PoolOutputs:
    """A pool as its component would describe it; made inside a program, where outputs can live."""
    kind = instance(instance_type)
    name = "pool"
    selector = {"slipway.dev/pool": name}
    return PoolOutputs(
        name=name,
        instance_type=instance_type,
        nodes=2,
        profile=fabric_profile(kind, efa=efa, node_selector=selector, taints=default_taints(kind)),
        zones=["us-east-1a"],
        vcpus_per_node=kind.vcpus,
        memory_gib_per_node=kind.memory_gib,
        ready=known(name),
    )


def storage(zone: str | None = "us-east-1a") -> StorageOutputs:
    return StorageOutputs(
        name="scratch",
        kind="lustre",
        driver="fsx.csi.aws.com",
        handle=known("fs-0123456789abcdef0"),
        attributes={"dnsname": known("fs-0.fsx.us-east-1.amazonaws.com"), "mountname": "abcdefgh"},
        mount_options=("flock",),
        capacity_gib=4800,
        throughput_mb_per_second=1171.875,
        zone=zone,
        ready=known("fs"),
    )


def declared(build: Callable[[], object]) -> Recording:
    return record(build, packages={})


# --- the provider --------------------------------------------------------------------------------------------------
def test_an_unknown_kubeconfig_does_not_replace_the_provider() -> None:
    def build() -> None:
        # In here, because an Output belongs to the event loop of its program.
        cluster = ClusterOutputs(
            name="main",
            cluster_name=known("slipway-test-main"),
            endpoint=known("https://x"),
            certificate_authority=known("QQ=="),
            kubeconfig=known("{}"),
            identifier="aws/000000000000/us-east-1/slipway-test-main",
            kubernetes_version="1.36",
            oidc_issuer=known(""),
        )
        provider("kubernetes", cluster)

    made = declared(build).get("pulumi:providers:kubernetes")
    assert made.inputs["clusterIdentifier"] == "aws/000000000000/us-east-1/slipway-test-main"
    assert made.inputs["enableServerSideApply"] in (True, "true")
    assert "deleteUnreachable" not in made.inputs, (
        "a control plane that is silent for a minute must not empty the state"
    )


# --- device plugins ------------------------------------------------------------------------------------------------
def plugins(**pools: bool) -> Recording:
    """Plugins for pools given as instance type (underscores for dots) and whether they have a fabric."""

    def build() -> None:
        given = [pool(name.replace("_", "."), efa=efa) for name, efa in pools.items()]
        DevicePlugins("plugins", DevicePluginsArgs(pools=given, charts_mirror=MIRROR))

    return declared(build)


def test_pools_get_the_plugins_that_their_devices_need() -> None:
    releases = {
        item.inputs["chart"]: item.inputs
        for item in plugins(m7i_2xlarge=False, p5_48xlarge=True).of_type("kubernetes:helm.sh/v3:Release")
    }
    assert set(releases) == {"nvidia-device-plugin", "aws-efa-k8s-device-plugin"}
    for inputs in releases.values():
        assert inputs["repositoryOpts"] == {"repo": MIRROR}, "a site behind a firewall has its own repository"
        assert inputs["version"], "a chart without a version is another chart tomorrow"
        assert inputs["namespace"] == "gpu-system"
        assert inputs["name"] == inputs["chart"], "a generated suffix would rename the pods"


def test_a_pool_without_fabric_gets_no_fabric_plugin_and_one_without_devices_none_at_all() -> None:
    def charts(**pools: bool) -> list[str]:
        return [item.inputs["chart"] for item in plugins(**pools).of_type("kubernetes:helm.sh/v3:Release")]

    assert charts(g6e_48xlarge=False) == ["nvidia-device-plugin"]
    assert charts(m7i_2xlarge=False) == []


def test_plugins_run_on_tainted_nodes_of_exactly_the_types_in_use() -> None:
    made = plugins(p5_48xlarge=True).of_type("kubernetes:helm.sh/v3:Release")
    nvidia, efa = (
        next(item.inputs["values"] for item in made if item.inputs["chart"] == chart) for chart in (NVIDIA, EFA)
    )
    tolerated = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert nvidia["tolerations"][1:] == tolerated
    assert nvidia["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert efa["tolerations"][1:] == tolerated
    assert efa["supportedInstanceLabels"] == {
        "keys": ["node.kubernetes.io/instance-type"],
        "values": ["p5.48xlarge"],
    }


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("https://charts.example/stable", ("x", "https://charts.example/stable")),
        ("oci://registry.example/charts/", ("oci://registry.example/charts/x", None)),
    ],
)
def test_an_oci_registry_is_part_of_the_charts_name(mirror: str, expected: tuple[str, str | None]) -> None:
    assert chart_reference(mirror, "x") == expected


@pytest.mark.parametrize(("gib", "text"), [(1, "1Gi"), (1024, "1Ti"), (1536, "1536Gi"), (8192, "8Ti"), (0, "0")])
def test_quantities_are_spelled_as_the_server_stores_them(gib: int, text: str) -> None:
    assert gibibytes(gib) == text, "another spelling is drift after every refresh"


def pull() -> PullCredentials:
    secret = pulumi.Output.secret("hunter2")
    return PullCredentials(registry="registry.example/ml", username="robot", password=secret)


# --- namespaces ----------------------------------------------------------------------------------------------------
def namespace(args: TeamNamespaceArgs, *, credentials: bool = False) -> Recording:
    def build() -> pulumi.Output[str]:
        return TeamNamespace("research", replace(args, pull_credentials=pull() if credentials else None)).ready

    return declared(build)


def test_a_team_may_not_take_more_than_its_share() -> None:
    made = namespace(TeamNamespaceArgs(namespace="research", gpus=32, cpus=768, memory_gib=8192))
    assert made.get("kubernetes:core/v1:ResourceQuota").inputs["spec"]["hard"] == {
        "requests.cpu": "768",
        "requests.memory": "8Ti",
        "requests.nvidia.com/gpu": "32",
        "pods": "1000",
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def test_a_container_that_asks_for_nothing_still_passes_the_quota() -> None:
    (limits,) = (
        namespace(TeamNamespaceArgs(namespace="research")).get("kubernetes:core/v1:LimitRange").inputs["spec"]["limits"]
    )
    assert set(limits["defaultRequest"]) == {"cpu", "memory"}, "the quota refuses pods without these requests"
    assert "cpu" not in limits["default"], "a CPU limit throttles"


def test_a_namespace_is_closed_but_for_names() -> None:
    made = {
        item.inputs["metadata"]["name"]: item.inputs["spec"]
        for item in namespace(TeamNamespaceArgs(namespace="research")).of_type(
            "kubernetes:networking.k8s.io/v1:NetworkPolicy"
        )
    }
    assert made["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (egress,) = made["allow-dns"]["egress"]
    assert {(port["protocol"], port["port"]) for port in egress["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert len(made) == 2, "everything else comes with the workload that needs it"


def test_pod_security_is_restricted_at_the_clusters_version() -> None:
    args = TeamNamespaceArgs(namespace="research", kubernetes_version="1.35")
    labels = namespace(args).get("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert labels["pod-security.kubernetes.io/enforce-version"] == "v1.35"


def test_a_pull_secret_is_a_secret_in_the_state_too() -> None:
    made = namespace(TeamNamespaceArgs(namespace="research"), credentials=True).get("kubernetes:core/v1:Secret")
    assert made.inputs["type"] == "kubernetes.io/dockerconfigjson"
    assert {"stringData", "data"} & set(made.secrets), "the engine must encrypt it"


def test_credentials_belong_to_the_registrys_host() -> None:
    auths = json.loads(docker_config("registry.example/ml", "robot", "hunter2"))["auths"]
    assert base64.b64decode(auths["registry.example"]["auth"]) == b"robot:hunter2"


def test_without_credentials_there_is_no_pull_secret() -> None:
    assert namespace(TeamNamespaceArgs(namespace="research")).of_type("kubernetes:core/v1:Secret") == []


# --- volumes -------------------------------------------------------------------------------------------------------
def volume(zone: str | None = "us-east-1a") -> Recording:
    def build() -> pulumi.Output[str]:
        args = LustreVolumeArgs(
            storage=storage(zone), namespace=known("research"), namespace_name="research", claim="scratch"
        )
        return LustreVolume("research-scratch", args).claim

    return declared(build)


def test_a_volume_is_the_file_system_and_outlives_its_claim() -> None:
    spec = volume().get("kubernetes:core/v1:PersistentVolume").inputs["spec"]
    assert spec["csi"] == {
        "driver": "fsx.csi.aws.com",
        "volumeHandle": "fs-0123456789abcdef0",
        "volumeAttributes": {"dnsname": "fs-0.fsx.us-east-1.amazonaws.com", "mountname": "abcdefgh"},
    }
    assert (spec["persistentVolumeReclaimPolicy"], spec["mountOptions"]) == ("Retain", ["flock"])
    assert (spec["claimRef"]["namespace"], spec["claimRef"]["name"]) == ("research", "scratch")


def test_pods_with_the_volume_land_in_its_zone() -> None:
    spec = volume().get("kubernetes:core/v1:PersistentVolume").inputs["spec"]
    (term,) = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east-1a"]}
    ]
    assert "nodeAffinity" not in volume(None).get("kubernetes:core/v1:PersistentVolume").inputs["spec"]


def test_the_claim_binds_to_its_own_volume_and_never_makes_another() -> None:
    made = volume()
    claim = made.get("kubernetes:core/v1:PersistentVolumeClaim")
    assert claim.options["ignoreChanges"] == ["spec.resources"], "a file system that grew must not fail the update"
    assert claim.inputs["spec"]["storageClassName"] == "", "absent would mean the default class"
    assert made.get("kubernetes:core/v1:PersistentVolume").urn in claim.property_dependencies["spec"]
    assert claim.inputs["spec"]["resources"]["requests"]["storage"] == "4800Gi"


def test_a_volume_has_no_fixed_name_so_that_its_replacement_takes_the_claim_along() -> None:
    metadata = volume().get("kubernetes:core/v1:PersistentVolume").inputs["metadata"]
    assert "name" not in metadata, "a bound volume of a fixed name is deleted before its claim, which waits for ever"


# --- directories of teams ------------------------------------------------------------------------------------------
def directories(*, credentials: bool = False) -> Recording:
    def build() -> pulumi.Output[str]:
        args = TeamDirectoriesArgs(
            storage=storage(), teams=["research", "vision"], pull_credentials=pull() if credentials else None
        )
        return TeamDirectories("dirs", args).ready

    return declared(build)


def test_every_team_gets_a_directory_that_its_user_owns() -> None:
    jobs = {item.inputs["metadata"]["labels"]["slipway.dev/team"]: item for item in directories().of_type(JOB)}
    commands = {team: job.inputs["spec"]["template"]["spec"]["containers"][0]["command"] for team, job in jobs.items()}
    assert commands == {
        team: [
            "sh",
            "-c",
            f"mkdir -p /volume/{team} && chown 1000:1000 /volume/{team} && chmod 2770 /volume/{team}",
        ]
        for team in ("research", "vision")
    }
    assert all("pulumi.com/skipAwait" not in job.inputs["metadata"]["annotations"] for job in jobs.values())


def test_root_may_give_directories_away_and_nothing_else() -> None:
    made = directories()
    pod = made.of_type(JOB)[0].inputs["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
    }
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]) == (0, 1000), (
        "chmod drops the set-group-ID bit of a group that the caller is not in"
    )
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    labels = made.get("kubernetes:core/v1:Namespace").inputs["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"


def test_the_root_is_mounted_from_any_zone_and_a_new_file_system_runs_the_job_again() -> None:
    made = directories()
    spec = made.get("kubernetes:core/v1:PersistentVolume").inputs["spec"]
    claim = made.get("kubernetes:core/v1:PersistentVolumeClaim")
    assert spec["csi"]["volumeHandle"] == "fs-0123456789abcdef0"
    assert "nodeAffinity" not in spec, "there may be no plain node in that zone"
    assert (spec["claimRef"]["namespace"], spec["claimRef"]["name"]) == ("slipway-storage-scratch", "root")
    for job in made.of_type(JOB):
        template = job.inputs["spec"]["template"]
        assert template["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "root"}
        assert template["metadata"]["annotations"]["slipway.dev/volume"] == claim.inputs["spec"]["volumeName"]
        assert claim.urn in job.property_dependencies["spec"]


def test_a_job_that_waits_for_what_does_not_come_says_so_before_pulumi_gives_up() -> None:
    deadlines = {job.inputs["spec"]["activeDeadlineSeconds"] for job in directories().of_type(JOB)}
    assert deadlines == {180}


def test_the_image_of_the_job_is_pulled_with_the_registrys_credentials() -> None:
    made = directories(credentials=True)
    secret = made.get("kubernetes:core/v1:Secret")
    for job in made.of_type(JOB):
        assert job.inputs["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "slipway-registry"}]
        assert secret.urn in job.dependencies
    assert "imagePullSecrets" not in directories().of_type(JOB)[0].inputs["spec"]["template"]["spec"]


# --- runs ----------------------------------------------------------------------------------------------------------
def run() -> Recording:
    spec = TrainingSpec(
        name="pretrain",
        namespace="research",
        pool="training",
        nodes=2,
        share=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
        image="slipway/trainer:0.1.0",
        script="train.py",
    )

    def build() -> pulumi.Output[str]:
        return TrainingRun(spec.run, TrainingRunArgs(spec=spec, pool=pool("p5.48xlarge", efa=True))).job

    return declared(build)


def test_a_job_that_was_made_is_left_alone() -> None:
    job = run().get("kubernetes:batch/v1:Job")
    assert job.options["ignoreChanges"] == ["spec", "metadata"], "its controller owns it, and a change would replace it"
    assert job.inputs["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true"


def test_the_job_comes_after_what_its_pods_need() -> None:
    made = run()
    job = made.get("kubernetes:batch/v1:Job")
    types = {made.by_urn(urn).type for urn in job.dependencies}
    assert {"kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:NetworkPolicy"} <= types


def test_every_component_has_its_token_and_parents_its_children() -> None:
    made = {
        DevicePlugins: plugins(p5_48xlarge=True),
        TeamNamespace: namespace(TeamNamespaceArgs(namespace="research")),
        LustreVolume: volume(),
        TrainingRun: run(),
    }
    for component, recording in made.items():
        token = tokens.TOKENS[f"{component.__module__}.{component.__qualname__}"]
        parent = recording.get(token)
        custom = [item for item in recording.resources if item.custom]
        assert custom
        assert {item.parent for item in custom} == {parent.urn}, f"children of {token}"
        assert parent.registered_outputs, f"{token} registers its outputs"
