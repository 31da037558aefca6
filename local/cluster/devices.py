"""Accelerators and fabric interfaces on nodes: there exactly while their device plugin's pod is ready on the node."""

from collections.abc import Iterable, Mapping
from typing import Any

from local.cluster.concurrency import for_each
from local.cluster.kube import Kube
from local.cluster.machines import DEVICE_RESOURCES, Machine
from local.cluster.views import NodeView, PodView


def plugins_by_node(pods: Iterable[PodView]) -> dict[str, set[str]]:
    """Device plugins (``app.kubernetes.io/name``) whose DaemonSet pod is ready, by node."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        if pod.app_name in DEVICE_RESOURCES and pod.owner_kind == "DaemonSet" and pod.ready and not pod.deleting:
            found.setdefault(pod.node, set()).add(pod.app_name)
    return found


def wanted(machine: Machine, plugins: Iterable[str]) -> dict[str, str]:
    """Extended resources that a node offers with these plugins."""
    devices = machine.devices()
    resources = {DEVICE_RESOURCES[plugin] for plugin in plugins}
    return {name: str(count) for name, count in devices.items() if name in resources}


async def reconcile(
    kube: Kube, nodes: Mapping[str, NodeView], pods: Mapping[str, PodView], machines: Mapping[str, Machine]
) -> None:
    """Patch the nodes whose device resources are not what their plugins advertise."""
    plugins = plugins_by_node(pods.values())
    patches: list[tuple[str, dict[str, Any]]] = []
    for name, node in nodes.items():
        if name not in machines:
            continue
        target = wanted(machines[name], plugins.get(name, ()))
        if target == dict(node.devices):
            continue
        # Null removes: a kubelet forgets the devices of a plugin that went away.
        resources: dict[str, Any] = {**dict.fromkeys(node.devices), **target}
        patches.append((name, {"status": {"capacity": resources, "allocatable": resources}}))
    await for_each(patches, lambda item: kube.patch(f"/api/v1/nodes/{item[0]}/status", item[1]))
