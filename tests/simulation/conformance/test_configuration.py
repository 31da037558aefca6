"""Environment variables and volumes."""

import pytest

from tests.support.conforms import conforms
from tests.support.process_world import TEMPORARY, ProcessWorld, config_map, container, pod, script, secret

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]
VOLUMES = "concepts/storage/volumes/"
DATA = [{"name": "data", "mountPath": "/data"}]


def _field(name: str, path: str) -> dict[str, object]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _resource(name: str, resource: str, divisor: str = "1") -> dict[str, object]:
    return {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}


@conforms(
    "tasks/inject-data-application/environment-variable-expose-pod-information/",
    script(
        "fields",
        'echo "$NAME $SPACE $NODE $LABEL $HOST $POD"',
        env=[
            _field("NAME", "metadata.name"),
            _field("SPACE", "metadata.namespace"),
            _field("NODE", "spec.nodeName"),
            _field("LABEL", "metadata.labels['team']"),
            _field("HOST", "status.hostIP"),
            _field("POD", "status.podIP"),
        ],
        metadata={"labels": {"team": "vision"}},
    ),
)
def test_variables_tell_fields_of_the_pod(node: ProcessWorld) -> None:
    words, status = node.output("fields").split(), node.status("fields")
    assert words == [
        "fields",
        "default",
        node.get("fields")["spec"]["nodeName"],
        "vision",
        status["hostIP"],
        status["podIP"],
    ]


@conforms(
    "concepts/workloads/pods/downward-api/#downwardapi-resourceFieldRef",
    script(
        "resources",
        'echo "$CPU $MEMORY $WHOLE"',
        env=[
            _resource("CPU", "limits.cpu", "1m"),
            _resource("MEMORY", "requests.memory", "1Mi"),
            _resource("WHOLE", "limits.cpu"),
        ],
        resources={"requests": {"memory": "33Mi", "cpu": "10m"}, "limits": {"cpu": "250m", "memory": "64Mi"}},
    ),
    script("no-limit", "echo $CPU", env=[_resource("CPU", "limits.cpu", "1m")]),
)
def test_variables_tell_resources_rounded_up_and_the_nodes_where_no_limit_is(node: ProcessWorld) -> None:
    assert node.output("resources") == "250 33 1\n"
    allocatable = node.world.nodes()[0]["status"]["allocatable"]["cpu"]
    assert node.output("no-limit") == allocatable.removesuffix("m") + "\n"


@conforms(
    "tasks/configure-pod-container/configure-pod-configmap/",
    config_map("settings", colour="red", size="9"),
    secret("keys", token="not-a-real-token"),
    script(
        "references",
        'echo "$COLOUR $MY_size $TOKEN [$ABSENT]"',
        env=[
            {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k", "optional": True}}},
        ],
        envFrom=[{"prefix": "MY_", "configMapRef": {"name": "settings"}}],
    ),
)
def test_variables_come_from_config_maps_and_secrets(node: ProcessWorld) -> None:
    assert node.output("references") == "red 9 not-a-real-token []\n"


@conforms(
    "tasks/configure-pod-container/configure-pod-configmap/#restrictions",
    script("late", "echo $K", env=[{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "k"}}}]),
)
def test_a_missing_config_map_holds_the_container_until_it_is_there(node: ProcessWorld) -> None:
    node.told("late", "Failed", 'Error: configmap "late" not found')
    assert node.container("late")["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    node.create(config_map("late", k="came"))
    assert node.output("late") == "came\n"


@conforms(
    "concepts/services-networking/service/#environment-variables",
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "my-db"},
        "spec": {"ports": [{"name": "sql", "port": 5432}]},
    },
    script("service-links", 'echo "$MY_DB_SERVICE_PORT $MY_DB_SERVICE_PORT_SQL $KUBERNETES_SERVICE_PORT"'),
    script("no-links", 'echo "[$MY_DB_SERVICE_PORT] $KUBERNETES_SERVICE_PORT"', enableServiceLinks=False),
)
def test_services_are_variables_unless_links_are_off(node: ProcessWorld) -> None:
    assert node.output("service-links") == "5432 5432 443\n"
    assert node.output("no-links") == "[] 443\n"


@conforms(
    VOLUMES + "#emptydir",
    script(
        "kept",
        "test -e /data/mark && test ! -e /tmp/mark && echo second && exit 0; touch /data/mark /tmp/mark; exit 1",
        restartPolicy="OnFailure",
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=DATA,
    ),
)
def test_an_empty_dir_outlives_its_container_and_the_root_file_system_does_not(node: ProcessWorld) -> None:
    assert node.output("kept") == "second\n"
    assert node.container("kept")["restartCount"] == 1


@conforms(
    VOLUMES + "#emptydir",
    pod(
        "memory-volume",
        container(
            "stat -f -c %T /data; dd if=/dev/zero of=/data/f bs=1M count=4; ls /data; echo x > /data/g; echo $?",
            volumeMounts=DATA,
        ),
        container("until ls /data/f; do sleep 0.2; done", "other", volumeMounts=DATA),
        volumes=[{"name": "data", "emptyDir": {"medium": "Memory", "sizeLimit": "2Mi"}}],
    ),
)
def test_an_empty_dir_of_memory_is_shared_and_ends_at_its_limit(node: ProcessWorld) -> None:
    text = node.output("memory-volume")
    assert "tmpfs" in text
    assert "No space left on device" in text
    assert node.output("memory-volume", "other").endswith("/data/f\n")


@conforms(
    "concepts/configuration/configmap/#using-configmaps-as-files-from-a-pod",
    config_map("files", first="1", second="2"),
    script(
        "items",
        "cat /data/deep/one; ls /data; stat -L -c %a /data/deep/one",
        volumes=[
            {
                "name": "data",
                "configMap": {"name": "files", "items": [{"key": "first", "path": "deep/one", "mode": 0o400}]},
            }
        ],
        volumeMounts=DATA,
    ),
)
def test_items_choose_keys_paths_and_modes_of_a_config_map(node: ProcessWorld) -> None:
    assert node.output("items") == "1deep\n400\n"


@conforms(
    "concepts/configuration/configmap/#mounted-configmaps-are-updated-automatically",
    config_map("changing", value="old"),
    script(
        "updated",
        "until grep -q new /data/value; do sleep 0.2; done; cat /data/value",
        volumes=[{"name": "data", "configMap": {"name": "changing"}}],
        volumeMounts=DATA,
    ),
)
def test_a_changed_config_map_reaches_a_running_container(node: ProcessWorld) -> None:
    node.phase("updated", "Running")
    path = "/api/v1/namespaces/default/configmaps/changing"
    node.strategic_patch(path, {"data": {"value": "new"}})
    assert node.output("updated") == "new"


@conforms(
    "concepts/configuration/secret/#using-secrets-as-files-from-a-pod",
    secret("password", word="not-a-real-password"),
    script(
        "secret-files",
        "cat /data/word; stat -L -c ' %a' /data/word; touch /data/x",
        volumes=[{"name": "data", "secret": {"secretName": "password", "defaultMode": 0o440}}],
        volumeMounts=DATA,
    ),
)
def test_a_secret_is_files_of_the_wanted_mode_that_nobody_can_write(node: ProcessWorld) -> None:
    text = node.output("secret-files")
    assert "not-a-real-password 440\n" in text
    assert "Read-only file system" in text


@conforms(
    "tasks/inject-data-application/downward-api-volume-expose-pod-information/",
    script(
        "downward",
        "cat /data/labels; echo; cat /data/limit",
        metadata={"labels": {"b": "2", "a": "1"}},
        resources={"limits": {"memory": "32Mi"}},
        volumes=[
            {
                "name": "data",
                "downwardAPI": {
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {
                            "path": "limit",
                            "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"},
                        },
                    ]
                },
            }
        ],
        volumeMounts=DATA,
    ),
)
def test_a_downward_volume_tells_labels_and_limits(node: ProcessWorld) -> None:
    lines = node.output("downward").split("\n")
    assert lines[:2] == ['a="1"', 'b="2"'], "sorted; the API server adds labels of its own behind them"
    assert lines[-1] == "33554432"


@conforms(
    "tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection",
    script(
        "token",
        "cat /data/token; echo; cat /data/labels",
        metadata={"labels": {"with": "token"}},
        volumes=[
            {
                "name": "data",
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600, "audience": "vault"}},
                        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                    ]
                },
            }
        ],
        volumeMounts=DATA,
    ),
)
def test_a_projected_token_is_one_that_the_api_server_accepts_for_its_audience(node: ProcessWorld) -> None:
    token, *labels = node.output("token").split("\n")
    assert 'with="token"' in labels
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["vault"]},
    }
    answer = node.call("/apis/authentication.k8s.io/v1/tokenreviews", method="POST", body=review).json()["status"]
    assert answer["user"]["username"] == "system:serviceaccount:default:default"
    assert answer["user"]["extra"]["authentication.kubernetes.io/pod-name"] == ["token"]


@conforms(
    VOLUMES + "#using-subpath",
    pod(
        "sub-paths",
        container(
            "echo one > /a/f; cat /b/one/f; ls /b",
            env=[{"name": "WHO", "value": "two"}],
            volumeMounts=[
                {"name": "data", "mountPath": "/a", "subPath": "one"},
                {"name": "data", "mountPath": "/c", "subPathExpr": "$(WHO)"},
                {"name": "data", "mountPath": "/b", "readOnly": True},
            ],
        ),
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
)
def test_sub_paths_show_parts_of_a_volume_and_are_made(node: ProcessWorld) -> None:
    assert node.output("sub-paths") == "one\none\ntwo\n"


@conforms(
    VOLUMES + "#read-only-mounts",
    script(
        "read-only-mount",
        "touch /data/x || echo refused",
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[{"name": "data", "mountPath": "/data", "readOnly": True}],
    ),
)
def test_a_read_only_mount_refuses_writes(node: ProcessWorld) -> None:
    assert "refused\n" in node.output("read-only-mount")


def _claimed(name: str, text: str) -> dict[str, object]:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "disk"}}]
    return script(name, text, volumes=volumes, volumeMounts=DATA)


@conforms(
    "concepts/storage/persistent-volumes/#claims-as-volumes",
    {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "disk"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "claimRef": {"namespace": "default", "name": "disk"},
            "hostPath": {"path": f"{TEMPORARY}/disk", "type": "DirectoryOrCreate"},
        },
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": "disk",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    },
    _claimed("claim-writer", "echo $HOSTNAME > /data/who"),
    _claimed("claim-reader", "until cat /data/who; do sleep 0.2; done"),
)
def test_two_pods_share_a_claim(node: ProcessWorld) -> None:
    assert node.output("claim-reader").endswith("claim-writer\n")


@conforms(
    "concepts/configuration/configmap/#using-configmaps-as-files-from-a-pod",
    script(
        "absent-volume",
        "cat /data/k",
        volumes=[{"name": "data", "configMap": {"name": "absent-volume"}}],
        volumeMounts=DATA,
    ),
)
def test_a_missing_config_map_volume_is_a_failed_mount_until_it_is_there(node: ProcessWorld) -> None:
    words = 'MountVolume.SetUp failed for volume "data" : configmap "absent-volume" not found'
    node.told("absent-volume", "FailedMount", words)
    assert node.container("absent-volume")["state"]["waiting"]["reason"] == "ContainerCreating"
    node.create(config_map("absent-volume", k="here"))
    assert node.output("absent-volume") == "here"


@conforms(
    VOLUMES + "#hostpath-volume-types",
    script(
        "no-directory",
        "true",
        volumes=[{"name": "data", "hostPath": {"path": "/etc/hostname", "type": "Directory"}}],
        volumeMounts=DATA,
    ),
)
def test_a_host_path_of_the_wrong_type_is_refused(node: ProcessWorld) -> None:
    node.told("no-directory", "FailedMount", "hostPath type check failed: /etc/hostname is not a directory")
