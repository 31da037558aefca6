"""The ranks of a training run: all there, one for each GPU, able to find and to reach each other."""

import re
from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import JOB, JOB_SET, TRAIN_JOB
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_JOBS: Final = frozenset({JOB, JOB_SET})
_TEMPLATE: Final = "spec.template.spec"
_MAIN: Final = f"{_TEMPLATE}.containers[0]"
_DEVICE_MEMORY: Final = "/dev/shm"  # noqa: S108 -- a mount path in a container
_TORCHRUN: Final = ("torchrun", "torch.distributed.run", "workloads.trainer.launch")
"""The program, torch's module behind it, and the kit's, which hands on exit codes; all take the same options."""


def _example(path: str, value: object) -> Example:
    passing = (examples.training_job(), examples.rendezvous())
    return Example(passing=passing, resource="run", changed="run", path=path, value=value)


def _option(words: tuple[str, ...], name: str) -> int | None:
    """The number of ``--name=N`` or ``--name N``; an elastic ``MIN:MAX`` has none."""
    spelled = name.replace("-", "[-_]")
    found = re.search(rf"--{spelled}[= ](\d+)(?:\s|$)", " ".join(words))
    return int(found[1]) if found else None


def _parallel(resource: Resource, _context: Context) -> Iterator[Violation]:
    for job, pod in objects.gangs(resource):
        asked = objects.whole(resource).number("spec.trainer.numProcPerNode")
        gpus = objects.accelerator_count(pod)
        if resource.type == TRAIN_JOB and asked is not None and asked != gpus:
            yield Violation(
                message=f"torchrun starts {asked} processes beside {gpus} accelerators",
                property="spec.trainer.numProcPerNode",
            )
        for container in objects.containers(pod, initial=False):
            words = (*container.texts("command"), *container.texts("args"))
            if not any(launcher in word for launcher in _TORCHRUN for word in words[:3]):
                continue
            processes, nodes = _option(words, "nproc-per-node"), _option(words, "nnodes")
            gpus, pods = sum(objects.accelerators(container).values()), job.number("parallelism") or 1
            if processes is not None and processes != gpus:
                yield Violation(
                    message=f"torchrun starts {processes} processes beside {gpus} accelerators",
                    property=container.at("command"),
                )
            if nodes is not None and nodes != pods:
                yield Violation(
                    message=f"torchrun waits for {nodes} nodes, the Job has {pods} pods", property=job.at("parallelism")
                )


PARALLELISM = Rule(
    id="training-parallelism-equals-gpus",
    title="torchrun starts as many processes as the run has accelerators",
    severity=Severity.HIGH,
    rationale="With fewer processes GPUs idle; with more, two share a GPU or the rendezvous waits for nodes that never "
    "come.",
    source="PyTorch documentation 2.15, torchrun: --nnodes, --nproc-per-node",
    fix="leave both to the kit, or make nnodes x nproc-per-node the product of parallelism and GPUs per pod",
    types=_JOBS | {TRAIN_JOB},
    check=_parallel,
    example=_example(f"{_MAIN}.command", ["torchrun", "--nnodes=2", "--nproc-per-node=4", "train.py"]),
)


def _incomplete(resource: Resource, _context: Context) -> Iterator[Violation]:
    for job, _pod in objects.gangs(resource):
        pods, wanted = job.number("parallelism") or 1, job.number("completions") or 1
        if job.text("completionMode") == "Indexed" and pods != wanted:
            yield Violation(
                message=f"{pods} of {wanted} ranks run at a time; collectives need all of them",
                property=job.at("completions"),
            )


COMPLETE_GANG = Rule(
    id="training-gang-complete",
    title="All ranks of a run are there at the same time",
    severity=Severity.HIGH,
    rationale="The first collective waits for ranks that start only when others end: the run never leaves its start.",
    source="Kubernetes documentation, Jobs: Parallel execution and completion mode (v1.36)",
    fix="completions equal to parallelism",
    types=_JOBS,
    check=_incomplete,
    example=_example("spec.completions", 4),
)


def _restarts_in_place(resource: Resource, _context: Context) -> Iterator[Violation]:
    for _job, pod in objects.gangs(resource):
        if pod.text("restartPolicy") != "Never":
            yield Violation(
                message=f"a rank restarts alone ({pod.text('restartPolicy') or 'no policy'}) while others wait for it",
                property=pod.at("restartPolicy"),
            )


RESTARTS_AS_GANG = Rule(
    id="training-restarts-as-gang",
    title="A failed rank is replaced by the Job, not restarted in place",
    severity=Severity.MEDIUM,
    rationale="The other ranks sit in a collective until its timeout, and a rank that comes back alone finds the "
    "rendezvous closed; pod failure policies need it as well.",
    source="kubeflow/trainer issues 1638, 2000 and 2269",
    fix="restartPolicy: Never",
    types=_JOBS,
    check=_restarts_in_place,
    example=_example(f"{_TEMPLATE}.restartPolicy", "OnFailure"),
)


def _small_shared_memory(resource: Resource, _context: Context) -> Iterator[Violation]:
    for _job, pod in objects.gangs(resource):
        in_memory = {item.text("name") for item in pod.parts("volumes") if item.text("emptyDir.medium") == "Memory"}
        for container in objects.containers(pod, initial=False):
            shared = {
                item.text("name")
                for item in container.parts("volumeMounts")
                if item.text("mountPath") == _DEVICE_MEMORY
            }
            if sum(objects.accelerators(container).values()) > 1 and not shared & in_memory:
                yield Violation(
                    message=f"container {container.text('name')} has the runtime's 64 MiB of shared memory",
                    property=container.at("volumeMounts"),
                )


SHARED_MEMORY = Rule(
    id="training-shared-memory",
    title="Processes of one pod share memory",
    severity=Severity.MEDIUM,
    rationale="NCCL and data loaders pass tensors through /dev/shm; with the runtime's default they die with a bus "
    "error after the first batches.",
    source="PyTorch documentation 2.15, Multiprocessing best practices; NCCL User Guide, Shared memory",
    fix="an emptyDir with medium Memory on /dev/shm",
    types=_JOBS,
    check=_small_shared_memory,
    example=_example(f"{_MAIN}.volumeMounts", [{"name": "shared", "mountPath": "/shared"}]),
)


def _unfound(resource: Resource, context: Context) -> Iterator[Violation]:
    body = objects.whole(resource)
    runs = [
        job
        for job in context.graph.of_type(JOB)
        if objects.namespace_of(job) == objects.namespace_of(resource)
        and _selects(body.mapping("spec.selector"), objects.whole(job).mapping("spec.template.metadata.labels"))
        and objects.trains(job)
    ]
    if runs and body.text("spec.clusterIP") == "None" and body.get("spec.publishNotReadyAddresses") is not True:
        yield Violation(
            message=f"the pods of {objects.object_name(runs[0])} have no names until they are ready, which they become "
            "only once they have found each other",
            property="spec.publishNotReadyAddresses",
        )


def _selects(selector: object, labels: object) -> bool:
    if not isinstance(selector, dict) or not isinstance(labels, dict) or not selector:
        return False
    return all(labels.get(key) == value for key, value in selector.items())


RENDEZVOUS = Rule(
    id="training-rendezvous-resolves",
    title="The Service of a run publishes pods before they are ready",
    severity=Severity.HIGH,
    rationale="Rank 0's name does not resolve, the rendezvous times out, and the run restarts until it has no restarts "
    "left.",
    source="Kubernetes documentation, DNS for Services and Pods: publishNotReadyAddresses (v1.36)",
    fix="publishNotReadyAddresses: true",
    types=frozenset({objects.SERVICE}),
    check=_unfound,
    example=Example(
        passing=(examples.training_job(), examples.rendezvous()),
        resource="run-service",
        changed="run-service",
        path="spec.publishNotReadyAddresses",
        value=REMOVED,
    ),
    whole_stack=True,
)
