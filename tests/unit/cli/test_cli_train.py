"""Runs of people: what is made, what is refused, whose log is shown, and what stopping means."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from cli import train_logs
from cli.errors import UserError
from cli.kubernetes import ApiRefusedError
from cli.outputs import StackOutputs
from cli.project import Stack, settings_file
from cli.train_access import Platform, find_run
from cli.train_logs import follow, write_log
from cli.train_spec import Wishes, profile_of, wanted_spec
from cli.train_stop import remove, resume, stop
from cli.train_submit import as_yaml, check, objects, submit
from cli.training import run_of
from components.outputs import AcceleratorKind, FabricProfile, Taint
from local.paths import REPOSITORY
from stacks.problems import SettingsError
from stacks.settings import Settings, validate
from stacks.sources import Raw, read_file
from workloads.manifests.runs import manifests
from workloads.specs import Runner

PROFILE = FabricProfile(
    accelerator=AcceleratorKind.NONE,
    accelerator_model="",
    accelerators_per_node=0,
    accelerator_resource=None,
    node_selector={"slipway.dev/pool": "cpu"},
    taints=(Taint(key="slipway.dev/pool", value="cpu", effect="NoSchedule"),),
)
JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/research/trainjobs"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/research/workloads"
PODS = "/api/v1/namespaces/research/pods"


class Api:
    """An API server that keeps objects by path and does as the test says."""

    def __init__(self) -> None:
        self.kept: dict[str, list[dict[str, Any]]] = {}
        self.logs: dict[str, list[str]] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: str = ""
        self.after_log: list[Any] = []

    def put(self, path: str, item: dict[str, Any]) -> None:
        self.kept.setdefault(path, []).append(item)

    def list(self, path: str, **_parameters: str) -> list[dict[str, Any]]:
        return self.kept.get(path, [])

    def create(self, path: str, body: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        if self.refuse and self.refuse in path:
            raise ApiRefusedError(403, "admission webhook denied the request", where=path)
        if any(item["metadata"]["name"] == body["metadata"]["name"] for item in self.kept.get(path, [])):
            raise ApiRefusedError(409, "already exists", where=path)
        self.calls.append(("dry run" if dry_run else "create", path))
        made = {**body, "metadata": {**body["metadata"], "uid": f"u{len(self.calls)}"}}
        if not dry_run:
            self.put(path, made)
        return made

    def merge(self, path: str, body: dict[str, Any]) -> None:
        self.calls.append((f"merge {body}", path))

    def delete(self, path: str) -> None:
        self.calls.append(("delete", path))

    def text(self, path: str, **_parameters: str) -> str:
        return "\n".join(self.logs.get(path, []))

    def lines(self, path: str, **_parameters: str) -> Any:
        yield from self.logs.get(path, [])
        if self.after_log:
            self.after_log.pop(0)()


def settings() -> Settings:
    """``local`` with a pool of processors, queues and the operator, whatever the checked-in file has."""
    raw = read_file(settings_file(REPOSITORY, "local"))
    values = raw.values | {"queueing": {}, "trainingOperator": {}}
    values["pools"] = [item for item in values["pools"] if item["name"] != "cpu"]
    values["training"] = [item for item in values["training"] if item["pool"] != "cpu"]
    cpu = {"name": "cpu", "instanceType": "m7i.xlarge", "nodes": 2, "zones": ["us-east-1a"], "dedicated": True}
    values["pools"] += [cpu]
    return validate(Raw(source="test", values=values, encrypted=raw.encrypted), encrypted_values_are_clear=False)


@pytest.fixture
def platform() -> Platform:
    stack = Stack(name="local", directory=REPOSITORY, file=settings_file(REPOSITORY, "local"), settings=settings())
    outputs = StackOutputs(environment="local", account="0", region="us-east-1")
    made: Any = Api()
    return Platform(stack=stack, outputs=outputs, api=made)


def api(platform: Platform) -> Api:
    found: Any = platform.api
    assert isinstance(found, Api)
    return found


def spec(platform: Platform, **wishes: Any) -> Any:
    given = Wishes(**{"recipe": "debug", "team": "research", "pool": "cpu", **wishes})
    return wanted_spec(given, platform.stack.settings, platform.stack.file)


# --- what is to run ------------------------------------------------------------------------------------------------
def test_a_recipe_goes_to_the_team_and_the_pool_with_the_teams_file_system(platform: Platform) -> None:
    made = spec(platform, options={"steps": 30})
    assert (made.namespace, made.pool, made.runner, made.processes) == ("research", "cpu", Runner.TRAINER, 2)
    assert "--steps=30" in made.args
    assert made.mount is not None
    assert made.checkpoint_directory == "/shared/research/checkpoints/debug"


@pytest.mark.parametrize(
    ("wishes", "what", "where"),
    [
        ({"recipe": None}, "one recipe or one file", ""),
        ({"recipe": "debgu"}, "no recipe of this name", "--recipe"),
        ({"team": "reserch"}, "no team of this name", "--team"),
        ({"team": None}, "several teams are possible", "--team"),
        ({"pool": "cpus"}, "no pool of this name", "--pool"),
        ({"recipe": "lora_finetune"}, "missing 1 required keyword-only argument: 'base'", ""),
        ({"recipe": "fsdp_4x8", "options": {"nodes": 2}}, "unexpected keyword argument 'nodes'", ""),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_error_of_usage(
    platform: Platform, wishes: dict[str, Any], what: str, where: str
) -> None:
    with pytest.raises(UserError, match=what) as caught:
        spec(platform, **wishes)
    assert (caught.value.where, int(caught.value.status)) == (where, 2)
    assert caught.value.fix


def test_a_recipe_that_does_not_fit_is_told_as_settings_are(platform: Platform) -> None:
    with pytest.raises(SettingsError) as caught:
        spec(platform, options={"nodes": 3})
    (found,) = [item for item in caught.value.problems if item.rule == "training-nodes"]
    assert (found.path, found.value, found.allowed) == ("run.nodes", "3", "1 to 2")


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ({"queue": "other"}, ("run.queue", "queue-unknown")),
        ({"priority": "hihg"}, ("run.priority", "priority-unknown")),
        ({"pool": "system", "options": {"nodes": 2}}, ("run.nodes", "queue-run-fits")),
        ({"name": "pretrain-demo"}, ("run.name", "name-unique")),
    ],
)
def test_a_recipe_that_its_queue_would_never_admit_is_refused(
    platform: Platform, wishes: dict[str, Any], expected: tuple[str, str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        spec(platform, **wishes)
    assert expected in [(item.path, item.rule) for item in caught.value.problems]


def test_a_recipe_may_name_the_teams_queue_and_a_priority_that_there_is(platform: Platform) -> None:
    made = spec(platform, queue="default", priority="high")
    assert (made.queue, made.priority_class) == ("default", "high")


def test_a_file_has_the_keys_of_the_settings_and_the_same_errors(platform: Platform, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    entry = {"name": "mine", "team": "research", "pool": "training", "nodes": 2, "image": "slipway/trainer:0.1.0"}
    file.write_text(yaml.safe_dump({**entry, "script": "workloads/trainer/main.py"}))
    made = spec(platform, recipe=None, team=None, pool=None, file=file)
    assert (made.name, made.nodes, made.world_size) == ("mine", 2, 16)
    file.write_text(yaml.safe_dump({**entry, "script": "x.py", "image": "slipway/trainer", "node": 1}))
    with pytest.raises(SettingsError) as caught:
        spec(platform, recipe=None, team=None, pool=None, file=file)
    assert {item.path: item.rule for item in caught.value.problems} == {
        "run.image": "image-pinned",
        "run.node": "unknown-key",
    }


def test_the_profile_of_a_pool_survives_the_stacks_exports() -> None:
    assert profile_of("cpu", {"cpu": PROFILE.to_json()}) == replace(PROFILE, topology_label_keys=())
    with pytest.raises(UserError, match="not up"):
        profile_of("gpu", {"cpu": PROFILE.to_json()})


# --- submit --------------------------------------------------------------------------------------------------------
def test_submitted_objects_are_marked_and_belong_to_the_run(platform: Platform) -> None:
    made = objects(spec(platform), PROFILE)
    assert [item["kind"] for item in made] == ["NetworkPolicy", "TrainJob"]
    assert {item["metadata"]["labels"]["slipway.dev/origin"] for item in made} == {"submitted"}
    assert not any("pulumi.com/skipAwait" in item["metadata"]["annotations"] for item in made)
    submit(platform, made)
    merged = [call for call in api(platform).calls if call[0].startswith("merge")]
    assert len(merged) == 1, "the policy goes when the run goes"
    assert "ownerReferences" in merged[0][0]
    assert [*yaml.safe_load_all(as_yaml(made))] == made, "what is printed can be applied"


def test_a_run_that_is_refused_leaves_nothing_behind(platform: Platform) -> None:
    api(platform).refuse = "trainjobs"
    made = objects(spec(platform), PROFILE)
    with pytest.raises(UserError, match="admission webhook denied"):
        submit(platform, made)
    name = made[0]["metadata"]["name"]
    policies = "/apis/networking.k8s.io/v1/namespaces/research/networkpolicies"
    assert ("delete", f"{policies}/{name}") in api(platform).calls


def test_the_same_run_twice_is_told_with_what_to_do(platform: Platform) -> None:
    made = objects(spec(platform), PROFILE)
    submit(platform, made)
    with pytest.raises(UserError, match="this run is there already") as caught:
        submit(platform, made)
    assert "--delete" in caught.value.fix


def test_a_check_asks_the_server_and_makes_nothing(platform: Platform) -> None:
    check(platform, objects(spec(platform), PROFILE))
    assert [kind for kind, _ in api(platform).calls] == ["dry run", "dry run"]
    assert api(platform).kept == {}


# --- logs ----------------------------------------------------------------------------------------------------------
def running(platform: Platform, *, phase: str = "Running", node: int = 0, uid: str = "p1") -> str:
    """A submitted run with a pod; returns the run's name."""
    made = objects(spec(platform), PROFILE)
    name = str(made[-1]["metadata"]["name"])
    if not api(platform).kept.get(JOBS):
        submit(platform, made)
    labels = {"slipway.dev/run": name, "batch.kubernetes.io/job-completion-index": str(node)}
    known = {"namespace": "research", "uid": uid, "labels": labels, "creationTimestamp": uid}
    pod = {"metadata": {"name": f"{name}-node-0-{node}-{uid}", **known}, "status": {"phase": phase}}
    api(platform).put(PODS, pod)
    return name


def job(platform: Platform) -> dict[str, Any]:
    return api(platform).kept[JOBS][0]


def ends(platform: Platform, kind: str) -> None:
    job(platform)["status"] = {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"}]}


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


def test_what_has_ended_does_not_go_on(platform: Platform) -> None:
    name = running(platform, phase="Failed")
    ends(platform, "Failed")
    with pytest.raises(UserError, match="has ended already: Failed"):
        resume(platform, find_run(platform.runs(["research"]), name, ["research"]))
    assert not [call for call in api(platform).calls if "suspend" in call[0]]
