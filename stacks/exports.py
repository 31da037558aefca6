"""What a stack exports: the contract with the ``slipway`` command, with workload stacks and with tests.

Keys are camelCase, as everywhere in Pulumi's outputs. Nothing here is a secret.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import pulumi


class AccessExport(TypedDict):
    """How the API server is reached; ``proxyUrl`` only with kind ``tunnel``."""

    kind: str
    cidrs: Sequence[str]
    proxyUrl: str | None


class PoolExport(TypedDict):
    """A pool, with exactly what it must show when it is up."""

    name: str
    instanceType: str
    nodes: int
    zones: Sequence[str]
    acceleratorModel: str
    gpusPerNode: int
    efaPerNode: int
    gpuResource: str | None
    fabricResources: Mapping[str, int]
    nodeSelector: Mapping[str, str]
    profile: Mapping[str, Any]
    """The ``FabricProfile``, for runs that are submitted without a program."""


class ClusterExport(TypedDict):
    """A cluster; ``kubeconfig`` is JSON text that runs a command for its credential and holds none."""

    name: str
    clusterName: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    version: str
    kubeconfig: pulumi.Output[str]
    access: AccessExport
    pools: Sequence[PoolExport]


class StorageExport(TypedDict):
    """One claim on a file system, or a file system without claims (``namespace`` and ``claim`` are then null)."""

    name: str
    kind: str
    id: pulumi.Output[str]
    capacityGib: int
    namespace: str | None
    claim: str | None
    zone: str | None


class TrainingExport(TypedDict):
    """One run; ``gpus`` and ``processes`` are those of the whole run, ``runner`` is job or trainer."""

    name: str
    run: str
    namespace: str
    job: str
    nodes: int
    gpus: int
    queue: str | None
    runner: str
    processes: int
    checkpoints: str | None


class QueueExport(TypedDict):
    """One team's queue; ``nodes`` are its own by pool, ``borrowing`` the most that it may borrow."""

    team: str
    clusterQueue: str
    localQueue: str
    cohort: str | None
    weight: int
    nodes: Mapping[str, int]
    borrowing: Mapping[str, int]


class InferenceExport(TypedDict):
    """One model service; ``gpusPerReplica`` counts accelerators of any kind."""

    name: str
    namespace: str
    pool: str
    minReplicas: int
    maxReplicas: int
    gpusPerReplica: int
    gpuResource: str | None


class DataLakeExport(TypedDict):
    """The bucket."""

    name: str
    bucket: pulumi.Output[str]
    uri: pulumi.Output[str]


class Exports(TypedDict):
    """Everything that a stack exports."""

    environment: str
    account: str
    region: str
    clusters: Sequence[ClusterExport]
    storage: Sequence[StorageExport]
    queues: Sequence[QueueExport]
    training: Sequence[TrainingExport]
    inference: Sequence[InferenceExport]
    dataLake: DataLakeExport | None
