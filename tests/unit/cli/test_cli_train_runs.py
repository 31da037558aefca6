"""Runs of people that are there: whose log is shown, and what stopping means."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from cli import train_logs
from cli.errors import UserError
from cli.kubernetes import ApiRefusedError
from cli.train_access import Platform, find_run
from cli.train_logs import follow, write_log
from cli.train_stop import remove, resume, stop
from cli.train_submit import objects, submit
from cli.training import run_of
from tests.support.train_platform import (
    JOBS,
    PODS,
    PROFILE,
    WORKLOADS,
    api,
    ends,
    job,
    made_platform,
    running,
    spec,
)
from workloads.manifests.runs import manifests
from workloads.specs import Runner


@pytest.fixture
def platform() -> Platform:
    return made_platform()


# --- logs ----------------------------------------------------------------------------------------------------------
def test_the_log_of_a_node_is_that_of_its_newest_pod(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    name = running(platform, uid="p1")
    running(platform, uid="p2")
    running(platform, uid="p3", node=1)
    api(platform).logs = {f"{PODS}/{name}-node-0-0-p2/log": ["step 1/60  loss 5.0"]}
    found = find_run(platform.runs(["research"]), "debug", ["research"])
    write_log(platform, found, node=0, previous=False, tail=None)
    assert capsys.readouterr().out == "step 1/60  loss 5.0"


def test_following_goes_on_through_a_restart_to_the_end(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_logs, "_EVERY_SECONDS", 0)
    name = running(platform, uid="p1")
    server = api(platform)
    server.logs = {f"{PODS}/{name}-node-0-0-p1/log": ["one"], f"{PODS}/{name}-node-0-0-p2/log": ["two"]}
    server.after_log = [lambda: running(platform, uid="p2"), lambda: ends(platform, "Complete")]
    said = io.StringIO()
    found = find_run(platform.runs(["research"]), name, ["research"])
    state = follow(platform, found, Console(file=said, width=200), node=0, tail=None)
    assert (state.phase, capsys.readouterr().out) == ("Complete", "one\ntwo\n")
    assert f"another attempt: {name}-node-0-0-p2" in said.getvalue()


def test_following_says_why_a_run_waits(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    made = objects(spec(platform), PROFILE)
    submit(platform, made)
    job(platform)["spec"]["suspend"] = True
    name = made[-1]["metadata"]["name"]
    condition = {"type": "QuotaReserved", "status": "False", "message": "insufficient quota for cpu"}
    owner = [{"uid": job(platform)["metadata"]["uid"]}]
    workload = {"metadata": {"name": "w", "namespace": "research", "ownerReferences": owner}, "spec": {}}
    api(platform).put(WORKLOADS, {**workload, "status": {"conditions": [condition]}})
    monkeypatch.setattr("cli.train_logs.time.sleep", lambda _seconds: ends(platform, "Failed"))
    said = io.StringIO()
    found = find_run(platform.runs(["research"]), name, ["research"])
    state = follow(platform, found, Console(file=said, width=200), node=0, tail=None)
    assert "Queued: queued by Kueue: insufficient quota for cpu" in said.getvalue()
    assert (state.phase, state.reasons) == ("Failed", ["R: m"])


def test_a_run_without_pods_has_no_log_and_says_its_phase(platform: Platform) -> None:
    made = objects(spec(platform), PROFILE)
    submit(platform, made)
    found = find_run(platform.runs(["research"]), "debug", ["research"])
    with pytest.raises(UserError, match="no pod for node 0 now: it is Pending") as caught:
        write_log(platform, found, node=0, previous=False, tail=None)
    assert "--follow" in caught.value.fix


def test_a_name_that_no_run_has_lists_those_that_there_are(platform: Platform) -> None:
    name = running(platform)
    with pytest.raises(UserError, match="no run of this name") as caught:
        find_run(platform.runs(["research"]), "pretrain", ["research"])
    assert caught.value.allowed == name


def test_a_name_wins_over_the_beginning_of_another_and_a_beginning_of_two_is_refused(platform: Platform) -> None:
    for title in ("debug", "debug-large", "debug-long"):
        submit(platform, objects(spec(platform, name=title), PROFILE))
    view = platform.runs(["research"])
    assert find_run(view, "debug", ["research"]).export.name == "debug", "or `stop debug` would stop another run"
    assert find_run(view, "debug-la", ["research"]).export.name == "debug-large"
    with pytest.raises(UserError, match="several runs could be meant") as caught:
        find_run(view, "debug-l", ["research"])
    assert "debug-large-" in caught.value.allowed


def test_following_goes_on_after_a_lost_connection_where_it_was(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_logs, "_EVERY_SECONDS", 0)
    name = running(platform)
    server, log = api(platform), f"{PODS}/{name}-node-0-0-p1/log"
    server.logs = {log: ["one"]}

    def grows() -> None:
        server.logs[log] = ["one", "two"]

    server.after_log = [grows, lambda: ends(platform, "Complete")]
    found = find_run(platform.runs(["research"]), name, ["research"])
    said = io.StringIO()
    state = follow(platform, found, Console(file=said, width=200), node=0, tail=None)
    assert (state.phase, capsys.readouterr().out) == ("Complete", "one\ntwo\n"), "no line twice, none lost"
    assert "another attempt" not in said.getvalue(), "it is the same pod"


def test_following_a_failed_run_whose_log_is_gone_ends(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_logs, "_EVERY_SECONDS", 0)
    name = running(platform, phase="Failed")
    ends(platform, "Failed")

    def gone(path: str, **_parameters: str) -> Any:
        raise ApiRefusedError(404, "the node is gone", where=path)

    monkeypatch.setattr(api(platform), "lines", gone)
    said = io.StringIO()
    found = find_run(platform.runs(["research"]), name, ["research"])
    state = follow(platform, found, Console(file=said, width=200), node=0, tail=None)
    assert state.phase == "Failed"
    assert "cannot be had any more" in said.getvalue()


def test_a_job_without_gpus_tells_its_processes(platform: Platform) -> None:
    made = manifests(replace(spec(platform), runner=Runner.JOB, queue=None), PROFILE)["job"]
    assert run_of(made).processes == 4, "2 pods x 2 processes; no device counts them"


# --- stop ----------------------------------------------------------------------------------------------------------
def test_stopping_a_queued_run_goes_through_kueue_and_tells_the_last_checkpoint(platform: Platform) -> None:
    name = running(platform, phase="Succeeded")
    owner = [{"uid": job(platform)["metadata"]["uid"]}]
    api(platform).put(
        WORKLOADS, {"metadata": {"name": "w", "namespace": "research", "ownerReferences": owner}, "spec": {}}
    )
    api(platform).logs = {f"{PODS}/{name}-node-0-0-p1/log": ["checkpoint step-00000040 in 0.2 s"]}
    found = find_run(platform.runs(["research"]), name, ["research"])
    left = stop(platform, found)
    assert api(platform).calls[-1] == ("merge {'spec': {'active': False}}", f"{WORKLOADS}/w"), (
        "Kueue starts what somebody else suspends"
    )
    assert (left.ended, left.checkpoints, left.step) == (True, "/shared/research/checkpoints/debug", 40)
    job(platform)["spec"]["suspend"] = True  # as Kueue answers
    resume(platform, found)
    assert api(platform).calls[-1] == ("merge {'spec': {'active': True}}", f"{WORKLOADS}/w")


def test_without_kueue_the_run_itself_is_suspended(platform: Platform) -> None:
    name = running(platform, phase="Succeeded")
    stop(platform, find_run(platform.runs(["research"]), name, ["research"]))
    assert api(platform).calls[-1] == ("merge {'spec': {'suspend': True}}", f"{JOBS}/{name}")


def test_a_run_of_the_stack_is_not_deleted_behind_its_back(platform: Platform) -> None:
    name = running(platform)
    job(platform)["metadata"]["labels"].pop("slipway.dev/origin")
    found = find_run(platform.runs(["research"]), name, ["research"])
    with pytest.raises(UserError, match="belongs to the stack"):
        remove(platform, found)
    assert ("delete", f"{JOBS}/{name}") not in api(platform).calls


def test_a_run_that_nobody_stopped_is_not_resumed(platform: Platform) -> None:
    name = running(platform)
    running(platform, node=1, uid="p2")
    with pytest.raises(UserError, match="the run was not stopped: it is Running"):
        resume(platform, find_run(platform.runs(["research"]), name, ["research"]))
    assert not [call for call in api(platform).calls if "suspend" in call[0] or "active" in call[0]]


def test_what_has_ended_does_not_go_on(platform: Platform) -> None:
    name = running(platform, phase="Failed")
    ends(platform, "Failed")
    with pytest.raises(UserError, match="has ended already: Failed"):
        resume(platform, find_run(platform.runs(["research"]), name, ["research"]))
    assert not [call for call in api(platform).calls if "suspend" in call[0]]
