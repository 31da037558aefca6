"""How a state is told: to people as tables, to scripts as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.queues import queues_table
from cli.readiness import ClusterState, EnvironmentState
from cli.terminal import table
from cli.training import TrainingState


def to_json(state: EnvironmentState) -> dict[str, Any]:
    """The document of ``slipway status --json``: members may be added, none is removed or renamed."""
    return {
        "environment": state.environment,
        "simulated": state.simulated,
        "ready": state.ready,
        "reasons": state.reasons,
        "clusters": [_cluster_json(cluster) for cluster in state.clusters],
        "storage": [
            {
                "name": item.name,
                "kind": item.kind,
                "id": item.id,
                "capacity_gib": item.capacity_gib,
                "ready": item.ready,
                "phase": item.phase,
                "claim": item.claim,
            }
            for item in state.storage
        ],
        "queues": [item.to_json() for item in state.queues],
        "training": [item.to_json() for item in state.training],
        "inference": [item.to_json() for item in state.inference],
    }


def _cluster_json(cluster: ClusterState) -> dict[str, Any]:
    return {
        "name": cluster.name,
        "cluster_name": cluster.cluster_name,
        "version": cluster.version,
        "endpoint": cluster.endpoint,
        "ready": cluster.ready,
        "problem": cluster.problem,
        "nodes_ready": sum(pool.nodes_ready for pool in cluster.pools),
        "gpus": sum(pool.gpus for pool in cluster.pools),
        "efa_interfaces": sum(pool.efa_interfaces for pool in cluster.pools),
        "pools": [
            {
                "name": pool.name,
                "instance_type": pool.instance_type,
                "accelerator": pool.accelerator,
                "ready": pool.ready,
                "nodes": pool.nodes,
                "nodes_ready": pool.nodes_ready,
                "gpus": pool.gpus,
                "efa_interfaces": pool.efa_interfaces,
            }
            for pool in cluster.pools
        ],
    }


def print_state(state: EnvironmentState, console: Console) -> None:
    """Tables for people; ends with the reasons when something is not ready."""
    console.print(Text(title(state), style="bold"))
    console.print(tables(state))
    for reason in state.reasons:
        console.print(Text(f"  not ready: {reason}", style="yellow"), soft_wrap=True)


def title(state: EnvironmentState) -> str:
    """One line: the environment, and that it is simulated."""
    word = "ready" if state.ready else "not ready"
    return f"{state.environment}: {word}{' (simulated: no cloud, no GPU, no bill)' if state.simulated else ''}"


def tables(state: EnvironmentState) -> Group:
    """Pools, storage and runs, one table each."""
    parts: list[RenderableType] = []
    for cluster in state.clusters:
        heading = f"cluster {cluster.name} (Kubernetes {cluster.version})"
        pools = table("pool", "type", "nodes", "GPUs", "EFA", "", title=heading)
        for pool in cluster.pools:
            pools.add_row(
                pool.name,
                pool.instance_type,
                f"{pool.nodes_ready}/{pool.nodes}",
                f"{pool.gpus}/{pool.gpus_wanted} {pool.accelerator}".strip() if pool.gpus_wanted else "-",
                f"{pool.efa_interfaces}/{pool.efa_wanted}" if pool.efa_wanted else "-",
                _mark(pool.ready),
            )
        parts.append(pools)
    if state.storage:
        storage = table("name", "kind", "capacity", "claim", "phase", "", title="storage")
        for volume in state.storage:
            size = f"{volume.capacity_gib:,} GiB"
            storage.add_row(volume.name, volume.kind, size, volume.claim or "-", volume.phase, _mark(volume.ready))
        parts.append(storage)
    if state.queues:
        parts.append(queues_table(state.queues))
    if state.training:
        parts.append(runs_table(state.training))
    if state.inference:
        services = table("service", "namespace", "replicas", "accelerators", "URL", "", title="inference")
        for service in state.inference:
            services.add_row(
                service.name,
                service.namespace,
                f"{service.replicas} ({service.minimum} to {service.maximum})",
                str(service.accelerators),
                service.url or "-",
                _mark(service.ready),
            )
        parts.append(services)
    return Group(*parts)


def runs_table(runs: Sequence[TrainingState]) -> Table:
    """Training runs; those that a person submitted are marked."""
    made = table("run", "namespace", "size", "phase", "step", "", title="training")
    for run in runs:
        size = f"{run.nodes} x {max(1, run.processes // max(1, run.nodes))}"
        made.add_row(
            f"{run.run} (submitted)" if run.submitted else run.run,
            run.namespace,
            f"{size}, {run.gpus} GPUs" if run.gpus else f"{size}, no GPU",
            run.phase,
            run.progress.text if run.progress else "-",
            _mark(run.ready),
        )
    return made


def _mark(ready: bool) -> Text:  # noqa: FBT001 (a cell's one value)
    return Text("ready", style="green") if ready else Text("not ready", style="yellow")
