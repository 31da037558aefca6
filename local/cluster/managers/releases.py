"""A manager's release as the cluster holds it: read the way a kubelet reads what a pod mounts."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from local.cluster.kube import Document, Kube
from local.cluster.managers.declaration import CONFIGURATION_FILE, CONFIGURATION_VOLUME, Manager, Release
from local.cluster.stages import HOLD_ANNOTATION

WEBHOOKS_KEY = "webhooks.yaml"
CONVERSIONS_KEY = "conversions.json"


def webhooks_config_map(executable: str) -> str:
    """Name of the ConfigMap into which a stand-in chart renders the webhooks that its manager answers."""
    return f"{executable}-simulated-webhooks"


@dataclass(frozen=True)
class DeploymentView:
    """One Deployment; what stands for a manager has ``waits_for``."""

    namespace: str
    name: str
    generation: int
    waits_for: str
    """The manager that its pods wait for."""
    config_map: str
    arguments: tuple[str, ...]
    deleting: bool
    account: str = ""
    """The service account of its pods."""


def deployment_view(deployment: Document) -> DeploymentView:
    """The projection of a Deployment."""
    meta, template = deployment["metadata"], deployment["spec"]["template"]
    pod = template.get("spec") or {}
    waits_for = ((template.get("metadata") or {}).get("annotations") or {}).get(HOLD_ANNOTATION, "")
    volumes = {item["name"]: item for item in pod.get("volumes") or ()}
    mounted = (volumes.get(CONFIGURATION_VOLUME) or {}).get("configMap") or {}
    containers = pod.get("containers") or [{}]
    return DeploymentView(
        namespace=meta["namespace"],
        name=meta["name"],
        # Only of those that matter here: every other change of a Deployment would wake the cluster.
        generation=int(meta.get("generation", 0)) if waits_for else 0,
        waits_for=waits_for,
        config_map=str(mounted.get("name", "")) if waits_for else "",
        arguments=tuple(containers[0].get("args") or ()) if waits_for else (),
        deleting="deletionTimestamp" in meta,
        account=str(pod.get("serviceAccountName", "")) if waits_for else "",
    )


def wanted(manager: Manager, deployments: Collection[DeploymentView]) -> DeploymentView | None:
    """The Deployment that stands for ``manager``, the first by name if there are several."""
    found = [item for item in deployments if item.waits_for == manager.executable and not item.deleting]
    return min(found, key=lambda item: (item.namespace, item.name), default=None)


async def read(manager: Manager, deployment: DeploymentView, kube: Kube) -> Release:
    """The release behind a Deployment as it is now."""
    path = f"/api/v1/namespaces/{deployment.namespace}/configmaps"
    configuration = await kube.get(f"{path}/{deployment.config_map}") if deployment.config_map else None
    rendered: Document | None = None
    if manager.webhook_manifests is None:
        rendered = await kube.get(f"{path}/{webhooks_config_map(manager.executable)}")
    data = (rendered or {}).get("data") or {}
    return Release(
        namespace=deployment.namespace,
        account=deployment.account,
        # The file of a pod is none on this host: the document goes where its declaration says.
        arguments=tuple(item for item in deployment.arguments if not item.startswith("--config=")),
        configuration=((configuration or {}).get("data") or {}).get(CONFIGURATION_FILE, ""),
        webhooks=data.get(WEBHOOKS_KEY, ""),
        conversions=tuple(sorted(json.loads(data.get(CONVERSIONS_KEY, "{}")).items())),
    )
