"""A complete small AWS platform out of components, for the tests that walk all of them."""

from dataclasses import dataclass, replace
from decimal import Decimal

import pulumi

from components.aws.budget import StackBudget, StackBudgetArgs
from components.aws.cluster import Cluster, ClusterArgs
from components.aws.cluster_addons import ClusterAddons, ClusterAddonsArgs
from components.aws.data_lake import DataLake, DataLakeArgs
from components.aws.documents import bucket_access_document
from components.aws.gpu_nodes import GpuNodePool, GpuNodePoolArgs
from components.aws.identity import PodIdentity, PodIdentityArgs
from components.aws.network import Network, NetworkArgs
from components.aws.node_pool import NodePool, NodePoolArgs
from components.aws.outputs import AwsClusterOutputs
from components.aws.storage import DataRepository, LustreArgs, LustreFileSystem
from components.outputs import NetworkOutputs

ACCOUNT = "000000000000"
REGION = "us-east-1"
ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
TRAINING_ZONE = "us-east-1b"
DEPLOYER = f"arn:aws:iam::{ACCOUNT}:role/slipway-deployer"


@dataclass(frozen=True, kw_only=True)
class Platform:
    """Every AWS component once."""

    network: Network
    cluster: Cluster
    system: NodePool
    training: GpuNodePool
    addons: ClusterAddons
    lake: DataLake
    lustre: LustreFileSystem
    identity: PodIdentity


def network_args() -> NetworkArgs:
    return NetworkArgs(account_id=ACCOUNT, region=REGION, zones=ZONES)


def cluster_args(network: NetworkOutputs) -> ClusterArgs:
    return ClusterArgs(
        network=network,
        account_id=ACCOUNT,
        admins=(DEPLOYER,),
        endpoint_public_access=True,
        public_access_cidrs=("203.0.113.0/24",),
        deletion_protection=False,
    )


def training_args(network: NetworkOutputs, cluster: AwsClusterOutputs) -> GpuNodePoolArgs:
    return GpuNodePoolArgs(
        cluster=cluster,
        network=network,
        instance_type="p5.48xlarge",
        nodes=4,
        zones=(TRAINING_ZONE,),
        efa=True,
    )


def network_and_cluster() -> tuple[Network, Cluster]:
    """The least that pools and storage need: one way out, no interface endpoints."""
    network = Network("main", replace(network_args(), interface_endpoints=(), nat_per_zone=False))
    return network, Cluster("main", cluster_args(network.outputs))


def lustre_args(network: NetworkOutputs, cluster: AwsClusterOutputs) -> LustreArgs:
    return LustreArgs(
        network=network,
        zone=TRAINING_ZONE,
        storage_capacity_gib=4800,
        client_security_groups={"nodes": cluster.security_group_id},
        protect=False,
    )


def stand_ins() -> tuple[NetworkOutputs, AwsClusterOutputs]:
    """Outputs of a network and a cluster that do not exist: enough for arguments that are refused."""
    text = pulumi.Output.from_input("x")
    network = NetworkOutputs(
        network_id=text,
        cidr="10.0.0.0/16",
        region=REGION,
        zones=ZONES,
        private_subnet_ids=dict.fromkeys(ZONES, text),
        public_subnet_ids=dict.fromkeys(ZONES, text),
    )
    cluster = AwsClusterOutputs(
        name="main",
        cluster_name=text,
        endpoint=text,
        certificate_authority=text,
        kubeconfig=text,
        identifier="x",
        kubernetes_version="1.36",
        oidc_issuer=text,
        account_id=ACCOUNT,
        region=REGION,
        physical_name="x",
        arn=text,
        security_group_id=text,
        addons_ready=text,
    )
    return network, cluster


def aws_platform() -> Platform:
    """A p5 training platform with EFA, and Lustre linked to its data lake."""
    network = Network("main", network_args())
    cluster = Cluster("main", cluster_args(network.outputs))
    system = NodePool("system", NodePoolArgs(cluster=cluster.outputs, network=network.outputs))
    training = GpuNodePool("training", training_args(network.outputs, cluster.outputs))
    addons = ClusterAddons("addons", ClusterAddonsArgs(cluster=cluster.outputs, pools=(system.outputs,)))
    lake = DataLake("lake", DataLakeArgs(account_id=ACCOUNT, region=REGION, protect=False))
    lustre_with_data = replace(
        lustre_args(network.outputs, cluster.outputs),
        data_repositories={"data": DataRepository(s3_uri=lake.outputs.uri)},
    )
    StackBudget("costs", StackBudgetArgs(monthly_usd=Decimal(900_000), emails=["costs@example.com"]))
    identity = PodIdentity(
        "trainer",
        PodIdentityArgs(
            cluster=cluster.outputs,
            namespace="research",
            service_account="trainer",
            documents={
                "data": lake.kms_key_arn.apply(
                    lambda key: bucket_access_document("arn:aws:s3:::lake", key, write=True),
                )
            },
        ),
    )
    return Platform(
        network=network,
        cluster=cluster,
        system=system,
        training=training,
        addons=addons,
        lake=lake,
        lustre=LustreFileSystem("scratch", lustre_with_data),
        identity=identity,
    )
