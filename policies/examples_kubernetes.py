"""Objects that obey every rule: what the examples of the rules start from."""

from collections.abc import Mapping
from typing import Any

from policies import kubernetes_objects as objects
from policies.graph import Resource

LABELS = {"app.kubernetes.io/name": "demo"}
_DIGEST = "sha256:" + "0123456789abcdef" * 4


def resource(type_: str, name: str, properties: Mapping[str, Any], **more: Any) -> Resource:
    """A resource with a URN of the usual shape."""
    return Resource(
        type=type_, name=name, urn=f"urn:pulumi:example::slipway::{type_}::{name}", properties=properties, **more
    )


def _metadata(name: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    place = {"namespace": namespace} if namespace else {}
    return {"name": name, **place, "labels": dict(labels or LABELS)}


def container(gpus: int = 0, *, name: str = "main", **more: Any) -> dict[str, Any]:
    """A container that Pod Security Standards call restricted, with ``gpus`` GPUs."""
    devices = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    return {
        "name": name,
        "image": f"registry.example.com/demo:1.0@{_DIGEST}",
        "resources": {"requests": {"cpu": "4", "memory": "8Gi", **devices}, "limits": {"memory": "8Gi", **devices}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        **more,
    }


def pod_spec(*containers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of a restricted pod."""
    return {
        "containers": [dict(item) for item in containers or (container(),)],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        **more,
    }


def pod(*containers: Mapping[str, Any], namespace: str = "research", **more: Any) -> Resource:
    """A pod of its own."""
    return resource(
        objects.POD,
        "demo",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": _metadata("demo", namespace),
            "spec": pod_spec(*containers, **more),
        },
    )


def namespace(name: str = "research", level: str = "restricted") -> Resource:
    """A namespace whose pods must be of this level."""
    labels = {"pod-security.kubernetes.io/enforce": level}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": _metadata(name, labels=labels)}
    return resource(objects.NAMESPACE, f"{name}-namespace", body)


def default_deny(name: str = "research") -> Resource:
    """The network policy that selects every pod of a namespace and allows nothing."""
    return resource(
        objects.NETWORK_POLICY,
        f"{name}-default-deny",
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": _metadata("default-deny", name),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
    )


def quota(name: str = "research", gpus: str = "16") -> Resource:
    """A quota of GPUs."""
    return resource(
        objects.RESOURCE_QUOTA,
        f"{name}-quota",
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": _metadata("team", name),
            "spec": {"hard": {"requests.nvidia.com/gpu": gpus}},
        },
    )


def training_job(nodes: int = 2, gpus: int = 8) -> Resource:
    """A distributed run of ``nodes`` pods with ``gpus`` GPUs each, with its checkpoints on a claim."""
    main = container(
        gpus,
        name="trainer",
        command=["torchrun", f"--nnodes={nodes}", f"--nproc-per-node={gpus}", "train.py"],
        volumeMounts=[{"name": "shm", "mountPath": "/dev/shm"}, {"name": "shared", "mountPath": "/shared"}],  # noqa: S108 -- a path in a container
    )
    main["resources"]["limits"] |= {objects.EFA: "4", "hugepages-2Mi": "5Gi"}
    main["resources"]["requests"] |= {objects.EFA: "4", "hugepages-2Mi": "5Gi"}
    template = pod_spec(
        main,
        restartPolicy="Never",
        terminationGracePeriodSeconds=120,
        volumes=[
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "shared", "persistentVolumeClaim": {"claimName": "scratch"}},
        ],
        tolerations=[
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
            for key in ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
        ],
    )
    return resource(
        objects.JOB,
        "run",
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": _metadata("run", "research", {**LABELS, "kueue.x-k8s.io/queue-name": "research"}),
            "spec": {
                "parallelism": nodes,
                "completions": nodes,
                "completionMode": "Indexed",
                "activeDeadlineSeconds": 86400,
                "podFailurePolicy": {
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
                },
                "template": {"metadata": {"labels": {"run": "run"}}, "spec": template},
            },
        },
    )


def rendezvous() -> Resource:
    """The headless Service under whose name the pods of ``training_job`` find each other."""
    return resource(
        objects.SERVICE,
        "run-service",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _metadata("run", "research"),
            "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"run": "run"}},
        },
    )


def inference_service(gpus: int = 2, replicas: tuple[int, int] = (2, 4)) -> Resource:
    """A model service on GPUs, from a container of one's own."""
    probe = {"httpGet": {"path": "/health", "port": 8080}, "periodSeconds": 10}
    main = container(
        gpus,
        name="kserve-container",
        env=[{"name": "STORAGE_URI", "value": "s3://models/chat/v3"}],
        startupProbe={**probe, "failureThreshold": 60},
        readinessProbe=probe,
        livenessProbe=probe,
    )
    predictor = pod_spec(
        main,
        minReplicas=replicas[0],
        maxReplicas=replicas[1],
        nodeSelector={"slipway.dev/pool": "serving"},
        deploymentStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    )
    return resource(
        objects.INFERENCE_SERVICE,
        "chat",
        {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                **_metadata("chat", "serving"),
                "annotations": {
                    "serving.kserve.io/deploymentMode": "Standard",
                    "serving.kserve.io/autoscalerClass": "hpa",
                },
            },
            "spec": {"predictor": predictor},
        },
    )


def disruption_budget() -> Resource:
    """The budget of ``inference_service``."""
    return resource(
        objects.DISRUPTION_BUDGET,
        "chat-budget",
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": _metadata("chat", "serving"),
            "spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": {"serving.kserve.io/inferenceservice": "chat"}},
            },
        },
    )
