"""What ``status`` says about model services."""

from typing import Any

from cli.inference import InferenceState, inference_state
from cli.outputs import InferenceExport

EXPORT = InferenceExport(
    name="assistant",
    namespace="chat",
    pool="serving",
    min_replicas=2,
    max_replicas=4,
    gpus_per_replica=2,
    gpu_resource="nvidia.com/gpu",
)


def pod(name: str, *, ready: str = "True", namespace: str = "chat") -> dict[str, Any]:
    labels = {"serving.kserve.io/inferenceservice": "assistant"}
    container = {"resources": {"requests": {"nvidia.com/gpu": "2"}}}
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [container]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def state(*conditions: dict[str, str], pods: list[dict[str, Any]] | None = None) -> InferenceState:
    status = {"url": "http://a", "conditions": list(conditions)}
    service = {"metadata": {"name": "assistant", "namespace": "chat"}, "status": status}
    return inference_state(EXPORT, [service], pods or [], "")


READY = {"type": "Ready", "status": "True"}


def test_replicas_and_accelerators_are_those_that_answer() -> None:
    found = state(READY, pods=[pod("a"), pod("b"), pod("c", ready="False"), pod("d", namespace="other")])
    assert (found.ready, found.replicas, found.accelerators, found.url) == (True, 2, 4, "http://a")


def test_a_service_below_its_minimum_is_not_ready() -> None:
    found = state(READY, pods=[pod("a")])
    assert (found.ready, found.reasons) == (False, ["1 of at least 2 replicas answer"])


def test_what_kserve_refuses_is_told_in_its_own_words() -> None:
    refused = {"type": "PredictorReady", "status": "False", "reason": "ReconcileFailed", "message": "cpu limit of 1"}
    found = state(refused, {**refused, "type": "Ready"})
    assert (found.phase, found.reasons) == ("Failed", ["PredictorReady: ReconcileFailed: cpu limit of 1"])


def test_a_model_that_no_runtime_serves_has_failed_for_good() -> None:
    failure = {"reason": "NoSupportingRuntime", "message": "Specified runtime does not support specified framework"}
    status = {"modelStatus": {"transitionStatus": "InvalidSpec", "lastFailureInfo": failure}, "conditions": []}
    service = {"metadata": {"name": "assistant", "namespace": "chat"}, "status": status}
    found = inference_state(EXPORT, [service], [], "")
    assert found.phase == "Failed"
    assert list(found.reasons) == [f"{failure['reason']}: {failure['message']}"]


def test_a_service_that_is_not_there_is_missing() -> None:
    found = inference_state(EXPORT, [], [], "")
    assert (found.phase, found.reasons) == ("Missing", ["InferenceService chat/assistant does not exist"])
