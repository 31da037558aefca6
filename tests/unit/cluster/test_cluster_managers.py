"""Managers beside the control plane: what each is started with, what leads to it, and how its chart is packed."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from components.versions import CHARTS, JOBSET, KUEUE, TRAINER
from local.cluster.certificates import Authority
from local.cluster.charts import ON_DEMAND
from local.cluster.managers import training_charts
from local.cluster.managers.declaration import ConfigurationError, Release, Site
from local.cluster.managers.jobset import JOBSET as JOBSET_MANAGER
from local.cluster.managers.kueue import KUEUE as KUEUE_MANAGER
from local.cluster.managers.managers import MANAGERS
from local.cluster.managers.module_charts import module_chart
from local.cluster.managers.releases import deployment_view, wanted
from local.cluster.managers.trainer import TRAINER as TRAINER_MANAGER
from local.cluster.managers.webhooks import MANAGER_LABEL, conversion
from local.cluster.stages import HOLD_ANNOTATION
from local.toolchain import pins
from local.toolchain.pins import TOOLS

WEBHOOKS = "metadata: {name: kueue-mutating-webhook-configuration}\nwebhooks: []\n"
DOCUMENT = {
    "health": {"healthProbeBindAddress": ":8081"},
    "metrics": {"bindAddress": ":8443"},
    "webhook": {"port": 9443},
    "leaderElection": {"leaderElect": True, "resourceName": "x"},
    "clientConnection": {"qps": 300},
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(directory=tmp_path, ports={"metrics": 1001, "webhook": 1002, "probe": 1003})


def release(*arguments: str, **changes: Any) -> Release:
    text = yaml.safe_dump({**DOCUMENT, **changes})
    return Release(namespace="kueue-system", arguments=arguments, configuration=text, webhooks=WEBHOOKS)


def test_every_manager_is_in_the_toolchain_and_every_packed_chart_has_one() -> None:
    assert all(manager.executable in TOOLS for manager in MANAGERS)
    assert {executable for executable, _ in ON_DEMAND.values()} == {manager.executable for manager in MANAGERS}
    assert len({manager.short for manager in MANAGERS}) == len(MANAGERS), "ports and directories are named by it"


def test_the_managers_that_we_build_are_those_of_the_charts() -> None:
    assert (pins.KUEUE_VERSION, pins.JOBSET_VERSION, pins.TRAINER_VERSION) == (KUEUE, JOBSET, TRAINER)
    assert {name: CHARTS[name].version for name in training_charts.CHARTS} == {
        "kueue": KUEUE,
        "jobset": JOBSET,
        "kubeflow-trainer": TRAINER,
    }


@pytest.mark.parametrize("manager", [KUEUE_MANAGER, JOBSET_MANAGER, TRAINER_MANAGER], ids=lambda item: item.short)
def test_a_configuration_keeps_everything_that_holds_outside_of_a_pod(manager: Any, site: Site) -> None:
    made = manager.launch(release("--zap-log-level=2"), site).configuration
    assert made["clientConnection"] == {"qps": 300}
    assert made["health"] == {"healthProbeBindAddress": "127.0.0.1:1003"}
    assert made["metrics"]["bindAddress"] == "127.0.0.1:1001"
    assert (made["webhook"]["port"], made["webhook"]["host"]) == (1002, "127.0.0.1")
    assert made["leaderElection"] == {"leaderElect": False, "resourceName": "x"}


def test_a_section_that_the_chart_leaves_out_is_made(site: Site) -> None:
    text = Release(namespace="x", configuration="kind: Configuration\nwebhook:\n")
    made = JOBSET_MANAGER.launch(text, site).configuration
    assert made is not None
    assert made["webhook"] == {"port": 1002, "host": "127.0.0.1", "certDir": str(site.certificates)}
    assert made["internalCertManagement"] == {"enable": False}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "is empty"), ("- a\n", "is a list"), ("a: [", "while parsing")],
)
def test_a_configuration_that_cannot_be_used_is_told_with_its_place(text: str, problem: str, site: Site) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        TRAINER_MANAGER.launch(Release(namespace="kubeflow-system", configuration=text), site)
    assert "controller_manager_config.yaml in" in str(caught.value)
    assert "kubeflow-system" in str(caught.value)


def test_kueue_keeps_its_certificates_in_a_secret_of_the_release(site: Site) -> None:
    made = KUEUE_MANAGER.launch(release(), site).configuration
    assert made is not None
    assert made["internalCertManagement"] == {
        "enable": True,
        "webhookServiceName": "kueue-webhook-service",
        "webhookSecretName": "kueue-webhook-server-cert",
    }
    assert KUEUE_MANAGER.secret is not None
    secret = KUEUE_MANAGER.secret(release())
    assert secret.host == "kueue-webhook-service.kueue-system.svc", "what Kueue checks the certificate for"
    named = KUEUE_MANAGER.secret(release(internalCertManagement={"webhookSecretName": "mine"}))
    assert named.name == "mine"


def test_kueues_visibility_server_is_off_where_the_program_gave_its_gates(site: Site) -> None:
    in_document = KUEUE_MANAGER.launch(release(featureGates={"LocalQueueDefaulting": True}), site)
    assert in_document.configuration is not None
    assert in_document.configuration["featureGates"] == {"LocalQueueDefaulting": True, "VisibilityOnDemand": False}
    assert in_document.arguments == ()
    as_argument = KUEUE_MANAGER.launch(release("--feature-gates=A=true,VisibilityOnDemand=true", "-v"), site)
    assert as_argument.arguments == ("-v", "--feature-gates=A=true,VisibilityOnDemand=false")
    assert as_argument.configuration is not None
    assert "featureGates" not in as_argument.configuration, "Kueue refuses them in both places"


def test_a_release_without_webhooks_is_no_kueue(site: Site) -> None:
    bare = Release(namespace="kueue-system", configuration=yaml.safe_dump(DOCUMENT))
    with pytest.raises(ConfigurationError, match="has no mutating webhooks"):
        KUEUE_MANAGER.launch(bare, site)


def test_the_authority_of_a_rotated_certificate_has_the_form_that_the_rotator_reads(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "kueue-ca", rotated=True)
    text = authority.pair.key.read_bytes()
    assert text.startswith(b"-----BEGIN RSA PRIVATE KEY-----"), "PKCS #1: anything else is not well-formed to it"
    assert isinstance(serialization.load_pem_private_key(text, None), rsa.RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate(authority.pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kueue-ca"]
    issued = x509.load_pem_x509_certificate(authority.server("s", ("127.0.0.1",)).certificate.read_bytes())
    issued.verify_directly_issued_by(certificate)


def test_a_deployment_stands_for_the_manager_that_its_pods_wait_for() -> None:
    held = _deployment("b", waits_for="kueue-manager")
    view = deployment_view(held)
    assert (view.config_map, view.arguments) == ("kueue-manager-config", ("--config=/x.yaml", "-v"))
    plain = deployment_view(_deployment("c"))
    assert (plain.waits_for, plain.generation) == ("", 0), "changes of other Deployments wake nobody"
    gone = deployment_view({**held, "metadata": {**held["metadata"], "name": "a", "deletionTimestamp": "now"}})
    assert wanted(KUEUE_MANAGER, [plain, gone, view]) == view
    assert wanted(JOBSET_MANAGER, [plain, gone, view]) is None


def test_a_conversion_leads_to_loopback_and_is_marked_for_its_removal() -> None:
    patch = conversion("/convert", 9443, "Q0E=", "kueue-manager")
    assert patch["metadata"]["labels"] == {MANAGER_LABEL: "kueue-manager"}
    client = patch["spec"]["conversion"]["webhook"]["clientConfig"]
    assert client == {"url": "https://127.0.0.1:9443/convert", "caBundle": "Q0E="}


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A Go module with a chart of the real Kueue's shape."""
    for path, text in {
        "Chart.yaml": f"name: kueue\nversion: {KUEUE}\n",
        "README.md": "words",
        "tests/manager_test.yaml": "suite",
        "values.yaml": "enableKueueViz: false\n",
        "templates/_helpers.tpl": "helpers",
        "templates/certmanager/issuer.yaml": "issuer",
        "templates/manager/manager.yaml": (
            "      annotations:\n        kubectl.kubernetes.io/default-container: manager\n"
            f"        {training_charts.CHARTS['kueue'].image}\n"
        ),
        "templates/webhook/manifests.yaml": "{{- /*\nlicence\n*/ -}}\n\nkind: MutatingWebhookConfiguration\n",
        "templates/crd/queues.yaml": (
            "metadata:\n  name: queues.kueue.x-k8s.io\nspec:\n  conversion:\n    strategy: Webhook\n    webhook:\n"
            "      clientConfig:\n        service:\n          path: /convert\n  group: kueue.x-k8s.io\n"
        ),
    }.items():
        target = tmp_path / "charts" / "kueue" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return tmp_path


def test_a_packed_chart_holds_its_pods_and_hands_its_webhooks_over(module: Path) -> None:
    chart = module_chart(training_charts.CHARTS["kueue"], KUEUE, module)
    assert sorted(chart.files) == [
        "Chart.yaml",
        "templates/_helpers.tpl",
        "templates/_simulated-webhooks.tpl",
        "templates/crd/queues.yaml",
        "templates/manager/manager.yaml",
        "templates/simulated-limits.yaml",
        "templates/simulated-received-values.yaml",
        "templates/simulated-webhooks.yaml",
        "values.yaml",
    ]
    deployment = chart.files["templates/manager/manager.yaml"]
    assert f"{HOLD_ANNOTATION}: kueue-manager\n" in deployment
    assert f"image: slipway.invalid/simulated/kueue:{KUEUE}\n" in deployment, "it says what it is"
    assert "conversion" not in chart.files["templates/crd/queues.yaml"]
    assert '{\\"queues.kueue.x-k8s.io\\": \\"/convert\\"}' in chart.files["templates/simulated-webhooks.yaml"]
    assert "\nkind: MutatingWebhookConfiguration" in chart.files["templates/_simulated-webhooks.tpl"]
    assert "licence" not in chart.files["templates/_simulated-webhooks.tpl"], "it would swallow a separator"


def test_a_chart_of_another_form_or_version_is_refused_instead_of_half_packed(module: Path) -> None:
    with pytest.raises(ValueError, match=r"no chart kueue of version 9\.9\.9"):
        module_chart(training_charts.CHARTS["kueue"], "9.9.9", module)
    (module / "charts/kueue/templates/manager/manager.yaml").write_text("another deployment")
    with pytest.raises(ValueError, match="expected once, found 0 times"):
        module_chart(training_charts.CHARTS["kueue"], KUEUE, module)


def _deployment(name: str, waits_for: str = "") -> dict[str, Any]:
    annotations = {HOLD_ANNOTATION: waits_for} if waits_for else {}
    volume = {"name": "manager-config", "configMap": {"name": "kueue-manager-config"}}
    pod = {"containers": [{"args": ["--config=/x.yaml", "-v"]}], "volumes": [volume]}
    return {
        "metadata": {"name": name, "namespace": "kueue-system", "generation": 3},
        "spec": {"template": {"metadata": {"annotations": annotations}, "spec": pod}},
    }
