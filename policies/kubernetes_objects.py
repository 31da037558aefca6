"""Kubernetes objects in a resource graph: where each kind of workload describes its pods, and what these ask for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final

from policies.graph import SECRET, UNKNOWN, Json, Resource, ResourceGraph, UndecidedError, read
from policies.rule import Limits

NAMESPACE: Final = "kubernetes:core/v1:Namespace"
POD: Final = "kubernetes:core/v1:Pod"
JOB: Final = "kubernetes:batch/v1:Job"
JOB_SET: Final = "kubernetes:jobset.x-k8s.io/v1alpha2:JobSet"
TRAIN_JOB: Final = "kubernetes:trainer.kubeflow.org/v1alpha1:TrainJob"
INFERENCE_SERVICE: Final = "kubernetes:serving.kserve.io/v1beta1:InferenceService"
NETWORK_POLICY: Final = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
RESOURCE_QUOTA: Final = "kubernetes:core/v1:ResourceQuota"
DISRUPTION_BUDGET: Final = "kubernetes:policy/v1:PodDisruptionBudget"
SERVICE: Final = "kubernetes:core/v1:Service"
RELEASE: Final = "kubernetes:helm.sh/v3:Release"

_TEMPLATES: Final = MappingProxyType(
    {
        POD: "spec",
        "kubernetes:apps/v1:Deployment": "spec.template.spec",
        "kubernetes:apps/v1:ReplicaSet": "spec.template.spec",
        "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
        "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
        JOB: "spec.template.spec",
        "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
        JOB_SET: "spec.replicatedJobs[*].template.spec.template.spec",
        INFERENCE_SERVICE: "spec.predictor",
        "kubernetes:serving.kserve.io/v1alpha1:ServingRuntime": "spec",
        "kubernetes:serving.kserve.io/v1alpha1:ClusterServingRuntime": "spec",
        "kubernetes:trainer.kubeflow.org/v1alpha1:ClusterTrainingRuntime": (
            "spec.template.spec.replicatedJobs[*].template.spec.template.spec"
        ),
    }
)
"""Where each kind says what its pods are; ``[*]`` is every item."""
WORKLOADS: Final = frozenset(_TEMPLATES)
RUNTIMES: Final = frozenset(token for token in WORKLOADS if token.endswith("Runtime"))
"""Templates for the pods of other objects: incomplete on purpose, so only some rules look at them."""
RUNNING: Final = WORKLOADS - RUNTIMES

_ACCELERATORS: Final = re.compile(
    r"nvidia\.com/(gpu|mig-.+)|amd\.com/gpu|google\.com/tpu|aws\.amazon\.com/neuron(core|device)?"
)
EFA: Final = "vpc.amazonaws.com/efa"
_SUFFIXES: Final = MappingProxyType({"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30})


@dataclass(frozen=True)
class Part:
    """A piece of an object and where it lies, so that reading something unknown names the whole path."""

    body: Mapping[str, Json]
    path: str

    def at(self, path: str) -> str:
        """The whole path of one of its members."""
        return f"{self.path}.{path}" if self.path else path

    def get(self, path: str, default: Json = None) -> Json:
        """The member at ``path``, or ``default``.

        Raises:
            UndecidedError: it is unknown or secret.
        """
        return read(self.body, path, default, within=f"{self.path}." if self.path else "")

    def text(self, path: str, default: str = "") -> str:
        """A text; anything else counts as absent: the API server refuses it."""
        found = self.get(path)
        return found if isinstance(found, str) else default

    def number(self, path: str) -> int | None:
        """A whole number, or None."""
        found = self.get(path)
        if isinstance(found, float) and found.is_integer():
            return int(found)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def mapping(self, path: str) -> Mapping[str, Json]:
        """An object, or an empty one. Its values may be unknown: read them with ``Part``."""
        found = self.get(path)
        return found if isinstance(found, Mapping) else {}

    def values(self, path: str) -> tuple[str, ...]:
        """The texts in the object at ``path``, such as the values of labels."""
        found = self.mapping(path)
        if any(item is UNKNOWN or item is SECRET for item in found.values()):
            raise UndecidedError(self.at(path))
        return tuple(item for item in found.values() if isinstance(item, str))

    def part(self, path: str) -> "Part":
        """The object at ``path``, or an empty one."""
        return Part(self.mapping(path), self.at(path))

    def parts(self, path: str) -> tuple["Part", ...]:
        """The objects in the list at ``path``."""
        found = self.get(path)
        items = found if isinstance(found, list) else []
        made = []
        for number, item in enumerate(items):
            if item is UNKNOWN or item is SECRET:
                raise UndecidedError(f"{self.at(path)}[{number}]")
            if isinstance(item, Mapping):
                made.append(Part(item, f"{self.at(path)}[{number}]"))
        return tuple(made)

    def texts(self, path: str) -> tuple[str, ...]:
        """The texts in the list at ``path``."""
        found = self.get(path)
        items = found if isinstance(found, list) else []
        if any(item is UNKNOWN or item is SECRET for item in items):
            raise UndecidedError(self.at(path))
        return tuple(item for item in items if isinstance(item, str))


def whole(resource: Resource) -> Part:
    """The object itself."""
    return Part(resource.properties, "")


def namespace_of(resource: Resource) -> str:
    """The namespace that an object lies in; ``default`` when it says nothing."""
    return whole(resource).text("metadata.namespace", "default")


def object_name(resource: Resource) -> str:
    """``metadata.name``, or the logical name where Pulumi makes one up.

    Raises:
        UndecidedError: it is unknown.
    """
    return whole(resource).text("metadata.name") or resource.name


def is_privileged(namespace: str, limits: Limits) -> bool:
    """Whether the environment allows more than Pod Security Standards there."""
    return any(fnmatchcase(namespace, pattern) for pattern in limits.privileged_namespaces)


def pods(resource: Resource) -> tuple[Part, ...]:
    """The pod templates of a workload; most kinds have one."""
    path = _TEMPLATES.get(resource.type)
    if path is None:
        return ()
    before, _, after = path.partition("[*].")
    if not after:
        found = whole(resource).part(before)
        return (found,) if found.body else ()
    return tuple(item.part(after) for item in whole(resource).parts(before))


def containers(pod: Part, *, initial: bool = True) -> tuple[Part, ...]:
    """A pod's containers; KServe's ``model`` counts as one."""
    found = (*pod.parts("initContainers"), *pod.parts("containers")) if initial else pod.parts("containers")
    model = pod.part("model")
    return (*found, model) if model.body else found


def is_accelerator(resource: str) -> bool:
    """Whether an extended resource is an accelerator, or a slice of one."""
    return bool(_ACCELERATORS.fullmatch(resource))


def accelerators(container: Part) -> dict[str, int]:
    """Accelerator resources that a container is limited to, by resource name."""
    limits = container.part("resources.limits")
    return {name: count for name in limits.body if is_accelerator(name) and (count := amount(limits, name))}


def accelerator_count(pod: Part) -> int:
    """Accelerators of all containers of one pod."""
    return sum(sum(accelerators(container).values()) for container in containers(pod))


def amount(part: Part, name: str) -> int:
    """A quantity such as ``8`` or ``5Gi`` as a number (0 when it is absent or none).

    Raises:
        UndecidedError: it is unknown.
    """
    value = part.body.get(name)
    if value is UNKNOWN or value is SECRET:
        raise UndecidedError(f"{part.path}[{name}]")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    found = re.fullmatch(r"(\d+)([A-Za-z]*)", value) if isinstance(value, str) else None
    return int(found[1]) * _SUFFIXES.get(found[2], 0) if found else 0


def train_job(resource: Resource) -> Part:
    """A TrainJob as the Job that it becomes, as far as it says so itself; the rest is its runtime's.

    Raises:
        UndecidedError: part of it is unknown.
    """
    body = whole(resource)
    trainer = body.part("spec.trainer")
    container = {name: trainer.get(name) for name in ("image", "command", "args", "env")}
    merged: dict[str, Json] = {}
    for patch in body.parts("spec.runtimePatches"):
        for job in patch.parts("trainingRuntimeSpec.template.spec.replicatedJobs"):
            pod = job.part("template.spec.template.spec")
            merged.update(pod.body)
            for one in pod.parts("containers"):
                container.update(one.body)
    container |= {"name": "node", "resources": trainer.mapping("resourcesPerNode")}
    nodes = trainer.number("numNodes") or 1
    spec: dict[str, Json] = {
        "parallelism": nodes,
        "completions": nodes,
        "activeDeadlineSeconds": body.get("spec.activeDeadlineSeconds"),
        "template": {"spec": {**merged, "containers": [container]}},
    }
    return Part(spec, "spec")


def gangs(resource: Resource) -> Iterator[tuple[Part, Part]]:
    """The pod templates of a run that use accelerators, each with the spec of the Job that it belongs to."""
    body = whole(resource)
    several = resource.type == JOB_SET
    if several:
        jobs = [item.part("template.spec") for item in body.parts("spec.replicatedJobs")]
    else:
        jobs = [train_job(resource) if resource.type == TRAIN_JOB else body.part("spec")]
    for job in jobs:
        pod = job.part("template.spec")
        if accelerator_count(pod):
            yield job, pod


def trains(resource: Resource) -> bool:
    """Whether it is a training run: a TrainJob, or a Job whose pods use accelerators."""
    return resource.type == TRAIN_JOB or any(True for _ in gangs(resource))


def uses_accelerators(resource: Resource) -> bool:
    """Whether any pod of a workload asks for an accelerator."""
    return any(accelerator_count(pod) for pod in pods(resource))


def in_namespace(graph: ResourceGraph, namespace: str, *types: str) -> Iterator[Resource]:
    """The objects of these types in a namespace; one whose namespace is unknown may be there, so it raises.

    Raises:
        UndecidedError: see above.
    """
    for item in graph.of_type(*types):
        if namespace_of(item) == namespace:
            yield item
