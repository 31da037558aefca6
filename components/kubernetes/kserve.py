"""KServe: serves models as InferenceServices, in Standard mode (plain Deployments, no Knative)."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens, versions
from components.kubernetes.charts import release
from components.kubernetes.kserve_runtimes import ALL_KEYS, SERVING_RUNTIMES
from components.ordering import after, ready
from components.problems import refuse

CERT_MANAGER = "cert-manager"
CRDS = "kserve-crd"
RESOURCES = "kserve-resources"
RUNTIMES = "kserve-runtime-configs"
NAMESPACE = "kserve"
"""The charts' own certificates and role bindings name it."""
CLUSTER_DOMAIN = "svc.cluster.local"
SERVICE_ADDRESS = "{{ .Name }}-predictor.{{ .Namespace }}.{{ .IngressDomain }}"
"""KServe's own template language; Helm hands it on as it is."""


@dataclass(frozen=True, kw_only=True)
class KServeArgs:
    """What decides how models are served.

    ``gateway`` is ``namespace/name`` of a Gateway (Gateway API) that publishes services under ``domain``; without one
    they are reached inside the cluster only. ``download_memory_gib`` limits the container that fetches a model.
    ``install_cert_manager`` is False where the cluster has one.
    """

    charts_mirror: str
    ready: tuple[pulumi.Output[str] | pulumi.Resource, ...] = ()
    """Nodes for the controllers, and the cluster's DNS."""
    gateway: str | None = None
    domain: str = "example.com"
    runtimes: tuple[str, ...] = ()
    download_memory_gib: int = 16
    weighted_canary: bool = False
    install_cert_manager: bool = True


def problems(args: KServeArgs) -> list[str]:
    """What the pinned release cannot do, and what is unknown to it."""
    found = [
        f"runtime {name!r} is unknown, allowed are {', '.join(sorted(SERVING_RUNTIMES))}"
        for name in args.runtimes
        if name not in SERVING_RUNTIMES
    ]
    if args.weighted_canary and versions.release_of(versions.KSERVE) < versions.KSERVE_WEIGHTED_CANARY:
        first = ".".join(map(str, versions.KSERVE_WEIGHTED_CANARY))
        found.append(
            f"KServe {versions.KSERVE} splits no traffic in Standard mode, {first} is the first that does: "
            "leave weighted_canary off, or raise versions.KSERVE"
        )
    if args.weighted_canary and args.gateway is None:
        found.append("weighted_canary needs a gateway: weights are those of its routes")
    return found


def resources_values(args: KServeArgs) -> dict[str, Any]:
    """Values of ``kserve-resources``: where the chart's own defaults would not work on this platform."""
    return {
        "kserve": {
            "controller": {
                # The chart says Knative, which is not installed; the webhook refuses to change it later.
                "deploymentMode": "Standard",
                "gateway": {
                    # Without a gateway, a service's address is that of its Service in the cluster, and status says so.
                    **(
                        {"domain": args.domain}
                        if args.gateway
                        else {"domain": CLUSTER_DOMAIN, "domainTemplate": SERVICE_ADDRESS}
                    ),
                    # Otherwise the manager makes Ingress objects of a class that nobody serves, and no service is
                    # ever ready.
                    "disableIngressCreation": args.gateway is None,
                    "disableIstioVirtualHost": True,
                    "ingressGateway": {
                        "enableGatewayApi": args.gateway is not None,
                        **({"kserveGateway": args.gateway} if args.gateway else {}),
                    },
                },
                # The chart's 100m and 300Mi: the manager caches every object that it watches, and dies of it.
                "resources": {
                    "requests": {"cpu": "100m", "memory": "512Mi"},
                    "limits": {"cpu": "1", "memory": "1Gi"},
                },
            },
            "storage": {
                # The chart's 1 CPU and 1Gi: a download of many gibibytes is killed, or takes an hour.
                "resources": {
                    "requests": {"cpu": "1", "memory": "2Gi"},
                    "limits": {"cpu": "4", "memory": f"{args.download_memory_gib}Gi"},
                },
            },
        }
    }


def runtimes_values(args: KServeArgs) -> dict[str, Any]:
    """Values of ``kserve-runtime-configs``: the runtimes that somebody uses, the chart's others off."""
    wanted = {SERVING_RUNTIMES[name].key for name in args.runtimes}
    return {
        "kserve": {"servingruntime": {"enabled": True, **{key: {"disabled": key not in wanted} for key in ALL_KEYS}}}
    }


def cert_manager_values(_: KServeArgs) -> dict[str, Any]:
    """Values of ``cert-manager``."""
    # Kept CRDs would be left behind by a destroy.
    return {"crds": {"enabled": True, "keep": False}}


def crd_values(_: KServeArgs) -> dict[str, Any]:
    """Values of ``kserve-crd``: it takes none."""
    return {}


VALUES = {
    CRDS: crd_values,
    CERT_MANAGER: cert_manager_values,
    RESOURCES: resources_values,
    RUNTIMES: runtimes_values,
}
"""Chart -> its values for given arguments."""


class KServe(pulumi.ComponentResource):
    """KServe as pinned Helm releases: CRDs, manager with its webhooks, and the serving runtimes in use.

    The manager's webhooks need a certificate, and the chart makes it with cert-manager, whatever the values say. So
    cert-manager is a part of this component, unless the cluster has one already (``install_cert_manager=False``).

    Removable: whatever depends on ``ready`` is deleted first, while the manager still takes its finalizers off; then
    runtimes, manager, and the CRDs last. CRDs that went first would take everybody's InferenceServices with them.
    """

    namespace: pulumi.Output[str]
    ready: pulumi.Output[str]
    """Resolves once the API knows InferenceServices and something acts on them."""

    def __init__(self, name: str, args: KServeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("KServe", name, problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        namespace = self._create_namespace(name, NAMESPACE, args)
        crds = self._create_release(name, CRDS, args, namespace, [])
        first: list[pulumi.Resource] = [crds]
        if args.install_cert_manager:
            own = self._create_namespace(name, CERT_MANAGER, args)
            first.append(self._create_release(name, CERT_MANAGER, args, own, []))
        manager = self._create_release(name, RESOURCES, args, namespace, first)
        last: pulumi.Resource = manager
        if args.runtimes:
            last = self._create_release(name, RUNTIMES, args, namespace, [manager])
        self.namespace = namespace.metadata.name
        self.ready = ready(self.namespace, manager, last)
        self.register_outputs({"namespace": self.namespace, "ready": self.ready})

    def _create_namespace(self, name: str, namespace: str, args: KServeArgs) -> k8s.core.v1.Namespace:
        return k8s.core.v1.Namespace(
            f"{name}-{namespace}-namespace",
            metadata={
                "name": namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "slipway",
                    "pod-security.kubernetes.io/enforce": "baseline",
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=after(*args.ready)),
        )

    def _create_release(
        self,
        name: str,
        chart: str,
        args: KServeArgs,
        namespace: k8s.core.v1.Namespace,
        first: list[pulumi.Resource],
    ) -> k8s.helm.v3.Release:
        return release(
            f"{name}-{chart}",
            chart=chart,
            mirror=args.charts_mirror,
            namespace=namespace.metadata.name,
            values=VALUES[chart](args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace, *first]),
        )
