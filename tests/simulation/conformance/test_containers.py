"""What a container's process sees and how it ends."""

import json
from typing import Any

import pytest

from local.toolchain.pins import KSERVE_VERSION
from tests.support.conforms import conforms
from tests.support.process_world import ProcessWorld, container, pod, script

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]
LIFECYCLE = "concepts/workloads/pods/pod-lifecycle/"
API = "reference/kubernetes-api/workload-resources/pod-v1/"


@conforms(LIFECYCLE + "#pod-phase", script("succeeds", "true"), script("fails", "exit 3"))
def test_exit_codes_decide_between_succeeded_and_failed(node: ProcessWorld) -> None:
    assert (node.ended("succeeds")["exitCode"], node.ended("succeeds")["reason"]) == (0, "Completed")
    assert (node.ended("fails")["exitCode"], node.ended("fails")["reason"]) == (3, "Error")
    assert node.status("succeeds")["phase"] == "Succeeded"
    assert node.status("fails")["phase"] == "Failed"


@conforms(LIFECYCLE + "#pod-conditions", script("conditions", "sleep 3600"))
def test_a_running_pod_has_every_condition_and_its_addresses(node: ProcessWorld) -> None:
    node.wait("Ready", lambda: node.condition("conditions", "Ready").get("status") == "True")
    status = node.status("conditions")
    found = {item["type"]: item["status"] for item in status["conditions"]}
    wanted = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "PodScheduled")
    assert found == dict.fromkeys(wanted, "True")
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    assert status["startTime"]
    main = status["containerStatuses"][0]
    assert (main["ready"], main["started"], main["restartCount"]) == (True, True, 0)
    assert main["state"]["running"]["startedAt"]


@conforms(
    LIFECYCLE + "#pod-conditions",
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "finished"},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {"app": "finished"},
            "ports": [{"port": 80}],
        },
    },
    script("stays", "sleep 3600", metadata={"labels": {"app": "finished"}}),
    script("finishes", "echo done; hostname -i", metadata={"labels": {"app": "finished"}}),
)
def test_a_finished_pod_has_no_sandbox_and_no_address_but_shows_the_one_that_it_had(node: ProcessWorld) -> None:
    """``PodReadyToStartContainers`` is "pod sandbox is successfully configured" (API reference, PodCondition).

    The sandbox holds the address. ``status.podIP`` is "allocated to the pod", and no phase takes it away; it ends as an
    endpoint by the phase, also of a Service that publishes pods that are not ready.
    """
    node.phase("stays", "Running")
    node.phase("finishes", "Succeeded")
    address = node.status("finishes")["podIP"]
    assert node.output("finishes") == f"done\n{address}\n"
    assert node.condition("finishes", "PodReadyToStartContainers")["status"] == "False"
    slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3D"
    stays = node.status("stays")["podIP"]

    def endpoints() -> list[str]:
        found = node.call(f"{slices}finished").json()["items"]
        return [address for item in found for member in item.get("endpoints") or () for address in member["addresses"]]

    node.wait("only the running pod is an endpoint", lambda: endpoints() == [stays])
    uid = node.get("finishes")["metadata"]["uid"]
    node.wait("the address is free", lambda: not node.holds_address(uid))
    assert node.holds_address(node.get("stays")["metadata"]["uid"])
    assert node.status("finishes")["podIP"] == address


@conforms(
    "tasks/inject-data-application/define-command-argument-container/",
    pod(
        "words",
        {
            **container("true"),
            "command": ["printf"],
            "args": ["%s|", "$(GREETING)", "$$(GREETING)", "$(ABSENT)"],
            "env": [{"name": "GREETING", "value": "hello"}],
        },
    ),
)
def test_command_and_args_are_expanded_with_the_environment(node: ProcessWorld) -> None:
    assert node.output("words") == "hello|$(GREETING)|$(ABSENT)|"


@conforms(API + "#entrypoint", script("directory", "pwd", workingDir="/tmp"))
def test_the_working_directory_is_the_containers_own(node: ProcessWorld) -> None:
    assert node.output("directory") == "/tmp\n"


@conforms(
    "concepts/workloads/pods/init-containers/",
    pod(
        "model",
        container("cat /mnt/models/weights", volumeMounts=[{"name": "models", "mountPath": "/mnt"}]),
        initContainers=[
            container(
                "mkdir /mnt/source; echo 0.5 > /mnt/source/weights; chmod -R a+rX /mnt; chmod a+w /mnt",
                "upload",
                volumeMounts=[{"name": "models", "mountPath": "/mnt"}],
            ),
            {
                "name": "storage-initializer",
                "image": f"kserve/storage-initializer:v{KSERVE_VERSION}",
                "args": ["file:///mnt/source", "/mnt/models"],
                "volumeMounts": [{"name": "models", "mountPath": "/mnt"}],
            },
        ],
        volumes=[{"name": "models", "emptyDir": {}}],
    ),
)
def test_the_storage_initializer_puts_a_model_where_the_server_looks(node: ProcessWorld) -> None:
    assert node.output("model") == "0.5\n"


@conforms(
    "concepts/workloads/pods/#how-pods-manage-multiple-containers",
    pod(
        "agent",
        container("cd /tmp; echo answer > model; exec python3 -m http.server 8080"),
        {
            "name": "agent",
            "image": f"kserve/agent:v{KSERVE_VERSION}",
            "args": ["--port", "9081", "--component-port", "8080", "--enable-batcher"],
            "env": [{"name": "SERVING_READINESS_PROBE", "value": '{"tcpSocket": {"port": 8080}}'}],
        },
    ),
)
def test_kserves_agent_stands_before_the_server_of_its_pod(node: ProcessWorld) -> None:
    asked = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9081/model').read().decode(), end='')"
    node.wait("an answer", lambda: node.execute("agent", "python3", "-c", asked) == "answer\n")


@conforms("concepts/containers/images/#imagepullbackoff", script("foreign", "true", image="example.com/other/app:1"))
def test_a_foreign_image_is_an_image_that_cannot_be_pulled(node: ProcessWorld) -> None:
    node.told("foreign", "Failed", "no process stands for example.com/other/app:1")
    waiting = node.container("foreign")["state"]["waiting"]
    assert waiting["reason"] in {"ErrImagePull", "ImagePullBackOff"}
    assert node.status("foreign")["phase"] == "Pending"
    node.told("foreign", "BackOff", 'Back-off pulling image "example.com/other/app:1"')


@conforms(
    "concepts/containers/images/#image-pull-policy",
    script("never", "true", image="example.com/other/app:1", imagePullPolicy="Never"),
)
def test_an_absent_image_with_policy_never_is_not_pulled(node: ProcessWorld) -> None:
    node.wait(
        "reason", lambda: node.container("never")["state"].get("waiting", {}).get("reason") == "ErrImageNeverPull"
    )


@conforms(API + "#entrypoint", pod("unknown-command", {**container(""), "command": ["/no/such/program"]}))
def test_a_command_that_does_not_exist_is_a_start_error(node: ProcessWorld) -> None:
    ended = node.ended("unknown-command")
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "/no/such/program": no such file or directory' in ended["message"]


@conforms(
    "tasks/debug/debug-application/determine-reason-pod-failure/",
    script("message", "echo because > /dev/termination-log; exit 1"),
    script("other-path", "echo elsewhere > /tmp/why", terminationMessagePath="/tmp/why"),
)
def test_the_termination_message_is_read_from_its_file(node: ProcessWorld) -> None:
    assert node.ended("message")["message"] == "because\n"
    assert node.ended("other-path")["message"] == "elsewhere\n"


@conforms(
    "tasks/debug/debug-application/determine-reason-pod-failure/#customizing-the-termination-message",
    script("fallback", "echo last words; exit 1", terminationMessagePolicy="FallbackToLogsOnError"),
    script("no-fallback", "echo last words", terminationMessagePolicy="FallbackToLogsOnError"),
)
def test_the_log_stands_in_for_a_message_only_after_an_error(node: ProcessWorld) -> None:
    assert node.ended("fallback")["message"] == "last words\n"
    assert "message" not in node.ended("no-fallback")


@conforms(
    "tasks/configure-pod-container/share-process-namespace/#understanding-process-namespace-sharing",
    script("first-process", "sh -c 'echo $PPID'; ls -d /proc/[0-9]* | wc -l; cut -d' ' -f5,6 /proc/1/stat; true"),
    pod(
        "shared-processes",
        container("sleep 987 & wait", "other"),
        container("until grep -l 987 /proc/[0-9]*/cmdline; do sleep 0.2; done; kill -9 -1"),
        shareProcessNamespace=True,
    ),
)
def test_a_container_is_process_one_of_its_own_unless_processes_are_shared(node: ProcessWorld) -> None:
    words = node.output("first-process").split()
    assert words[0] == "1"
    assert int(words[1]) <= 4, "no process of the machine or of other pods is seen"
    assert words[2:] == ["1", "1"], "it leads a process group and a session of its own"
    assert "/cmdline" in node.output("shared-processes")
    assert node.container("shared-processes", "other")["state"]["terminated"]["exitCode"] == 137


@conforms(
    "concepts/workloads/pods/#pod-networking",
    pod(
        "one-network",
        container("exec python3 -m http.server 8123 --bind 127.0.0.1", "server"),
        container(
            "until python3 -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8123\").status)' 2>&-; "
            "do sleep 0.3; done"
        ),
    ),
)
def test_containers_of_a_pod_reach_each_other_on_localhost(node: ProcessWorld) -> None:
    done = "terminated"
    node.wait("main ended", lambda: done in node.container("one-network").get("state", {}))
    assert node.output("one-network", ended=False) == "200\n"


@conforms(
    "tasks/network/customize-hosts-file-for-pods/",
    script(
        "hosts",
        "hostname; cat /etc/hosts",
        hostname="walter",
        subdomain="ring",
        hostAliases=[{"ip": "10.1.2.3", "hostnames": ["far.example"]}],
    ),
)
def test_host_name_subdomain_and_aliases_are_in_the_hosts_file(node: ProcessWorld) -> None:
    lines = node.output("hosts").splitlines()
    assert lines[0] == "walter"
    assert f"{node.status('hosts')['podIP']}\twalter.ring.default.svc.cluster.local\twalter" in lines
    assert "10.1.2.3\tfar.example" in lines


@conforms(
    API + "#security-context-1",
    script(
        "read-only",
        "touch /x; touch /tmp/x; echo ok > /data/x && cat /data/x",
        securityContext={"readOnlyRootFilesystem": True},
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    ),
)
def test_a_read_only_root_leaves_only_volumes_writable(node: ProcessWorld) -> None:
    assert node.output("read-only").count("Read-only file system") == 2
    assert "ok\n" in node.output("read-only")


@conforms(
    "tasks/configure-pod-container/security-context/#set-the-security-context-for-a-pod",
    pod(
        "identity",
        container(
            "id -u; id -g; id -G; touch /data/f; stat -c '%u %g' /data/f",
            volumeMounts=[{"name": "data", "mountPath": "/data"}],
        ),
        container("id -u", "other", securityContext={"runAsUser": 2000}),
        securityContext={"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2500, "supplementalGroups": [4000]},
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
)
def test_user_groups_and_fs_group_are_those_of_the_security_context(node: ProcessWorld) -> None:
    words = node.output("identity").split("\n")
    assert words[:2] == ["1000", "3000"]
    assert set(words[2].split()) == {"3000", "2500", "4000"}
    assert words[3] == "1000 2500", "a new file in a volume belongs to the volume's group"
    assert node.output("identity", "other") == "2000\n"
    assert node.container("identity")["user"]["linux"]["uid"] == 1000


@conforms(API + "#security-context-1", script("not-root", "true", securityContext={"runAsNonRoot": True}))
def test_run_as_non_root_refuses_an_image_of_root(node: ProcessWorld) -> None:
    node.wait("waiting", lambda: node.container("not-root").get("state", {}).get("waiting", {}).get("message"))
    waiting = node.container("not-root")["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert "container has runAsNonRoot and image will run as root" in waiting["message"]


@conforms(
    "tasks/configure-pod-container/security-context/#set-capabilities-for-a-container",
    script(
        "no-capabilities",
        "grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; chown 1 /tmp",
        securityContext={"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False},
    ),
    script(
        "one-capability",
        "grep CapEff /proc/self/status; chown 1 /tmp && echo done",
        securityContext={"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}},
    ),
)
def test_dropped_capabilities_are_gone_and_added_ones_are_there(node: ProcessWorld) -> None:
    nothing = node.output("no-capabilities")
    assert "CapEff:\t0000000000000000" in nothing
    assert "NoNewPrivs:\t1" in nothing
    assert "Operation not permitted" in nothing
    assert "CapEff:\t0000000000000001" in node.output("one-capability")
    assert node.output("one-capability").endswith("done\n")


@conforms("concepts/architecture/nodes/#node-heartbeats")
def test_a_node_tells_by_its_lease_that_it_lives(node: ProcessWorld) -> None:
    (machine,) = node.world.nodes()
    name = machine["metadata"]["name"]

    def lease() -> dict[str, Any]:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        found: dict[str, Any] = node.call(path).json()
        return found

    first = lease()
    assert (first["spec"]["holderIdentity"], first["spec"]["leaseDurationSeconds"]) == (name, 40)
    (owner,) = first["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Node", machine["metadata"]["uid"]), "it goes with its node"
    node.wait("a heartbeat", lambda: lease()["spec"]["renewTime"] > first["spec"]["renewTime"])


@conforms(
    "concepts/workloads/pods/pod-lifecycle/#pod-readiness-gate",
    script("gated", "sleep 3600", readinessGates=[{"conditionType": "example.com/open"}]),
)
def test_a_readiness_gate_keeps_a_pod_from_being_ready(node: ProcessWorld) -> None:
    node.wait("containers ready", lambda: node.condition("gated", "ContainersReady").get("status") == "True")
    assert node.condition("gated", "Ready")["reason"] == "ReadinessGatesNotReady"
    opened = {"status": {"conditions": [{"type": "example.com/open", "status": "True"}]}}
    path = "/api/v1/namespaces/default/pods/gated/status"
    node.strategic_patch(path, opened)
    node.wait("Ready", lambda: node.condition("gated", "Ready").get("status") == "True")
    kept = node.condition("gated", "example.com/open")
    assert kept.get("status") == "True", f"conditions of others stay: {json.dumps(node.status('gated'))}"
