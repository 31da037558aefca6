"""What is known of each container of a pod: plain data, changed by the worker and read by everybody else."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from local.cluster.kube import Document
from local.cluster.process_node.process import PodProcess, ProcessSpec

CREATING = "ContainerCreating"
INITIALIZING = "PodInitializing"


@dataclass(frozen=True)
class Waiting:
    """Not started, or between two runs."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Running:
    """Its process runs."""

    since: dt.datetime


@dataclass(frozen=True, kw_only=True)
class Terminated:
    """Its process has ended."""

    exit_code: int
    reason: str
    finished: dt.datetime
    started: dt.datetime | None = None
    signal: int = 0
    message: str = ""
    container_id: str = ""


State: TypeAlias = Waiting | Running | Terminated


@dataclass
class Record:
    """One container."""

    spec: Document
    init: bool = False
    state: State = field(default_factory=lambda: Waiting(CREATING))
    last: Terminated | None = None
    """How the run before the present one ended."""
    restart_count: int = 0
    container_id: str = ""
    image_id: str = ""
    ready: bool = False
    started: bool = False
    """Whether its startup probe has succeeded (or there is none) and its postStart hook has returned."""
    process: PodProcess | None = None
    launched: ProcessSpec | None = None
    """What the process was started from; those beside it have its environment and user."""
    busy: bool = False
    """A start is under way."""
    stopping: bool = False
    """A stop is under way."""
    retry_at: float = 0.0
    """A container that could not be created is not tried again before (seconds since the epoch)."""
    killed_for: str = ""
    """Reason that the end of the process gets instead of the one that its exit code says (``OOMKilled``)."""
    user: Mapping[str, Any] | None = None
    """``status.…user.linux`` of the present run."""

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def sidecar(self) -> bool:
        """An init container with ``restartPolicy: Always``."""
        return self.init and self.spec.get("restartPolicy") == "Always"

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return isinstance(self.state, Running)

    @property
    def ended(self) -> Terminated | None:
        """How it ended last: its state, or what came before it waits."""
        if isinstance(self.state, Terminated):
            return self.state
        return self.last if isinstance(self.state, Waiting) else None


def records_of(pod: Document) -> list[Record]:
    """Records of a pod that has not run here: init containers first, in their order."""
    spec = pod["spec"]
    inits: Sequence[Document] = spec.get("initContainers") or ()
    waiting = INITIALIZING if inits else CREATING
    found = [Record(item, init=True, state=Waiting(INITIALIZING)) for item in inits]
    return found + [Record(item, state=Waiting(waiting)) for item in spec["containers"]]


def restore(records: Sequence[Record], pod: Document, now: dt.datetime) -> bool:
    """Take over what a former agent reported; returns whether a container had run.

    What ran then is dead: it gets containerd's exit code and reason for a container whose shim is gone (255,
    ``Unknown``; internal/cri/server/restart.go).
    """
    status = pod.get("status") or {}
    known = {
        item["name"]: item
        for member in ("initContainerStatuses", "containerStatuses")
        for item in status.get(member) or ()
    }
    ran = False
    for record in records:
        item = known.get(record.name)
        if item is None:
            continue
        record.restart_count = item.get("restartCount", 0)
        record.container_id = item.get("containerID", "")
        record.image_id = item.get("imageID", "")
        record.last = _terminated((item.get("lastState") or {}).get("terminated"))
        state = item.get("state") or {}
        ended = _terminated(state.get("terminated"))
        if "running" in state:
            ended = Terminated(
                exit_code=255,
                reason="Unknown",
                started=_time(state["running"].get("startedAt")),
                finished=now,
                container_id=record.container_id,
            )
        if ended is not None:
            record.state = ended
        ran = ran or ended is not None or record.last is not None
    return ran


def _terminated(value: Mapping[str, Any] | None) -> Terminated | None:
    if not value:
        return None
    return Terminated(
        exit_code=value.get("exitCode", 0),
        reason=value.get("reason", ""),
        message=value.get("message", ""),
        signal=value.get("signal", 0),
        started=_time(value.get("startedAt")),
        finished=_time(value.get("finishedAt")) or dt.datetime.now(dt.UTC),
        container_id=value.get("containerID", ""),
    )


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def stamp(moment: dt.datetime) -> str:
    """``metav1.Time``: whole seconds, UTC."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
