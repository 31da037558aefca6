"""What the supervisor remembers of Node and Pod objects: a few fields, so that thousands of pods stay small."""

from collections.abc import Mapping
from dataclasses import dataclass

from local.cluster.kube import Document
from local.cluster.machines import DEVICE_RESOURCES
from local.cluster.nodes import ADDRESS_ANNOTATION, NODE_GROUP_LABEL, is_process_node
from local.cluster.stages import HOLD_ANNOTATION, VOLUMES_ANNOTATION, VOLUMES_MOUNTED


@dataclass(frozen=True)
class NodeView:
    """One node."""

    name: str
    ready: bool
    node_group: str
    instance_id: str
    uid: str
    devices: Mapping[str, str]
    """Extended resources in its capacity."""
    process: bool = False
    """An agent runs its pods as processes, instead of KWOK."""
    address: str = ""
    """Private address of the instance."""


@dataclass(frozen=True)
class PodView:
    """One pod."""

    namespace: str
    name: str
    uid: str
    node: str
    phase: str
    ready: bool
    deleting: bool
    owner_kind: str
    app_name: str
    """Label ``app.kubernetes.io/name``, by which device plugins are known."""
    app: str
    """Label ``app``, by which the CSI driver's node plugin is known: it shares the other one with its controller."""
    claims: tuple[str, ...]
    mounted: bool
    waits_for: str = ""
    """The process of the supervisor that holds it; "" once that is ready, or if there is none."""


def node_view(node: Document) -> NodeView:
    """The projection of a Node."""
    status, meta = node.get("status", {}), node["metadata"]
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    capacity = status.get("capacity") or {}
    provider = node.get("spec", {}).get("providerID", "")
    return NodeView(
        name=meta["name"],
        ready=conditions.get("Ready") == "True",
        node_group=(meta.get("labels") or {}).get(NODE_GROUP_LABEL, ""),
        instance_id=provider.rpartition("/")[2],
        uid=meta.get("uid", ""),
        process=is_process_node(meta.get("labels") or {}),
        address=(meta.get("annotations") or {}).get(ADDRESS_ANNOTATION, ""),
        devices={name: capacity[name] for name in sorted(set(DEVICE_RESOURCES.values())) if name in capacity},
    )


def pod_view(pod: Document) -> PodView:
    """The projection of a Pod."""
    spec, status, meta = pod.get("spec", {}), pod.get("status", {}), pod["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    conditions = {item["type"]: item["status"] for item in status.get("conditions") or ()}
    owners = meta.get("ownerReferences") or [{}]
    volumes = spec.get("volumes") or ()
    return PodView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        phase=status.get("phase", ""),
        ready=conditions.get("Ready") == "True",
        deleting="deletionTimestamp" in meta,
        owner_kind=owners[0].get("kind", ""),
        app_name=labels.get("app.kubernetes.io/name", ""),
        app=labels.get("app", ""),
        claims=tuple(
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        ),
        mounted=annotations.get(VOLUMES_ANNOTATION) == VOLUMES_MOUNTED,
        waits_for=annotations.get(HOLD_ANNOTATION, ""),
    )
