"""Reads what readiness is judged by: the stack's outputs from the engine, the rest from the Kubernetes API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from cli.engine import Engine
from cli.errors import UserError
from cli.inference import INFERENCE_SERVICES
from cli.kube_objects import Json, namespace_of
from cli.kubernetes import Kubernetes
from cli.outputs import ClusterExport, StackOutputs, parse_outputs
from cli.queues import CLUSTER_QUEUES
from cli.readiness import ClusterView, EnvironmentState, assess
from cli.training import RunView, belongs, first_pod
from components import versions

_LOG_LINES: Final = 40


def stack_outputs(engine: Engine) -> StackOutputs:
    """The exports of the stack as its state holds them."""
    return parse_outputs(engine.capture("stack", "output", "--json"), stack=engine.stack)


def look(outputs: StackOutputs, environment: Mapping[str, str], *, simulated: bool) -> EnvironmentState:
    """One look at everything; an API server that does not answer is part of the answer."""
    views = {item.name: _view(item, outputs, environment) for item in outputs.clusters}
    return assess(outputs, views, simulated=simulated)


def _view(cluster: ClusterExport, outputs: StackOutputs, environment: Mapping[str, str]) -> ClusterView:
    namespaces = {item.namespace for item in outputs.storage if item.namespace}
    namespaces |= {item.namespace for item in outputs.training}
    namespaces |= {item.namespace for item in outputs.inference}
    try:
        api = Kubernetes.of(cluster.kubeconfig, environment)
        nodes = api.list("/api/v1/nodes")
        claims = _in(api, "/api/v1", namespaces, "persistentvolumeclaims")
        runs = look_at_runs(api, sorted(namespaces), nodes)
        # None where KServe is not installed: the server does not know the collection.
        services = api.list(INFERENCE_SERVICES) if outputs.inference else []
        queues = api.list(CLUSTER_QUEUES) if outputs.queues else []
    except UserError as error:
        return ClusterView(problem=error.what)
    return ClusterView(
        nodes=nodes,
        claims=claims,
        services=services,
        queues=queues,
        pods=runs.pods,
        events=runs.events,
        jobs=runs.jobs,
        trainjobs=runs.trainjobs,
        workloads=runs.workloads,
        logs=runs.logs,
    )


def look_at_runs(api: Kubernetes, namespaces: Sequence[str], nodes: Sequence[Json]) -> RunView:
    """Everything about the runs of some namespaces; what is not installed has no objects.

    Raises:
        UserError: the API server does not answer, or not to us.
    """
    pods = _in(api, "/api/v1", namespaces, "pods")
    trainjobs = _in(api, f"/apis/{versions.TRAINER_API}", namespaces, "trainjobs")
    jobs = _in(api, "/apis/batch/v1", namespaces, "jobs")
    return RunView(
        jobs=jobs,
        trainjobs=trainjobs,
        workloads=_in(api, f"/apis/{versions.KUEUE_API}", namespaces, "workloads"),
        pods=pods,
        events=_in(api, "/api/v1", namespaces, "events"),
        logs=_logs(api, [*trainjobs, *jobs], pods, nodes),
    )


def _in(api: Kubernetes, group: str, namespaces: Iterable[str], kind: str) -> list[Json]:
    return [item for namespace in sorted(namespaces) for item in api.list(f"{group}/namespaces/{namespace}/{kind}")]


def _logs(
    api: Kubernetes, runs: Sequence[Json], pods: Sequence[Json], nodes: Sequence[Json]
) -> dict[tuple[str, str], str]:
    """The last lines of each run's first pod, where its node serves logs (simulated nodes without processes do not)."""
    serving = {node["metadata"]["name"] for node in nodes if serves_logs(node)}
    found: dict[tuple[str, str], str] = {}
    for run in runs:
        name, namespace = str(run["metadata"]["name"]), str(namespace_of(run))
        own = [pod for pod in pods if namespace_of(pod) == namespace and belongs(pod, name)]
        pod = first_pod(own)
        if pod is None or pod.get("spec", {}).get("nodeName") not in serving:
            continue
        try:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log"
            found[namespace, name] = api.text(path, tailLines=str(_LOG_LINES))
        except UserError:
            # A pod that has not started has no log yet, and progress is no reason to fail.
            continue
    return found


def serves_logs(node: Json) -> bool:
    """Whether the node's kubelet says where it listens."""
    return bool(node.get("status", {}).get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port"))
