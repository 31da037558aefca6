"""A container's environment variables: pure functions of the pod and of what it refers to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.cluster.kube import Document
from local.cluster.process_node.quantities import in_units_of
from local.cluster.process_node.seams import NodeError

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")


class ConfigError(NodeError):
    """What a container refers to is missing: CreateContainerConfigError."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What variables may refer to."""

    pod: Document
    """With the status fields ``podIP``, ``hostIP`` and their lists filled in."""
    config_maps: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    """``data`` by name; None: not there."""
    secrets: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    """Decoded ``data`` by name; None: not there."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    """Of the node: stands for limits that are not set."""
    services: Mapping[str, str] = field(default_factory=dict)
    """Variables of Services."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by its value; ``$$(NAME)`` escapes, an unknown name stays as it is.

    Source: kubernetes.io/docs/reference, Container ``command``, ``args`` and EnvVar ``value``.
    """

    def one(found: re.Match[str]) -> str:
        if found.group(0) == "$$":
            return "$"
        return values.get(found.group(1), found.group(0))

    return _REFERENCE.sub(one, text)


def variables(container: Document, sources: Sources, image: Mapping[str, str]) -> dict[str, str]:
    """All variables: the image's, the Services', ``envFrom``, then ``env`` in its order.

    Raises:
        ConfigError: something that is not optional is missing, in a kubelet's words.
    """
    found = dict(sources.services)
    for source in container.get("envFrom") or ():
        found |= _all_of(source, sources)
    for item in container.get("env") or ():
        if "valueFrom" in item:
            value = _value_from(item["valueFrom"], container, sources)
            if value is None:
                continue
        else:
            value = expand(item.get("value", ""), found)
        found[item["name"]] = value
    return {**image, **found}


def _all_of(source: Mapping[str, Any], sources: Sources) -> dict[str, str]:
    prefix = source.get("prefix", "")
    kind, reference, known = (
        ("configmap", source["configMapRef"], sources.config_maps)
        if "configMapRef" in source
        else ("secret", source["secretRef"], sources.secrets)
    )
    data = known.get(reference["name"])
    if data is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind} "{reference["name"]}" not found')
    return {prefix + name: value for name, value in data.items()}


def _value_from(source: Mapping[str, Any], container: Document, sources: Sources) -> str | None:
    if "fieldRef" in source:
        return pod_field(sources.pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_field(container, source["resourceFieldRef"], sources)
    if "configMapKeyRef" in source:
        return _key(source["configMapKeyRef"], sources.config_maps, "configmap", "ConfigMap", sources)
    if "secretKeyRef" in source:
        return _key(source["secretKeyRef"], sources.secrets, "secret", "Secret", sources)
    raise ConfigError(f"a variable's valueFrom is not supported here: {', '.join(source)}")


def _key(
    reference: Mapping[str, Any],
    known: Mapping[str, Mapping[str, str] | None],
    resource: str,
    kind: str,
    sources: Sources,
) -> str | None:
    data = known.get(reference["name"])
    if data is not None and reference["key"] in data:
        return data[reference["key"]]
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{resource} "{reference["name"]}" not found')
    namespace = sources.pod["metadata"]["namespace"]
    raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")


def pod_field(pod: Document, path: str) -> str:
    """A field of the pod for ``fieldRef``: names, labels, annotations, addresses.

    Raises:
        ConfigError: the field cannot be referred to.
    """
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    subscript = re.fullmatch(r"metadata\.(labels|annotations)\['(.*)'\]", path)
    if subscript:
        return str((meta.get(subscript.group(1)) or {}).get(subscript.group(2), ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        pairs = (meta.get(path.rpartition(".")[2]) or {}).items()
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(pairs))
    simple = {
        "metadata.name": meta.get("name"),
        "metadata.namespace": meta.get("namespace"),
        "metadata.uid": meta.get("uid"),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.hostIPs": ",".join(item["ip"] for item in status.get("hostIPs") or ()),
        "status.podIPs": ",".join(item["ip"] for item in status.get("podIPs") or ()),
    }
    if path not in simple:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(simple[path] or "")


def _escaped(value: str) -> str:
    # Go's %q, for what labels and annotations hold.
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def resource_field(container: Document, reference: Mapping[str, Any], sources: Sources) -> str:
    """A request or limit for ``resourceFieldRef``; a limit that is not set is the node's allocatable."""
    name = reference.get("containerName")
    if name:
        all_of = [*(sources.pod["spec"].get("initContainers") or ()), *sources.pod["spec"]["containers"]]
        container = next((item for item in all_of if item["name"] == name), container)
    kind, _, resource = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(resource)
    if value is None and kind == "limits":
        value = sources.allocatable.get(resource)
    if value is None:
        value = (resources.get("limits") or {}).get(resource, "0") if kind == "requests" else "0"
    return in_units_of(value, reference.get("divisor") or "1")


def service_variables(services: Sequence[Document], *, links: bool) -> dict[str, str]:
    """Variables of the Services of the pod's namespace and of ``kubernetes``.

    Source: kubernetes.io/docs/concepts/services-networking/service, "Environment variables".
    """
    found: dict[str, str] = {}
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        master = meta["name"] == "kubernetes" and meta["namespace"] == "default"
        address, ports = spec.get("clusterIP", ""), spec.get("ports") or ()
        if not ports or address in {"", "None"} or not (links or master):
            continue
        name = meta["name"].upper().replace("-", "_")
        found[f"{name}_SERVICE_HOST"] = address
        found[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        found[f"{name}_PORT"] = f"{ports[0].get('protocol', 'TCP').lower()}://{address}:{ports[0]['port']}"
        for port in ports:
            found |= _of_port(name, address, port)
    return found


def _of_port(name: str, address: str, port: Mapping[str, Any]) -> dict[str, str]:
    protocol, number = port.get("protocol", "TCP"), port["port"]
    prefix = f"{name}_PORT_{number}_{protocol}"
    found = {
        prefix: f"{protocol.lower()}://{address}:{number}",
        f"{prefix}_PROTO": protocol.lower(),
        f"{prefix}_PORT": str(number),
        f"{prefix}_ADDR": address,
    }
    if port.get("name"):
        found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(number)
    return found
