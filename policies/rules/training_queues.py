"""Queues of training runs: each run can be admitted, as a whole or not at all."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import JOB, JOB_SET, TRAIN_JOB, Part
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_QUEUE: Final = "kueue.x-k8s.io/queue-name"
_KUEUE: Final = "kubernetes:kueue.x-k8s.io/v1beta2"
_CLUSTER_QUEUE: Final = f"{_KUEUE}:ClusterQueue"
_LOCAL_QUEUE: Final = f"{_KUEUE}:LocalQueue"
_FLAVOR: Final = f"{_KUEUE}:ResourceFlavor"
_UNCOUNTED: Final = "ephemeral-storage"
"""The kit's Kueue leaves it out of quotas (``resources.excludeResourcePrefixes``)."""


def _covered(queue: Part) -> set[str]:
    return {name for group in queue.parts("spec.resourceGroups") for name in group.texts("coveredResources")}


def _requested(resource: Resource) -> Iterator[tuple[str, str]]:
    """(resource, where) that the pods of a run ask for; a limit without a request is one (Kubernetes' defaulting)."""
    for _job, pod in objects.gangs(resource):
        for container in objects.containers(pod):
            for kind in ("requests", "limits"):
                for name in container.mapping(f"resources.{kind}"):
                    if name != _UNCOUNTED:
                        yield name, container.at("resources")


def _uncovered(resource: Resource, context: Context) -> Iterator[Violation]:
    name = objects.whole(resource).text(f'metadata.labels["{_QUEUE}"]')
    if not name:
        return
    queues = {objects.object_name(item): objects.whole(item) for item in context.graph.of_type(_CLUSTER_QUEUE)}
    for local in objects.in_namespace(context.graph, objects.namespace_of(resource), _LOCAL_QUEUE):
        queue = queues.get(objects.whole(local).text("spec.clusterQueue"))
        if objects.object_name(local) != name or queue is None:
            continue
        covered = _covered(queue)
        for wanted, path in dict(_requested(resource)).items():
            if wanted not in covered:
                yield Violation(
                    message=f"it asks for {wanted}, of which its queue has no quota: it is never admitted",
                    property=path,
                )


_RUN: Final = examples.resource(
    examples.training_job().type,
    "run",
    {
        **examples.training_job().properties,
        "metadata": {"name": "run", "namespace": "research", "labels": {_QUEUE: "default"}},
    },
)
_LOCAL: Final = examples.resource(
    _LOCAL_QUEUE,
    "research-queue",
    {"metadata": {"name": "default", "namespace": "research"}, "spec": {"clusterQueue": "research"}},
)
_QUOTA: Final = {"name": "training", "resources": [{"name": "cpu", "nominalQuota": "96"}]}
_RESEARCH: Final = examples.resource(
    _CLUSTER_QUEUE,
    "research",
    {
        "metadata": {"name": "research"},
        "spec": {
            "resourceGroups": [
                {
                    "coveredResources": sorted({name for name, _ in _requested(_RUN)}),
                    "flavors": [_QUOTA],
                }
            ]
        },
    },
)

COVERED = Rule(
    id="training-queue-covers",
    title="A queue has quota of everything that its runs ask for",
    severity=Severity.HIGH,
    rationale="Kueue never admits a run that asks for a resource which no flavor of its queue covers; interfaces "
    "and huge pages are forgotten easily, and the run waits for ever without an error.",
    source="Kueue documentation v0.19, Cluster Queue: coveredResources",
    fix="add the resource to coveredResources and every flavor (the kit's queues cover what the pools offer)",
    types=frozenset({JOB, JOB_SET, TRAIN_JOB}),
    check=_uncovered,
    example=Example(
        passing=(_RUN, _LOCAL, _RESEARCH),
        resource="run",
        changed="research",
        path="spec.resourceGroups[0].coveredResources",
        value=["cpu", "memory"],
    ),
    whole_stack=True,
)


def _unplaced(resource: Resource, _context: Context) -> Iterator[Violation]:
    if not objects.whole(resource).text("spec.topologyName"):
        yield Violation(
            message="it has no topology, so runs are admitted by sums, whatever is free on a node",
            property="spec.topologyName",
        )


TOPOLOGY = Rule(
    id="training-flavor-topology",
    title="A flavor knows the topology of its nodes",
    severity=Severity.MEDIUM,
    rationale="Without a topology Kueue counts quota only: a gang is admitted when free GPUs suffice in sum and fit "
    "on no node, and its pods hold what others wait for. One such flavor in a queue also keeps runs that ask for no "
    "topology off all flavors that have one.",
    source="Kueue documentation v0.19, Topology Aware Scheduling",
    fix="spec.topologyName: a Topology with kubernetes.io/hostname as its lowest level, at least",
    types=frozenset({_FLAVOR}),
    check=_unplaced,
    example=Example(
        passing=(
            examples.resource(
                _FLAVOR,
                "training",
                {
                    "metadata": {"name": "training"},
                    "spec": {"nodeLabels": {"slipway.dev/pool": "training"}, "topologyName": "hosts"},
                },
            ),
        ),
        resource="training",
        changed="training",
        path="spec.topologyName",
        value=REMOVED,
    ),
)
