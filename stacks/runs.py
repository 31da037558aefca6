"""From the settings of a run to its spec."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from components import accelerators
from components.aws.fabric import fabric_profile, topology_labels
from components.kubernetes.names import PULL_SECRET
from workloads.parallelism import Parallelism, Schedule
from workloads.serving_specs import ContainerServer, InferenceSpec, ModelSource, RuntimeServer
from workloads.specs import ClaimMount, Launcher, NodeShare, Runner, Topology, TrainingSpec
from workloads.validation import Place

if TYPE_CHECKING:
    from components.outputs import WorkloadIdentity
    from stacks.inference import Inference
    from stacks.sections import Pool, Registry, Team
    from stacks.settings import Settings
    from stacks.training import Training

TEAM_MODELS = "models"
"""Service account of the team's model services, where the team's settings say what they may read."""
HOST_LABEL = "kubernetes.io/hostname"
"""The narrowest level of every topology."""
SECONDS_PER_HOUR = 3600
SECONDS_PER_MINUTE = 60


def pool_of(run: "Training | Inference", pools: Sequence["Pool"]) -> "Pool":
    """The pool that the run or service names; the settings' rules guarantee that there is one."""
    return next(pool for pool in pools if pool.name == run.pool)


def pulled(image: str, registry: "Registry") -> str:
    """``image`` as the nodes pull it: from the site's registry, when the settings name one."""
    prefix = registry.prefix.rstrip("/")
    return f"{prefix}/{image}" if prefix else image


def training_spec(run: "Training", pool: "Pool", registry: "Registry") -> TrainingSpec:
    """The run as data, with image names as the nodes will pull them."""
    instance = accelerators.instance(pool.instance_type)
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
        image=pulled(run.image, registry),
        script=run.script,
        args=run.args,
        environment=run.environment,
        mount=ClaimMount(claim=run.storage, path=run.mount_path) if run.storage else None,
        time_limit_seconds=run.max_hours * SECONDS_PER_HOUR,
        max_restarts=run.max_restarts,
        pull_secret=PULL_SECRET if registry.credentials else None,
        queue=run.queue,
        priority_class=run.priority,
        runner=Runner(run.runner),
        launcher=Launcher(run.launcher),
        processes_per_node=_processes(run, instance.devices),
        parallelism=_parallelism(run),
        min_nodes=run.min_nodes,
        topology=Topology(level=run.topology.level, required=run.topology.required) if run.topology else None,
    )


def place_of(settings: "Settings", pool: "Pool", team: "Team") -> Place:
    """Where a run of ``team`` on ``pool`` goes, as its spec is checked against."""
    instance = accelerators.instance(pool.instance_type)
    return Place(
        pool=pool.name,
        nodes=pool.nodes,
        instance_type=pool.instance_type,
        devices=instance.devices,
        vcpus=instance.vcpus,
        fabric=pool.fabric != "none",
        levels=(*topology_labels(instance), HOST_LABEL),
        team=team.name,
        claims=team.storage,
        gpus=team.gpus,
        cpus=team.cpus,
        memory_gib=team.memory_gib,
        trainer=settings.training_operator is not None,
        queues=settings.queueing is not None,
        fabric_variables=fabric_profile(instance, efa=pool.fabric == "efa", node_selector={}, taints=()).environment,
    )


def _processes(run: "Training", devices: int) -> int | None:
    """None where each process has an accelerator: saying the same in two ways must not make two runs."""
    return None if run.processes_per_node == (run.gpus_per_node or devices) else run.processes_per_node


def _parallelism(run: "Training") -> Parallelism | None:
    if run.parallelism is None:
        return None
    degrees = run.parallelism.model_dump()
    return Parallelism(**{**degrees, "schedule": Schedule(degrees["schedule"])})


def models_account(service: "Inference") -> str:
    """The service account with whose role the service fetches its model."""
    return f"{service.name}-model" if service.model_access else TEAM_MODELS


def inference_spec(
    service: "Inference",
    pool: "Pool",
    registry: "Registry",
    *,
    lake_bucket: str | None = None,
    identity: "WorkloadIdentity | None" = None,
) -> InferenceSpec:
    """The service as data, with image names as the nodes will pull them.

    Args:
        service: The settings of the service.
        pool: The pool that it runs on.
        registry: Where images come from.
        lake_bucket: The bucket that ``lake://`` means; None leaves such an address as it is (for counting only).
        identity: Whose role fetches the model; None: the model needs none.
    """
    instance = accelerators.instance(pool.instance_type)
    server = service.server
    return InferenceSpec(
        name=service.name,
        namespace=service.team,
        pool=service.pool,
        model=ModelSource(uri=_address(service.model.uri, lake_bucket), size_gib=service.model.size_gib),
        server=ContainerServer(image=pulled(server.image, registry), args=server.args)
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
        service_account=identity.service_account if identity else None,
        credential_endpoints=tuple(identity.credential_endpoints) if identity else (),
    )


def _address(uri: str, lake_bucket: str | None) -> str:
    scheme, _, path = uri.partition("://")
    return f"s3://{lake_bucket}/{path}" if scheme == "lake" and lake_bucket else uri
