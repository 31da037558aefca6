"""Command lines of a control plane: pure functions of its files, ports and settings."""

from dataclasses import dataclass
from pathlib import Path

from local.cluster.certificates import Pair
from local.cluster.ports import LOOPBACK
from local.cluster.stages import NODE_ANNOTATION, NODE_ANNOTATION_VALUE

POD_ADDRESSES = "100.64.0.0/11"
"""Addresses of pods on KWOK nodes: the lower half of RFC 6598's shared range; pods of process nodes have the upper."""
_GRACE_SECONDS = 150
"""A node is lost after more than one lease period (``stages.NODE_LEASE_SECONDS``)."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The files with which one control plane's parts know each other."""

    authority: Path
    front_proxy_authority: Path
    server: Pair
    etcd_client: Pair
    service_accounts: Pair
    kubelet_client: Pair
    """With which the API server asks process nodes for logs and the like."""
    webhook: Path
    """Kubeconfig of the token webhook."""
    scheduler: Path
    controller_manager: Path
    kwok: Path


@dataclass(frozen=True, kw_only=True)
class ControlPlaneSettings:
    """What the simulated cluster says about itself."""

    directory: Path
    ports: dict[str, int]
    """By name: etcd, etcd-peer, api, scheduler, controller-manager, kwok."""
    credentials: Credentials
    service_cidr: str
    issuer: str
    """OIDC issuer of service-account tokens."""


def etcd(settings: ControlPlaneSettings) -> list[str]:
    """Arguments of etcd: TLS with client certificates; no fsync, because the data is a rehearsal's."""
    authority, server = settings.credentials.authority, settings.credentials.server
    client, peer = _url(settings, "etcd"), _url(settings, "etcd-peer")
    return [
        f"--data-dir={settings.directory / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={server.certificate}",
        f"--key-file={server.key}",
        "--client-cert-auth",
        f"--trusted-ca-file={authority}",
        f"--peer-cert-file={server.certificate}",
        f"--peer-key-file={server.key}",
        "--peer-client-cert-auth",
        f"--peer-trusted-ca-file={authority}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
        "--log-level=warn",
    ]


def api_server(settings: ControlPlaneSettings) -> list[str]:
    """Arguments of kube-apiserver: certificates for the components, the webhook for everybody else's tokens."""
    files = settings.credentials
    return [
        f"--etcd-servers={_url(settings, 'etcd')}",
        f"--etcd-cafile={files.authority}",
        f"--etcd-certfile={files.etcd_client.certificate}",
        f"--etcd-keyfile={files.etcd_client.key}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        # A loopback address is no valid endpoint of the `kubernetes` Service; the pods' network knows the way.
        "--endpoint-reconciler-type=none",
        f"--secure-port={settings.ports['api']}",
        f"--tls-cert-file={files.server.certificate}",
        f"--tls-private-key-file={files.server.key}",
        f"--client-ca-file={files.authority}",
        # The components expect the aggregation layer's authority even where nothing is aggregated.
        f"--requestheader-client-ca-file={files.front_proxy_authority}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--kubelet-certificate-authority={files.authority}",
        f"--kubelet-client-certificate={files.kubelet_client.certificate}",
        f"--kubelet-client-key={files.kubelet_client.key}",
        # Process nodes answer on loopback and give that as their external address; the internal one is the instance's.
        "--kubelet-preferred-address-types=ExternalIP,InternalIP,Hostname",
        f"--authentication-token-webhook-config-file={files.webhook}",
        "--authentication-token-webhook-version=v1",
        # Short, so that a removed access entry locks out within seconds.
        "--authentication-token-webhook-cache-ttl=2s",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-account-issuer={settings.issuer}",
        f"--api-audiences={settings.issuer},https://kubernetes.default.svc",
        f"--service-account-key-file={files.service_accounts.certificate}",
        f"--service-account-signing-key-file={files.service_accounts.key}",
        f"--service-cluster-ip-range={settings.service_cidr}",
        "--allow-privileged=true",
        "--profiling=false",
        # All clients are the simulation's own: queues that keep tenants apart would only cost time.
        "--enable-priority-and-fairness=false",
        "--max-requests-inflight=1200",
        "--max-mutating-requests-inflight=600",
    ]


def controller_manager(settings: ControlPlaneSettings) -> list[str]:
    """Arguments of kube-controller-manager."""
    files = settings.credentials
    return [
        *_component(settings, files.controller_manager, "controller-manager"),
        f"--root-ca-file={files.authority}",
        f"--service-account-private-key-file={files.service_accounts.key}",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
        f"--node-monitor-grace-period={_GRACE_SECONDS}s",
        # ttl writes an annotation for kubelets onto every node, again and again while a cluster grows.
        "--controllers=*,-ttl-controller",
        # Of each controller. The Job controller asks three times per pod (create it, count its end, take its finalizer)
        # and some times per Job: at 30 a second a thousand jobs of three pods each would take six minutes of waiting.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(settings: ControlPlaneSettings) -> list[str]:
    """Arguments of kube-scheduler."""
    return [
        *_component(settings, settings.credentials.scheduler, "scheduler"),
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
    ]


def kwok(settings: ControlPlaneSettings) -> list[str]:
    """Arguments of kwok; it manages only the nodes that carry the annotation."""
    return [
        f"--kubeconfig={settings.credentials.kwok}",
        f"--config={settings.directory / 'kwok.yaml'}",
        f"--cidr={POD_ADDRESSES}",
        f"--server-address={LOOPBACK}:{settings.ports['kwok']}",
        "--node-ip=",
        f"--manage-nodes-with-annotation-selector={NODE_ANNOTATION}={NODE_ANNOTATION_VALUE}",
        "-v=WARN",
    ]


def _component(settings: ControlPlaneSettings, kubeconfig: Path, port: str) -> list[str]:
    server = settings.credentials.server
    return [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={settings.ports[port]}",
        f"--tls-cert-file={server.certificate}",
        f"--tls-private-key-file={server.key}",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _url(settings: ControlPlaneSettings, port: str) -> str:
    return f"https://{LOOPBACK}:{settings.ports[port]}"
