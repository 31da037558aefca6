"""The namespace of a controller: restricted, and closed but for webhooks, metrics and the way to the API server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

DNS_PORT = 53
API_SERVER_PORTS = (443, 6443)
"""Of managed control planes, and of kubeadm's."""


@dataclass(frozen=True, kw_only=True)
class ControllerNamespace:
    """A namespace, and everything that must be there before a pod is."""

    namespace: k8s.core.v1.Namespace
    resources: Sequence[pulumi.Resource]


def network_policies(ports: Sequence[int]) -> Mapping[str, dict[str, Any]]:
    """Policies by name: in on ``ports`` only (webhooks, metrics), out to names and the API server only.

    From any address: the control plane calls webhooks from addresses that no selector matches.
    """
    dns = [{"protocol": "UDP", "port": DNS_PORT}, {"protocol": "TCP", "port": DNS_PORT}]
    return {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "controller": {
            "podSelector": {},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": port} for port in ports]}],
            "egress": [
                {"ports": dns},
                {"ports": [{"protocol": "TCP", "port": port} for port in API_SERVER_PORTS]},
            ],
        },
    }


def create_namespace(
    name: str, namespace: str, *, ports: Sequence[int], opts: pulumi.ResourceOptions
) -> ControllerNamespace:
    """Create the namespace ``namespace``; ``name`` is the prefix of logical names, ``opts`` hold parent and order."""
    made = k8s.core.v1.Namespace(
        f"{name}-namespace",
        metadata={
            "name": namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "slipway",
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        },
        opts=opts,
    )
    given: Mapping[str, Any] = network_policies(ports)
    policies = [
        k8s.networking.v1.NetworkPolicy(
            f"{name}-{policy}",
            # The name from the namespace itself: a policy goes before it.
            metadata={"name": policy, "namespace": made.metadata.name},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=opts.parent),
        )
        for policy, spec in given.items()
    ]
    return ControllerNamespace(namespace=made, resources=[made, *policies])
