"""Services and EndpointSlices as the proxy and the name server see them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from local.cluster.kube import Document

_SERVICE_LABEL = "kubernetes.io/service-name"
_HEADLESS = "None"
Key = tuple[str, str]
"""Namespace and name of a Service."""


@dataclass(frozen=True)
class Port:
    """A port of a Service, or, with the number that its pods listen on, of an EndpointSlice."""

    name: str
    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What a Service promises."""

    namespace: str
    name: str
    address: str = ""
    """ClusterIP; "" when headless or external."""
    external_name: str = ""
    ports: tuple[Port, ...] = ()

    @property
    def headless(self) -> bool:
        """Whether only DNS knows it."""
        return not self.address and not self.external_name

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True)
class Endpoint:
    """A pod behind a Service."""

    address: str
    hostname: str = ""
    ready: bool = True
    """As the EndpointSlice controller says it: always, for ``publishNotReadyAddresses``."""

    @property
    def label(self) -> str:
        """Its name below the Service's: its host name, else its address with dashes, as CoreDNS makes it."""
        return self.hostname or self.address.replace(".", "-")


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some endpoints of a Service, and where they listen."""

    service: Key
    ports: tuple[Port, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def service_of(document: Document) -> Service:
    """The parts of a Service that matter here."""
    meta, spec = document["metadata"], document.get("spec") or {}
    address = spec.get("clusterIP") or ""
    external = spec.get("type") == "ExternalName"
    ports = spec.get("ports") or ()
    return Service(
        namespace=meta["namespace"],
        name=meta["name"],
        address="" if external or address == _HEADLESS else address,
        external_name=spec.get("externalName", "") if external else "",
        ports=tuple(Port(item.get("name") or "", item["port"], item.get("protocol") or "TCP") for item in ports),
    )


def slice_of(document: Document) -> Slice:
    """The parts of an EndpointSlice that matter here; only IPv4 addresses are kept."""
    meta = document["metadata"]
    ipv4 = document.get("addressType") == "IPv4"
    found = (document.get("endpoints") or ()) if ipv4 else ()
    return Slice(
        service=(meta["namespace"], (meta.get("labels") or {}).get(_SERVICE_LABEL, "")),
        ports=tuple(
            Port(item.get("name") or "", item["port"], item.get("protocol") or "TCP")
            for item in document.get("ports") or ()
            if item.get("port")
        ),
        endpoints=tuple(
            # No condition means ready (discovery.k8s.io/v1, EndpointConditions).
            Endpoint(address, item.get("hostname") or "", (item.get("conditions") or {}).get("ready") is not False)
            for item in found
            for address in item["addresses"]
        ),
    )


@dataclass
class Directory:
    """All Services of a cluster with their endpoints; made anew after a change."""

    services: Mapping[Key, Service] = field(default_factory=dict)
    slices: Mapping[Key, tuple[Slice, ...]] = field(default_factory=dict)
    by_address: Mapping[str, Service] = field(default_factory=dict)
    """By ClusterIP."""

    @staticmethod
    def of(services: Iterable[Service], slices: Iterable[Slice]) -> "Directory":
        """Index what the watches hold."""
        by_key = {service.key: service for service in services}
        by_service: dict[Key, tuple[Slice, ...]] = {}
        for item in slices:
            by_service[item.service] = (*by_service.get(item.service, ()), item)
        by_address = {service.address: service for service in by_key.values() if service.address}
        return Directory(by_key, by_service, by_address)

    def ready(self, key: Key) -> Iterator[tuple[Slice, Endpoint]]:
        """The endpoints of a Service that are ready."""
        for item in self.slices.get(key, ()):
            for endpoint in item.endpoints:
                if endpoint.ready:
                    yield item, endpoint

    def backends(self, service: Service, port: Port) -> list[tuple[str, int]]:
        """Address and port of every ready endpoint behind a Service's port."""
        return [
            (endpoint.address, target.number)
            for item, endpoint in self.ready(service.key)
            for target in item.ports
            if target.name == port.name and target.protocol == port.protocol
        ]
