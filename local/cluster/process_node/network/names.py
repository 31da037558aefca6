"""Answers of the cluster's name server: a pure function of a question and the cluster's Services.

Source: the Kubernetes DNS-Based Service Discovery specification, version 1.1.0; where it leaves a choice, CoreDNS.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from local.cluster.process_node.network.services import Directory, Endpoint, Key, Port, Service

ZONE = "cluster.local"
_REVERSE = "in-addr.arpa"
_SCHEMA = "1.1.0"
_ANY_WEIGHT = 100
_POD_DEPTH = 2
_OCTETS = 4


@dataclass(frozen=True)
class Record:
    """One resource record in presentation format, its name without the final dot."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True)
class Answer:
    """What there is under a name; ``exists`` false means NXDOMAIN, no records but ``exists`` means NODATA."""

    exists: bool
    records: Sequence[Record] = ()
    additional: Sequence[Record] = field(default=())


@dataclass(frozen=True)
class Question:
    """What is asked: a name in lower case, and a record type."""

    name: str
    kind: str


NOTHING = Answer(exists=False)
_EMPTY = Answer(exists=True)


def in_zone(name: str) -> bool:
    """Whether the server is authoritative for ``name``."""
    return name == ZONE or name.endswith((f".{ZONE}", f".{_REVERSE}"))


def answer(directory: Directory, name: str, kind: str) -> Answer:
    """Everything of type ``kind`` under ``name`` (any case, no final dot)."""
    name = name.lower()
    if name.endswith(f".{_REVERSE}"):
        return _reverse(directory, name, kind)
    if not in_zone(name):
        return NOTHING
    labels = name.removesuffix(ZONE).removesuffix(".").split(".")
    return _below_zone(directory, labels, Question(name, kind))


def _below_zone(directory: Directory, labels: list[str], question: Question) -> Answer:
    name, kind = question.name, question.kind
    match labels:
        case ["dns-version"]:
            return Answer(exists=True, records=[Record(name, "TXT", f'"{_SCHEMA}"')] if kind == "TXT" else ())
        case [*rest, "pod"]:
            return _pod(name, rest, kind)
        case [""] | ["svc"]:
            # A name with others below it exists: a resolver must not conclude that there are none (RFC 8020).
            return _EMPTY
        case [namespace, "svc"]:
            return _EMPTY if any(item == namespace for item, _ in directory.services) else NOTHING
        case [*rest, service_name, namespace, "svc"]:
            service = directory.services.get((namespace, service_name))
            return _at_service(directory, service, rest, question) if service else NOTHING
    return NOTHING


def _at_service(directory: Directory, service: Service, rest: list[str], question: Question) -> Answer:
    """Names at a Service and below it; ``rest`` are the labels before the Service's name."""
    name, kind = question.name, question.kind
    if service.external_name:
        return NOTHING if rest else Answer(exists=True, records=[Record(name, "CNAME", service.external_name + ".")])
    match rest:
        case []:
            return _service(directory, service, name, kind)
        case ["_tcp" | "_udp" as protocol]:
            return _EMPTY if any(f"_{port.protocol.lower()}" == protocol for port in service.ports) else NOTHING
        case [label]:
            found = [endpoint for endpoint in _endpoints(directory, service.key) if endpoint.label.lower() == label]
            records = [Record(name, "A", endpoint.address) for endpoint in found] if kind == "A" else []
            return Answer(exists=bool(found), records=records)
        case [_, _]:
            return _port(directory, service, rest, kind)
    return NOTHING


def _service(directory: Directory, service: Service, name: str, kind: str) -> Answer:
    addresses = [service.address]
    if service.headless:
        addresses = [endpoint.address for endpoint in _endpoints(directory, service.key)]
        if not addresses:
            # 2.4.1: no ready endpoints, no name.
            return NOTHING
    if kind == "SRV":
        ports = [answer for port in service.ports if (answer := _targets(directory, service, port, name)).exists]
        return Answer(
            exists=True,
            records=[record for answer in ports for record in answer.records],
            additional=list(dict.fromkeys(record for answer in ports for record in answer.additional)),
        )
    return Answer(exists=True, records=[Record(name, "A", address) for address in addresses] if kind == "A" else ())


def _port(directory: Directory, service: Service, rest: list[str], kind: str) -> Answer:
    """``_port._protocol.service``: the SRV records of one named port."""
    wanted = [port for port in service.ports if port.name and [f"_{port.name}", f"_{port.protocol.lower()}"] == rest]
    if not wanted:
        return NOTHING
    owner = f"{rest[0]}.{rest[1]}.{_name(service.key)}"
    found = _targets(directory, service, wanted[0], owner)
    return found if kind == "SRV" else Answer(exists=found.exists)


def _targets(directory: Directory, service: Service, port: Port, owner: str) -> Answer:
    if not service.headless:
        target = _name(service.key)
        srv = Record(owner, "SRV", f"0 {_ANY_WEIGHT} {port.number} {target}.")
        return Answer(exists=True, records=[srv], additional=[Record(target, "A", service.address)])
    found = [
        (endpoint, target.number)
        for item, endpoint in directory.ready(service.key)
        for target in item.ports
        if target.name == port.name and target.protocol == port.protocol
    ]
    weight = max(_ANY_WEIGHT // len(found), 1) if found else 0
    named = [(f"{endpoint.label}.{_name(service.key)}", endpoint.address, number) for endpoint, number in found]
    return Answer(
        exists=bool(found),
        records=[Record(owner, "SRV", f"0 {weight} {number} {target}.") for target, _, number in named],
        additional=[Record(target, "A", address) for target, address, _ in named],
    )


def _pod(name: str, labels: list[str], kind: str) -> Answer:
    """``a-b-c-d.namespace.pod``: answered from the name alone, as CoreDNS does with ``pods insecure``."""
    if len(labels) < _POD_DEPTH:
        return _EMPTY
    if len(labels) > _POD_DEPTH or labels[0].count("-") != _OCTETS - 1:
        return NOTHING
    try:
        address = ipaddress.IPv4Address(labels[0].replace("-", "."))
    except ValueError:
        return NOTHING
    return Answer(exists=True, records=[Record(name, "A", str(address))] if kind == "A" else ())


def _reverse(directory: Directory, name: str, kind: str) -> Answer:
    octets = name.removesuffix(f".{_REVERSE}").split(".")
    if len(octets) != _OCTETS:
        return NOTHING
    address = ".".join(reversed(octets))
    service = directory.by_address.get(address)
    targets = [_name(service.key)] if service else list(_names_of(directory, address))
    records = [Record(name, "PTR", f"{target}.") for target in targets] if kind == "PTR" else []
    return Answer(exists=bool(targets), records=records)


def _names_of(directory: Directory, address: str) -> Iterator[str]:
    """Names of a pod below the headless Services that select it."""
    for service in directory.services.values():
        if service.headless:
            for endpoint in _endpoints(directory, service.key):
                if endpoint.address == address:
                    yield f"{endpoint.label}.{_name(service.key)}"


def _endpoints(directory: Directory, key: Key) -> list[Endpoint]:
    # A pod is in several slices when the Service's named ports differ between its pods.
    return list({endpoint.address: endpoint for _, endpoint in directory.ready(key)}.values())


def _name(key: Key) -> str:
    return f"{key[1]}.{key[0]}.svc.{ZONE}"
