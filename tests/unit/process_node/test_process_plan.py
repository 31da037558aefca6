"""What runs next, what phase a pod is in, how long a crash waits: pure functions of what is known."""

import datetime as dt
from typing import Any

import pytest

from local.cluster.process_node.backoff import Backoff, words
from local.cluster.process_node.images import ImageError, image_id, program, repository
from local.cluster.process_node.plan import anew, next_step, phase
from local.cluster.process_node.records import Record, Running, State, Terminated, Waiting, records_of, restore
from local.cluster.process_node.status import pod_status

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


def _pod(policy: str = "Always", inits: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    spec = {
        "restartPolicy": policy,
        "initContainers": list(inits),
        "containers": [{"name": "main", "image": "busybox"}],
    }
    return {"metadata": {"name": "p", "namespace": "n", "uid": "u", "generation": 3}, "spec": spec, "status": {}}


def _ended(code: int) -> Terminated:
    return Terminated(exit_code=code, reason="Error" if code else "Completed", finished=NOW)


def _main(state: State, last: Terminated | None = None) -> list[Record]:
    return [Record({"name": "main"}, state=state, last=last)]


def _names(
    records: list[Record], policy: str = "Always", backoff: Backoff | None = None, after: float = 0
) -> str | None:
    plan = next_step(records, policy, backoff or Backoff(), "p_n(u)", NOW.timestamp() + after)
    return plan.start.name if plan.start else None


def test_init_containers_start_one_by_one_and_the_rest_after_them() -> None:
    records = records_of(_pod(inits=({"name": "a"}, {"name": "b"})))
    assert _names(records) == "a"
    records[0].state = Running(NOW)
    assert _names(records) is None, "b waits for a"
    records[0].state = _ended(0)
    assert _names(records) == "b"
    records[1].state = _ended(0)
    assert _names(records) == "main"


def test_a_sidecar_lets_the_next_one_start_once_it_has_started_and_does_not_hold_the_end() -> None:
    records = records_of(_pod("Never", inits=({"name": "side", "restartPolicy": "Always"},)))
    records[0].state = Running(NOW)
    assert _names(records, "Never") is None, "its startup probe has not succeeded yet"
    records[0].started = True
    assert _names(records, "Never") == "main"
    records[1].state = _ended(0)
    plan = next_step(records, "Never", Backoff(), "p", NOW.timestamp())
    assert (plan.stop_sidecars, plan.finished) == (True, False)
    records[0].state = _ended(0)
    assert next_step(records, "Never", Backoff(), "p", NOW.timestamp()).finished


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides_about_a_second_run(policy: str, code: int, again: bool) -> None:  # noqa: FBT001
    assert (_names(_main(_ended(code)), policy) == "main") is again


def test_rules_of_a_container_restart_it_for_its_exit_codes() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    record = Record({"name": "main", "restartPolicy": "Never", "restartPolicyRules": [rule]}, state=_ended(42))
    assert _names([record], "Never") == "main"
    record.state = _ended(1)
    assert _names([record], "Never") is None


def test_back_off_doubles_from_ten_seconds_to_five_minutes_and_forgets_after_ten() -> None:
    backoff, delays = Backoff(), []
    for _ in range(7):
        backoff.used("main", 0.0)
        delays.append(backoff.delay("main"))
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.waits_until("main", 0.0, 299.0) == 300.0
    assert backoff.waits_until("main", 0.0, 300.0) is None
    backoff.used("main", 601.0)
    assert backoff.delay("main") == 10, "ten minutes without a restart"
    assert (words(10), words(80), words(300)) == ("10s", "1m20s", "5m0s")


def test_the_first_restart_is_immediate_and_the_second_waits() -> None:
    backoff = Backoff()
    records = _main(_ended(1))
    assert _names(records, backoff=backoff) == "main"
    backoff.used("main", NOW.timestamp())
    plan = next_step(records, "Always", backoff, "p_n(u)", NOW.timestamp() + 1)
    assert plan.start is None
    assert plan.wake_at == NOW.timestamp() + 10
    assert plan.backing_off == {"main": "back-off 10s restarting failed container=main pod=p_n(u)"}
    assert _names(records, backoff=backoff, after=10) == "main"


@pytest.mark.parametrize(
    ("state", "last", "policy", "expected"),
    [
        (Waiting("ContainerCreating"), None, "Always", "Pending"),
        (Running(NOW), None, "Never", "Running"),
        (Waiting("CrashLoopBackOff"), _ended(1), "Always", "Running"),
        (_ended(0), None, "OnFailure", "Succeeded"),
        (_ended(1), None, "Never", "Failed"),
        (_ended(1), None, "OnFailure", "Running"),
    ],
)
def test_phases_are_counted_as_getphase_counts_them(
    state: State, last: Terminated | None, policy: str, expected: str
) -> None:
    assert phase(_main(state, last), policy, terminal=False, initialized=False) == expected


def test_a_pod_that_is_ended_gets_a_terminal_phase_whatever_its_policy() -> None:
    assert phase(_main(_ended(0)), "Always", terminal=True, initialized=True) == "Succeeded"
    assert phase(_main(_ended(143)), "Always", terminal=True, initialized=True) == "Failed"


def test_containers_of_a_dead_agent_are_reported_as_containerd_reports_a_lost_shim() -> None:
    pod = _pod("Never")
    running = {"running": {"startedAt": "2026-11-21T11:00:00Z"}}
    pod["status"] = {"containerStatuses": [{"name": "main", "restartCount": 2, "state": running, "lastState": {}}]}
    records = records_of(pod)
    assert restore(records, pod, NOW)
    state = records[0].state
    assert isinstance(state, Terminated)
    assert (state.exit_code, state.reason, records[0].restart_count) == (255, "Unknown", 2)
    assert phase(records, "Never", terminal=False, initialized=True) == "Failed"


@pytest.mark.parametrize("main", [_ended(255), Waiting("ErrImagePull")])
def test_init_containers_run_again_in_a_new_sandbox_before_the_rest(main: State) -> None:
    records = records_of(_pod(inits=({"name": "a"}, {"name": "b"})))
    records[0].state = records[1].state = _ended(0)
    records[2].state = main
    anew(records, "Always")
    assert not next_step(records, "Always", Backoff(), "p", NOW.timestamp()).finished
    for record in records:
        assert _names(records) == record.name, "what they made in memory went with the sandbox"
        record.state = Running(NOW) if record.name == "main" else _ended(0)
    assert _names(records) is None


def test_what_is_not_to_run_again_stays_ended_in_a_new_sandbox() -> None:
    records = [*records_of(_pod("Never", inits=({"name": "a"},))), Record({"name": "other"})]
    records[0].state = _ended(0)
    records[1].state = _ended(255)
    anew(records, "Never")
    assert _names(records, "Never") == "a"
    records[0].state = _ended(0)
    assert _names(records, "Never") == "other"
    records[2].state = _ended(0)
    assert next_step(records, "Never", Backoff(), "p", NOW.timestamp()).finished


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    pod = _pod()
    records = _main(Running(NOW))
    first = pod_status(pod, records, now=NOW, host_ip="10.0.0.1", pod_ip="", sandbox=True)
    pod["status"] = first
    records[0].ready = True
    later = NOW + dt.timedelta(seconds=5)
    second = pod_status(pod, records, now=later, host_ip="10.0.0.1", pod_ip="100.1.1.1", sandbox=True)
    times = {item["type"]: item["lastTransitionTime"] for item in second["conditions"]}
    assert times["Ready"] == "2026-11-21T12:00:05Z"
    assert times["PodReadyToStartContainers"] == "2026-11-21T12:00:00Z"
    assert second["observedGeneration"] == 3
    assert "podIP" not in first


def test_images_are_known_whatever_registry_they_come_from() -> None:
    assert program("registry.example:5000/team/slipway/trainer:1@sha256:0").python
    assert program("busybox:1.37.0").command == ("sh",)
    assert program("slipway.invalid/simulated/kwok:none").simulated
    assert program("docker.io/kserve/agent:v0.20.0").entrypoint == ("/ko-app/agent",)
    assert repository("registry.example:5000/a/b:tag") == "registry.example:5000/a/b"
    assert image_id("busybox:1") == "busybox@process"


@pytest.mark.parametrize("image", ["nginx", "evil/notslipway/trainer2", "notbusybox", "kserve/router:v0.20.0"])
def test_any_other_image_says_what_runs_here(image: str) -> None:
    with pytest.raises(ImageError, match="process"):
        program(image)


def test_a_pod_is_in_its_last_phase_only_when_nothing_of_it_is_left() -> None:
    record = Record({"name": "main"}, state=Terminated(exit_code=0, reason="Completed", finished=NOW))
    pod = {"metadata": {}, "spec": {"restartPolicy": "Never"}, "status": {"phase": "Running"}}

    def phase_of(*, terminal: bool, before: str = "Running") -> str:
        known = {**pod, "status": {"phase": before}}
        posted = pod_status(
            known, [record], now=NOW, host_ip="10.0.0.1", pod_ip="", sandbox=not terminal, terminal=terminal
        )
        return str(posted["phase"])

    assert phase_of(terminal=False) == "Running", "its sandbox is there, and perhaps a sidecar"
    assert phase_of(terminal=True) == "Succeeded"
    assert phase_of(terminal=False, before="Failed") == "Failed", "nobody leads a pod back from there"


@pytest.mark.parametrize("phase_", ["Failed", "Succeeded"])
def test_a_last_phase_that_others_gave_a_pod_holds_however_its_containers_end(phase_: str) -> None:
    pod = {**_pod("Never"), "status": {"phase": phase_}}
    for code in (0, 1):
        posted = pod_status(
            pod, _main(_ended(code)), now=NOW, host_ip="10.0.0.1", pod_ip="", sandbox=False, terminal=True
        )
        assert posted["phase"] == phase_, "SIGTERM handled well is no success of a pod that was failed"
