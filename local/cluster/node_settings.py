"""Labels and taints of a node group on nodes that are there already: EKS changes them without replacing a node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from local.cluster.concurrency import for_each
from local.cluster.kube import Document, Kube
from local.cluster.nodes import kubernetes_taint


@dataclass(frozen=True)
class NodeSettings:
    """What a node group's settings put on each of its nodes."""

    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()
    """In EKS's shape."""


def patch_for(node: Document, before: NodeSettings, after: NodeSettings) -> Document:
    """The merge patch from one to the other; what others put on the node stays."""
    removed = dict.fromkeys(name for name in before.labels if name not in after.labels)
    old = [kubernetes_taint(taint) for taint in before.taints]
    new = [kubernetes_taint(taint) for taint in after.taints]
    identities = {(taint["key"], taint["effect"]) for taint in (*old, *new)}
    foreign = [
        taint for taint in node.get("spec", {}).get("taints") or () if (taint["key"], taint["effect"]) not in identities
    ]
    return {"metadata": {"labels": {**removed, **after.labels}}, "spec": {"taints": [*foreign, *new]}}


async def apply(kube: Kube, names: Iterable[str], before: NodeSettings, after: NodeSettings) -> None:
    """Change every node of ``names`` that is still there."""

    async def one(name: str) -> None:
        path = f"/api/v1/nodes/{name}"
        node = await kube.get(path)
        if node is not None:
            await kube.patch(path, patch_for(node, before, after))

    await for_each(names, one)
