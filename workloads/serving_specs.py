"""What a model service is, as plain data: no cloud, no Kubernetes, no Pulumi resource."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.outputs import Observables
from workloads.specs import NodeShare

LOAD_GIB_PER_SECOND = 0.25
"""An assumption, not a measurement: twice a gp3 volume's 125 MB/s, its slowest. Others are ready early."""
ENGINE_SECONDS = 180
"""Compilation, graph capture and warm-up of an engine before it answers, whatever the model's size."""
HTTP_PORT = 8080
"""Where KServe's Service sends requests, unless the container names another port."""


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    """A model that never changes under its address; ``size_gib`` is the size of its weights."""

    uri: str
    size_gib: int


@dataclass(frozen=True, kw_only=True)
class ContainerServer:
    """An image of one's own that reads the model from ``/mnt/models`` and answers on ``HTTP_PORT``."""

    image: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RuntimeServer:
    """A serving runtime of the platform, for models of ``model_format``."""

    runtime: str
    model_format: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InferenceSpec:
    """One model, served by ``min_replicas`` to ``max_replicas`` pods that each hold ``share.accelerators``."""

    name: str
    namespace: str
    pool: str
    model: ModelSource
    server: ContainerServer | RuntimeServer
    share: NodeShare
    min_replicas: int = 1
    max_replicas: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    startup_seconds: int | None = None
    """Time that a replica may take before it answers; unset: what the model's size asks for."""
    service_account: str | None = None
    """Bound to a cloud role that may read the model; unset: the namespace's default."""
    credential_endpoints: tuple[tuple[str, int], ...] = ()
    """(IPv4 address, TCP port) where that role's credentials come from."""
    pull_secret: str | None = None
    observables: Observables = field(
        default_factory=lambda: Observables(ports={"http": HTTP_PORT}, health_path="/health")
    )

    @property
    def accelerators(self) -> int:
        """Accelerators of all replicas when scaled up."""
        return self.max_replicas * self.share.accelerators

    @property
    def startup_limit_seconds(self) -> int:
        """After this time a replica that does not answer is started again."""
        return self.startup_seconds or needed_startup_seconds(self.model.size_gib)


def needed_startup_seconds(size_gib: int) -> int:
    """What a model of this size takes at the pessimistic rates above. The download before it is not counted."""
    return math.ceil(ENGINE_SECONDS + size_gib / LOAD_GIB_PER_SECOND)
