"""A simulated cluster with one process node, and pods on it; see tests/simulation/conformance."""

import base64
import contextlib
import json
import os
import signal
import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from local.cluster.nodes import NODE_LABEL, PROCESS
from tests.support.cluster_world import CLUSTER, World

NAMESPACE = "/api/v1/namespaces/default"
IMAGE = "busybox:1.37.0"
LONG = 120.0
"""Seconds that anything may take on a busy machine; nothing waits for it when all is well."""

TEMPORARY = "/TEMPORARY"
"""In the path of a hostPath volume: a directory that belongs to this run of the tests only."""
ENDLESS = f"98765.{os.getpid()}"
"""Nobody else sleeps so many seconds (with a digit of the case's own behind it): that is how processes are found."""

Document = dict[str, Any]


def container(script: str, name: str = "main", **members: Any) -> Document:
    """A container that runs a shell script."""
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script], **members}


def pod(name: str, *containers: Document, **members: Any) -> Document:
    """A pod that is not restarted unless it says so."""
    metadata = {"name": name, **members.pop("metadata", {})}
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2,
        "containers": list(containers),
        **members,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def script(name: str, text: str, **members: Any) -> Document:
    """A pod with one container that runs a script."""
    inside = {key: members.pop(key) for key in _CONTAINER_MEMBERS if key in members}
    return pod(name, container(text, **inside), **members)


_CONTAINER_MEMBERS = (
    "env", "envFrom", "args", "workingDir", "volumeMounts", "resources", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle", "terminationMessagePath", "terminationMessagePolicy", "image", "imagePullPolicy",
    "command", "ports", "securityContext", "stdin",
)  # fmt: skip


def config_map(name: str, **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


_COLLECTIONS = {
    "Pod": f"{NAMESPACE}/pods",
    "ConfigMap": f"{NAMESPACE}/configmaps",
    "Secret": f"{NAMESPACE}/secrets",
    "Service": f"{NAMESPACE}/services",
    "PersistentVolumeClaim": f"{NAMESPACE}/persistentvolumeclaims",
    "PersistentVolume": "/api/v1/persistentvolumes",
}


class ProcessWorld:
    """One cluster whose only node group runs pods as processes."""

    def __init__(self, name: str, nodes: int = 1) -> None:
        self.world = World(name)
        self.call = self.world.call
        try:
            self._set_up(nodes)
        except BaseException:
            self.close()
            raise

    def _set_up(self, nodes: int) -> None:
        self.world.cluster(vpcId="vpc-1", subnetIds=["subnet-1"], clusterSecurityGroupId="sg-cluster")
        put = self.world.put
        put("ec2:LaunchTemplate", "lt-p", LaunchTemplateId="lt-p", DefaultVersionNumber=1, LatestVersionNumber=1)
        data = {"InstanceType": "m7i.4xlarge"}
        put("ec2:LaunchTemplateVersion", "lt-p:1", LaunchTemplateId="lt-p", LaunchTemplateData=data)
        put(
            "eks:Nodegroup", f"{CLUSTER}:processes", clusterName=CLUSTER, nodegroupName="processes",
            status="CREATING", scalingConfig={"minSize": 0, "maxSize": 8, "desiredSize": nodes},
            subnets=["subnet-1"], launchTemplate={"id": "lt-p", "version": "1"},
            labels={NODE_LABEL: PROCESS}, updateConfig={"maxUnavailable": 1},
        )  # fmt: skip
        self.world.wait_for_node_group("processes")
        accounts = f"{NAMESPACE}/serviceaccounts/default"
        self.wait("the default service account", lambda: self.world.call(accounts).is_success)

    def close(self) -> None:
        self.world.store.close()
        self.world.environment.down(self.world.console)

    def create(self, document: Document) -> None:
        body = json.loads(json.dumps(document).replace(TEMPORARY, str(self.world.environment.paths.root.parent)))
        made = self.call(_COLLECTIONS[document["kind"]], method="POST", body=body)
        assert made.is_success, made.text

    def strategic_patch(self, path: str, patch: Document) -> None:
        kind = "application/strategic-merge-patch+json"
        answer = self.call(path, method="PATCH", body=patch, content_type=kind)
        assert answer.is_success, answer.text

    def get(self, name: str) -> Document:
        found: Document = self.call(f"{NAMESPACE}/pods/{name}").json()
        return found

    def status(self, name: str) -> Document:
        return self.get(name).get("status") or {}

    def container(self, name: str, which: str = "main") -> Document:
        """Status of a container; {} while there is none."""
        status = self.status(name)
        every = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
        return next((item for item in every if item["name"] == which), {})

    def condition(self, name: str, kind: str) -> Document:
        return next((item for item in self.status(name).get("conditions", ()) if item["type"] == kind), {})

    def wait(self, what: str, condition: Callable[[], object], seconds: float = LONG) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}")
            time.sleep(0.1)

    def phase(self, name: str, *wanted: str, seconds: float = LONG) -> str:
        """Wait for one of the phases; returns it."""
        found: list[str] = []

        def reached() -> bool:
            found[:] = [self.status(name).get("phase", "")]
            return found[0] in wanted

        try:
            self.wait(f"{name} in phase {wanted}", reached, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(self.status(name), indent=1)} {self.events(name)}") from None
        return found[0]

    def ended(self, name: str) -> Document:
        """Wait until the pod has ended; the terminated state of its container ``main``."""
        self.phase(name, "Succeeded", "Failed")
        found: Document = self.container(name)["state"]["terminated"]
        return found

    def output(self, name: str, which: str = "main", *, ended: bool = True, **options: Any) -> str:
        """What a container wrote, after its pod has ended."""
        if ended:
            self.phase(name, "Succeeded", "Failed")
        query = "&".join([f"container={which}", *(f"{key}={value}" for key, value in options.items())])
        return self.call(f"{NAMESPACE}/pods/{name}/log?{query}").text

    def execute(self, name: str, *words: str, which: str = "main") -> str:
        """Run a command beside the container through the API server; its output."""
        cluster = self.world.body("eks:Cluster", CLUSTER)
        authority = base64.b64decode(cluster["certificateAuthority"]["data"]).decode()
        wanted = [("container", which), ("stdout", "true"), ("stderr", "true")]
        query = urlencode([("command", word) for word in words] + wanted)
        url = f"{cluster['endpoint'].replace('https', 'wss')}{NAMESPACE}/pods/{name}/exec?{query}"
        headers = {"Authorization": f"Bearer {self.world.token()}"}
        tls = ssl.create_default_context(cadata=authority)
        protocols = [Subprotocol("v5.channel.k8s.io")]
        with connect(
            url, ssl=tls, additional_headers=headers, subprotocols=protocols, proxy=None, open_timeout=LONG
        ) as session:
            messages = [item for item in session if isinstance(item, bytes)]
        return b"".join(item[1:] for item in messages if item[0] in {1, 2}).decode()

    def processes(self, text: str) -> list[int]:
        """Processes of this machine whose command line holds ``text`` as a word."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if text.encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reasons and messages about a pod."""
        items = self.call(f"{NAMESPACE}/events?fieldSelector=involvedObject.name%3D{name}").json()["items"]
        return [(item["reason"], item["message"]) for item in items]

    def told(self, name: str, reason: str, words: str) -> None:
        """Wait for an event."""
        try:
            self.wait(
                f"event {reason} of {name} with {words!r}",
                lambda: any(why == reason and words in message for why, message in self.events(name)),
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.events(name)}") from None

    def delete(self, name: str, grace: int | None = None) -> None:
        query = "" if grace is None else f"?gracePeriodSeconds={grace}"
        assert self.call(f"{NAMESPACE}/pods/{name}{query}", method="DELETE").is_success, name

    def gone(self, name: str) -> None:
        self.wait(f"{name} deleted", lambda: self.call(f"{NAMESPACE}/pods/{name}").status_code == 404)

    def pod_directories(self, uid: str) -> list[Path]:
        """What the nodes keep of a pod on disk; its mounts are in namespaces that end with its processes."""
        return list(self.world.environment.paths.clusters.glob(f"*/nodes/*/pods/{uid}"))

    def holds_address(self, uid: str) -> bool:
        """Whether an address of a node is reserved for a pod."""
        states = self.world.environment.paths.clusters.glob("*/nodes/*/addresses.json")
        return any(uid in json.loads(path.read_text())["owners"] for path in states)

    def agents(self) -> Sequence[int]:
        """Process ids of the agents."""
        processes = self.world.environment.status().processes
        return [item.pid for item in processes if item.name.startswith("process-node-") and item.pid]

    def kill_agents(self) -> None:
        for pid in self.agents():
            os.kill(pid, signal.SIGKILL)
