"""Objects of a small cluster as its name server and proxy see them."""

from collections.abc import Mapping, Sequence

from local.cluster.kube import Document
from local.cluster.process_node.network.services import Directory, service_of, slice_of

HTTP = {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}


def service(namespace: str, name: str, **spec: object) -> Document:
    """A Service as the API server shows it."""
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"type": "ClusterIP", **spec}}


def endpoint(address: str, hostname: str = "", *, ready: bool | None = True) -> Document:
    """One endpoint of an EndpointSlice."""
    conditions = {} if ready is None else {"ready": ready}
    return {"addresses": [address], "conditions": conditions, **({"hostname": hostname} if hostname else {})}


def endpoint_slice(
    namespace: str,
    service_name: str,
    endpoints: Sequence[Document],
    ports: Sequence[Mapping[str, object]] = ({"name": "http", "port": 8080, "protocol": "TCP"},),
) -> Document:
    """An EndpointSlice as its controller makes it."""
    labels = {"kubernetes.io/service-name": service_name}
    return {
        "metadata": {"namespace": namespace, "name": f"{service_name}-abc", "labels": labels},
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": list(ports),
    }


def directory(services: Sequence[Document], slices: Sequence[Document] = ()) -> Directory:
    """All of it, indexed."""
    return Directory.of([service_of(item) for item in services], [slice_of(item) for item in slices])


def small_cluster() -> Directory:
    """A web Service, a gang of two behind a headless Service, one without pods, and an external name."""
    return directory(
        [
            service("team", "web", clusterIP="172.20.3.4", ports=[HTTP]),
            service("team", "idle", clusterIP="172.20.3.5", ports=[HTTP]),
            service("team", "run", clusterIP="None", ports=[HTTP]),
            service("team", "nobody", clusterIP="None", ports=[HTTP]),
            service("team", "store", type="ExternalName", externalName="data.example.org"),
        ],
        [
            endpoint_slice("team", "web", [endpoint("100.100.1.7"), endpoint("100.100.1.8", ready=False)]),
            endpoint_slice(
                "team",
                "run",
                [
                    endpoint("100.100.1.2", "run-node-0-0"),
                    endpoint("100.100.2.2", "run-node-0-1", ready=None),
                    endpoint("100.100.2.3"),
                ],
            ),
            endpoint_slice("team", "nobody", [endpoint("100.100.2.9", "late", ready=False)]),
        ],
    )
