"""A model service as Kubernetes objects: pure functions from a spec and a pool's fabric profile to dicts.

KServe's manager makes a Deployment, a Service and, with room to scale, an HPA from the InferenceService. Who owns what:
Pulumi owns the InferenceService's spec, with its bounds for replicas; the manager owns the Deployment, and the HPA the
number of replicas between the bounds. No manifest here states that number.
"""

import math
from typing import Any

from components.outputs import FabricProfile
from workloads.manifests.pods import CONTAINER_SECURITY, POD_SECURITY, environment_variables, resources, tolerations
from workloads.serving_specs import HTTP_PORT, ContainerServer, InferenceSpec

Manifest = dict[str, Any]

API_VERSION = "serving.kserve.io/v1beta1"
SERVICE_LABEL = "serving.kserve.io/inferenceservice"
"""Set by KServe on every pod of a service."""
CONTAINER = "kserve-container"
"""KServe's own name for the container that answers requests."""
PROBE_SECONDS = 10
HTTPS_PORT = 443
ZONE_LABEL = "topology.kubernetes.io/zone"
GATEWAY_LABEL = "slipway.dev/gateway"
"""On namespaces whose pods send requests from outside."""
SHARED_MEMORY = "8Gi"


def labels(spec: InferenceSpec) -> dict[str, str]:
    """Labels of every object of the service."""
    return {
        "app.kubernetes.io/name": spec.name,
        "app.kubernetes.io/component": "inference",
        "app.kubernetes.io/managed-by": "slipway",
        "slipway.dev/team": spec.namespace,
    }


def manifests(spec: InferenceSpec, profile: FabricProfile) -> dict[str, Manifest]:
    """Every object of the service, by role; a disruption budget only where one replica may go and another stays."""
    budget = {"budget": disruption_budget(spec)} if spec.min_replicas > 1 else {}
    return {"policy": policy(spec), **budget, "service": inference_service(spec, profile)}


def _metadata(spec: InferenceSpec) -> Manifest:
    return {"name": spec.name, "namespace": spec.namespace, "labels": labels(spec)}


def disruption_budget(spec: InferenceSpec) -> Manifest:
    """Node upgrades and repairs take one replica at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(spec),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {SERVICE_LABEL: spec.name}}},
    }


def policy(spec: InferenceSpec) -> Manifest:
    """Requests from the own namespace and from gateways; out only to fetch the model, and the credentials for it."""
    port = spec.observables.ports.get("http", HTTP_PORT)
    credentials = [
        {"to": [{"ipBlock": {"cidr": f"{host}/32"}}], "ports": [{"protocol": "TCP", "port": number}]}
        for host, number in spec.credential_endpoints
    ]
    callers = [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {GATEWAY_LABEL: "true"}}}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(spec),
        "spec": {
            "podSelector": {"matchLabels": {SERVICE_LABEL: spec.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": callers, "ports": [{"protocol": "TCP", "port": port}]}],
            "egress": [{"ports": [{"protocol": "TCP", "port": HTTPS_PORT}]}, *credentials],
        },
    }


def inference_service(spec: InferenceSpec, profile: FabricProfile) -> Manifest:
    """The InferenceService (KServe 0.20, serving.kserve.io/v1beta1)."""
    return {
        "apiVersion": API_VERSION,
        "kind": "InferenceService",
        "metadata": {
            **_metadata(spec),
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                # Between equal bounds there is nothing to scale, and an HPA without metrics reports failures for ever.
                "serving.kserve.io/autoscalerClass": "hpa" if spec.max_replicas > spec.min_replicas else "none",
            },
        },
        "spec": {"predictor": predictor(spec, profile)},
    }


def predictor(spec: InferenceSpec, profile: FabricProfile) -> Manifest:
    """The component that answers: bounds, rollout, placement and the server."""
    result: Manifest = {
        "minReplicas": spec.min_replicas,
        "maxReplicas": spec.max_replicas,
        # Kubernetes' default of 25 % surge waits for accelerators that are all in use, and with one replica for ever:
        # 25 % of 1 unavailable is none. So an old replica goes before its successor comes.
        "deploymentStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
        },
        "nodeSelector": dict(profile.node_selector),
        "tolerations": tolerations(profile.taints),
        "topologySpreadConstraints": _spread(spec),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**POD_SECURITY},
        "volumes": [
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}},
            {"name": "tmp", "emptyDir": {}},
        ],
        **server(spec, profile),
    }
    if spec.service_account is not None:
        result["serviceAccountName"] = spec.service_account
    if spec.pull_secret is not None:
        result["imagePullSecrets"] = [{"name": spec.pull_secret}]
    return result


def server(spec: InferenceSpec, profile: FabricProfile) -> Manifest:
    """``containers`` for an image of one's own, ``model`` for a runtime of the platform."""
    common: Manifest = {
        "args": list(spec.server.args),
        "env": [{"name": name, "value": value} for name, value in sorted(environment_variables(spec, profile).items())],
        "resources": server_resources(spec, profile),
        "volumeMounts": [
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 -- NCCL between the accelerators of a replica
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- the container's own, its root is read-only
        ],
        "securityContext": {**CONTAINER_SECURITY},
        **probes(spec),
    }
    if isinstance(spec.server, ContainerServer):
        port = spec.observables.ports.get("http", HTTP_PORT)
        own: Manifest = {
            "name": CONTAINER,
            "image": spec.server.image,
            "ports": [{"name": "http1", "containerPort": port, "protocol": "TCP"}],
            **common,
        }
        # KServe fetches what this variable names into /mnt/models before the container starts.
        own["env"] = [{"name": "STORAGE_URI", "value": spec.model.uri}, *own["env"]]
        return {"containers": [own]}
    return {
        "model": {
            "modelFormat": {"name": spec.server.model_format},
            "runtime": spec.server.runtime,
            "storageUri": spec.model.uri,
            **common,
        }
    }


def server_resources(spec: InferenceSpec, profile: FabricProfile) -> Manifest:
    """As for a run, and with a CPU limit: KServe writes its own default of 1 wherever there is none (Defaulter)."""
    given = resources(spec, profile)
    return {"requests": given["requests"], "limits": {**given["limits"], "cpu": given["requests"]["cpu"]}}


def probes(spec: InferenceSpec) -> Manifest:
    """Startup sized by the model, so that liveness cannot kill a replica that is still loading."""
    check = {
        "httpGet": {
            "path": spec.observables.health_path or "/health",
            "port": spec.observables.ports.get("http", HTTP_PORT),
        }
    }
    return {
        "startupProbe": {
            **check,
            "periodSeconds": PROBE_SECONDS,
            "failureThreshold": math.ceil(spec.startup_limit_seconds / PROBE_SECONDS),
        },
        "readinessProbe": {**check, "periodSeconds": PROBE_SECONDS, "timeoutSeconds": 5},
        # A busy engine answers late; only one that is silent for a minute is dead.
        "livenessProbe": {**check, "periodSeconds": PROBE_SECONDS, "timeoutSeconds": 10, "failureThreshold": 6},
    }


def _spread(spec: InferenceSpec) -> list[Manifest]:
    """Replicas apart where that is possible: a lost zone or node then takes one of them."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {SERVICE_LABEL: spec.name}},
        }
        for key in (ZONE_LABEL, "kubernetes.io/hostname")
    ]
