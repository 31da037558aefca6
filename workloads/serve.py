"""Model services as Pulumi components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens
from components.ordering import after, ready
from components.outputs import PoolOutputs
from workloads.manifests.inference import API_VERSION, manifests
from workloads.serving_specs import InferenceSpec


@dataclass(frozen=True, kw_only=True)
class InferenceServiceArgs:
    """A service, the pool that it is placed on, and what must be ready before it is made."""

    spec: InferenceSpec
    pool: PoolOutputs
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    """KServe, the namespace, the device plugins, the cluster's DNS."""


class InferenceService(pulumi.ComponentResource):
    """One model behind one address. A new model URI or image rolls out in place, a replica at a time.

    Replicas belong to the HPA that KServe makes; this component states their bounds only. Deleting it waits until
    KServe has taken its finalizer off, so KServe must outlive it (``ready``).
    """

    service: pulumi.Output[str]

    def __init__(self, name: str, args: InferenceServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        objects = manifests(args.spec, args.pool.profile)
        first = pulumi.ResourceOptions(parent=self, depends_on=after(args.pool.ready, *args.ready))
        peers = [self._create_policy(name, objects["policy"], first)]
        if "budget" in objects:
            peers.append(self._create_budget(name, objects["budget"], first))
        self.service = self._create_service(name, objects["service"], args, peers)
        self.register_outputs({"service": self.service})

    def _create_policy(self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return k8s.networking.v1.NetworkPolicy(
            f"{name}-policy", metadata=manifest["metadata"], spec=manifest["spec"], opts=opts
        )

    def _create_budget(self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return k8s.policy.v1.PodDisruptionBudget(
            f"{name}-budget", metadata=manifest["metadata"], spec=manifest["spec"], opts=opts
        )

    def _create_service(
        self, name: str, manifest: dict[str, Any], args: InferenceServiceArgs, peers: Sequence[pulumi.Resource]
    ) -> pulumi.Output[str]:
        service = k8s.apiextensions.CustomResource(
            f"{name}-service",
            api_version=API_VERSION,
            kind="InferenceService",
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(args.pool.ready, *args.ready, *peers)),
        )
        return ready(pulumi.Output.from_input(args.spec.name), service)
