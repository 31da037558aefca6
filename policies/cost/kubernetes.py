"""What objects in the cluster make the cloud create: volumes of claims, load balancers, nodes of Karpenter.

Pods themselves cost nothing more: they run on nodes that are billed as machines.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from policies.cost.model import Category, Component, Range
from policies.cost.network import load_balancer
from policies.cost.pricing import Priced, Pricing, entries, number
from policies.cost.volumes import volume
from policies.graph import Resource, UndecidedError

CLAIM: Final = "kubernetes:core/v1:PersistentVolumeClaim"
SERVICE: Final = "kubernetes:core/v1:Service"
STATEFUL_SET: Final = "kubernetes:apps/v1:StatefulSet"
INGRESS: Final = "kubernetes:networking.k8s.io/v1:Ingress"
_STORAGE_CLASS: Final = "kubernetes:storage.k8s.io/v1:StorageClass"
_EBS_DRIVERS: Final = frozenset({"ebs.csi.aws.com", "ebs.csi.eks.amazonaws.com", "kubernetes.io/aws-ebs"})
_KINDS: Final = ("gp3", "gp2", "io2", "io1", "st1", "sc1")
_UNITS: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_DECIMAL_UNITS: Final = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "": 1}
_ANNOTATION: Final = "service.beta.kubernetes.io/aws-load-balancer-scheme"


def gib(quantity: str) -> Decimal:
    """``512Mi`` as 0.5.

    Raises:
        ArithmeticError: it is no quantity.
    """
    for suffix, size in {**_UNITS, **_DECIMAL_UNITS}.items():
        if suffix and quantity.endswith(suffix):
            return Decimal(quantity.removesuffix(suffix)) * size / _UNITS["Gi"]
    return Decimal(quantity) / _UNITS["Gi"]


def _size(resource: Resource, path: str) -> Decimal:
    try:
        return gib(str(resource.get(path, "0")))
    except ArithmeticError:
        raise UndecidedError(path) from None


def _claim(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    storage_class = resource.get("spec.storageClassName")
    if storage_class == "" or resource.get("spec.volumeName"):
        # A static volume: the file system behind it is a resource of its own. A preview may not know its name yet.
        return
    size = _size(resource, "spec.resources.requests.storage")
    yield from _claimed(resource, storage_class, size, Decimal(1), pricing)


def _stateful_set(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    replicas = number(resource, "spec.replicas", 1)
    for index in range(entries(resource, "spec.volumeClaimTemplates")):
        at = f"spec.volumeClaimTemplates[{index}].spec"
        size = _size(resource, f"{at}.resources.requests.storage")
        yield from _claimed(resource, resource.get(f"{at}.storageClassName"), size, replicas, pricing)


def _claimed(
    resource: Resource, storage_class: object, size: Decimal, copies: Decimal, pricing: Pricing
) -> Iterator[Component]:
    kind, assumption = _kind(storage_class, pricing)
    if kind is None:
        yield pricing.component(
            resource,
            f"volume of class {storage_class}",
            f"storage-class:{storage_class}",
            size * copies,
            unit="GB-month",
        )
        return
    many = Range(low=copies, expected=copies, high=copies)
    yield from volume(resource, "claimed volume", size, many, pricing, kind=kind, assumption=assumption)


def _kind(storage_class: object, pricing: Pricing) -> tuple[str | None, str]:
    """The EBS volume type behind a storage class, and how that is known."""
    if storage_class is None:
        return "gp3", "the cluster's default class, taken to be gp3"
    for item in pricing.graph.of_type(_STORAGE_CLASS):
        if item.get("metadata.name") == storage_class:
            if item.get("provisioner") not in _EBS_DRIVERS:
                return None, ""
            return str(item.get("parameters.type", "gp3")), f"class {storage_class}"
    found = next((kind for kind in _KINDS if kind in str(storage_class)), None)
    return found, f"by the name of class {storage_class}"


def _service(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    if resource.get("spec.type", "ClusterIP") != "LoadBalancer":
        return
    yield from load_balancer(resource, "network", pricing)
    annotations = resource.get("metadata.annotations") or {}
    if isinstance(annotations, dict) and annotations.get(_ANNOTATION, "internet-facing") == "internet-facing":
        yield pricing.hours(
            resource,
            "public IPv4 addresses",
            "ipv4:public",
            pricing.zones,
            assumption=f"one in each of {pricing.zones:f} zones",
        )


def _ingress(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    if str(resource.get("spec.ingressClassName", "")) == "alb":
        yield from load_balancer(resource, "application", pricing)


def _gateway(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield from load_balancer(resource, "network", pricing)


def _karpenter(resource: Resource, pricing: Pricing) -> Iterator[Component]:
    yield pricing.component(resource, "nodes that Karpenter starts", "karpenter:nodes", Decimal(0), unit="hour")


_NETWORK: Final = Category.NETWORK

PRICERS: Final = {
    CLAIM: Priced(category=Category.STORAGE, price=_claim, storage=True),
    STATEFUL_SET: Priced(category=Category.STORAGE, price=_stateful_set, storage=True),
    SERVICE: Priced(category=_NETWORK, price=_service),
    INGRESS: Priced(category=_NETWORK, price=_ingress),
    "kubernetes:gateway.networking.k8s.io/v1:Gateway": Priced(category=_NETWORK, price=_gateway),
    "kubernetes:karpenter.sh/v1:NodePool": Priced(category=Category.NODES, price=_karpenter, storage=True),
}
