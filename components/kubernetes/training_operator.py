"""Kubeflow Trainer and JobSet: turn a TrainJob into one gang of pods that starts, restarts and ends together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens, versions
from components.kubernetes.charts import release
from components.kubernetes.controller_namespace import ControllerNamespace, create_namespace
from components.kubernetes.objects import ClusterObject
from components.ordering import after, ready
from components.problems import refuse

JOBSET = "jobset"
TRAINER = "kubeflow-trainer"
NAMESPACES = {JOBSET: "jobset-system", TRAINER: "kubeflow-system"}
"""Chart -> the namespace that its documentation installs it in."""
PORTS = {JOBSET: (9443, 8443), TRAINER: (9443, 8443, 10443)}
"""Webhooks and metrics; Trainer's third port takes the progress that runs report (its chart's values)."""
RUNTIME_KIND = "ClusterTrainingRuntime"
API_VERSION = versions.TRAINER_API


@dataclass(frozen=True, kw_only=True)
class TrainingOperatorArgs:
    """``runtimes`` are whole manifests of ClusterTrainingRuntimes.

    ``install_jobset`` is False where the cluster has one.
    """

    charts_mirror: str
    runtimes: Sequence[Mapping[str, Any]] = ()
    install_jobset: bool = True
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    """Nodes for the controllers, and the cluster's DNS."""


def problems(args: TrainingOperatorArgs) -> list[str]:
    """What is no runtime, stands twice, or the pinned release does not know."""
    found = []
    if versions.release_of(versions.TRAINER) < versions.TRAINER_RUNTIME_PATCHES:
        first = ".".join(map(str, versions.TRAINER_RUNTIME_PATCHES))
        found.append(f"Kubeflow Trainer {versions.TRAINER} has no runtimePatches: {first} is the first that does")
    names = [str(item.get("metadata", {}).get("name", "")) for item in args.runtimes]
    for name, item in zip(names, args.runtimes, strict=True):
        if item.get("apiVersion") != API_VERSION or item.get("kind") != RUNTIME_KIND:
            found.append(
                f"runtime {name!r} is a {item.get('apiVersion')} {item.get('kind')}, not {API_VERSION} {RUNTIME_KIND}"
            )
    found += [f"runtime {name!r} stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
    return found


def jobset_values(_: TrainingOperatorArgs) -> dict[str, Any]:
    """Values of the chart ``jobset``: the chart in the repository has a tag that floats."""
    return {"image": {"tag": f"v{versions.JOBSET}", "pullPolicy": "IfNotPresent"}}


def trainer_values(_: TrainingOperatorArgs) -> dict[str, Any]:
    """Values of the chart ``kubeflow-trainer``."""
    return {
        # JobSet is a release of its own, pinned here, and not one inside this one.
        "jobset": {"install": False},
        # The kit brings its own runtimes; the chart's come by a Job that downloads its tools when it runs.
        "runtimes": {"defaultEnabled": False},
        # The chart sets none; the manager keeps every TrainJob and JobSet in memory.
        "manager": {"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}},
    }


VALUES = {JOBSET: jobset_values, TRAINER: trainer_values}
"""Chart -> its values for given arguments."""


class TrainingOperator(pulumi.ComponentResource):
    """JobSet and Kubeflow Trainer as pinned Helm releases, and the kit's ClusterTrainingRuntimes.

    Removable: whatever depends on ``ready`` is deleted first, then the runtimes while Trainer still takes its finalizer
    off, then Trainer, and JobSet last, since TrainJobs that somebody left behind end through it. Helm never deletes
    JobSet's CRD (the chart ships it in ``crds/``); it goes with the cluster.
    """

    namespace: pulumi.Output[str]
    ready: pulumi.Output[str]
    """Resolves once the API knows TrainJobs and their runtimes, and something acts on them."""

    def __init__(self, name: str, args: TrainingOperatorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("TrainingOperator", name, problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        first: list[pulumi.Resource] = []
        if args.install_jobset:
            first.append(self._create_release(name, JOBSET, self._create_namespace(name, JOBSET, args), args, []))
        namespace = self._create_namespace(name, TRAINER, args)
        trainer = self._create_release(name, TRAINER, namespace, args, first)
        runtimes = [self._create_runtime(name, item, trainer) for item in args.runtimes]
        self.namespace = namespace.namespace.metadata.name
        self.ready = ready(self.namespace, trainer, *runtimes)
        self.register_outputs({"namespace": self.namespace, "ready": self.ready})

    def _create_namespace(self, name: str, chart: str, args: TrainingOperatorArgs) -> ControllerNamespace:
        opts = pulumi.ResourceOptions(parent=self, depends_on=after(*args.ready))
        return create_namespace(f"{name}-{NAMESPACES[chart]}", NAMESPACES[chart], ports=PORTS[chart], opts=opts)

    def _create_release(
        self,
        name: str,
        chart: str,
        namespace: ControllerNamespace,
        args: TrainingOperatorArgs,
        first: list[pulumi.Resource],
    ) -> k8s.helm.v3.Release:
        return release(
            f"{name}-{chart}",
            chart=chart,
            mirror=args.charts_mirror,
            namespace=namespace.namespace.metadata.name,
            values=VALUES[chart](args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*namespace.resources, *first]),
        )

    def _create_runtime(self, name: str, manifest: Mapping[str, Any], trainer: pulumi.Resource) -> pulumi.Resource:
        opts = pulumi.ResourceOptions(parent=self, depends_on=[trainer])
        return ClusterObject(f"{name}-{manifest['metadata']['name']}", manifest, opts)
