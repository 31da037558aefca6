"""A platform on AWS, composed from components: network, cluster, pools, data lake, file systems."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pulumi

from components.aws.block_schedule import BlockPeriod
from components.aws.budget import StackBudget, StackBudgetArgs
from components.aws.capacity import CapacityType, ScalingOwner
from components.aws.cluster import Cluster, ClusterArgs
from components.aws.cluster_addons import ClusterAddons, ClusterAddonsArgs
from components.aws.data_lake import DataLake, DataLakeArgs
from components.aws.endpoints import DEFAULT_INTERFACE_ENDPOINTS
from components.aws.gpu_nodes import GpuNodePool, GpuNodePoolArgs
from components.aws.network import Network, NetworkArgs
from components.aws.node_pool import NodePool, NodePoolArgs
from components.aws.outputs import AwsClusterOutputs, DataLakeOutputs
from components.aws.provider import provider as aws_provider
from components.aws.storage import DataRepository, LustreArgs, LustreFileSystem
from components.outputs import ClusterOutputs, NetworkOutputs, PoolOutputs, StorageOutputs, WorkloadIdentity
from components.tags import TTL, stack_tags
from stacks.aws_identities import model_identities
from stacks.places import AwsPlace
from stacks.pool_rules import is_accelerated, starting_nodes, takes_everybody
from stacks.sections import CapacityBlock, LustreStorage, Pool, PublicAccess, Reservation, Spot, TunnelAccess
from stacks.settings import Settings
from stacks.storage_rules import lustre_shape

CAPACITY = {
    "onDemand": CapacityType.ON_DEMAND,
    "spot": CapacityType.SPOT,
    "reservation": CapacityType.RESERVATION,
    "capacityBlock": CapacityType.CAPACITY_BLOCK,
}
SCALING = {
    "settings": ScalingOwner.SETTINGS,
    "autoscaler": ScalingOwner.AUTOSCALER,
    "schedule": ScalingOwner.AUTOSCALER,
}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What add-ons and workloads need to know of a platform, whichever cloud made it."""

    account: str
    region: str
    cluster: ClusterOutputs
    pools: Mapping[str, PoolOutputs]
    storage: Mapping[str, StorageOutputs]
    storage_drivers: Mapping[str, pulumi.Output[str]]
    """CSI driver name -> resolves once it is installed."""
    dns: pulumi.Output[str]
    """Resolves once names of Services resolve."""
    data_lake: DataLakeOutputs | None
    identities: Mapping[tuple[str, str], WorkloadIdentity]
    """Roles of service accounts, by (namespace, service account)."""


def aws_platform(settings: Settings, place: AwsPlace) -> Platform:
    """Everything of ``settings`` that AWS provides."""
    tags = _tags(settings)
    provider = aws_provider(
        "aws",
        account_id=place.account_id,
        region=place.region,
        tags=tags,
        role_arn=place.deployer_role_arn if place.assume_role else None,
    )
    opts = pulumi.ResourceOptions(providers=[provider])
    network = _network(place, opts)
    cluster = _cluster(settings, place, network, opts)
    # A tag of machines is part of their launch template: to change one replaces every node, and a ttl is changed often.
    marks = {key: value for key, value in tags.items() if key != TTL}
    pools = {pool.name: _pool(pool, cluster, network, marks, opts) for pool in settings.pools}
    # Add-ons run on nodes that no taint repels; accelerated pools may still be waiting for capacity.
    plain = [pools[pool.name] for pool in settings.pools if takes_everybody(pool)]
    addons = ClusterAddons(
        f"{settings.cluster.name}-addons",
        ClusterAddonsArgs(cluster=cluster, pools=plain, addon_versions=settings.cluster.addon_versions),
        opts,
    )
    lake = _data_lake(settings, place, opts)
    _budget(settings, opts)
    storage = {
        item.name: _storage(item, network, cluster, lake, protect=settings.protect, opts=opts)
        for item in settings.storage
    }
    return Platform(
        account=place.account_id,
        region=place.region,
        cluster=cluster,
        pools=pools,
        storage=storage,
        storage_drivers={"fsx.csi.aws.com": addons.outputs.ready["aws-fsx-csi-driver"]},
        dns=addons.outputs.ready["coredns"],
        data_lake=lake,
        identities=model_identities(settings, cluster, lake, opts),
    )


def _budget(settings: Settings, opts: pulumi.ResourceOptions) -> None:
    budget = settings.budget
    if budget is None or budget.notify is None:
        return
    args = StackBudgetArgs(
        monthly_usd=budget.monthly_usd,
        emails=budget.notify.emails,
        warn_percent=budget.warn_percent,
        topic_arn=budget.notify.topic_arn,
        anomaly_usd=budget.notify.anomaly_usd,
    )
    StackBudget("costs", args, opts)


def _tags(settings: Settings) -> dict[str, str]:
    return stack_tags(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        environment=settings.environment,
        owner=settings.owner,
        cost_center=settings.cost_center,
        ttl=settings.ttl,
        extra=settings.tags,
    )


def _network(place: AwsPlace, opts: pulumi.ResourceOptions) -> NetworkOutputs:
    args = NetworkArgs(
        account_id=place.account_id,
        region=place.region,
        zones=place.network.zones,
        cidr=place.network.cidr,
        nat_per_zone=place.network.nat_per_zone,
        interface_endpoints=DEFAULT_INTERFACE_ENDPOINTS if place.network.interface_endpoints else (),
        flow_log_retention_days=place.network.flow_log_retention_days,
    )
    return Network("network", args, opts).outputs


def _cluster(
    settings: Settings, place: AwsPlace, network: NetworkOutputs, opts: pulumi.ResourceOptions
) -> AwsClusterOutputs:
    access = settings.access
    args = ClusterArgs(
        network=network,
        account_id=place.account_id,
        version=settings.cluster.version,
        admins=access.admins,
        endpoint_public_access=isinstance(access, PublicAccess),
        endpoint_private_access=True,
        public_access_cidrs=access.cidrs if isinstance(access, PublicAccess) else (),
        proxy_url=access.proxy_url if isinstance(access, TunnelAccess) else None,
        kubeconfig_role_arn=place.deployer_role_arn if place.assume_role else None,
        deletion_protection=settings.protect,
        log_retention_days=settings.cluster.log_retention_days,
        addon_versions=settings.cluster.addon_versions,
    )
    return Cluster(settings.cluster.name, args, opts).outputs


def _pool(
    pool: Pool,
    cluster: AwsClusterOutputs,
    network: NetworkOutputs,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> PoolOutputs:
    if not is_accelerated(pool):
        plain = NodePoolArgs(
            cluster=cluster,
            network=network,
            instance_type=pool.instance_type,
            nodes=starting_nodes(pool),
            min_nodes=starting_nodes(pool),
            max_nodes=pool.nodes,
            scaling_owner=SCALING[pool.scaling.owner],
            zones=pool.zones,
            spot=isinstance(pool.capacity, Spot),
            root_volume_gib=pool.disk_gib,
            labels=pool.labels,
            dedicated=pool.dedicated,
            node_repair=pool.node_repair,
            ami_release=pool.ami_release,
            tags=tags,
        )
        return NodePool(pool.name, plain, opts).outputs
    capacity = pool.capacity
    args = GpuNodePoolArgs(
        cluster=cluster,
        network=network,
        instance_type=pool.instance_type,
        nodes=starting_nodes(pool),
        min_nodes=starting_nodes(pool),
        max_nodes=pool.nodes,
        scaling_owner=SCALING[pool.scaling.owner],
        zones=pool.zones,
        efa=pool.fabric == "efa",
        capacity=CAPACITY[capacity.kind],
        capacity_reservation_id=capacity.id if isinstance(capacity, Reservation | CapacityBlock) else None,
        confirm_capacity_block=isinstance(capacity, CapacityBlock) and capacity.confirm,
        block=_block(capacity) if isinstance(capacity, CapacityBlock) else None,
        placement_group=pool.placement_group,
        root_volume_gib=pool.disk_gib,
        labels=pool.labels,
        dedicated=pool.dedicated,
        node_repair=pool.node_repair,
        ami_release=pool.ami_release,
        delete_before_replace=pool.replacement != "createFirst",
        tags=tags,
    )
    return GpuNodePool(pool.name, args, opts).outputs


def _block(capacity: CapacityBlock) -> BlockPeriod | None:
    if capacity.starts is None or capacity.ends is None:
        return None
    return BlockPeriod(
        reservation_id=capacity.id,
        starts=datetime.fromisoformat(capacity.starts),
        ends=datetime.fromisoformat(capacity.ends),
    )


def _data_lake(settings: Settings, place: AwsPlace, opts: pulumi.ResourceOptions) -> DataLakeOutputs | None:
    if settings.data_lake is None:
        return None
    args = DataLakeArgs(
        account_id=place.account_id,
        region=place.region,
        noncurrent_version_days=settings.data_lake.noncurrent_days,
        # An unprotected stack is one that may be lost with all that is in it; a bucket that is not empty would stay.
        force_destroy=not settings.protect and not settings.data_lake.retain,
        protect=settings.protect,
        retain=settings.data_lake.retain,
    )
    return DataLake(settings.data_lake.name, args, opts).outputs


def _storage(
    item: LustreStorage,
    network: NetworkOutputs,
    cluster: AwsClusterOutputs,
    lake: DataLakeOutputs | None,
    *,
    protect: bool,
    opts: pulumi.ResourceOptions,
) -> StorageOutputs:
    repositories = {
        repository.key: DataRepository(
            s3_uri=pulumi.Output.concat(lake.uri, "/", repository.prefix.rstrip("/")),
            path=repository.path,
            auto_export=repository.auto_export,
        )
        for repository in item.data_repositories
        if lake is not None
    }
    args = LustreArgs(
        network=network,
        zone=item.zone,
        storage_capacity_gib=item.capacity_gib,
        client_security_groups={"nodes": cluster.security_group_id},
        deployment_type=item.deployment_type,
        per_unit_storage_throughput=item.throughput_mb_per_tib,
        compression=item.compression,
        data_repositories=repositories,
        metadata_mode=lustre_shape(item).metadata_mode,
        backup_retention_days=item.backup_days,
        skip_final_backup=not item.final_backup,
        protect=protect,
    )
    return LustreFileSystem(item.name, args, opts).outputs
