"""Model services, as ``status`` tells them: from what a stack exports and what its API server shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.outputs import InferenceExport

Json = Mapping[str, Any]
INFERENCE_SERVICES: Final = "/apis/serving.kserve.io/v1beta1/inferenceservices"
_SERVICE_LABEL: Final = "serving.kserve.io/inferenceservice"


@dataclass(frozen=True, kw_only=True)
class InferenceState:
    """A model service: replicas that answer now, between its bounds, and the accelerators that they hold."""

    name: str
    namespace: str
    phase: str
    replicas: int
    minimum: int
    maximum: int
    accelerators: int
    url: str
    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        """KServe says so, and as many replicas answer as were asked for."""
        return self.phase == "Ready" and self.replicas >= self.minimum

    def to_json(self) -> dict[str, Any]:
        """The member of ``slipway status --json``."""
        return {
            "name": self.name,
            "namespace": self.namespace,
            "ready": self.ready,
            "phase": self.phase,
            "replicas": self.replicas,
            "min": self.minimum,
            "max": self.maximum,
            "accelerators": self.accelerators,
            "url": self.url,
        }


def inference_state(
    export: InferenceExport, services: Sequence[Json], pods: Sequence[Json], problem: str
) -> InferenceState:
    """The state of one service; ``problem`` says why nothing could be read."""
    found = next((item for item in services if _is(item, export.namespace, export.name)), None)
    own = [pod for pod in pods if _serves(pod, export)]
    answering = [pod for pod in own if _true(pod, "Ready")]
    phase, reasons = _phase(export, found)
    if phase == "Ready" and len(answering) < export.min_replicas:
        reasons = [f"{len(answering)} of at least {export.min_replicas} replicas answer"]
    elif phase == "Pending" and own:
        reasons = [*reasons, *_waiting(own)]
    return InferenceState(
        name=export.name,
        namespace=export.namespace,
        phase="Unknown" if problem else phase,
        replicas=len(answering),
        minimum=export.min_replicas,
        maximum=export.max_replicas,
        accelerators=sum(_accelerators(pod, export.gpu_resource) for pod in answering),
        url=str((found or {}).get("status", {}).get("url", "")),
        reasons=() if problem else reasons,
    )


def _phase(export: InferenceExport, service: Json | None) -> tuple[str, list[str]]:
    if service is None:
        return "Missing", [f"InferenceService {export.namespace}/{export.name} does not exist"]
    if _true(service, "Ready"):
        return "Ready", []
    status = service.get("status", {})
    model = status.get("modelStatus", {})
    if model.get("transitionStatus") == "InvalidSpec":
        failure = model.get("lastFailureInfo", {})
        return "Failed", [
            f"{failure.get('reason', 'InvalidSpec')}: {failure.get('message', 'KServe refuses the spec')}"
        ]
    conditions = status.get("conditions", [])
    told = [
        f"{item['type']}: {item.get('reason', '')}: {item['message']}".replace(": :", ":")
        for item in conditions
        if item.get("status") != "True" and item.get("message") and item["type"] != "Ready"
    ]
    failed = any(item.get("status") == "False" and item.get("reason") == "ReconcileFailed" for item in conditions)
    return ("Failed" if failed else "Pending"), told[:2] or ["KServe has not made its pods yet"]


def _waiting(pods: Sequence[Json]) -> list[str]:
    told = [
        f"{pod['metadata']['name']}: {item['message']}"
        for pod in pods
        for item in pod.get("status", {}).get("conditions", [])
        if item.get("type") == "PodScheduled" and item.get("status") == "False" and item.get("message")
    ]
    return told[:1]


def _serves(pod: Json, export: InferenceExport) -> bool:
    meta = pod["metadata"]
    return bool(meta.get("labels", {}).get(_SERVICE_LABEL) == export.name and meta.get("namespace") == export.namespace)


def _is(item: Json, namespace: str, name: str) -> bool:
    return bool(item["metadata"]["name"] == name and item["metadata"].get("namespace") == namespace)


def _true(item: Json, condition: str) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(entry["type"] == condition and entry.get("status") == "True" for entry in conditions)


def _accelerators(pod: Json, resource: str | None) -> int:
    # Extended resources are whole numbers, without a suffix (Kubernetes API conventions).
    containers = pod.get("spec", {}).get("containers", [])
    return sum(int(item.get("resources", {}).get("requests", {}).get(resource or "", 0)) for item in containers)
