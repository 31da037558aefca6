"""EKS managed add-ons: stand-in workloads in kube-system, and a status that follows their pods."""

import logging
from typing import Any

from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.addon_manifests import ADDONS
from local.cluster.cloud_facts import ADDON
from local.cluster.kube import Document, Kube, object_path
from local.cluster.process_node.network.addresses import name_server_of

_LOG = logging.getLogger(__name__)
_ANNOTATION = "simulation.slipway.dev/addon"


class Addons:
    """Reconciles the add-ons of one cluster."""

    def __init__(self, store: SqliteStore, cluster: str, kube: Kube, service_cidr: str) -> None:
        self._store = store
        self._cluster = cluster
        self._kube = kube
        self._name_server = name_server_of(service_cidr)
        self._applied: dict[str, str] = {}
        """Add-on name -> what was applied for it (version and configuration)."""

    async def reconcile(self) -> None:
        """One pass over all add-ons of the cluster."""
        for addon in self._store.find(ADDON, clusterName=self._cluster):
            name = addon.body["addonName"]
            if addon.body.get("status") == "DELETING":
                await self._delete(addon, name)
            elif name not in ADDONS:
                known = ", ".join(sorted(ADDONS))
                message = f"the simulation has no stand-in for the add-on {name}; it has: {known}"
                self._set_status(addon, "CREATE_FAILED", "InternalFailure", message)
            else:
                await self._apply(addon, name)
                await self._follow(addon, name)

    async def _apply(self, addon: CloudObject, name: str) -> None:
        wanted = f"{addon.body.get('addonVersion')} {addon.body.get('configurationValues')}"
        if self._applied.get(name) == wanted:
            return
        for document in ADDONS[name]():
            if document["kind"] == "Service":
                # The cluster's DNS, whose address nodes know without asking.
                document["spec"]["clusterIP"] = self._name_server
            annotations = {_ANNOTATION: f"{name} {addon.body.get('addonVersion') or ''}".strip()}
            document["metadata"]["annotations"] = annotations
            await self._kube.apply(document)
        self._applied[name] = wanted
        _LOG.info("add-on %s applied", addon.id)

    async def _follow(self, addon: CloudObject, name: str) -> None:
        waiting = [text for text in [await self._waiting(document) for document in ADDONS[name]()] if text]
        if not waiting:
            self._set_status(addon, "ACTIVE")
        elif any("deployment" in text for text in waiting):
            # EKS's own words for the code; the status is DEGRADED until nodes come, as on AWS.
            message = "The add-on is unhealthy because it doesn't have the desired number of replicas."
            self._set_status(addon, "DEGRADED", "InsufficientNumberOfReplicas", f"{message} ({'; '.join(waiting)})")
        elif addon.body.get("status") == "ACTIVE":
            self._set_status(addon, "DEGRADED", "InsufficientNumberOfReplicas", "; ".join(waiting))

    async def _waiting(self, document: Document) -> str:
        kind = document["kind"]
        if kind not in {"DaemonSet", "Deployment"}:
            return ""
        found = await self._kube.get(object_path(document))
        if found is None:
            self._applied.clear()
            return f"{kind.lower()} {document['metadata']['name']} is missing"
        wanted, ready = _replicas(kind, found)
        name = document["metadata"]["name"]
        return "" if ready >= wanted else f"{kind.lower()} {name}: {ready} of {wanted} pods ready"

    async def _delete(self, addon: CloudObject, name: str) -> None:
        if not addon.body.get("preserve"):
            for document in reversed(ADDONS.get(name, list)()):
                await self._kube.delete(object_path(document))
        self._applied.pop(name, None)
        self._store.remove(ADDON, addon.id)
        _LOG.info("add-on %s removed", addon.id)

    def _set_status(self, addon: CloudObject, status: str, code: str = "", message: str = "") -> None:
        issues = [{"code": code, "message": message, "resourceIds": []}] if code else []
        with self._store.transaction():
            current = self._store.get(ADDON, addon.id)
            if current is None or current.body.get("status") != addon.body.get("status"):
                return
            if current.body["status"] == status and (current.body.get("health") or {}).get("issues", []) == issues:
                return
            current.body["status"] = status
            current.body["health"] = {"issues": issues}
            self._store.put(current)


def _replicas(kind: str, found: dict[str, Any]) -> tuple[int, int]:
    """Wanted and ready pods; a controller that has not looked at the object yet counts as not ready."""
    status = found.get("status") or {}
    if status.get("observedGeneration", 0) < found["metadata"].get("generation", 1):
        return 1, 0
    if kind == "DaemonSet":
        return status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    return found["spec"].get("replicas", 1), status.get("availableReplicas", 0)
