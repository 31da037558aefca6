"""Type tokens of all components: part of every URN, so a change here replaces what people have."""

from types import MappingProxyType

import pulumi

TOKENS = MappingProxyType(
    {
        "components.aws.budget.StackBudget": "slipway:aws:StackBudget",
        "components.aws.cluster.Cluster": "slipway:aws:Cluster",
        "components.aws.cluster_addons.ClusterAddons": "slipway:aws:ClusterAddons",
        "components.aws.data_lake.DataLake": "slipway:aws:DataLake",
        "components.aws.gpu_nodes.GpuNodePool": "slipway:aws:GpuNodePool",
        "components.aws.identity.PodIdentity": "slipway:aws:PodIdentity",
        "components.aws.network.Network": "slipway:aws:Network",
        "components.aws.node_pool.NodePool": "slipway:aws:NodePool",
        "components.aws.storage.LustreFileSystem": "slipway:aws:LustreFileSystem",
        "components.kubernetes.device_plugins.DevicePlugins": "slipway:kubernetes:DevicePlugins",
        "components.kubernetes.kserve.KServe": "slipway:kubernetes:KServe",
        "components.kubernetes.lustre_volume.LustreVolume": "slipway:kubernetes:LustreVolume",
        "components.kubernetes.namespaces.TeamNamespace": "slipway:kubernetes:TeamNamespace",
        "components.kubernetes.queueing.Queueing": "slipway:kubernetes:Queueing",
        "components.kubernetes.service_accounts.BoundServiceAccount": "slipway:kubernetes:BoundServiceAccount",
        "components.kubernetes.team_directories.TeamDirectories": "slipway:kubernetes:TeamDirectories",
        "components.kubernetes.team_queue.TeamQueue": "slipway:kubernetes:TeamQueue",
        "components.kubernetes.training_operator.TrainingOperator": "slipway:kubernetes:TrainingOperator",
        "workloads.deploy.TrainingRun": "slipway:workloads:TrainingRun",
        "workloads.serve.InferenceService": "slipway:workloads:InferenceService",
    }
)
"""Class path -> type token. A class that moves keeps its token."""


def of(component: pulumi.ComponentResource) -> str:
    """The token of ``component``'s class; KeyError names a class that was not listed."""
    kind = type(component)
    return TOKENS[f"{kind.__module__}.{kind.__qualname__}"]
