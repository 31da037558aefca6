"""Images: a pod must run the same bytes tomorrow as today."""

import re
from collections.abc import Iterator
from typing import Final

from policies import examples_kubernetes as examples
from policies import kubernetes_objects as objects
from policies.graph import Resource
from policies.kubernetes_objects import Part
from policies.rule import Context, Example, Rule, Severity, Violation
from policies.rules.frameworks import hardening

_DIGEST: Final = re.compile(r"@sha256:[0-9a-f]{64}$")
_IMAGE: Final = "spec.containers[0].image"


def _images(resource: Resource, context: Context) -> Iterator[tuple[Part, str]]:
    """The images of one's own pods; the cluster's own components are pinned by their charts and add-ons."""
    if objects.is_privileged(objects.namespace_of(resource), context.limits):
        return
    for pod in objects.pods(resource):
        for container in objects.containers(pod):
            if image := container.text("image"):
                yield container, image


def _tag(image: str) -> str:
    """What follows the colon after the last slash; a registry's port is no tag."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _floating(resource: Resource, context: Context) -> Iterator[Violation]:
    for container, image in _images(resource, context):
        if not _DIGEST.search(image) and _tag(image) in ("", "latest"):
            yield Violation(
                message=f"container {container.text('name')} runs {image}, which is another image after every push",
                property=container.at("image"),
            )


NOT_LATEST = Rule(
    id="kubernetes-image-not-latest",
    title="No image is named by `latest` or by no tag at all",
    severity=Severity.HIGH,
    rationale="Replicas that start on different days run different code, a rollback rolls nothing back, and ranks of "
    "one training run may not even speak the same protocol.",
    source="Kubernetes documentation, Configuration Best Practices and Images: Image pull policy (v1.36)",
    fix="name a version, best with its digest",
    types=objects.WORKLOADS,
    check=_floating,
    example=Example(
        passing=(examples.pod(),),
        resource="demo",
        changed="demo",
        path=_IMAGE,
        value="registry.example.com:5000/demo:latest",
    ),
    references=(hardening("Building secure container images"),),
)


def _without_digest(resource: Resource, context: Context) -> Iterator[Violation]:
    for container, image in _images(resource, context):
        if not _DIGEST.search(image):
            yield Violation(
                message=f"container {container.text('name')} runs {image}, named without a digest",
                property=container.at("image"),
            )


BY_DIGEST = Rule(
    id="kubernetes-image-by-digest",
    title="Images are named by digest",
    severity=Severity.LOW,
    rationale="A tag can be pushed again, by a colleague or by whoever has the registry's password; a digest is the "
    "image.",
    source="Kubernetes documentation, Images: Image names (v1.36)",
    fix="append @sha256:…, which `docker buildx imagetools inspect IMAGE` prints",
    types=objects.WORKLOADS,
    check=_without_digest,
    example=Example(
        passing=(examples.pod(),),
        resource="demo",
        changed="demo",
        path=_IMAGE,
        value="registry.example.com/demo:1.0",
    ),
    references=(hardening("Building secure container images"),),
)
