"""Namespaces of teams: limited, closed by default, and strict about what a pod may be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens, versions
from components.kubernetes.pull_secret import PullCredentials, create_pull_secret
from components.kubernetes.quantities import gibibytes
from components.ordering import after, ready

DNS_PORT = 53
MAXIMUM_PODS = 1000


@dataclass(frozen=True, kw_only=True)
class TeamNamespaceArgs:
    """A namespace and what the pods in it may hold together.

    ``gpus`` are counted by ``accelerator_resource``; ``memory_gib`` is in GiB. ``pull_credentials`` become the pull
    secret of the namespace.
    """

    namespace: str
    gpus: int = 0
    cpus: int = 32
    memory_gib: int = 128
    accelerator_resource: str = "nvidia.com/gpu"
    kubernetes_version: str = versions.KUBERNETES
    pull_credentials: PullCredentials | None = None
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    """What must outlive the namespace: nodes, or its pods cannot end when it is deleted."""


def labels(args: TeamNamespaceArgs) -> dict[str, str]:
    """Pod security ``restricted`` at the cluster's own version: a later one tightens it when the settings say so."""
    pod_security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "warn", "audit")
        for suffix, value in (("", "restricted"), ("-version", f"v{args.kubernetes_version}"))
    }
    return {"app.kubernetes.io/managed-by": "slipway", "slipway.dev/team": args.namespace, **pod_security}


def quota(args: TeamNamespaceArgs) -> dict[str, str]:
    """Hard limits. Extended resources are limited by their requests only (Kubernetes: resource quotas)."""
    return {
        "requests.cpu": str(args.cpus),
        "requests.memory": gibibytes(args.memory_gib),
        f"requests.{args.accelerator_resource}": str(args.gpus),
        "pods": str(MAXIMUM_PODS),
        # Nothing of a team is published past the platform's own gateway.
        "services.loadbalancers": "0",
        "services.nodeports": "0",
    }


def container_limits() -> list[dict[str, Any]]:
    """What a container gets that asks for nothing: a quota on requests refuses pods without them.

    No CPU limit: it throttles data loaders while processors idle.
    """
    return [
        {"type": "Container", "default": {"memory": "4Gi"}, "defaultRequest": {"cpu": "500m", "memory": "2Gi"}},
    ]


def network_policies() -> Mapping[str, dict[str, Any]]:
    """Policies by name: nothing in, nothing out, except questions to the cluster's DNS.

    What a workload needs besides comes with the workload. Fabric traffic (EFA) and file systems bypass these policies:
    the first leaves the pod's network, the second belongs to the node's kernel.
    """
    dns = {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": "UDP", "port": DNS_PORT}, {"protocol": "TCP", "port": DNS_PORT}],
    }
    return {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "allow-dns": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [dns]},
    }


class TeamNamespace(pulumi.ComponentResource):
    """A namespace with quota, default limits, default-deny network policies and, if wanted, a pull secret."""

    namespace: pulumi.Output[str]
    ready: pulumi.Output[str]
    """The name once limits, policies and pull secret exist: pods made earlier would have escaped them."""

    def __init__(self, name: str, args: TeamNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        namespace = k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata={"name": args.namespace, "labels": labels(args)},
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(*args.ready)),
        )
        # Everything below takes the name from the namespace itself, and so waits for it and goes before it.
        self.namespace = namespace.metadata.name
        contents = [*self._create_limits(name, args), *self._create_policies(name)]
        if args.pull_credentials is not None:
            child = pulumi.ResourceOptions(parent=self)
            contents.append(create_pull_secret(f"{name}-pull-secret", self.namespace, args.pull_credentials, child))
        self.ready = ready(self.namespace, *contents)
        self.register_outputs({"namespace": self.namespace, "ready": self.ready})

    def _create_limits(self, name: str, args: TeamNamespaceArgs) -> list[pulumi.Resource]:
        child = pulumi.ResourceOptions(parent=self)
        team_quota = k8s.core.v1.ResourceQuota(
            f"{name}-quota",
            metadata={"name": "team", "namespace": self.namespace},
            spec={"hard": quota(args)},
            opts=child,
        )
        limits: Any = {"limits": container_limits()}
        defaults = k8s.core.v1.LimitRange(
            f"{name}-limits", metadata={"name": "defaults", "namespace": self.namespace}, spec=limits, opts=child
        )
        return [team_quota, defaults]

    def _create_policies(self, name: str) -> list[pulumi.Resource]:
        given: Mapping[str, Any] = network_policies()
        return [
            k8s.networking.v1.NetworkPolicy(
                f"{name}-{policy}",
                metadata={"name": policy, "namespace": self.namespace},
                spec=spec,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for policy, spec in given.items()
        ]
