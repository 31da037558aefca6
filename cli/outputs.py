"""What a stack exports, as the commands read it: the contract of ``stacks/__main__.py``."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from cli.errors import UserError
from cli.exits import Exit


class _Export(BaseModel):
    """A newer program may export more than this version reads."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


class PoolExport(_Export):
    """A node pool with what each of its nodes must offer."""

    name: str
    instance_type: str
    nodes: int
    accelerator_model: str | None = None
    gpus_per_node: int = 0
    efa_per_node: int = 0
    gpu_resource: str | None = None
    fabric_resources: Mapping[str, int] = {}
    node_selector: Mapping[str, str] = {}
    profile: Mapping[str, Any] = {}

    @property
    def gpus(self) -> int:
        """Accelerators of the whole pool."""
        return self.nodes * self.gpus_per_node

    @property
    def efa_interfaces(self) -> int:
        """EFA interfaces of the whole pool."""
        return self.nodes * self.efa_per_node


class ClusterExport(_Export):
    """A cluster and the way in; the kubeconfig holds no secret."""

    name: str
    cluster_name: str
    endpoint: str
    version: str
    kubeconfig: str
    pools: tuple[PoolExport, ...] = ()


class StorageExport(_Export):
    """A file system and the claim that pods mount."""

    name: str
    kind: str
    id: str
    capacity_gib: int
    namespace: str | None = None
    claim: str | None = None
    zone: str | None = None


class TrainingExport(_Export):
    """A training run and the Job or TrainJob (``runner``) that it is."""

    name: str
    run: str
    namespace: str
    job: str
    nodes: int
    gpus: int
    queue: str | None = None
    runner: str = "job"
    processes: int = 0
    checkpoints: str | None = None


class QueueExport(_Export):
    """One team's queue: its own nodes by pool, and the most that it may borrow."""

    team: str
    cluster_queue: str
    local_queue: str
    cohort: str | None = None
    weight: int = 1
    nodes: Mapping[str, int] = {}
    borrowing: Mapping[str, int] = {}


class InferenceExport(_Export):
    """A model service and its bounds."""

    name: str
    namespace: str
    pool: str
    min_replicas: int
    max_replicas: int
    gpus_per_replica: int
    gpu_resource: str | None = None


class StackOutputs(_Export):
    """All exports of a stack."""

    environment: str
    account: str
    region: str
    clusters: tuple[ClusterExport, ...] = ()
    storage: tuple[StorageExport, ...] = ()
    queues: tuple[QueueExport, ...] = ()
    training: tuple[TrainingExport, ...] = ()
    inference: tuple[InferenceExport, ...] = ()
    data_lake: Mapping[str, Any] | None = None


def parse_outputs(text: str, *, stack: str) -> StackOutputs:
    """The exports in the JSON of ``pulumi stack output --json``.

    Raises:
        UserError: the stack is not up, or exports something else.
    """
    return parse_exports(json.loads(text or "{}"), stack=stack)


def parse_exports(document: Mapping[str, Any], *, stack: str) -> StackOutputs:
    """The exports as a program or an engine hands them over; raises as ``parse_outputs`` does."""
    if not document:
        raise UserError(
            "the stack has no outputs: it is not up, or its last update did not finish",
            value=stack,
            fix=f"run `slipway up {stack}`",
            status=Exit.NOT_READY,
        )
    try:
        return StackOutputs.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UserError(
            f"the stack exports something that this version cannot read: {first['msg']}",
            where=".".join(str(step) for step in first["loc"]),
            fix=f"run `slipway up {stack}`, so that the exports match this checkout",
        ) from error
