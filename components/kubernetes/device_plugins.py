"""Device plugins: without them a node with GPUs and fabric interfaces offers neither to pods."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens
from components.kubernetes.charts import release
from components.ordering import after
from components.outputs import PoolOutputs

NVIDIA = "nvidia-device-plugin"
EFA = "aws-efa-k8s-device-plugin"
NVIDIA_RESOURCE = "nvidia.com/gpu"
EFA_RESOURCE = "vpc.amazonaws.com/efa"
INSTANCE_TYPE_LABEL = "node.kubernetes.io/instance-type"
GPU_PRESENT_LABEL = "nvidia.com/gpu.present"


@dataclass(frozen=True, kw_only=True)
class DevicePluginsArgs:
    """Which pools need plugins, and where their charts come from."""

    pools: Sequence[PoolOutputs]
    charts_mirror: str
    namespace: str = "gpu-system"


def tolerations(pools: Iterable[PoolOutputs]) -> list[dict[str, str]]:
    """Tolerations of every taint of the pools, once each: a plugin must run where workloads must not."""
    keys = {(taint.key, taint.effect) for pool in pools for taint in pool.profile.taints}
    return [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        *({"key": key, "operator": "Exists", "effect": effect} for key, effect in sorted(keys)),
    ]


def nvidia_values(pools: Sequence[PoolOutputs]) -> dict[str, Any]:
    """Values of the NVIDIA plugin (chart 0.20: values.yaml)."""
    return {
        # The chart's own affinity wants labels of node-feature-discovery, or this one, which the pools set.
        "nodeSelector": {GPU_PRESENT_LABEL: "true"},
        "tolerations": tolerations(pools),
        # A node whose driver does not load must show an unready plugin, not a node with no GPUs that looks healthy.
        "failOnInitError": True,
        "gfd": {"enabled": False},
    }


def efa_values(pools: Sequence[PoolOutputs]) -> dict[str, Any]:
    """Values of the EFA plugin (aws/eks-charts, templates/daemonset.yaml)."""
    return {
        # The chart's own list of types lags behind EC2, and a type that is not on it gets no plugin.
        "supportedInstanceLabels": {
            "keys": [INSTANCE_TYPE_LABEL],
            "values": sorted({pool.instance_type for pool in pools}),
        },
        "tolerations": tolerations(pools),
        "resources": {"requests": {"cpu": "10m", "memory": "20Mi"}},
    }


class DevicePlugins(pulumi.ComponentResource):
    """The plugins that the pools need, as Helm releases in a namespace of their own."""

    namespace: pulumi.Output[str]
    ready: pulumi.Output[str]
    """Resolves once every plugin runs on the nodes; depend on it before placing pods that ask for devices."""

    def __init__(self, name: str, args: DevicePluginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        namespace = self._create_namespace(name, args)
        releases = self._create_releases(name, args, namespace)
        self.namespace = namespace.metadata.name
        self.ready = pulumi.Output.all(*(item.id for item in releases)).apply(",".join)
        self.register_outputs({"namespace": self.namespace, "ready": self.ready})

    def _create_namespace(self, name: str, args: DevicePluginsArgs) -> k8s.core.v1.Namespace:
        return k8s.core.v1.Namespace(
            f"{name}-namespace",
            metadata={
                "name": args.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "slipway",
                    # Device plugins mount the kubelet's socket directory and /dev.
                    "pod-security.kubernetes.io/enforce": "privileged",
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(*(pool.ready for pool in args.pools))),
        )

    def _create_releases(
        self, name: str, args: DevicePluginsArgs, namespace: k8s.core.v1.Namespace
    ) -> list[k8s.helm.v3.Release]:
        nvidia = [pool for pool in args.pools if pool.profile.accelerator_resource == NVIDIA_RESOURCE]
        efa = [pool for pool in args.pools if EFA_RESOURCE in pool.profile.fabric_resources]
        wanted = [
            (chart, pools, values(pools))
            for chart, pools, values in ((NVIDIA, nvidia, nvidia_values), (EFA, efa, efa_values))
            if pools
        ]
        return [
            release(
                f"{name}-{chart}",
                chart=chart,
                mirror=args.charts_mirror,
                namespace=namespace.metadata.name,
                values=values,
                # Helm waits for the DaemonSet on the nodes that exist: without the nodes it would wait for nothing.
                opts=pulumi.ResourceOptions(parent=self, depends_on=after(*(pool.ready for pool in pools))),
            )
            for chart, pools, values in wanted
        ]
