"""KServe as a component: its values, its order, and what the pinned release cannot do."""

import pytest

from components.kubernetes.kserve import KServe, KServeArgs, problems, resources_values, runtimes_values
from components.versions import CHARTS, KSERVE
from local.cloud.plan import record
from local.cloud.recording import Recording

MIRROR = "https://charts.example.com"


def recorded(args: KServeArgs) -> Recording:
    return record(lambda: KServe("kserve", args), packages={})


def test_the_mode_is_standard_and_no_ingress_is_made_without_a_gateway() -> None:
    controller = resources_values(KServeArgs(charts_mirror=MIRROR))["kserve"]["controller"]
    assert controller["deploymentMode"] == "Standard"
    assert controller["gateway"]["disableIngressCreation"] is True
    assert controller["gateway"]["ingressGateway"] == {"enableGatewayApi": False}
    assert controller["gateway"]["domain"] == "svc.cluster.local"


def test_a_gateway_turns_on_the_gateway_api_under_the_sites_domain() -> None:
    args = KServeArgs(charts_mirror=MIRROR, gateway="edge/public", domain="models.example.org")
    gateway = resources_values(args)["kserve"]["controller"]["gateway"]
    assert gateway["ingressGateway"] == {"enableGatewayApi": True, "kserveGateway": "edge/public"}
    assert (gateway["domain"], gateway["disableIngressCreation"]) == ("models.example.org", False)


def test_a_large_model_can_be_downloaded() -> None:
    limits = resources_values(KServeArgs(charts_mirror=MIRROR))["kserve"]["storage"]["resources"]["limits"]
    assert limits == {"cpu": "4", "memory": "16Gi"}


def test_only_the_runtimes_in_use_are_switched_on() -> None:
    args = KServeArgs(charts_mirror=MIRROR, runtimes=("kserve-huggingfaceserver",))
    serving = runtimes_values(args)["kserve"]["servingruntime"]
    assert serving.pop("enabled") is True
    assert [key for key, value in serving.items() if not value["disabled"]] == ["huggingfaceserver"]


def test_weighted_canaries_wait_for_a_release_that_has_them() -> None:
    (found,) = problems(KServeArgs(charts_mirror=MIRROR, weighted_canary=True, gateway="edge/public"))
    assert found == (
        f"KServe {KSERVE} splits no traffic in Standard mode, 0.21 is the first that does: "
        "leave weighted_canary off, or raise versions.KSERVE"
    )


def test_an_unknown_runtime_is_refused_with_the_known_ones() -> None:
    (found,) = problems(KServeArgs(charts_mirror=MIRROR, runtimes=("vllm",)))
    assert found == "runtime 'vllm' is unknown, allowed are kserve-huggingfaceserver, kserve-tritonserver"


@pytest.mark.parametrize(
    ("args", "charts"),
    [
        (KServeArgs(charts_mirror=MIRROR), {"kserve-crd", "cert-manager", "kserve-resources"}),
        (KServeArgs(charts_mirror=MIRROR, install_cert_manager=False), {"kserve-crd", "kserve-resources"}),
    ],
)
def test_releases_are_pinned_and_the_manager_comes_after_the_crds(args: KServeArgs, charts: set[str]) -> None:
    releases = {
        item.inputs["chart"]: item for item in recorded(args).resources if item.type == "kubernetes:helm.sh/v3:Release"
    }
    assert releases.keys() == charts
    assert {name: item.inputs["version"] for name, item in releases.items()} == {
        name: CHARTS[name].version for name in charts
    }
    assert charts - {"kserve-resources"} <= {
        name for name, item in releases.items() if item.urn in releases["kserve-resources"].dependencies
    }
