"""Training runs: they queue, they end, and they lose no work that they need not lose."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import JOB, JOB_SET, RELEASE, TRAIN_JOB
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_JOBS: Final = frozenset({JOB, JOB_SET})
_RUNS: Final = _JOBS | {TRAIN_JOB}
_QUEUE: Final = "kueue.x-k8s.io/queue-name"
_TEMPLATE: Final = "spec.template.spec"
_LEAST_GRACE_SECONDS: Final = 60
_API_DEFAULT_GRACE_SECONDS: Final = 30
_MOST_UNREACHABLE_SECONDS: Final = 60
_UNREACHABLE: Final = "node.kubernetes.io/unreachable"


def _example(path: str, value: object) -> Example:
    passing = (examples.training_job(), examples.rendezvous())
    return Example(passing=passing, resource="run", changed="run", path=path, value=value)


def _unqueued(resource: Resource, context: Context) -> Iterator[Violation]:
    if not objects.trains(resource) or not _has_queues(context):
        return
    if not objects.whole(resource).text(f'metadata.labels["{_QUEUE}"]'):
        yield Violation(
            message=f"it has no label {_QUEUE}, so it takes GPUs past the queue", property="metadata.labels"
        )


def _has_queues(context: Context) -> bool:
    if any(token.startswith("kubernetes:kueue.x-k8s.io/") for token in context.graph.types):
        return True
    return any(objects.whole(item).text("chart").endswith("kueue") for item in context.graph.of_type(RELEASE))


_KUEUE: Final = examples.resource(
    "kubernetes:kueue.x-k8s.io/v1beta2:LocalQueue",
    "research-queue",
    {"metadata": {"name": "research", "namespace": "research"}, "spec": {"clusterQueue": "gpus"}},
)

QUEUED = Rule(
    id="training-queued",
    title="Where there are queues, every training run goes through one",
    severity=Severity.HIGH,
    rationale="A run past the queue takes GPUs that were promised to an admitted one; both then wait for the other "
    "half of their pods.",
    source="Kueue documentation v0.19, Run A Kubernetes Job",
    fix=f"label the Job {_QUEUE}: <local queue of the team>",
    types=_RUNS,
    check=_unqueued,
    example=Example(
        passing=(examples.training_job(), _KUEUE),
        resource="run",
        changed="run",
        path="metadata.labels",
        value={"app.kubernetes.io/name": "demo"},
    ),
    whole_stack=True,
)


def _endless(resource: Resource, _context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    if resource.type == TRAIN_JOB:
        if not body.number("spec.activeDeadlineSeconds"):
            yield Violation(message="nothing ends the run", property="spec.activeDeadlineSeconds")
        return
    for job, _pod in objects.gangs(resource):
        if not job.number("activeDeadlineSeconds"):
            yield Violation(message="nothing ends the run", property=job.at("activeDeadlineSeconds"))


DEADLINE = Rule(
    id="training-deadline",
    title="A training run ends at a stated time, whatever happens",
    severity=Severity.HIGH,
    rationale="A collective that hangs keeps every GPU of the run busy waiting, over a weekend if nobody looks.",
    source="Kubernetes documentation, Jobs: Job termination and cleanup (v1.36)",
    fix="maxHours in the settings (activeDeadlineSeconds)",
    types=_RUNS,
    check=_endless,
    example=_example("spec.activeDeadlineSeconds", REMOVED),
)


def _forgetful(resource: Resource, _context: Context) -> Iterator[Violation]:
    for _job, pod in objects.gangs(resource):
        mounted = {mount.text("name") for item in objects.containers(pod) for mount in item.parts("volumeMounts")}
        kept = {
            volume.text("name")
            for volume in pod.parts("volumes")
            if any(volume.get(kind) for kind in ("persistentVolumeClaim", "ephemeral", "nfs", "csi"))
        }
        if not kept & mounted:
            yield Violation(message="no volume of it outlives its pods", property=pod.at("volumes"))


CHECKPOINTS = Rule(
    id="training-checkpoint-volume",
    title="A training run mounts a volume that outlives its pods",
    severity=Severity.HIGH,
    rationale="Checkpoints in the container or in an emptyDir are gone with the node that the run must recover from.",
    source="Kubernetes documentation, Volumes: emptyDir (v1.36)",
    fix="storage in the settings of the run; in other programs, a claim",
    types=_RUNS,
    check=_forgetful,
    example=_example(
        f"{_TEMPLATE}.volumes", [{"name": "shm", "emptyDir": {"medium": "Memory"}}, {"name": "shared", "emptyDir": {}}]
    ),
)


def _counts_disruptions(resource: Resource, _context: Context) -> Iterator[Violation]:
    for job, _pod in objects.gangs(resource):
        ignored = {
            condition.text("type")
            for entry in job.parts("podFailurePolicy.rules")
            if entry.text("action") == "Ignore"
            for condition in entry.parts("onPodConditions")
        }
        if resource.type == JOB and "DisruptionTarget" not in ignored:
            yield Violation(
                message="a drained or repaired node counts as a failure of the run",
                property=job.at("podFailurePolicy"),
            )


DISRUPTIONS_IGNORED = Rule(
    id="training-disruptions-ignored",
    title="Lost nodes do not count against the restarts of a run",
    severity=Severity.MEDIUM,
    rationale="A weeks-long run on hundreds of GPUs loses more nodes than any sensible number of retries.",
    source="Kubernetes documentation, Handling retriable and non-retriable pod failures (v1.36)",
    fix="podFailurePolicy: action Ignore on the pod condition DisruptionTarget",
    types=_JOBS,
    check=_counts_disruptions,
    example=_example("spec.podFailurePolicy", REMOVED),
)


def _abrupt(resource: Resource, _context: Context) -> Iterator[Violation]:
    for _job, pod in objects.gangs(resource):
        given = pod.number("terminationGracePeriodSeconds")
        seconds = _API_DEFAULT_GRACE_SECONDS if given is None else given
        if seconds < _LEAST_GRACE_SECONDS:
            yield Violation(
                message=f"its pods have {seconds} s between SIGTERM and SIGKILL, too little to save a checkpoint",
                property=pod.at("terminationGracePeriodSeconds"),
            )


GRACE_PERIOD = Rule(
    id="training-grace-period",
    title="A run has a minute at least to save a checkpoint before it is killed",
    severity=Severity.MEDIUM,
    rationale="Spot gives two minutes' notice, a drain as long as the pod asks for; the default of 30 s loses all "
    "steps since the last checkpoint.",
    source="Kubernetes documentation, Pod Lifecycle: Termination of Pods (v1.36); EC2 User Guide, Spot interruptions",
    fix="terminationGracePeriodSeconds: 120",
    types=_JOBS,
    check=_abrupt,
    example=_example(f"{_TEMPLATE}.terminationGracePeriodSeconds", 30),
)


def _patient_with_lost_nodes(resource: Resource, _context: Context) -> Iterator[Violation]:
    for _job, pod in objects.gangs(resource):
        seconds = [
            entry.number("tolerationSeconds") for entry in pod.parts("tolerations") if entry.text("key") == _UNREACHABLE
        ]
        if not any(found is not None and found <= _MOST_UNREACHABLE_SECONDS for found in seconds):
            yield Violation(
                message="its pods stay bound to an unreachable node for the API's default of 300 s",
                property=pod.at("tolerations"),
            )


LEAVES_LOST_NODES = Rule(
    id="training-leaves-lost-nodes",
    title="Pods of a run leave an unreachable node within a minute",
    severity=Severity.MEDIUM,
    rationale="One lost node stops all ranks; each minute until its pod is replaced costs the whole run's GPUs.",
    source="Kubernetes documentation, Taints and Tolerations: Taint based evictions (v1.36)",
    fix=f"tolerate {_UNREACHABLE} and not-ready with tolerationSeconds: 30",
    types=_RUNS,
    check=_patient_with_lost_nodes,
    example=_example(f"{_TEMPLATE}.tolerations", []),
)
