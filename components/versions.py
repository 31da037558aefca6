"""Every version that the kit pins, in one place. The renovate comments let a bot raise them.

None of these was read live from its publisher: each is the newest seen in a dated snapshot, named beside it. Compare
with the publisher before a release.
"""

from dataclasses import dataclass
from types import MappingProxyType

KUBERNETES = "1.36"
"""EKS takes the minor version; the newest seen is 1.36 (control plane modules v1.36.3)."""

EKS_ADDONS = MappingProxyType(
    {
        # None: EKS installs its default version for the cluster's Kubernetes version. Environments pin theirs in
        # cluster.addonVersions, because a version that AWS has withdrawn would be refused.
        "aws-fsx-csi-driver": None,
        "coredns": None,
        "eks-node-monitoring-agent": None,
        "eks-pod-identity-agent": None,
        "kube-proxy": None,
        "vpc-cni": None,
    }
)
"""Version per EKS add-on; efa-only interfaces need vpc-cni 1.18.5 or newer (EKS user guide, node-efa)."""

LUSTRE = "2.15"
"""Lustre server version: AL2023 and Bottlerocket clients cannot mount older ones (aws-fsx-csi-driver issue 437)."""


KSERVE = "0.20.0"
"""KServe: CRDs, manager and runtimes move together."""

KSERVE_WEIGHTED_CANARY = (0, 21)
"""First release whose Standard mode splits traffic by weight. 0.20.0 accepts ``spec.canary`` and only makes its
Deployment: the weights (kserve#5912) and the readiness gate (kserve#5984) came after its tag."""

KUEUE = "0.19.2"
"""Kueue: CRDs and manager move together."""

KUEUE_V1BETA2 = (0, 16)
"""First release that stores ``kueue.x-k8s.io/v1beta2``, whose field names the kit writes (``cohortName``); its
configuration has ``fairSharing`` without ``enable``, and it leaves jobs in namespaces outside its selector alone
(ManagedJobsNamespaceSelectorAlwaysRespected, from 0.15; changelogs of 0.15 and 0.16)."""

JOBSET = "0.12.0"
"""JobSet: the release that Trainer 2.3 is built against (its chart's dependency)."""

TRAINER = "2.3.0"
"""Kubeflow Trainer: CRDs and manager move together; its API is still v1alpha1, so manifests follow the pin."""

TRAINER_API = "trainer.kubeflow.org/v1alpha1"
"""Group and version of TrainJobs and their runtimes."""

KUEUE_API = "kueue.x-k8s.io/v1beta2"
"""Group and version of queues and workloads."""

TRAINER_RUNTIME_PATCHES = (2, 2)
"""First release of Kubeflow Trainer whose TrainJobs have ``runtimePatches``. 2.1 called them ``podTemplateOverrides``,
in another shape, and had ``elasticPolicy`` (kubeflow/trainer CHANGELOG, v2.2.0): the kit writes the newer form only."""


def release_of(version: str) -> tuple[int, int]:
    """(major, minor) of a version such as ``0.20.0``, for gates like the one above."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One Helm chart; ``repository`` is its publisher's, which the setting ``charts.mirror`` replaces."""

    name: str
    version: str
    repository: str
    source: str
    """Where the version was seen, and when."""


CHARTS = MappingProxyType(
    {
        chart.name: chart
        for chart in (
            # renovate: datasource=helm depName=nvidia-device-plugin registryUrl=https://nvidia.github.io/k8s-device-plugin
            Chart(
                name="nvidia-device-plugin",
                version="0.20.0",
                repository="https://nvidia.github.io/k8s-device-plugin",
                source="bundled by NVIDIA gpu-operator v26.7.0; not read live",
            ),
            # renovate: datasource=helm depName=aws-efa-k8s-device-plugin registryUrl=https://aws.github.io/eks-charts
            Chart(
                name="aws-efa-k8s-device-plugin",
                version="v0.5.3",
                repository="https://aws.github.io/eks-charts",
                source="NVIDIA/aicr v0.11.1, 2026-03-21; not read live",
            ),
            # renovate: datasource=helm depName=cert-manager registryUrl=https://charts.jetstack.io
            Chart(
                name="cert-manager",
                version="v1.17.0",
                repository="https://charts.jetstack.io",
                source="kserve v0.20.0, kserve-deps.env, 2026-11-21; not read live",
            ),
            *(
                # renovate: datasource=docker depName=ghcr.io/kserve/charts/kserve-resources
                Chart(
                    name=name,
                    version=f"v{KSERVE}",
                    repository="oci://ghcr.io/kserve/charts",
                    source="charts/ of the Go module github.com/kserve/kserve v0.20.0, read 2026-11-21",
                )
                for name in ("kserve-crd", "kserve-resources", "kserve-runtime-configs")
            ),
            # renovate: datasource=docker depName=registry.k8s.io/kueue/charts/kueue
            Chart(
                name="kueue",
                version=KUEUE,
                repository="oci://registry.k8s.io/kueue/charts",
                source="charts/ of the Go module sigs.k8s.io/kueue v0.19.2, read 2026-11-21",
            ),
            # renovate: datasource=docker depName=registry.k8s.io/jobset/charts/jobset
            Chart(
                name="jobset",
                version=JOBSET,
                repository="oci://registry.k8s.io/jobset/charts",
                source="charts/ of the Go module sigs.k8s.io/jobset v0.12.0, read 2026-11-21",
            ),
            # renovate: datasource=docker depName=ghcr.io/kubeflow/charts/kubeflow-trainer
            Chart(
                name="kubeflow-trainer",
                version=TRAINER,
                repository="oci://ghcr.io/kubeflow/charts",
                source="charts/ of the Go module github.com/kubeflow/trainer/v2 v2.3.0, read 2026-11-21",
            ),
        )
    }
)
"""Charts by name."""

IMAGES = MappingProxyType(
    {
        # renovate: datasource=docker depName=pytorch/pytorch
        "pytorch": "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime",
        # renovate: datasource=docker depName=busybox
        "shell": "busybox:1.37.0",
        # Built from this repository: `make images`.
        "trainer": "slipway/trainer:0.1.0",
    }
)
"""Images by purpose; the PyTorch tag is the one of kubeflow/trainer v2.3.0's runtime (2026-08-21), busybox's the
newest that public repositories name; neither was read live."""
