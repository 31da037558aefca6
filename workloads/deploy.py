"""Runs as Pulumi components: the one place where manifests become resources."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components import tokens
from components.ordering import after, ready
from components.outputs import PoolOutputs
from workloads.manifests.runs import manifests
from workloads.specs import Runner, TrainingSpec


@dataclass(frozen=True, kw_only=True)
class TrainingRunArgs:
    """A run, the pool that it is placed on, and what must be ready before its pods are made."""

    spec: TrainingSpec
    pool: PoolOutputs
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    """The namespace, its claims, the device plugins, the cluster's DNS, and with Trainer its runtimes and queues."""


class TrainingRun(pulumi.ComponentResource):
    """One immutable training run. Name the component after ``spec.run``, so that a changed spec is a new resource.

    The Job or TrainJob is created once and then left to Kubernetes: its controllers own the spec from then on
    (selector, labels, suspend, Kueue's patches), most of it cannot be changed, and a newer release of the kit must not
    replace a job that runs, or start one again that has finished. So Pulumi ignores every change of it. A finished run
    stays until its entry leaves the settings; it has no time to live, and Pulumi without a refresh does not look
    whether it is still there.
    """

    run: str
    job: pulumi.Output[str]

    def __init__(self, name: str, args: TrainingRunArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(tokens.of(self), name, None, opts)
        objects = manifests(args.spec, args.pool.profile)
        first = pulumi.ResourceOptions(parent=self, depends_on=after(args.pool.ready, *args.ready))
        peers = [self._create_policy(name, objects["policy"], first)]
        if "service" in objects:
            peers.append(self._create_service(name, objects["service"], first))
        if "runtime" in objects:
            peers.append(self._create_custom(f"{name}-runtime", objects["runtime"], first))
        self.run = args.spec.run
        self.job = self._create_job(name, objects["job"], args, peers)
        self.register_outputs({"run": self.run, "job": self.job})

    def _create_service(self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return k8s.core.v1.Service(
            f"{name}-service",
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=opts,
        )

    def _create_policy(self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return k8s.networking.v1.NetworkPolicy(
            f"{name}-policy",
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=opts,
        )

    def _create_job(
        self, name: str, manifest: dict[str, Any], args: TrainingRunArgs, peers: Sequence[pulumi.Resource]
    ) -> pulumi.Output[str]:
        waits = after(args.pool.ready, *args.ready, *peers)
        opts = pulumi.ResourceOptions(parent=self, depends_on=waits, ignore_changes=["spec", "metadata"])
        if args.spec.runner is Runner.TRAINER:
            return ready(pulumi.Output.from_input(args.spec.run), self._create_custom(f"{name}-job", manifest, opts))
        job = k8s.batch.v1.Job(f"{name}-job", metadata=manifest["metadata"], spec=manifest["spec"], opts=opts)
        return job.metadata.name

    def _create_custom(
        self, name: str, manifest: dict[str, Any], opts: pulumi.ResourceOptions
    ) -> k8s.apiextensions.CustomResource:
        return k8s.apiextensions.CustomResource(
            name,
            api_version=manifest["apiVersion"],
            kind=manifest["kind"],
            metadata=manifest["metadata"],
            spec=manifest["spec"],
            opts=opts,
        )
