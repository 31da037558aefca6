"""The objects of a model service, value by value, each with the reason for it."""

from dataclasses import replace
from typing import Any

import pytest

from components.accelerators import instance
from components.aws.fabric import default_taints, fabric_profile
from workloads.manifests.inference import manifests
from workloads.serving_specs import ContainerServer, InferenceSpec, ModelSource, RuntimeServer, needed_startup_seconds
from workloads.specs import NodeShare

G6E = instance("g6e.12xlarge")
PROFILE = fabric_profile(G6E, efa=False, node_selector={"slipway.dev/pool": "serving"}, taints=default_taints(G6E))
SPEC = InferenceSpec(
    name="assistant",
    namespace="chat",
    pool="serving",
    model=ModelSource(uri="s3://models/assistant/v3", size_gib=60),
    server=ContainerServer(image="slipway/server:0.1.0"),
    share=NodeShare(accelerators=2, accelerators_of_node=4, vcpus=48, memory_gib=384),
    min_replicas=2,
    max_replicas=4,
)


@pytest.fixture
def predictor() -> dict[str, Any]:
    found: dict[str, Any] = manifests(SPEC, PROFILE)["service"]["spec"]["predictor"]
    return found


@pytest.fixture
def container(predictor: dict[str, Any]) -> dict[str, Any]:
    (only,) = predictor["containers"]
    found: dict[str, Any] = only
    return found


def test_standard_mode_is_stated_because_it_can_never_be_changed() -> None:
    annotations = manifests(SPEC, PROFILE)["service"]["metadata"]["annotations"]
    assert annotations["serving.kserve.io/deploymentMode"] == "Standard"


@pytest.mark.parametrize(("maximum", "scaler"), [(4, "hpa"), (2, "none")])
def test_an_autoscaler_exists_only_where_there_is_room_to_scale(maximum: int, scaler: str) -> None:
    made = manifests(replace(SPEC, max_replicas=maximum), PROFILE)["service"]
    assert made["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == scaler
    bounds = made["spec"]["predictor"]
    assert (bounds["minReplicas"], bounds["maxReplicas"]) == (2, maximum)


def test_a_rollout_needs_no_spare_accelerators(predictor: dict[str, Any]) -> None:
    assert predictor["deploymentStrategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_the_model_is_fetched_before_the_container_starts(container: dict[str, Any]) -> None:
    assert container["name"] == "kserve-container"
    assert {"name": "STORAGE_URI", "value": "s3://models/assistant/v3"} in container["env"]


def test_a_replica_takes_its_share_of_the_node_and_states_a_cpu_limit(container: dict[str, Any]) -> None:
    # KServe would write a limit of 1 CPU, below the request, and the Deployment would be refused.
    share = {"cpu": "20", "memory": "163Gi", "nvidia.com/gpu": "2"}
    assert container["resources"] == {"requests": share, "limits": share}


def test_a_loading_replica_is_not_killed(container: dict[str, Any]) -> None:
    assert needed_startup_seconds(60) == 180 + 60 * 4
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 420
    longer = manifests(replace(SPEC, startup_seconds=1800), PROFILE)["service"]["spec"]["predictor"]["containers"][0]
    assert longer["startupProbe"]["failureThreshold"] == 180


def test_pods_tolerate_their_pool_and_stay_on_it(predictor: dict[str, Any]) -> None:
    assert predictor["nodeSelector"] == {"slipway.dev/pool": "serving"}
    assert {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"} in predictor[
        "tolerations"
    ]


def test_shared_memory_is_mounted_for_replicas_of_several_accelerators(
    predictor: dict[str, Any], container: dict[str, Any]
) -> None:
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in predictor["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]  # noqa: S108 -- inside the container


def test_a_disruption_takes_one_replica_and_a_lone_one_has_no_budget() -> None:
    assert manifests(SPEC, PROFILE)["budget"]["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {"serving.kserve.io/inferenceservice": "assistant"}},
    }
    assert "budget" not in manifests(replace(SPEC, min_replicas=1), PROFILE)


def test_a_runtime_gets_the_model_and_no_image_of_ours() -> None:
    spec = replace(SPEC, server=RuntimeServer(runtime="kserve-huggingfaceserver", model_format="huggingface"))
    predictor = manifests(spec, PROFILE)["service"]["spec"]["predictor"]
    model = predictor["model"]
    assert "containers" not in predictor
    assert (model["runtime"], model["modelFormat"], model["storageUri"]) == (
        "kserve-huggingfaceserver",
        {"name": "huggingface"},
        "s3://models/assistant/v3",
    )
    assert "image" not in model


def test_the_policy_lets_requests_in_and_the_model_be_fetched() -> None:
    spec = manifests(SPEC, PROFILE)["policy"]["spec"]
    assert spec["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert spec["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]


def test_a_service_with_a_role_may_ask_for_its_credentials_and_its_pods_name_the_account() -> None:
    spec = replace(SPEC, service_account="models", credential_endpoints=(("169.254.170.23", 80),))
    made = manifests(spec, PROFILE)
    assert made["service"]["spec"]["predictor"]["serviceAccountName"] == "models"
    assert made["policy"]["spec"]["egress"] == [
        {"ports": [{"protocol": "TCP", "port": 443}]},
        {"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": [{"protocol": "TCP", "port": 80}]},
    ]
