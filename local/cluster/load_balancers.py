"""Load balancers of Services: what the cloud controller manager, which EKS always runs, does at AWS.

It serves Services of type LoadBalancer that name no class and no other controller. One that does waits, as it would in
a cluster that has not installed that controller. When the cluster goes first, its load balancers stay: nobody is left
to remove them.

Source: kubernetes/cloud-provider, ``controllers/service`` (finalizer, order of steps).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local.cloud.aws.controllers import CLASSIC, Owner, classic_balancer, remove_balancer
from local.cloud.model import CloudObject
from local.cloud.store import SqliteStore
from local.cluster.cloud_facts import CLUSTER
from local.cluster.kube import Document, Kube

FINALIZER: Final = "service.kubernetes.io/load-balancer-cleanup"
_TYPE: Final = "service.beta.kubernetes.io/aws-load-balancer-type"


@dataclass(frozen=True)
class ServiceView:
    """One Service."""

    namespace: str
    name: str
    uid: str
    served: bool
    """Whether it asks the cloud controller manager for a load balancer."""
    deleting: bool
    finalizers: tuple[str, ...]
    hostname: str
    """Where its load balancer answers, as its status says."""

    @property
    def path(self) -> str:
        """URL path of the object."""
        return f"/api/v1/namespaces/{self.namespace}/services/{self.name}"


def service_view(service: Document) -> ServiceView:
    """The projection of a Service."""
    meta, spec = service["metadata"], service.get("spec") or {}
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or [{}]
    other = spec.get("loadBalancerClass") or (meta.get("annotations") or {}).get(_TYPE)
    return ServiceView(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta.get("uid", ""),
        served=spec.get("type") == "LoadBalancer" and not other,
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers") or ()),
        hostname=str(ingress[0].get("hostname", "")),
    )


class LoadBalancers:
    """Makes and removes the load balancers of one cluster's Services."""

    def __init__(self, store: SqliteStore, cluster: str, kube: Kube) -> None:
        self._store = store
        self._cluster = cluster
        self._kube = kube

    async def reconcile(self, services: Mapping[str, ServiceView]) -> None:
        """One pass over all Services."""
        for service in services.values():
            if service.served and not service.deleting:
                await self._ensure(service)
            elif FINALIZER in service.finalizers:
                self._remove(service)
                await self._finalize(service, [name for name in service.finalizers if name != FINALIZER])

    async def _ensure(self, service: ServiceView) -> None:
        if FINALIZER not in service.finalizers:
            # First, so that nothing is made that nobody would remove.
            await self._finalize(service, [*service.finalizers, FINALIZER])
        made = self._balancer(service) or self._make(service)
        if made is not None and service.hostname != made.body["DNSName"]:
            status = {"status": {"loadBalancer": {"ingress": [{"hostname": made.body["DNSName"]}]}}}
            await self._kube.patch(f"{service.path}/status", status)

    async def _finalize(self, service: ServiceView, finalizers: Sequence[str]) -> None:
        await self._kube.patch(service.path, {"metadata": {"uid": service.uid, "finalizers": list(finalizers)}})

    def _owner(self, service: ServiceView) -> Owner:
        return Owner(cluster=self._cluster, namespace=service.namespace, name=service.name, uid=service.uid)

    def _balancer(self, service: ServiceView) -> CloudObject | None:
        return self._store.get(CLASSIC, self._owner(service).classic_name)

    def _make(self, service: ServiceView) -> CloudObject | None:
        with self._store.transaction():
            cluster = self._store.get(CLUSTER, self._cluster)
            if cluster is None or cluster.body.get("status") == "DELETING":
                return None
            return classic_balancer(self._store, self._owner(service))

    def _remove(self, service: ServiceView) -> None:
        with self._store.transaction():
            item = self._balancer(service)
            if item is not None:
                remove_balancer(self._store, item)
