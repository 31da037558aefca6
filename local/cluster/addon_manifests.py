"""Stand-ins for the workloads of EKS managed add-ons: their names, labels and placement, none of their code.

Names and labels are those of the add-ons themselves, because monitoring, policies and people select by them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from local.cluster.kube import Document

NAMESPACE = "kube-system"
FSX_DRIVER = "fsx.csi.aws.com"
FSX_NODE_APP = "fsx-csi-node"
_IMAGE = "slipway.invalid/simulated"
"""Nothing is pulled; the name says so."""
_DAEMON_TOLERATIONS: list[Document] = [{"operator": "Exists"}]
_DEPLOYMENT_TOLERATIONS: list[Document] = [
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
]


def _account(name: str) -> Document:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}


def _template(name: str, labels: dict[str, str], account: str, tolerations: Sequence[Document], cpu: str) -> Document:
    container = {"name": name, "image": f"{_IMAGE}/{name}:none", "resources": {"requests": {"cpu": cpu}}}
    spec: dict[str, Any] = {
        "serviceAccountName": account,
        "priorityClassName": "system-node-critical",
        "tolerations": list(tolerations),
        "containers": [container],
    }
    return {"metadata": {"labels": labels}, "spec": spec}


def _daemon_set(name: str, labels: dict[str, str], account: str, cpu: str = "10m") -> Document:
    template = _template(name, labels, account, _DAEMON_TOLERATIONS, cpu)
    template["spec"]["hostNetwork"] = True
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "updateStrategy": strategy, "template": template},
    }


def _deployment(name: str, labels: dict[str, str], account: str, replicas: int = 2) -> Document:
    template = _template(name, labels, account, _DEPLOYMENT_TOLERATIONS, "100m")
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def _vpc_cni() -> list[Document]:
    labels = {"k8s-app": "aws-node", "app.kubernetes.io/name": "aws-node"}
    return [_account("aws-node"), _daemon_set("aws-node", labels, "aws-node", cpu="50m")]


def _kube_proxy() -> list[Document]:
    return [_account("kube-proxy"), _daemon_set("kube-proxy", {"k8s-app": "kube-proxy"}, "kube-proxy", cpu="100m")]


def _coredns() -> list[Document]:
    labels = {"eks.amazonaws.com/component": "coredns", "k8s-app": "kube-dns"}
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
    ]
    service: Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": NAMESPACE, "labels": {"k8s-app": "kube-dns"}},
        "spec": {"selector": {"k8s-app": "kube-dns"}, "ports": ports},
    }
    return [_account("coredns"), service, _deployment("coredns", labels, "coredns")]


def _pod_identity() -> list[Document]:
    name = "eks-pod-identity-agent"
    return [_account(name), _daemon_set(name, {"app.kubernetes.io/name": name}, name)]


def _node_monitoring() -> list[Document]:
    name = "eks-node-monitoring-agent"
    return [_account(name), _daemon_set(name, {"app.kubernetes.io/name": name}, name)]


def _fsx() -> list[Document]:
    driver: Document = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": FSX_DRIVER},
        "spec": {"attachRequired": False, "podInfoOnMount": False, "fsGroupPolicy": "ReadWriteOnceWithFSType"},
    }
    name = "aws-fsx-csi-driver"
    node = {"app": FSX_NODE_APP, "app.kubernetes.io/name": name}
    controller = {"app": "fsx-csi-controller", "app.kubernetes.io/name": name}
    return [
        driver,
        _account("fsx-csi-node-sa"),
        _account("fsx-csi-controller-sa"),
        _daemon_set(FSX_NODE_APP, node, "fsx-csi-node-sa"),
        _deployment("fsx-csi-controller", controller, "fsx-csi-controller-sa"),
    ]


ADDONS: dict[str, Callable[[], list[Document]]] = {
    "vpc-cni": _vpc_cni,
    "kube-proxy": _kube_proxy,
    "coredns": _coredns,
    "eks-pod-identity-agent": _pod_identity,
    "eks-node-monitoring-agent": _node_monitoring,
    "aws-fsx-csi-driver": _fsx,
}
"""The add-ons that the simulation has a stand-in for."""
