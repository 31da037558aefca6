"""Training runs, as ``status`` tells them: from what a stack exports and what its API server shows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.kube_objects import Json, conditions, events_of, find, namespace_of, owned_by
from cli.outputs import TrainingExport
from cli.run_ends import first_failure
from cli.terminal import counted
from policies.kubernetes_objects import is_accelerator

FINISHED: Final = frozenset({"Complete", "Failed"})
STOPPED: Final = frozenset({"Stopped", "Suspended"})
"""By a person, through Kueue or without it."""
ORIGIN_LABEL: Final = "slipway.dev/origin"
SUBMITTED: Final = "submitted"
"""Value of the label on what ``slipway train submit`` made: no stack knows of it."""
RUN_LABEL: Final = "slipway.dev/run"
_TOLD_EVENTS: Final = 2
_PROGRESS: Final = re.compile(r"^step (\d+)/(\d+)\s+(?:loss (\S+))?", re.MULTILINE)
_CHECKPOINT: Final = re.compile(r"\bstep-(\d{8})\b")


@dataclass(frozen=True, kw_only=True)
class RunView:
    """What an API server shows about runs: their objects, Kueue's workloads, pods, events, and the ends of logs.

    ``logs`` holds the last lines of a run's first pod by (namespace, run).
    """

    jobs: Sequence[Json] = ()
    trainjobs: Sequence[Json] = ()
    workloads: Sequence[Json] = ()
    pods: Sequence[Json] = ()
    events: Sequence[Json] = ()
    logs: Mapping[tuple[str, str], str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is, as its first process says."""

    step: int
    steps: int
    loss: float | None

    @property
    def text(self) -> str:
        """For a table's cell."""
        return f"{self.step:,}/{self.steps:,}" + ("" if self.loss is None else f", loss {self.loss:.3f}")


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A training run and where it stands."""

    name: str
    run: str
    namespace: str
    phase: str
    nodes: int
    gpus: int
    runner: str = "job"
    processes: int = 0
    submitted: bool = False
    """Made by ``slipway train submit``; the environment's readiness does not depend on it."""
    progress: Progress | None = None
    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        """Running or done."""
        return self.phase in {"Running", "Complete"}

    def to_json(self) -> dict[str, Any]:
        """The member of ``slipway status --json``."""
        return {
            "name": self.name,
            "run": self.run,
            "namespace": self.namespace,
            "phase": self.phase,
            "nodes": self.nodes,
            "gpus": self.gpus,
            "runner": self.runner,
            "processes": self.processes,
            "submitted": self.submitted,
            "step": self.progress.step if self.progress else None,
            "steps": self.progress.steps if self.progress else None,
            "loss": self.progress.loss if self.progress else None,
            "reasons": list(self.reasons),
        }


def training_state(export: TrainingExport, view: RunView, *, submitted: bool = False) -> TrainingState:
    """The state of one run."""
    item = find(view.trainjobs if export.runner == "trainer" else view.jobs, export.namespace, export.job)
    phase = "Unknown" if view.problem else phase_of(export, item, view)
    return TrainingState(
        name=export.name,
        run=export.run,
        namespace=export.namespace,
        phase=phase,
        nodes=export.nodes,
        gpus=export.gpus,
        runner=export.runner,
        processes=export.processes or export.gpus,
        submitted=submitted,
        progress=progress_in(view.logs.get((export.namespace, export.run), "")),
        reasons=_reasons(phase, export, item, view),
    )


def submitted_runs(view: RunView) -> list[TrainingExport]:
    """The runs that no stack knows of, as a stack would export them."""
    found = [item for item in (*view.trainjobs, *view.jobs) if _labels(item).get(ORIGIN_LABEL) == SUBMITTED]
    return sorted((run_of(item) for item in found), key=lambda run: (run.namespace, run.run))


def run_of(item: Json) -> TrainingExport:
    """A TrainJob or a Job as a stack would export it."""
    spec, name = item.get("spec", {}), str(item["metadata"]["name"])
    if "runtimeRef" in spec:
        trainer = spec.get("trainer", {})
        nodes, each = int(trainer.get("numNodes", 1)), int(trainer.get("numProcPerNode", 1))
        limits = trainer.get("resourcesPerNode", {}).get("limits", {})
        variables = trainer.get("env", [])
        runner = "trainer"
    else:
        container = spec.get("template", {}).get("spec", {}).get("containers", [{}])[0]
        nodes, limits, variables = int(spec.get("parallelism", 1)), _limits(container), container.get("env", [])
        each, runner = _processes(container) or _devices(limits) or 1, "job"
    return TrainingExport(
        name=_labels(item).get("app.kubernetes.io/name", name),
        run=name,
        namespace=str(namespace_of(item)),
        job=name,
        nodes=nodes,
        gpus=nodes * _devices(limits),
        queue=_labels(item).get("kueue.x-k8s.io/queue-name"),
        runner=runner,
        processes=nodes * each,
        checkpoints=next((one.get("value") for one in variables if one.get("name") == "SLIPWAY_CHECKPOINTS"), None),
    )


def phase_of(export: TrainingExport, item: Json | None, view: RunView) -> str:
    """Missing, Queued, Stopped, Suspended, Pending, Running, Complete or Failed."""
    if item is None:
        return "Missing"
    true = conditions(item)
    for phase in ("Complete", "Failed"):
        if phase in true:
            return phase
    if "Suspended" in true or item.get("spec", {}).get("suspend"):
        workload = workload_of(item, view)
        if workload is None:
            return "Suspended"
        return "Queued" if workload.get("spec", {}).get("active", True) else "Stopped"
    return "Running" if _pods_run(export, item, view) else "Pending"


def _pods_run(export: TrainingExport, item: Json, view: RunView) -> bool:
    status = item.get("status", {})
    if export.runner == "trainer":
        jobs = status.get("jobsStatus", [])
        if jobs and all(int(job.get("ready") or 0) + int(job.get("succeeded") or 0) >= 1 for job in jobs):
            return True
        return len(running(export, view)) >= export.nodes
    return int(status.get("ready", 0) or 0) + int(status.get("succeeded", 0) or 0) >= export.nodes


def running(export: TrainingExport, view: RunView) -> list[Json]:
    """The pods of the run that run or have run to their end."""
    return [pod for pod in pods_of(export, view) if pod.get("status", {}).get("phase") in {"Running", "Succeeded"}]


def pods_of(export: TrainingExport, view: RunView) -> list[Json]:
    """The pods of the run, whichever controller made them."""
    return [pod for pod in view.pods if namespace_of(pod) == export.namespace and belongs(pod, export.run)]


def belongs(pod: Json, run: str) -> bool:
    """Whether it is a pod of the run."""
    labels = _labels(pod)
    return run in (labels.get(RUN_LABEL), labels.get("batch.kubernetes.io/job-name"))


def first_pod(pods: Sequence[Json], rank: int = 0) -> Json | None:
    """The newest pod of the node ``rank``; that of node 0 holds the run's first process."""
    own = [pod for pod in pods if _index(pod) == rank]
    return max(own, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def _index(pod: Json) -> int:
    return int(_labels(pod).get("batch.kubernetes.io/job-completion-index", 0))


def workload_of(item: Json, view: RunView) -> Json | None:
    """Kueue's Workload for a TrainJob or Job."""
    return next((one for one in view.workloads if owned_by(one, item)), None)


def queue_reason(workload: Json | None) -> str:
    """Why Kueue has not let a run in, in its own words."""
    for item in (workload or {}).get("status", {}).get("conditions", []):
        if item.get("type") in {"QuotaReserved", "Admitted"} and item.get("status") == "False" and item.get("message"):
            return f"queued by Kueue: {item['message']}"
    return "queued by Kueue: it has not been looked at yet"


def _reasons(phase: str, export: TrainingExport, item: Json | None, view: RunView) -> list[str]:
    kind = "TrainJob" if export.runner == "trainer" else "Job"
    if phase == "Missing":
        return [f"{kind} {export.namespace}/{export.job} does not exist"]
    if phase == "Failed" and item is not None:
        failure = first_failure(pods_of(export, view))
        return [*([failure] if failure else []), _condition_text(item, "Failed")]
    if phase == "Queued" and item is not None:
        return [queue_reason(workload_of(item, view))]
    if phase == "Stopped":
        return ["stopped by a person; `slipway train resume` lets it go on"]
    return waiting_reasons(export, view) if phase == "Pending" else []


def waiting_reasons(export: TrainingExport, view: RunView) -> list[str]:
    """Why the pods of a run do not run, in the scheduler's and the kubelet's own words, each once."""
    told: dict[str, int] = {}
    for pod in pods_of(export, view):
        if pod.get("status", {}).get("phase") in {"Running", "Succeeded"}:
            continue
        name = str(pod["metadata"]["name"])
        for text in events_of(view.events, "Pod", export.namespace, name) or _scheduling(pod):
            told[text] = told.get(text, 0) + 1
    head = f"{len(running(export, view))} of {export.nodes} pods run"
    return [head, *(f"{counted(count, 'pod')}: {text}" for text, count in list(told.items())[:_TOLD_EVENTS])]


def progress_in(log: str) -> Progress | None:
    """The last step that a log tells (``workloads/trainer/progress.py`` writes it)."""
    found = [*_PROGRESS.finditer(log)]
    if not found:
        return None
    step, steps, loss = found[-1].groups()
    try:
        value = None if loss is None else float(loss)
    except ValueError:
        value = None
    return Progress(step=int(step), steps=int(steps), loss=value)


def last_checkpoint(log: str) -> int | None:
    """Step of the last checkpoint that a log names."""
    found = _CHECKPOINT.findall(log)
    return int(found[-1]) if found else None


def _scheduling(pod: Json) -> list[str]:
    return [
        f"{item.get('reason', '')}: {item['message']}"
        for item in pod.get("status", {}).get("conditions", [])
        if item.get("type") == "PodScheduled" and item.get("status") == "False" and item.get("message")
    ]


def _condition_text(item: Json, kind: str) -> str:
    for one in item.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            return f"{one.get('reason', kind)}: {one.get('message', '')}"
    return kind


def _labels(item: Json) -> Mapping[str, str]:
    found: Mapping[str, str] = item["metadata"].get("labels", {})
    return found


def _limits(container: Json) -> Mapping[str, Any]:
    found: Mapping[str, Any] = container.get("resources", {}).get("limits", {})
    return found


def _processes(container: Json) -> int:
    """What torchrun is told; 0 where another command runs."""
    flag = "--nproc-per-node="
    return next((int(word.removeprefix(flag)) for word in container.get("command", []) if word.startswith(flag)), 0)


def _devices(limits: Mapping[str, Any]) -> int:
    return sum(int(count) for name, count in limits.items() if is_accelerator(name))
