"""What EKS offers: Kubernetes versions, add-ons, access policies, zones that it cannot use."""

import re
from types import MappingProxyType

from local.cloud.aws.facts import Zone, zones

VERSIONS = ("1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
"""Standard and extended support in November 2026 (EKS user guide, Kubernetes release calendar)."""
NEWEST = VERSIONS[-1]
CLOSED_ZONE_IDS = frozenset({"use1-az3", "usw1-az2", "cac1-az3"})
"""Zones in which EKS places no control plane (EKS user guide, VPC and subnet requirements)."""
ADDONS = MappingProxyType(
    {
        "vpc-cni": "v1.21.1-eksbuild.1",
        "coredns": "v1.14.3-eksbuild.1",
        "kube-proxy": "",
        "aws-ebs-csi-driver": "v1.55.0-eksbuild.1",
        "aws-efs-csi-driver": "v2.3.0-eksbuild.1",
        "aws-fsx-csi-driver": "v1.9.0-eksbuild.1",
        "aws-mountpoint-s3-csi-driver": "v2.3.0-eksbuild.1",
        "snapshot-controller": "v8.4.0-eksbuild.1",
        "eks-pod-identity-agent": "v1.3.10-eksbuild.1",
        "eks-node-monitoring-agent": "v1.5.1-eksbuild.1",
        "amazon-cloudwatch-observability": "v4.8.0-eksbuild.1",
        "adot": "v0.131.0-eksbuild.1",
        "aws-network-flow-monitoring-agent": "v1.1.2-eksbuild.1",
        "cert-manager": "v1.19.2-eksbuild.1",
        "metrics-server": "v0.8.0-eksbuild.1",
        "kube-state-metrics": "v2.18.0-eksbuild.1",
        "prometheus-node-exporter": "v1.10.2-eksbuild.1",
        "external-dns": "v0.20.0-eksbuild.1",
    }
)
"""AWS and community add-ons (EKS user guide, Available Amazon EKS add-ons) with a version that is given when none is
asked for. There is no offline list of all builds: a well-formed version of a known add-on is taken."""
VERSION_FORM = re.compile(r"v\d+\.\d+\.\d+-eksbuild\.\d+")
ACCESS_POLICIES = (
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSViewPolicy",
    "AmazonEKSSecretReaderPolicy",
)
ACCESS_POLICY_PREFIX = "arn:aws:eks::aws:cluster-access-policy/"
PATCH = MappingProxyType({"1.36": 3})
"""Newest patch release of a minor version, where the kit pins one; 0 otherwise."""


def default_addon_version(name: str, kubernetes_version: str) -> str:
    """The version that CreateAddon picks; kube-proxy follows the cluster."""
    return ADDONS.get(name) or f"v{kubernetes_version}.{PATCH.get(kubernetes_version, 0)}-eksbuild.1"


def usable_zones(region: str) -> list[Zone]:
    """Zones in which a control plane can be placed."""
    return [zone for zone in zones(region) if zone.zone_id not in CLOSED_ZONE_IDS]


def minor(version: str) -> int:
    """36 of ``1.36``."""
    return int(version.split(".")[1])
