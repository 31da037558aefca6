"""What the workers of one node share, and what belongs to one pod."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cluster.kube import Document, Kube
from local.cluster.process_node.backoff import Backoff
from local.cluster.process_node.cgroups import Cgroups, Group
from local.cluster.process_node.events import Events
from local.cluster.process_node.records import Record
from local.cluster.process_node.sandbox import Sandbox
from local.cluster.process_node.seams import ContainerLog, NodeSettings, PodNetwork, PodRef
from local.cluster.process_node.volumes import Volumes

LOG_LIMIT_BYTES = 10 << 20
LOG_FILES = 5
"""A kubelet's ``containerLogMaxSize`` and ``containerLogMaxFiles``."""


def utc_now() -> dt.datetime:
    """Now, with its zone."""
    return dt.datetime.now(dt.UTC)


def clock() -> float:
    """Seconds since the epoch."""
    return time.time()


@dataclass
class NodeContext:
    """One node."""

    settings: NodeSettings
    kube: Kube
    events: Events
    network: PodNetwork
    cgroups: Cgroups
    environment: Callable[[], Path]
    """The workloads' Python environment; raises NodeError."""
    services: Callable[[], Mapping[str, Document]]
    """The Services of the cluster, by namespace/name."""
    allocatable: Mapping[str, str] = field(default_factory=dict)


@dataclass
class PodContext:
    """One pod on it."""

    node: NodeContext
    pod: Document
    records: list[Record]
    directory: Path
    logs: Path
    volumes: Volumes
    wake: Callable[[], None]
    exited: Callable[[Record], None]
    """Called when a container's process has ended."""
    sandbox: Sandbox | None = None
    pod_ip: str = ""
    backoff: Backoff = field(default_factory=Backoff)
    groups: dict[str, Group] = field(default_factory=dict)
    """Control groups of running containers, by name."""

    @property
    def ref(self) -> PodRef:
        """Which pod it is."""
        meta = self.pod["metadata"]
        return PodRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"])

    @property
    def words(self) -> str:
        """The pod as a kubelet prints it."""
        ref = self.ref
        return f"{ref.name}_{ref.namespace}({ref.uid})"

    def with_addresses(self) -> Document:
        """The pod with the addresses that its containers may refer to."""
        host = self.node.settings.address
        status = {**(self.pod.get("status") or {}), "hostIP": host, "hostIPs": [{"ip": host}]}
        if self.pod_ip:
            status |= {"podIP": self.pod_ip, "podIPs": [{"ip": self.pod_ip}]}
        return {**self.pod, "status": status}

    def event(self, record: Record, reason: str, message: str, *, warning: bool = False) -> None:
        """An event about one container."""
        kind = "initContainers" if record.init else "containers"
        field_path = f"spec.{kind}{{{record.name}}}"
        self.node.events.pod(self.pod, reason, message, warning=warning, field=field_path)

    def log_path(self, name: str, restart: int) -> Path:
        """The log of one run of a container."""
        return self.logs / name / f"{restart}.log"

    def log(self, record: Record, restart: int) -> ContainerLog:
        """The log of one run, with what was rotated away."""
        path = self.log_path(record.name, restart)
        older = [path.with_name(f"{path.name}.{number}") for number in range(LOG_FILES - 1, 0, -1)]
        running = record.running and restart == record.restart_count
        return ContainerLog(path=path, rotated=[item for item in older if item.exists()], running=running)


def pod_context(
    node: NodeContext,
    pod: Document,
    records: list[Record],
    wake: Callable[[], None],
    exited: Callable[[Record], None],
) -> PodContext:
    """The context of a pod that this node has to run."""
    meta, base = pod["metadata"], node.settings.directory
    directory = base / "pods" / meta["uid"]
    logs = base / "logs" / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"
    volumes = Volumes(node.kube, directory / "volumes", node.settings.file_systems, lambda: node.allocatable)
    return PodContext(
        node=node,
        pod=pod,
        records=records,
        directory=directory,
        logs=logs,
        volumes=volumes,
        wake=wake,
        exited=exited,
    )
