"""KServe in a simulated cluster: the charts that the mirror packs, and webhooks that lead to a local process."""

from pathlib import Path

import pytest
import yaml

from components.versions import CHARTS, KSERVE
from local.cluster.charts import ChartMirror
from local.cluster.managers.kserve_charts import kserve_chart
from local.cluster.managers.managers import sources_of
from local.cluster.managers.webhooks import configurations
from local.cluster.stages import HOLD_ANNOTATION, stages
from local.toolchain.pins import KSERVE_VERSION

VERSION = CHARTS["kserve-resources"].version


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A Go module with a chart of the real one's shape."""
    chart = tmp_path / "charts" / "kserve-resources"
    for path, text in {
        "Chart.yaml": f"apiVersion: v2\nname: kserve-resources\nversion: {VERSION}\n",
        "values.yaml": "kserve: {}\n",
        "templates/_helpers.tpl": "helpers",
        "templates/common/configmap.yaml": "configuration",
        "templates/common/certmanager.yaml": "certificates",
        "templates/kserve/resources.yaml": "deployment and webhooks",
        "files/common/configmap.yaml": "data",
    }.items():
        target = chart / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return tmp_path


def test_the_manager_that_we_build_is_that_of_the_charts() -> None:
    assert KSERVE_VERSION == KSERVE
    assert f"v{KSERVE}" == VERSION


def test_the_managers_chart_keeps_its_configuration_and_gets_a_stand_in_for_its_workload(module: Path) -> None:
    chart = kserve_chart("kserve-resources", VERSION, module)
    assert sorted(chart.files) == [
        "Chart.yaml",
        "files/common/configmap.yaml",
        "templates/_helpers.tpl",
        "templates/common/configmap.yaml",
        "templates/simulated-deployment.yaml",
        "templates/simulated-received-values.yaml",
        "values.yaml",
    ]
    assert "name: kserve-controller-manager" in chart.files["templates/simulated-deployment.yaml"]
    assert f"{HOLD_ANNOTATION}: kserve-manager" in chart.files["templates/simulated-deployment.yaml"]


def test_a_module_of_another_version_is_refused(module: Path) -> None:
    with pytest.raises(ValueError, match=r"has no chart kserve-resources of version v9\.9\.9"):
        kserve_chart("kserve-resources", "v9.9.9", module)


def test_a_pod_that_stands_for_a_process_is_not_ready_by_itself() -> None:
    (ready,) = [stage for stage in stages() if stage["metadata"]["name"] == "pod-ready"]
    held = {"key": f'.metadata.annotations["{HOLD_ANNOTATION}"]', "operator": "DoesNotExist"}
    assert held in ready["spec"]["selector"]["matchExpressions"]


def test_webhooks_lead_to_the_local_manager_over_tls(tmp_path: Path) -> None:
    service = {"service": {"name": "$(webhookServiceName)", "namespace": "kserve", "path": "/mutate-pods"}}
    written = {
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "inferenceservice.serving.kserve.io", "creationTimestamp": None},
        "webhooks": [{"clientConfig": service, "failurePolicy": "Fail", "admissionReviewVersions": ["v1beta1"]}],
    }
    path = tmp_path / "manifests.yaml"
    path.write_text("---\n" + yaml.safe_dump(written))
    (made,) = configurations(path.read_text(), 9443, "Q0E=")
    assert made["webhooks"] == [
        {
            "clientConfig": {"url": "https://127.0.0.1:9443/mutate-pods", "caBundle": "Q0E="},
            "failurePolicy": "Fail",
            "admissionReviewVersions": ["v1beta1"],
        }
    ]


def test_without_the_manager_its_charts_are_refused_at_once_instead_of_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = ChartMirror(sources_of).serve(f"kserve-crd-{VERSION}.tgz")
    assert answer.status == 503
    assert b"kserve-manager missing" in answer.body
