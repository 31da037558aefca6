"""A program that builds every component of the kit at least once; the contract tests read what it declares."""

from dataclasses import replace

import pulumi

from components.kubernetes.device_plugins import DevicePlugins, DevicePluginsArgs
from components.kubernetes.kserve import KServe, KServeArgs
from components.kubernetes.lustre_volume import LustreVolume, LustreVolumeArgs
from components.kubernetes.namespaces import TeamNamespace, TeamNamespaceArgs
from components.kubernetes.provider import provider
from components.kubernetes.queue_objects import TeamShare
from components.kubernetes.queueing import Queueing, QueueingArgs
from components.kubernetes.service_accounts import BoundServiceAccount, BoundServiceAccountArgs
from components.kubernetes.team_directories import TeamDirectories, TeamDirectoriesArgs
from components.kubernetes.team_queue import TeamQueue, TeamQueueArgs
from components.kubernetes.training_operator import TrainingOperator, TrainingOperatorArgs
from tests.support.aws_components import Platform, aws_platform
from workloads.deploy import TrainingRun, TrainingRunArgs
from workloads.serve import InferenceService, InferenceServiceArgs
from workloads.serving_specs import ContainerServer, InferenceSpec, ModelSource
from workloads.specs import ClaimMount, NodeShare, Runner, TrainingSpec

SPEC = TrainingSpec(
    name="pretrain",
    namespace="research",
    pool="training",
    nodes=4,
    share=NodeShare(accelerators=8, accelerators_of_node=8, vcpus=192, memory_gib=2048),
    image="slipway/trainer:0.1.0",
    script="train.py",
    mount=ClaimMount(claim="scratch", path="/shared"),
)

SERVICE = InferenceSpec(
    name="assistant",
    namespace="research",
    pool="training",
    model=ModelSource(uri="s3://models/assistant/v3", size_gib=60),
    server=ContainerServer(image="slipway/server:0.1.0"),
    share=NodeShare(accelerators=2, accelerators_of_node=8, vcpus=192, memory_gib=2048),
    min_replicas=2,
    max_replicas=2,
)


def every_component() -> None:
    """Build a platform with its add-ons and one training run."""
    platform = aws_platform()
    on_cluster = pulumi.ResourceOptions(provider=provider("main", platform.cluster.outputs))
    _in_cluster(platform, on_cluster)


def _in_cluster(platform: Platform, opts: pulumi.ResourceOptions) -> None:
    pools = (platform.system.outputs, platform.training.outputs)
    DevicePlugins("devices", DevicePluginsArgs(pools=pools, charts_mirror="https://charts.example.com"), opts)
    team = TeamNamespace("research", TeamNamespaceArgs(namespace="research", gpus=32), opts)
    LustreVolume(
        "research-scratch",
        LustreVolumeArgs(
            storage=platform.lustre.outputs, namespace=team.namespace, namespace_name="research", claim="scratch"
        ),
        opts,
    )
    TeamDirectories(
        "scratch-directories", TeamDirectoriesArgs(storage=platform.lustre.outputs, teams=["research"]), opts
    )
    TrainingRun(SPEC.run, TrainingRunArgs(spec=SPEC, pool=platform.training.outputs), opts)
    job = replace(SPEC, runner=Runner.TRAINER, max_restarts=10)
    TrainingRun(job.run, TrainingRunArgs(spec=job, pool=platform.training.outputs), opts)
    BoundServiceAccount(
        "research-trainer",
        BoundServiceAccountArgs(identity=platform.identity.outputs, namespace=team.namespace),
        opts,
    )
    share = TeamShare(team="research", nodes={"training": 3}, borrowing={"training": 1})
    queues = QueueingArgs(pools=pools, shares=[share], charts_mirror="https://charts.example.com")
    queueing = Queueing("queueing", queues, opts)
    TeamQueue("research-jobs", TeamQueueArgs(team="research", ready=[queueing.ready]), opts)
    TrainingOperator("operator", TrainingOperatorArgs(charts_mirror="https://charts.example.com"), opts)
    kserve = KServe("kserve", KServeArgs(charts_mirror="https://charts.example.com"), opts)
    args = InferenceServiceArgs(spec=SERVICE, pool=platform.training.outputs, ready=[kserve.ready])
    InferenceService("assistant", args, opts)
