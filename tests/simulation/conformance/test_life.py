"""Probes, restarts, init containers, hooks, signals, limits, logs and deletion."""

from pathlib import Path
from typing import Any

import pytest

from local.cluster.process_node.cgroups import Cgroups
from tests.support.conforms import conforms
from tests.support.process_world import ENDLESS, Document, ProcessWorld, container, pod, script

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]
LIFECYCLE = "concepts/workloads/pods/pod-lifecycle/"
PROBES = "tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
HOOKS = "concepts/containers/container-lifecycle-hooks/"
QUICK = {"periodSeconds": 1, "timeoutSeconds": 10}
SERVER = "cd /tmp; echo $$ > x; exec python3 -m http.server 8080"


def _exec(text: str, **more: object) -> dict[str, object]:
    return {"exec": {"command": ["sh", "-c", text]}, **QUICK, **more}


ARMED = "touch /tmp/armed; while true; do sleep 0.1; done"
UNTIL_ARMED = _exec("! test -e /tmp/armed", failureThreshold=1)
"""Has the node stop the container as soon as its handlers are in place."""


@conforms(
    PROBES + "#define-a-liveness-command",
    script(
        "liveness",
        "trap 'exit 0' TERM; while true; do sleep 0.1; done",
        restartPolicy="Always",
        livenessProbe=_exec("echo wrong; false", failureThreshold=2),
    ),
)
def test_a_container_that_fails_its_liveness_probe_is_restarted(node: ProcessWorld) -> None:
    node.wait("a restart", lambda: node.container("liveness").get("restartCount", 0) >= 1)
    node.told("liveness", "Unhealthy", "Liveness probe failed: wrong")
    node.told("liveness", "Killing", "Container main failed liveness probe, will be restarted")


@conforms(
    PROBES + "#define-readiness-probes",
    script(
        "http-ready",
        SERVER,
        readinessProbe={"httpGet": {"path": "/ready", "port": "web"}, **QUICK},
        ports=[{"name": "web", "containerPort": 8080}],
    ),
)
def test_an_http_probe_decides_about_ready_and_keeps_the_container(node: ProcessWorld) -> None:
    node.told("http-ready", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")
    assert node.condition("http-ready", "Ready")["reason"] == "ContainersNotReady"
    assert node.execute("http-ready", "touch", "/tmp/ready") == ""
    node.wait("Ready", lambda: node.condition("http-ready", "Ready").get("status") == "True")
    assert node.execute("http-ready", "rm", "/tmp/ready") == ""
    node.wait("not Ready", lambda: node.condition("http-ready", "Ready").get("status") == "False")
    assert node.container("http-ready")["restartCount"] == 0


@conforms(
    PROBES + "#define-a-tcp-liveness-probe",
    script("tcp-ready", f"sleep 2; {SERVER}", readinessProbe={"tcpSocket": {"port": 8080}, **QUICK}),
)
def test_a_tcp_probe_waits_for_a_listener(node: ProcessWorld) -> None:
    node.told("tcp-ready", "Unhealthy", "connect: connection refused")
    node.wait("Ready", lambda: node.condition("tcp-ready", "Ready").get("status") == "True")


@conforms(
    PROBES + "#define-startup-probes",
    script(
        "startup",
        "sleep 3; touch /tmp/started; sleep 3600",
        startupProbe=_exec("test -e /tmp/started", failureThreshold=60),
        livenessProbe=_exec("test -e /tmp/started", failureThreshold=1),
    ),
)
def test_a_startup_probe_holds_the_other_probes_back(node: ProcessWorld) -> None:
    node.wait("started", lambda: node.container("startup").get("started"))
    assert node.container("startup")["restartCount"] == 0
    assert node.container("startup")["ready"] is True


@conforms(
    PROBES + "#define-startup-probes",
    script("never-started", "sleep 3600", restartPolicy="Always", startupProbe=_exec("false", failureThreshold=1)),
)
def test_a_container_that_never_starts_up_is_restarted(node: ProcessWorld) -> None:
    node.told("never-started", "Killing", "Container main failed startup probe, will be restarted")
    node.wait("a restart", lambda: node.container("never-started").get("restartCount", 0) >= 1)


@conforms(
    PROBES + "#configure-probes",
    script(
        "slow-probe",
        "sleep 3600",
        readinessProbe={"exec": {"command": ["sleep", "60"]}, "periodSeconds": 1, "timeoutSeconds": 1},
    ),
)
def test_a_probe_that_takes_too_long_has_failed(node: ProcessWorld) -> None:
    node.told("slow-probe", "Unhealthy", 'command timed out: "sleep 60" timed out after 1s')
    assert node.condition("slow-probe", "Ready")["status"] == "False"


@conforms(
    LIFECYCLE + "#restart-policy",
    script(
        "on-failure",
        "n=$(cat /data/n 2>&- || echo 0); echo run $n; echo $((n + 1)) > /data/n; test $n = 1",
        restartPolicy="OnFailure",
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    ),
)
def test_on_failure_restarts_until_success_and_keeps_the_last_log(node: ProcessWorld) -> None:
    assert node.ended("on-failure")["exitCode"] == 0
    assert node.container("on-failure")["restartCount"] == 1
    assert node.container("on-failure")["lastState"]["terminated"]["exitCode"] == 1
    assert node.output("on-failure") == "run 1\n"
    assert node.output("on-failure", previous="true") == "run 0\n"


@conforms(LIFECYCLE + "#container-restarts", script("crash-loop", "exit 4", restartPolicy="Always"))
def test_a_container_that_keeps_failing_backs_off(node: ProcessWorld) -> None:
    seen: dict[str, Any] = {}

    def backs_off() -> bool:
        # One look at the pod: a moment later its container runs again.
        seen.update(node.container("crash-loop"))
        return bool(seen.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")

    node.wait("CrashLoopBackOff", backs_off)
    uid = node.get("crash-loop")["metadata"]["uid"]
    message = f"restarting failed container=main pod=crash-loop_default({uid})"
    assert message in seen["state"]["waiting"]["message"]
    assert seen["lastState"]["terminated"]["exitCode"] == 4
    assert node.status("crash-loop")["phase"] == "Running", "a pod that restarts is running"
    node.told("crash-loop", "BackOff", "Back-off restarting failed container main in pod")


@conforms(
    "concepts/workloads/pods/init-containers/#understanding-init-containers",
    pod(
        "init-order",
        container("cat /data/log", volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        initContainers=[
            container("sleep 1; echo a >> /data/log", "a", volumeMounts=[{"name": "data", "mountPath": "/data"}]),
            container("echo b >> /data/log", "b", volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        ],
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    pod("init-slow", container("true"), initContainers=[container("sleep 3600", "slow")]),
)
def test_init_containers_run_one_after_the_other_before_the_rest(node: ProcessWorld) -> None:
    assert node.output("init-order") == "a\nb\n"
    node.wait("init runs", lambda: "running" in node.container("init-slow", "slow").get("state", {}))
    assert node.status("init-slow")["phase"] == "Pending"
    assert node.container("init-slow")["state"]["waiting"]["reason"] == "PodInitializing"
    initialized = node.condition("init-slow", "Initialized")
    assert initialized["message"] == "containers with incomplete status: [slow]"


@conforms(
    "concepts/workloads/pods/init-containers/#detailed-behavior",
    pod("init-fails", container("true"), initContainers=[container("exit 5", "bad")]),
)
def test_a_failed_init_container_fails_a_pod_that_is_never_restarted(node: ProcessWorld) -> None:
    node.phase("init-fails", "Failed")
    assert node.container("init-fails", "bad")["state"]["terminated"]["exitCode"] == 5
    assert "waiting" in node.container("init-fails")["state"]


@conforms(
    "concepts/workloads/pods/sidecar-containers/#sidecar-containers-and-pod-lifecycle",
    pod(
        "sidecar",
        container("cat /data/up", volumeMounts=[{"name": "data", "mountPath": "/data"}]),
        initContainers=[
            container(
                "trap 'exit 0' TERM; sleep 1; echo up > /data/up; touch /tmp/ok; while true; do sleep 0.1; done",
                "side",
                restartPolicy="Always",
                startupProbe=_exec("test -e /tmp/ok", failureThreshold=60),
                volumeMounts=[{"name": "data", "mountPath": "/data"}],
            )
        ],
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
)
def test_a_sidecar_starts_before_the_others_and_does_not_keep_the_pod(node: ProcessWorld) -> None:
    assert node.output("sidecar") == "up\n"
    assert node.status("sidecar")["phase"] == "Succeeded"
    assert node.container("sidecar", "side")["state"]["terminated"]["exitCode"] == 0


@conforms(
    HOOKS + "#container-hooks",
    script(
        "post-start",
        "until cat /tmp/hook; do sleep 0.1; done",
        lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "echo hooked > /tmp/hook"]}}},
    ),
    script(
        "bad-post-start",
        "sleep 3600",
        lifecycle={"postStart": {"exec": {"command": ["false"]}}},
    ),
)
def test_a_post_start_hook_runs_and_its_failure_kills_the_container(node: ProcessWorld) -> None:
    assert node.output("post-start").endswith("hooked\n")
    node.told("bad-post-start", "FailedPostStartHook", "PostStartHook failed")
    assert node.ended("bad-post-start")["exitCode"] in {137, 143}


@conforms(
    HOOKS + "#hook-handler-execution",
    script(
        "pre-stop",
        f"trap 'echo term; exit 0' TERM; {ARMED}",
        livenessProbe=UNTIL_ARMED,
        lifecycle={"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /proc/1/fd/1"]}}},
        terminationGracePeriodSeconds=30,
    ),
)
def test_pre_stop_comes_before_the_signal(node: ProcessWorld) -> None:
    assert node.output("pre-stop") == "hook\nterm\n"


@conforms(
    LIFECYCLE + "#pod-termination",
    script("handles-term", f"trap 'exit 7' TERM; {ARMED}", livenessProbe=UNTIL_ARMED),
    script("ignores-term", f"trap '' TERM; {ARMED}", livenessProbe=UNTIL_ARMED),
)
def test_a_process_gets_sigterm_and_after_the_grace_period_sigkill(node: ProcessWorld) -> None:
    assert node.ended("handles-term")["exitCode"] == 7
    assert node.ended("ignores-term")["exitCode"] == 137


@conforms(LIFECYCLE + "#pod-phase", script("deadline", "sleep 3600", activeDeadlineSeconds=1))
def test_a_pod_past_its_deadline_fails(node: ProcessWorld) -> None:
    node.phase("deadline", "Failed")
    status = node.status("deadline")
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


@conforms(
    "concepts/configuration/manage-resources-containers/#how-pods-with-resource-limits-are-run",
    pod(
        "out-of-memory",
        {
            **container(""),
            "command": ["python3", "-c", "x = bytearray(200 << 20)\nprint('alive')"],
            "resources": {"limits": {"memory": "48Mi"}},
        },
    ),
    script("within-memory", "echo fine", resources={"limits": {"memory": "48Mi"}}),
)
def test_a_process_over_its_memory_limit_is_killed(node: ProcessWorld) -> None:
    ended = node.ended("out-of-memory")
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert "alive" not in node.output("out-of-memory")
    assert node.ended("within-memory")["reason"] == "Completed"


BUSY = """
import time
began = time.monotonic()
while time.monotonic() - began < 3: pass
print(time.process_time() / (time.monotonic() - began))
"""


@conforms(
    "concepts/configuration/manage-resources-containers/#how-pods-with-resource-limits-are-run",
    pod(
        "much-cpu",
        {**container(""), "command": ["python3", "-c", BUSY], "resources": {"limits": {"cpu": "200m"}}},
    ),
)
def test_a_process_over_its_cpu_limit_is_slowed_down(node: ProcessWorld, tmp_path: Path) -> None:
    groups = Cgroups(tmp_path)
    groups.close()
    if groups.problem:
        pytest.skip(groups.problem)
    share = float(node.output("much-cpu"))
    assert share < 0.4, "a fifth of a processor, and what the interpreter took before"


@conforms(
    "concepts/storage/ephemeral-storage/#resource-emphemeralstorage-consumption",
    script(
        "too-full",
        "dd if=/dev/zero of=/data/f bs=1M count=3; sleep 3600",
        volumes=[{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}],
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    ),
)
def test_a_pod_whose_volume_is_too_full_is_evicted(node: ProcessWorld) -> None:
    node.phase("too-full", "Failed")
    status = node.status("too-full")
    assert status["reason"] == "Evicted"
    assert status["message"].startswith('Usage of EmptyDir volume "data" exceeds the limit')


@conforms(
    "concepts/cluster-administration/logging/#basic-logging-in-kubernetes",
    script("streams", "echo one; echo two >&2; echo three"),
)
def test_both_streams_are_in_the_log_with_times(node: ProcessWorld) -> None:
    assert sorted(node.output("streams").split()) == ["one", "three", "two"]
    assert node.output("streams", tailLines=1).count("\n") == 1
    stamped = node.output("streams", timestamps="true").splitlines()
    assert all(line.partition(" ")[0].endswith("Z") for line in stamped)


@conforms(
    "concepts/cluster-administration/logging/#log-rotation",
    script("chatty", "yes 0123456789012345678901234567890123456789 | head -c 31000000; echo end"),
)
def test_logs_are_rotated_and_the_newest_lines_stay(node: ProcessWorld) -> None:
    node.ended("chatty")
    assert node.output("chatty", tailLines=1).endswith("end\n")
    state = Path(node.world.environment.paths.root)
    sizes = [path.stat().st_size for path in state.glob("clusters/*/nodes/*/logs/*chatty*/main/0.log*")]
    assert len(sizes) > 1
    assert len(sizes) <= 5, "a kubelet keeps five files"
    assert max(sizes) < 11 << 20, "of ten mebibytes each"


@conforms(
    LIFECYCLE + "#pod-termination-flow",
    script("deleted", "trap 'echo bye; exit 0' TERM; while true; do sleep 0.1; done", terminationGracePeriodSeconds=30),
)
def test_a_deleted_pod_ends_gracefully_and_then_goes(node: ProcessWorld) -> None:
    node.phase("deleted", "Running")
    node.delete("deleted")
    node.gone("deleted")
    assert ("Killing", "Stopping container main") in node.events("deleted")


def _stubborn(name: str, digit: int) -> Document:
    """A pod that no SIGTERM ends, with a process that the digit tells from those of other cases."""
    sleeper = f"(trap '' TERM; exec sleep {ENDLESS}{digit})"
    text = f"trap '' TERM; {sleeper} & while true; do sleep 0.1; done"
    return script(name, text, terminationGracePeriodSeconds=600)


@conforms(
    LIFECYCLE + "#pod-termination-forced",
    _stubborn("forced", 1),
)
def test_a_forced_deletion_leaves_no_process(node: ProcessWorld) -> None:
    node.phase("forced", "Running")
    _force(node, "forced", f"{ENDLESS}1")


@conforms(
    LIFECYCLE + "#pod-termination-forced",
    _stubborn("forced-later", 2),
)
def test_a_forced_deletion_ends_the_patience_of_an_earlier_one(node: ProcessWorld) -> None:
    node.phase("forced-later", "Running")
    node.delete("forced-later")
    node.told("forced-later", "Killing", "Stopping container main")
    _force(node, "forced-later", f"{ENDLESS}2")


def _force(node: ProcessWorld, name: str, sleeps: str) -> None:
    node.wait("its process", lambda: node.processes(sleeps))
    uid = node.get(name)["metadata"]["uid"]
    node.delete(name, grace=0)
    node.gone(name)
    node.wait("no process is left", lambda: not node.processes(sleeps))
    node.wait("nothing is left on disk", lambda: not node.pod_directories(uid))


@conforms(
    LIFECYCLE + "#pod-termination",
    script("orphans", f"(trap '' TERM HUP; exec sleep {ENDLESS}3) & until test -d /proc/2; do sleep 0.1; done; exit 0"),
)
def test_what_a_container_leaves_behind_dies_with_it(node: ProcessWorld) -> None:
    assert node.ended("orphans")["exitCode"] == 0
    assert not node.processes(f"{ENDLESS}3")


@conforms(
    "tasks/debug/debug-application/get-shell-running-container/",
    script("entered", "sleep 3600", env=[{"name": "A", "value": "b"}]),
)
def test_exec_runs_beside_the_container_with_its_environment(node: ProcessWorld) -> None:
    node.phase("entered", "Running")
    assert node.execute("entered", "sh", "-c", "echo $A; hostname; cat /proc/1/cmdline | tr '\\0' ' '") == (
        "b\nentered\nsh -c sleep 3600 "
    )
