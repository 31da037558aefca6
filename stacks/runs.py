"""From the settings of a run to its spec."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components import accelerators
from components.kubernetes.names import PULL_SECRET
from workloads.serving_specs import ContainerServer, InferenceSpec, ModelSource, RuntimeServer
from workloads.specs import ClaimMount, NodeShare, TrainingSpec

if TYPE_CHECKING:
    from stacks.inference import Inference
    from stacks.sections import Pool, Registry, Training

SECONDS_PER_HOUR = 3600
SECONDS_PER_MINUTE = 60


def pool_of(run: "Training | Inference", pools: Sequence["Pool"]) -> "Pool":
    """The pool that the run or service names; the settings' rules guarantee that there is one."""
    return next(pool for pool in pools if pool.name == run.pool)


def training_spec(run: "Training", pool: "Pool", registry: "Registry") -> TrainingSpec:
    """The run as data, with image names as the nodes will pull them."""
    instance = accelerators.instance(pool.instance_type)
    prefix = registry.prefix.rstrip("/")
    return TrainingSpec(
        name=run.name,
        namespace=run.team,
        pool=run.pool,
        nodes=run.nodes,
        share=NodeShare(
            accelerators=run.gpus_per_node or instance.devices,
            accelerators_of_node=instance.devices,
            vcpus=instance.vcpus,
            memory_gib=instance.memory_gib,
        ),
        image=f"{prefix}/{run.image}" if prefix else run.image,
        script=run.script,
        args=run.args,
        environment=run.environment,
        mount=ClaimMount(claim=run.storage, path=run.mount_path) if run.storage else None,
        time_limit_seconds=run.max_hours * SECONDS_PER_HOUR,
        max_restarts=run.max_restarts,
        pull_secret=PULL_SECRET if registry.credentials else None,
        queue=run.queue,
    )


def inference_spec(service: "Inference", pool: "Pool", registry: "Registry") -> InferenceSpec:
    """The service as data, with image names as the nodes will pull them."""
    instance = accelerators.instance(pool.instance_type)
    prefix = registry.prefix.rstrip("/")
    server = service.server
    return InferenceSpec(
        name=service.name,
        namespace=service.team,
        pool=service.pool,
        model=ModelSource(uri=service.model.uri, size_gib=service.model.size_gib),
        server=ContainerServer(image=f"{prefix}/{server.image}" if prefix else server.image, args=server.args)
        if server.kind == "container"
        else RuntimeServer(runtime=server.runtime, model_format=server.model_format, args=server.args),
        share=NodeShare(
            accelerators=service.gpus_per_replica,
            accelerators_of_node=instance.devices,
            vcpus=instance.vcpus,
            memory_gib=instance.memory_gib,
        ),
        min_replicas=service.min_replicas,
        max_replicas=service.max_replicas,
        environment=service.environment,
        startup_seconds=service.startup_minutes * SECONDS_PER_MINUTE if service.startup_minutes else None,
        pull_secret=PULL_SECRET if registry.credentials else None,
    )
