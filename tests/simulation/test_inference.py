"""Model services of a small platform: they come, survive their manager, and leave. The tests run in their order."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli.kubernetes import Kubernetes
from components.kubernetes.kserve import RESOURCES, RUNTIMES, VALUES, KServeArgs
from components.versions import CHARTS
from tests.support.processes import gone_within
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

RUNTIME = "kserve-huggingfaceserver"
LABEL = "serving.kserve.io%2Finferenceservice"
ARGS = KServeArgs(charts_mirror="", runtimes=(RUNTIME,))
PROMISED = {chart: VALUES[chart](ARGS) for chart in (RESOURCES, RUNTIMES)}
PATIENCE_SECONDS = 30
SERVICE = {
    "name": "writer",
    "team": "research",
    "pool": "training",
    "model": {"uri": "lake://models/writer/v1", "sizeGib": 16},
    "server": {"kind": "runtime", "runtime": RUNTIME},
}


def with_a_service(settings: dict[str, Any]) -> None:
    settings["training"] = []
    settings["inference"] = [SERVICE]
    settings["teams"][0]["modelAccess"] = [{"prefix": "models/"}]


def with_two_replicas(settings: dict[str, Any]) -> None:
    settings["inference"][0].update(minReplicas=2, maxReplicas=2)


def without_services(settings: dict[str, Any]) -> None:
    settings["inference"] = []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("inference"))
    sandbox.shrink()
    sandbox.settings(with_a_service)
    sandbox.expect("up", "local", "--yes")
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def api(small: Sandbox) -> Kubernetes:
    return small.kubernetes()


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


def manager(sandbox: Sandbox) -> int:
    """The process id of the KServe manager; 0 while there is none."""
    found = [item.pid for item in sandbox.processes() if "kserve-manager" in item.command.split()[0]]
    assert len(found) <= 1, "one cluster has one manager"
    return found[0] if found else 0


def got(api: Kubernetes, path: str) -> Any:
    """What the API server holds under ``path``."""
    found = api.get(path)
    assert found is not None, path
    return found


def within(promised: Any, received: Any) -> bool:
    """Whether ``received`` has everything of ``promised``; Helm adds the chart's own defaults."""
    if isinstance(promised, dict):
        return all(key in received and within(item, received[key]) for key, item in promised.items())
    return bool(promised == received)


def test_a_service_on_a_runtime_of_the_platform_gets_ready(small: Sandbox) -> None:
    (service,) = small.expect("status", "local", "--json").json["inference"]
    assert (service["name"], service["phase"], service["replicas"]) == ("writer", "Ready", 1)


def test_pods_of_the_service_run_as_the_account_with_the_teams_role(small: Sandbox, api: Kubernetes) -> None:
    (pod,) = got(api, f"/api/v1/namespaces/research/pods?labelSelector={LABEL}%3Dwriter")["items"]
    assert pod["spec"]["serviceAccountName"] == "models"
    (initializer,) = pod["spec"]["initContainers"]
    assert initializer["args"][0] == "s3://slipway-local-lake-000000000000-us-east-1/models/writer/v1"
    with small.store() as store:
        (association,) = store.find("eks:PodIdentityAssociation", namespace="research")
    assert association.body["serviceAccount"] == "models"


@pytest.mark.parametrize(("chart", "promised"), sorted(PROMISED.items()))
def test_the_charts_received_what_the_component_promises(api: Kubernetes, chart: str, promised: Any) -> None:
    record = got(api, f"/api/v1/namespaces/kserve/configmaps/{chart}-received-values")
    assert record["data"]["chart"] == f"{chart}-{CHARTS[chart].version}"
    received = json.loads(record["data"]["values"])
    assert within(promised, received), {"promised": promised, "received": received}


def test_a_manager_that_was_killed_comes_back_and_works(small: Sandbox, api: Kubernetes) -> None:
    before = manager(small)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: manager(small) not in (0, before)), "the supervisor starts it again"
    small.settings(with_two_replicas)
    small.expect("up", "local", "--yes")
    (service,) = small.expect("status", "local", "--json").json["inference"]
    assert (service["phase"], service["replicas"]) == ("Ready", 2), "the new manager acts on changes"


def test_an_update_without_services_takes_kserve_away_and_leaves_nothing_of_it(small: Sandbox, api: Kubernetes) -> None:
    small.settings(without_services)
    small.expect("up", "local", "--yes")
    assert eventually(lambda: manager(small) == 0), "a manager without its release would write into the cluster"
    crds = got(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    assert [item["metadata"]["name"] for item in crds if item["metadata"]["name"].endswith(".serving.kserve.io")] == []
    for kind in ("mutating", "validating"):
        hooks = got(api, f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations")["items"]
        assert [item["metadata"]["name"] for item in hooks if "kserve" in item["metadata"]["name"]] == []
    namespaces = {item["metadata"]["name"] for item in got(api, "/api/v1/namespaces")["items"]}
    assert not namespaces & {"kserve", "cert-manager"}
    deployments = got(api, "/apis/apps/v1/namespaces/research/deployments")["items"]
    assert deployments == [], "what the manager made for a service goes with the service"


def test_after_destroy_nothing_is_left(small: Sandbox) -> None:
    small.expect("destroy", "local", "--yes")
    assert small.remaining() == []
    small.expect("local", "down")
    assert gone_within(2.0, small.processes) == []
