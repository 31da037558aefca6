"""Reads what readiness is judged by: the stack's outputs from the engine, the rest from the Kubernetes API."""

from collections.abc import Mapping

from cli.engine import Engine
from cli.errors import UserError
from cli.inference import INFERENCE_SERVICES
from cli.kubernetes import Kubernetes
from cli.outputs import ClusterExport, StackOutputs, parse_outputs
from cli.readiness import ClusterView, EnvironmentState, assess


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
        core = {
            kind: [
                item for namespace in sorted(namespaces) for item in api.list(f"/api/v1/namespaces/{namespace}/{kind}")
            ]
            for kind in ("persistentvolumeclaims", "pods", "events")
        }
        jobs = [
            item for namespace in sorted(namespaces) for item in api.list(f"/apis/batch/v1/namespaces/{namespace}/jobs")
        ]
        # None where KServe is not installed: the server does not know the collection.
        services = api.list(INFERENCE_SERVICES) if outputs.inference else []
    except UserError as error:
        return ClusterView(problem=error.what)
    return ClusterView(
        nodes=nodes,
        claims=core["persistentvolumeclaims"],
        pods=core["pods"],
        events=core["events"],
        jobs=jobs,
        services=services,
    )
