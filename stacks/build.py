"""Settings in, a platform out. Composes components and workloads; spells no resource itself."""

from collections.abc import Mapping, Sequence

import pulumi

from components import versions
from components.kubernetes.device_plugins import DevicePlugins, DevicePluginsArgs
from components.kubernetes.kserve import KServe, KServeArgs
from components.kubernetes.lustre_volume import LustreVolume, LustreVolumeArgs
from components.kubernetes.namespaces import TeamNamespace, TeamNamespaceArgs
from components.kubernetes.provider import provider as kubernetes_provider
from components.kubernetes.pull_secret import PullCredentials
from components.kubernetes.service_accounts import BoundServiceAccount, BoundServiceAccountArgs
from components.kubernetes.team_directories import TeamDirectories, TeamDirectoriesArgs
from components.outputs import PoolOutputs
from stacks.aws_platform import Platform, aws_platform
from stacks.exports import (
    AccessExport,
    ClusterExport,
    Exports,
    InferenceExport,
    PoolExport,
    StorageExport,
    TrainingExport,
)
from stacks.inference import Inference, RuntimeServing
from stacks.places import AwsPlace
from stacks.queues import Queues, queued, queues, team_queues, training_operator, waits
from stacks.queues import exports as queue_exports
from stacks.runs import inference_spec, models_account, pool_of, pulled, training_spec
from stacks.sections import PublicAccess, Registry, Team, TunnelAccess
from stacks.settings import Settings
from stacks.training import Training
from workloads.deploy import TrainingRun, TrainingRunArgs
from workloads.serve import InferenceService, InferenceServiceArgs

Waitable = pulumi.Output[str]


def build(settings: Settings) -> Exports:
    """Everything of one stack.

    Args:
        settings: Valid settings; what they can get wrong was told when they were read.

    Returns:
        The stack's exports, by name.
    """
    if not isinstance(settings.place, AwsPlace):
        raise NotImplementedError(f"no platform for {type(settings.place).__name__}")
    platform = aws_platform(settings, settings.place)
    pools = list(platform.pools.values())
    opts = pulumi.ResourceOptions(providers=[kubernetes_provider("kubernetes", platform.cluster)])
    plugins = DevicePlugins(
        "device-plugins", DevicePluginsArgs(pools=pools, charts_mirror=settings.charts.mirror), opts
    )
    operator = training_operator(settings, platform.dns, pools, opts)
    queueing = queues(settings, pools, [platform.dns, *waits(operator)], opts)
    # What is left in a namespace ends through these, so they outlive it.
    before = [*(pool.ready for pool in pools), *waits(operator), *waits(queueing)]
    namespaces = {team.name: _namespace(team, settings, before, opts) for team in settings.teams}
    waiting = team_queues(queueing, {name: item.ready for name, item in namespaces.items()}, opts)
    claims = {
        (team.name, storage): _volume(team.name, storage, platform, namespaces[team.name].namespace, opts)
        for team in settings.teams
        for storage in team.storage
    }
    directories = {
        item.name: _directories(item.name, settings, platform, opts)
        for item in settings.storage
        if any(item.name in team.storage for team in settings.teams)
    }
    runs = []
    for run in settings.training:
        ready = [platform.dns, plugins.ready, namespaces[run.team].ready]
        ready += [*waits(waiting.get(run.team)), *(waits(operator) if run.runner == "trainer" else ())]
        if run.storage is not None:
            ready += [claims[run.team, run.storage], directories[run.storage]]
        runs.append(_training(run, settings, platform, ready, opts))
    services: list[InferenceExport] = []
    accounts = _service_accounts(platform, namespaces, opts)
    if settings.inference:
        kserve = _kserve(settings, platform, pools, opts)
        for service in settings.inference:
            ready = [platform.dns, plugins.ready, namespaces[service.team].ready, kserve.ready]
            ready += [bound for key, bound in accounts.items() if key == (service.team, models_account(service))]
            services.append(_inference(service, settings, platform, ready, opts))
    return _exports(settings, platform, queueing, runs, services)


def _namespace(
    team: Team, settings: Settings, ready: Sequence[Waitable], opts: pulumi.ResourceOptions
) -> TeamNamespace:
    args = TeamNamespaceArgs(
        namespace=team.name,
        gpus=team.gpus,
        cpus=team.cpus,
        memory_gib=team.memory_gib,
        kubernetes_version=settings.cluster.version,
        pull_credentials=_pull_credentials(settings.registry),
        ready=ready,
    )
    return TeamNamespace(team.name, args, opts)


def _pull_credentials(registry: Registry) -> PullCredentials | None:
    if registry.credentials is None:
        return None
    return PullCredentials(
        registry=registry.prefix,
        username=registry.credentials.username,
        password=pulumi.Output.secret(registry.credentials.password.get_secret_value()),
    )


def _volume(team: str, storage: str, platform: Platform, namespace: Waitable, opts: pulumi.ResourceOptions) -> Waitable:
    source = platform.storage[storage]
    args = LustreVolumeArgs(
        storage=source,
        namespace=namespace,
        namespace_name=team,
        claim=storage,
        ready=[platform.storage_drivers[source.driver]],
    )
    return LustreVolume(f"{team}-{storage}", args, opts).claim


def _directories(storage: str, settings: Settings, platform: Platform, opts: pulumi.ResourceOptions) -> Waitable:
    source = platform.storage[storage]
    args = TeamDirectoriesArgs(
        storage=source,
        teams=[team.name for team in settings.teams if storage in team.storage],
        ready=[platform.storage_drivers[source.driver], *(pool.ready for pool in platform.pools.values())],
        image=pulled(versions.IMAGES["shell"], settings.registry),
        pull_credentials=_pull_credentials(settings.registry),
    )
    return TeamDirectories(f"{storage}-directories", args, opts).ready


def _training(
    run: Training, settings: Settings, platform: Platform, ready: Sequence[Waitable], opts: pulumi.ResourceOptions
) -> TrainingExport:
    spec = training_spec(queued(run, settings), pool_of(run, settings.pools), settings.registry)
    TrainingRun(spec.run, TrainingRunArgs(spec=spec, pool=platform.pools[run.pool], ready=ready), opts)
    return TrainingExport(
        name=spec.name,
        run=spec.run,
        namespace=spec.namespace,
        job=spec.run,
        nodes=spec.nodes,
        gpus=spec.accelerators,
        queue=spec.queue,
        runner=str(spec.runner),
        processes=spec.world_size,
        checkpoints=spec.checkpoint_directory,
    )


def _kserve(
    settings: Settings, platform: Platform, pools: Sequence[PoolOutputs], opts: pulumi.ResourceOptions
) -> KServe:
    runtimes = {item.server.runtime for item in settings.inference if isinstance(item.server, RuntimeServing)}
    args = KServeArgs(
        charts_mirror=settings.charts.mirror,
        runtimes=tuple(sorted(runtimes)),
        ready=(platform.dns, *(pool.ready for pool in pools)),
    )
    return KServe("kserve", args, opts)


def _service_accounts(
    platform: Platform, namespaces: Mapping[str, TeamNamespace], opts: pulumi.ResourceOptions
) -> dict[tuple[str, str], Waitable]:
    """Resolve once pods of (namespace, service account) get their role."""
    return {
        (namespace, account): BoundServiceAccount(
            f"{namespace}-{account}-account",
            BoundServiceAccountArgs(
                identity=identity,
                namespace=namespaces[namespace].namespace,
                ready=[namespaces[namespace].ready],
            ),
            opts,
        ).ready
        for (namespace, account), identity in platform.identities.items()
    }


def _inference(
    service: Inference, settings: Settings, platform: Platform, ready: Sequence[Waitable], opts: pulumi.ResourceOptions
) -> InferenceExport:
    pool = platform.pools[service.pool]
    spec = inference_spec(
        service,
        pool_of(service, settings.pools),
        settings.registry,
        lake_bucket=platform.data_lake.physical_name if platform.data_lake else None,
        identity=platform.identities.get((service.team, models_account(service))),
    )
    InferenceService(f"{spec.namespace}-{spec.name}", InferenceServiceArgs(spec=spec, pool=pool, ready=ready), opts)
    return InferenceExport(
        name=spec.name,
        namespace=spec.namespace,
        pool=spec.pool,
        minReplicas=spec.min_replicas,
        maxReplicas=spec.max_replicas,
        gpusPerReplica=spec.share.accelerators,
        gpuResource=pool.profile.accelerator_resource,
    )


def _exports(
    settings: Settings,
    platform: Platform,
    queueing: Queues | None,
    runs: Sequence[TrainingExport],
    services: Sequence[InferenceExport],
) -> Exports:
    cluster = platform.cluster
    lake = platform.data_lake
    return Exports(
        environment=settings.environment,
        account=platform.account,
        region=platform.region,
        clusters=[
            ClusterExport(
                name=cluster.name,
                clusterName=cluster.cluster_name,
                endpoint=cluster.endpoint,
                version=cluster.kubernetes_version,
                kubeconfig=cluster.kubeconfig,
                access=_access(settings),
                pools=[_pool(pool) for pool in platform.pools.values()],
            )
        ],
        storage=_storage(settings, platform),
        queues=queue_exports(settings, queueing),
        training=runs,
        inference=services,
        dataLake={"name": lake.name, "bucket": lake.bucket, "uri": lake.uri} if lake else None,
    )


def _access(settings: Settings) -> AccessExport:
    access = settings.access
    return AccessExport(
        kind=access.kind,
        cidrs=list(access.cidrs) if isinstance(access, PublicAccess) else [],
        proxyUrl=access.proxy_url if isinstance(access, TunnelAccess) else None,
    )


def _pool(pool: PoolOutputs) -> PoolExport:
    profile = pool.profile
    return PoolExport(
        name=pool.name,
        instanceType=pool.instance_type,
        nodes=pool.nodes,
        zones=list(pool.zones),
        acceleratorModel=profile.accelerator_model,
        gpusPerNode=profile.accelerators_per_node,
        efaPerNode=profile.fabric_resources.get("vpc.amazonaws.com/efa", 0),
        gpuResource=profile.accelerator_resource,
        fabricResources=dict(profile.fabric_resources),
        nodeSelector=dict(profile.node_selector),
        profile=profile.to_json(),
    )


def _storage(settings: Settings, platform: Platform) -> list[StorageExport]:
    rows: list[StorageExport] = []
    for item in settings.storage:
        source = platform.storage[item.name]
        teams: list[str | None] = [team.name for team in settings.teams if item.name in team.storage]
        rows.extend(
            StorageExport(
                name=item.name,
                kind=source.kind,
                id=source.handle,
                capacityGib=source.capacity_gib,
                namespace=team,
                claim=item.name if team else None,
                zone=source.zone,
            )
            for team in teams or [None]
        )
    return rows
