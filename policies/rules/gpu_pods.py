"""What pods ask of nodes with accelerators."""

from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.rule import REMOVED, Context, Example, Rule, Severity, Violation

_MAIN: Final = "spec.template.spec.containers[0]"
_HUGE_PAGES: Final = "hugepages-2Mi"


def _unequal(resource: Resource, _context: Context) -> Iterator[Violation]:
    for pod in objects.pods(resource):
        for container in objects.containers(pod):
            requests = container.part("resources.requests")
            for name, limit in objects.accelerators(container).items():
                if name in requests.body and objects.amount(requests, name) != limit:
                    yield Violation(
                        message=f"container {container.text('name')} requests {objects.amount(requests, name)} and is "
                        f"limited to {limit} of {name}",
                        property=container.at("resources.requests"),
                    )
            asked = {name for name in requests.body if name.endswith("/gpu") and objects.amount(requests, name)}
            for name in sorted(asked - set(container.mapping("resources.limits"))):
                yield Violation(
                    message=f"container {container.text('name')} requests {name} without a limit",
                    property=container.at("resources.limits"),
                )


LIMITS_EQUAL_REQUESTS = Rule(
    id="gpu-limits-equal-requests",
    title="The limit of an accelerator equals its request",
    severity=Severity.HIGH,
    rationale="Extended resources cannot be overcommitted: the API server refuses the pod in mid-update.",
    source="Kubernetes documentation, Schedule GPUs: Using device plugins (v1.36)",
    fix="write the limit only, or both alike",
    types=objects.WORKLOADS,
    check=_unequal,
    example=Example(
        passing=(examples.training_job(),),
        resource="run",
        changed="run",
        path=f"{_MAIN}.resources.requests",
        value={"nvidia.com/gpu": "4"},
    ),
)


def _without_pages(resource: Resource, _context: Context) -> Iterator[Violation]:
    for pod in objects.pods(resource):
        for container in objects.containers(pod):
            limits = container.part("resources.limits")
            if objects.amount(limits, objects.EFA) and not objects.amount(limits, _HUGE_PAGES):
                yield Violation(
                    message=f"container {container.text('name')} asks for EFA interfaces and no huge pages",
                    property=container.at("resources.limits"),
                )


EFA_HUGE_PAGES = Rule(
    id="gpu-efa-pods-have-huge-pages",
    title="A container that uses EFA asks for huge pages",
    severity=Severity.MEDIUM,
    rationale="The EFA driver sets 2 MiB pages aside on the node; libfabric without them falls back to ordinary memory "
    "and a slower path.",
    source="Amazon EKS User Guide, Run machine learning training on Amazon EKS with Elastic Fabric Adapter (2024-12)",
    fix=f"resources.limits.{_HUGE_PAGES}: 5120Mi",
    types=objects.WORKLOADS,
    check=_without_pages,
    example=Example(
        passing=(examples.training_job(),),
        resource="run",
        changed="run",
        path=f"{_MAIN}.resources.limits.{_HUGE_PAGES}",
        value=REMOVED,
    ),
)
