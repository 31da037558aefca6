import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from components.aws.cluster import Cluster, ClusterArgs
from components.aws.cluster_addons import ClusterAddons, ClusterAddonsArgs
from components.aws.network import Network
from components.outputs import AcceleratorKind, FabricProfile, PoolOutputs, Taint
from local.cloud.plan import record
from local.cloud.recording import Recording
from tests.support.aws_components import ACCOUNT, DEPLOYER, REGION, aws_platform, cluster_args, network_args, stand_ins

CLUSTER = "aws:eks/cluster:Cluster"
ADDON = "aws:eks/addon:Addon"
CPU = FabricProfile(
    accelerator=AcceleratorKind.NONE, accelerator_model="", accelerators_per_node=0, accelerator_resource=None
)
Change = Callable[[ClusterArgs], ClusterArgs]


def built(change: Change = lambda args: args) -> Recording:
    def program() -> dict[str, object]:
        network = Network("main", replace(network_args(), interface_endpoints=(), nat_per_zone=False))
        cluster = Cluster("main", change(cluster_args(network.outputs)))
        outputs = cluster.outputs
        return {
            "kubeconfig": cluster.kubeconfig,
            "identifier": outputs.identifier,
            "physical": outputs.physical_name,
            "group": outputs.security_group_id,
        }

    return record(program)


@cache
def cluster() -> Recording:
    return built()


@cache
def platform() -> Recording:
    def program() -> None:
        aws_platform()

    return record(program)


def test_only_access_entries_let_anybody_in() -> None:
    assert cluster().get(CLUSTER).inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    entry = cluster().get("aws:eks/accessEntry:AccessEntry")
    grant = cluster().get("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    assert (entry.name, entry.inputs["principalArn"]) == ("main-admin-role-slipway-deployer", DEPLOYER)
    assert grant.inputs["policyArn"].endswith("cluster-access-policy/AmazonEKSClusterAdminPolicy")
    assert entry.urn in grant.dependencies


def test_the_control_planes_log_group_is_declared_before_the_cluster_that_would_make_it() -> None:
    group = cluster().get("aws:cloudwatch/logGroup:LogGroup", "main-log-group")
    assert group.inputs["name"] == "/aws/eks/slipway-test-main/cluster"
    assert group.urn in cluster().get(CLUSTER).dependencies
    assert group.inputs["kmsKeyId"] == cluster().get("aws:kms/key:Key", "main-key").outputs["arn"]


def test_every_log_is_on_and_secrets_are_encrypted_with_the_clusters_own_key() -> None:
    inputs = cluster().get(CLUSTER).inputs
    assert sorted(inputs["enabledClusterLogTypes"]) == [
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    ]
    key = cluster().get("aws:kms/key:Key", "main-key")
    assert inputs["encryptionConfig"] == {"provider": {"keyArn": key.outputs["arn"]}, "resources": ["secrets"]}
    assert key.inputs["enableKeyRotation"] is True


def test_the_cluster_waits_for_its_roles_policy() -> None:
    policy = cluster().get("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "main-role-AmazonEKSClusterPolicy")
    assert policy.urn in cluster().get(CLUSTER).dependencies


def test_the_endpoint_is_private_unless_told_otherwise() -> None:
    private = built(lambda args: replace(args, endpoint_public_access=False, public_access_cidrs=()))
    config = private.get(CLUSTER).inputs["vpcConfig"]
    assert (config["endpointPublicAccess"], config["endpointPrivateAccess"]) == (False, True)
    assert "publicAccessCidrs" not in config
    public = cluster().get(CLUSTER).inputs["vpcConfig"]
    assert (public["endpointPublicAccess"], public["publicAccessCidrs"]) == (True, ["203.0.113.0/24"])


def test_deletion_protection_is_on_unless_the_settings_turn_it_off() -> None:
    assert ClusterArgs.__dataclass_fields__["deletion_protection"].default is True
    assert cluster().get(CLUSTER).inputs["deletionProtection"] is False


def test_the_kubeconfig_waits_for_the_admins_and_holds_a_command() -> None:
    config = json.loads(cluster().result["kubeconfig"])
    assert config["users"][0]["user"]["exec"]["args"] == [
        "kube-token",
        "--cluster",
        "slipway-test-main",
        "--region",
        REGION,
    ]
    assert config["clusters"][0]["cluster"]["server"] == cluster().get(CLUSTER).outputs["endpoint"]


def test_the_identifier_is_known_before_the_cluster_exists() -> None:
    assert cluster().result["identifier"] == f"aws/{ACCOUNT}/{REGION}/slipway-test-main"
    assert cluster().result["physical"] == cluster().get(CLUSTER).inputs["name"]


def test_what_nodes_need_is_installed_with_the_cluster_and_what_needs_nodes_after_the_pool() -> None:
    addons = {item.inputs["addonName"]: item for item in platform().of_type(ADDON)}
    assert sorted(addons) == [
        "aws-fsx-csi-driver",
        "coredns",
        "eks-node-monitoring-agent",
        "eks-pod-identity-agent",
        "kube-proxy",
        "vpc-cni",
    ]
    system = platform().get("aws:eks/nodeGroup:NodeGroup", "system")
    for name in ("vpc-cni", "kube-proxy", "eks-pod-identity-agent", "eks-node-monitoring-agent"):
        assert addons[name].urn in system.dependencies
        assert system.urn not in addons[name].dependencies
    for name in ("coredns", "aws-fsx-csi-driver"):
        assert system.urn in addons[name].dependencies


def test_only_addons_that_call_aws_get_a_role() -> None:
    roles = {
        item.inputs["addonName"]: [each["serviceAccount"] for each in item.inputs.get("podIdentityAssociations") or []]
        for item in platform().of_type(ADDON)
    }
    assert {name: accounts for name, accounts in roles.items() if accounts} == {
        "vpc-cni": ["aws-node"],
        "aws-fsx-csi-driver": ["fsx-csi-controller-sa"],
    }


def test_the_cni_enforces_network_policies() -> None:
    (cni,) = [item for item in cluster().of_type(ADDON) if item.inputs["addonName"] == "vpc-cni"]
    assert json.loads(cni.inputs["configurationValues"]) == {"enableNetworkPolicy": "true"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda args: replace(args, public_access_cidrs=()), "everybody"),
        (lambda args: replace(args, endpoint_public_access=False), "the public endpoint is off"),
        (lambda args: replace(args, admins=("me",)), "is not the ARN"),
        (lambda args: replace(args, version="1.36.3"), "write for example 1.36"),
        (lambda args: replace(args, cluster_name="-x"), "cluster_name '-x' is refused"),
        (lambda args: replace(args, support_type="FOREVER"), "allowed are STANDARD, EXTENDED"),
        (lambda args: replace(args, log_retention_days=91), "log_retention_days 91 is not offered"),
        (lambda args: replace(args, account_id="x"), "is not an AWS account"),
    ],
)
def test_bad_cluster_arguments_are_refused(change: Change, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        record(lambda: Cluster("main", change(cluster_args(stand_ins()[0]))), packages={})


@pytest.mark.parametrize(
    ("addons", "taints", "says"),
    [
        (("vpc-cni",), (), "already installed by the cluster"),
        (("nonsense",), (), "'nonsense' is not in components/versions.py"),
        (("coredns",), (Taint(key="gpu", value="", effect="NoSchedule"),), "no pool without taints"),
    ],
)
def test_bad_addon_arguments_are_refused(addons: tuple[str, ...], taints: tuple[Taint, ...], says: str) -> None:
    def program() -> None:
        _, cluster = stand_ins()
        pool = PoolOutputs(
            name="system",
            instance_type="m7i.2xlarge",
            nodes=2,
            profile=replace(CPU, taints=taints),
            zones=(),
            vcpus_per_node=8,
            memory_gib_per_node=32,
            ready=cluster.addons_ready,
        )
        ClusterAddons("addons", ClusterAddonsArgs(cluster=cluster, pools=(pool,), addons=addons))

    with pytest.raises(ValueError, match=says):
        record(program, packages={})


def test_a_private_endpoint_answers_the_network_and_a_public_cluster_opens_nothing_there() -> None:
    rule = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

    def ways(recording: Recording) -> list[tuple[object, ...]]:
        found = [item for item in recording.resources if item.type == rule and item.name == "main-private-endpoint"]
        return [(item.inputs["cidrIpv4"], item.inputs["fromPort"], item.inputs["toPort"]) for item in found]

    private = built(lambda args: replace(args, endpoint_public_access=False, public_access_cidrs=()))
    public = built(lambda args: replace(args, endpoint_public_access=True, public_access_cidrs=("203.0.113.0/24",)))
    assert (ways(private), ways(public)) == ([(network_args().cidr, 443, 443)], [])
