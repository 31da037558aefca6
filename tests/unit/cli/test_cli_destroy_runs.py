"""Runs of people go before the stack whose claims they hold; pods of others are named, instead of waited for."""

import io
from typing import Any

import pytest
import typer
from rich.console import Console

from cli import destroy, destroy_runs
from cli.destroy_runs import claims_of, pods_with, submitted_runs, take_away, unfinished, wait_until_free
from cli.errors import UserError

TRAINJOBS = "/apis/trainer.kubeflow.org/v1alpha1"
PODS = "/api/v1/namespaces/research/pods"
CLAIMS = {("research", "scratch")}


class Api:
    """An API server whose pods go when the test says so."""

    def __init__(self, *, trainjobs: list[Any] | None = None, jobs: list[Any] | None = None) -> None:
        self.kept: dict[str, list[Any]] = {f"{TRAINJOBS}/trainjobs": trainjobs or [], "/apis/batch/v1/jobs": jobs or []}
        self.looks: list[list[Any]] = []
        self.asked: list[dict[str, str]] = []
        self.deleted: list[str] = []

    def list(self, path: str, **parameters: str) -> list[Any]:
        if path == PODS:
            return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        self.asked.append(parameters)
        return self.kept[path]

    def delete(self, path: str) -> None:
        self.deleted.append(path)


def server(**kept: Any) -> Any:
    return Api(**kept)


def trainjob(name: str, *, condition: str = "") -> dict[str, Any]:
    met = [{"type": condition, "status": "True"}] if condition else []
    return {
        "metadata": {"name": name, "namespace": "research", "labels": {"app.kubernetes.io/name": name}},
        "spec": {"runtimeRef": {"name": "slipway-torch"}, "trainer": {}},
        "status": {"conditions": met},
    }


def pod(name: str, *, claim: str = "scratch", **metadata: Any) -> dict[str, Any]:
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return {"metadata": {"name": name, "namespace": "research", **metadata}, "spec": {"volumes": volumes}}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were waited, on a clock that only waiting moves."""
    slept: list[float] = []
    monkeypatch.setattr("cli.destroy_runs.time.sleep", slept.append)
    monkeypatch.setattr("cli.destroy_runs.time.monotonic", lambda: sum(slept))
    return slept


def test_runs_of_both_runners_are_found_by_their_label_and_taken_away() -> None:
    job = {"metadata": {"name": "old", "namespace": "chat", "labels": {}}, "spec": {"parallelism": 1}}
    api = server(trainjobs=[trainjob("long"), trainjob("done", condition="Complete")], jobs=[job])
    runs = submitted_runs(api)
    assert {asked["labelSelector"] for asked in api.asked} == {"slipway.dev/origin=submitted"}
    assert [run.export.run for run in unfinished(runs)] == ["long", "old"]
    said = io.StringIO()
    take_away(api, runs, Console(file=said, width=200))
    assert api.deleted == [
        f"{TRAINJOBS}/namespaces/research/trainjobs/long",
        f"{TRAINJOBS}/namespaces/research/trainjobs/done",
        "/apis/batch/v1/namespaces/chat/jobs/old",
    ]
    assert said.getvalue() == "destroying: 3 submitted runs: long, done, old\n"


def test_nothing_is_said_where_nobody_submitted_anything() -> None:
    said = io.StringIO()
    take_away(server(), [], Console(file=said))
    assert said.getvalue() == ""


@pytest.mark.parametrize(("sure", "said"), [(False, False), (False, True), (True, False)])
def test_runs_that_have_not_ended_are_asked_for_unless_that_was_said(
    monkeypatch: pytest.MonkeyPatch, *, sure: bool, said: bool
) -> None:
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(question)
        return said

    monkeypatch.setattr("cli.destroy.typer.confirm", confirm)
    api, out = server(trainjobs=[trainjob("long"), trainjob("done", condition="Complete")]), io.StringIO()
    console = Console(file=out, width=200)
    if not sure and not said:
        with pytest.raises(typer.Exit):
            destroy._take_runs_away("live", [api], console, sure=sure)
    else:
        destroy._take_runs_away("live", [api], console, sure=sure)
    assert asked == ([] if sure else ["Delete them with live?"])
    assert len(api.deleted) == (2 if sure or said else 0), "all or none"
    assert ("submitted runs that have not ended: long\n" in out.getvalue()) is not sure


def test_the_claims_of_a_state_are_those_that_exist() -> None:
    made = {
        "type": "kubernetes:core/v1:PersistentVolumeClaim",
        "outputs": {"metadata": {"namespace": "n", "name": "c"}},
    }
    pending = {"type": "kubernetes:core/v1:PersistentVolumeClaim"}
    other = {"type": "kubernetes:core/v1:Service", "outputs": {"metadata": {"namespace": "n", "name": "s"}}}
    assert claims_of({"deployment": {"resources": [made, pending, other]}}) == {("n", "c")}


def test_a_pod_that_has_ended_holds_its_claim_and_others_pods_do_not_count() -> None:
    api = server()
    api.looks = [[pod("ended") | {"status": {"phase": "Succeeded"}}, pod("elsewhere", claim="other")]]
    assert [one["metadata"]["name"] for one in pods_with(api, CLAIMS)] == ["ended"]


def test_pods_that_were_told_to_end_are_given_their_grace_period(waits: list[float]) -> None:
    api = server()
    leaving = pod("rank-0", deletionTimestamp="2026-11-22T00:00:00Z")
    api.looks = [[pod("rank-0")], *([[leaving]] * 120), []]
    said = io.StringIO()
    wait_until_free(api, CLAIMS, Console(file=said, width=200))
    assert sum(waits) > destroy_runs._UNTOLD_SECONDS, "longer than for a pod that nobody ends"
    assert said.getvalue() == "  waiting for 1 pod to let go of the stack's claims\n", "once"


def test_a_pod_that_nothing_ends_is_named_with_what_has_to_be_deleted(waits: list[float]) -> None:
    api = server()
    owner = {"kind": "StatefulSet", "name": "notebook", "controller": True}
    notebook = pod("notebook-0", ownerReferences=[owner])
    notebook["spec"]["volumes"].append({"name": "own", "persistentVolumeClaim": {"claimName": "own"}})
    api.looks = [[notebook, pod("debugger")]]
    with pytest.raises(UserError, match="pods that the stack did not make hold claims") as caught:
        wait_until_free(api, CLAIMS, Console(file=io.StringIO()))
    assert (caught.value.where, caught.value.value) == (
        "claims research/scratch",  # not research/own, which the stack leaves alone
        "Pod research/debugger, StatefulSet research/notebook",
    )
    assert sum(waits) < 120, "not the ten minutes that the engine would wait"


def test_without_claims_no_pod_is_asked_for() -> None:
    wait_until_free(server(), set(), Console(file=io.StringIO()))
