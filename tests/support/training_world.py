"""Runs of 2 pods x 2 processes on two process nodes, queued and restarted by the real controllers, to be disturbed."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
import pytest

from components.accelerators import instance
from components.aws.fabric import fabric_profile
from components.kubernetes import queue_objects, queueing, training_operator
from components.kubernetes.queue_objects import TeamShare
from components.outputs import PoolOutputs
from local.cluster.nodes import NODE_LABEL, PROCESS
from tests.simulation.test_training_controllers import Platform
from tests.support.cluster_world import CLUSTER
from tests.support.outputs import known
from tests.support.process_world import ProcessWorld
from workloads.manifests.runs import manifests
from workloads.manifests.runtimes import cluster_runtimes
from workloads.recipes import Target, debug
from workloads.specs import ClaimMount, NodeShare, TrainingSpec
from workloads.trainer import journal

TEAM = "team"
USER = 1000
STEPS, EVERY = 18, 6
"""Steps of a run and between its checkpoints (the recipe: a third of them)."""
PATIENCE_SECONDS = 900.0
SETTLED_SECONDS = 1.0
"""Many times a step: what a stopped rank's peers could still write by themselves, they have written by then."""
_LOOK_SECONDS = 0.01
PROFILE = fabric_profile(instance("m7i.4xlarge"), efa=False, node_selector={NODE_LABEL: PROCESS}, taints=())
NODE = NodeShare(accelerators=0, accelerators_of_node=0, vcpus=16, memory_gib=64)
TARGET = Target(
    namespace=TEAM, pool="processes", node=NODE, mount=ClaimMount(claim="shared", path="/shared"), queue="default"
)
TRAINER = "/apis/trainer.kubeflow.org/v1alpha1"
KUEUE = "/apis/kueue.x-k8s.io/v1beta2"
CORE = f"/api/v1/namespaces/{TEAM}"
PATHS = {
    "TrainJob": f"{TRAINER}/namespaces/{TEAM}/trainjobs",
    "NetworkPolicy": f"/apis/networking.k8s.io/v1/namespaces/{TEAM}/networkpolicies",
}

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What was true when a fault struck.

    Attributes:
        at: epoch seconds.
        after: the last step that all ranks had finished.
        checkpoint: name of the newest complete checkpoint.
        pods: uids of the run's pods.
    """

    at: float
    after: int
    checkpoint: str
    pods: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """When a run came back, in epoch seconds, and how the cluster saw the dead pod."""

    detected: float
    rescheduled: float
    seen: str


@contextmanager
def training_world(name: str, directory: Path) -> Iterator["TrainingWorld"]:
    """A world that stands for the length of the block, with everything of it below ``directory``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(directory / "state"))
        made = TrainingWorld(name, directory)
        try:
            yield made
        finally:
            made.close()


class TrainingWorld:
    """A cluster with two process nodes, the controllers, the kit's runtimes and queues, and a shared volume."""

    def __init__(self, name: str, directory: Path) -> None:
        self.shared = directory / "shared"
        self.shared.mkdir(parents=True)
        if os.geteuid() == 0:
            os.chown(self.shared, USER, USER)
        self.processes = ProcessWorld(name, nodes=2)
        try:
            self.platform = Platform(self.processes.world, _made(directory / "program"))
            self._set_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.processes.close()

    def got(self, path: str) -> Any:
        return self.platform.got(path)

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        """Wait; an API server that is just away is asked again."""

        def tolerant() -> object:
            with suppress(httpx2.TransportError):
                return condition()
            return False

        self.processes.wait(what, tolerant, PATIENCE_SECONDS)

    def pid(self, process: str) -> int:
        """Of a process of the control plane, a controller or an agent that works; 0 while there is none."""
        return self.platform.process(process)

    def submit(self, name: str) -> "Run":
        """Queue a run."""
        spec = debug(TARGET, name=name, steps=STEPS)
        quick = ("--tokenizer=bytes", "--context=64", "--data=/shared/data", "--evaluation-batches=0")
        # With dropout, so that the random generators matter.
        spec = replace(spec, args=(*spec.args, *quick, "--dropout=0.1"), environment={"OMP_NUM_THREADS": "1"})
        for item in manifests(spec, PROFILE).values():
            self.platform.apply(PATHS[item["kind"]], item)
        return Run(world=self, spec=spec)

    def _set_up(self) -> None:
        addon = {"clusterName": CLUSTER, "addonName": "coredns", "addonVersion": "v1", "status": "CREATING"}
        self.processes.world.put("eks:Addon", f"{CLUSTER}:coredns", **addon)
        pool = PoolOutputs(
            name="processes",
            instance_type="m7i.4xlarge",
            nodes=2,
            profile=PROFILE,
            zones=("us-east-1a",),
            vcpus_per_node=NODE.vcpus,
            memory_gib_per_node=NODE.memory_gib,
            ready=known("ready"),
        )
        share = TeamShare(team=TEAM, nodes={pool.name: 2})
        queues = queueing.QueueingArgs(pools=[pool], shares=[share], charts_mirror="")
        operator = training_operator.TrainingOperatorArgs(charts_mirror="")
        charts: Mapping[str, Any] = {
            **{
                chart: (training_operator.NAMESPACES[chart], values(operator))
                for chart, values in training_operator.VALUES.items()
            },
            queueing.CHART: (queueing.NAMESPACE, queueing.values(queues)),
        }
        self.platform.up(charts)
        labels = {queueing.TEAM_LABEL: TEAM}
        apply = self.platform.apply
        apply("/api/v1/namespaces", {"metadata": {"name": TEAM, "labels": labels}})
        apply(f"{KUEUE}/topologies", queue_objects.topology(PROFILE))
        apply(f"{KUEUE}/resourceflavors", queue_objects.flavor(pool))
        queue = queue_objects.cluster_queue(
            share, [pool], cohort=None, strategy=queues.strategy, preemption=queues.preemption
        )
        apply(f"{KUEUE}/clusterqueues", queue)
        apply(f"{KUEUE}/namespaces/{TEAM}/localqueues", queue_objects.local_queue(TEAM))
        for runtime in cluster_runtimes():
            apply(f"{TRAINER}/clustertrainingruntimes", runtime)
        self._volume()
        names = {item["metadata"]["name"] for item in self.got("/api/v1/namespaces")["items"]}
        assert TEAM in names
        accounts = f"{CORE}/serviceaccounts/default"
        self.wait("the team's service account", lambda: self.processes.call(accounts).is_success)

    def _volume(self) -> None:
        """A directory that all nodes share, as a file system would be."""
        size = {"storage": "1Gi"}
        volume = {
            "capacity": size,
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": TEAM, "name": "shared"},
            "hostPath": {"path": str(self.shared)},
        }
        self.platform.apply("/api/v1/persistentvolumes", {"metadata": {"name": "shared"}, "spec": volume})
        claim = {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": "shared",
            "resources": {"requests": size},
        }
        path = f"{CORE}/persistentvolumeclaims"
        self.platform.apply(path, {"metadata": {"name": "shared"}, "spec": claim})
        self.wait("the claim bound", lambda: self.got(f"{path}/shared").get("status", {}).get("phase") == "Bound")


@dataclass(kw_only=True)
class Run:
    """One run, seen from outside: its journal on the volume, its objects at the API server, its processes here."""

    world: TrainingWorld
    spec: TrainingSpec

    @cached_property
    def directory(self) -> Path:
        return self.world.shared / TEAM / "checkpoints" / self.spec.name

    def events(self, *kinds: str) -> list[Document]:
        if not (self.directory / journal.NAME).exists():
            return []
        return [item for item in journal.read(self.directory) if not kinds or item["event"] in kinds]

    def steps(self) -> int:
        """The last step that was finished in the newest attempt; 0 before the first."""
        found = self.events("step")
        return int(found[-1]["step"]) if found else 0

    def losses(self) -> set[tuple[int, str]]:
        """Every step that any attempt computed, with its exact loss."""
        return {(item["step"], item["loss_hex"]) for item in self.events("step")}

    def pods(self) -> list[Document]:
        selector = f"labelSelector=slipway.dev/run={self.spec.run}"
        found: list[Document] = self.world.got(f"{CORE}/pods?{selector}")["items"]
        return found

    def second(self) -> Document:
        """The pod whose ranks neither write the journal nor keep the rendezvous."""
        name = f"{self.spec.run}-node-0-1"
        (pod,) = [item for item in self.pods() if item["metadata"]["name"].startswith(name)]
        return pod

    def jobset(self) -> Document:
        path = f"/apis/jobset.x-k8s.io/v1alpha2/namespaces/{TEAM}/jobsets/{self.spec.run}"
        found: Document = self.world.got(path)
        return found

    def rank(self, rank: int) -> int:
        """Process id of a rank on this machine."""
        words = {f"SLIPWAY_RUN={self.spec.run}".encode(), f"RANK={rank}".encode()}
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if words <= set(path.read_bytes().split(b"\0")):
                    return int(path.parent.name)
        raise AssertionError(f"rank {rank} of {self.spec.run} is not there")

    def _reach(self, step: int) -> None:
        """Wait until the step is finished and a checkpoint is complete; a look every few milliseconds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.steps() < step or not self.checkpoints():
            assert time.monotonic() < deadline, f"step {step} was not reached: {self.story()}"
            time.sleep(_LOOK_SECONDS)

    def _begun(self) -> bool:
        ended = any(item["status"].get("phase") == "Failed" for item in self.pods())
        assert not ended, "a pod failed by itself"
        return self.steps() > 0

    def checkpoints(self) -> list[str]:
        """Complete ones, the newest first: only these bear such names."""
        return sorted((path.name for path in self.directory.glob("step-*")), reverse=True)

    def hold(self, rank: int, step: int) -> int:
        """Once ``step`` is finished, stop a rank inside the one that it is computing; the last that was finished.

        A step ends with an exchange between all ranks. Those that run on cannot end the next one without the stopped
        rank: once nothing more is written, it stands between the exchange of that step and the next.
        """
        if not self.steps():
            self._wait("the first step", self._begun)
        pid = self.rank(rank)
        self._reach(step)
        os.kill(pid, signal.SIGSTOP)
        last, since = self.steps(), time.monotonic()
        while time.monotonic() - since < SETTLED_SECONDS:
            time.sleep(_LOOK_SECONDS)
            if (now := self.steps()) != last:
                last, since = now, time.monotonic()
        return last

    def release(self, rank: int) -> None:
        """Let a held rank go on."""
        os.kill(self.rank(rank), signal.SIGCONT)

    def kill_in_mid_step(self, rank: int, step: int, kill: Callable[[], None]) -> Killed:
        """Hold the rank inside the step after ``step``, or a later one, and strike."""
        after = self.hold(rank, step)
        before = frozenset(item["metadata"]["uid"] for item in self.pods())
        newest = self.checkpoints()[0]
        at = time.time()
        kill()
        return Killed(at=at, after=after, checkpoint=newest, pods=before)

    def recovery(self, killed: Killed) -> Recovery:
        """Follow the gang until another one is bound to nodes."""
        found: dict[str, Any] = {}

        def noticed() -> bool:
            pods = {item["metadata"]["uid"]: item for item in self.pods()}
            dead = [item for uid, item in pods.items() if uid in killed.pods and _ended(item)]
            if dead or not killed.pods <= pods.keys():
                found.setdefault("detected", time.time())
                if not found.get("seen"):
                    found["seen"] = next(filter(None, map(_how, dead)), "")
            fresh = [item for uid, item in pods.items() if uid not in killed.pods and item["spec"].get("nodeName")]
            return len(fresh) == self.spec.nodes

        self._wait("another gang", noticed)
        return Recovery(detected=found["detected"], rescheduled=time.time(), seen=found["seen"])

    def complete(self) -> None:
        """Wait for the end of the run; anything but success fails at once."""

        def over() -> bool:
            status = self.world.got(f"{PATHS['TrainJob']}/{self.spec.run}").get("status") or {}
            true = {item["type"] for item in status.get("conditions") or () if item["status"] == "True"}
            assert "Failed" not in true, "the run failed"
            return "Complete" in true

        self._wait("Complete", over)

    def _wait(self, what: str, condition: Callable[[], object]) -> None:
        try:
            self.world.wait(f"{self.spec.run}: {what}", condition)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.story()}") from None

    def story(self) -> str:
        """What can be said of a run that does not do what it should."""
        lines = [f"{item['metadata']['name']}: {item['status']}" for item in self.pods()]
        for item in self.pods():
            log = self.world.processes.call(f"{CORE}/pods/{item['metadata']['name']}/log?tailLines=30")
            lines.append(log.text)
        return "\n".join(lines)


def _ended(pod: Document) -> bool:
    return pod["status"].get("phase") in {"Failed", "Succeeded"} or "deletionTimestamp" in pod["metadata"]


def _how(pod: Document) -> str:
    """How the first container of a pod ended, as the cluster tells it."""
    for item in pod["status"].get("containerStatuses") or ():
        if ended := item["state"].get("terminated"):
            return f"exit code {ended['exitCode']}, {ended.get('reason', '')}"
    return ""


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory
