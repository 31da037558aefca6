"""Kueue: admits jobs when everything that they need is free, and shares what there is between teams."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
import yaml

from components import tokens, versions
from components.kubernetes import queue_objects as objects
from components.kubernetes.charts import release
from components.kubernetes.controller_namespace import create_namespace
from components.kubernetes.objects import ClusterObject
from components.kubernetes.queue_objects import Manifest, Preemption, TeamShare
from components.ordering import after, ready
from components.outputs import PoolOutputs
from components.problems import refuse

CHART = "kueue"
NAMESPACE = "kueue-system"
TEAM_LABEL = "slipway.dev/team"
PORTS = (9443, 8443, 8082)
"""Webhooks, metrics, and the API that shows who waits (visibility)."""
FRAMEWORKS = ("batch/job", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob")
"""What is queued. Pods and Deployments are not: model services start when they must, and scale when they must."""
CONFIG_API = "config.kueue.x-k8s.io/v1beta2"
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class QueueingArgs:
    """Pools to queue for, whose they are, and how long a job may take to begin.

    ``pools`` are those whose nodes are shared out; ``unassigned`` counts nodes of them that are nobody's own. Minutes:
    ``wait_minutes`` from admission until every pod is ready, ``recovery_minutes`` from a lost pod until all are ready
    again; after ``requeues`` evictions in vain a job is put aside for somebody to look at.
    """

    pools: Sequence[PoolOutputs]
    shares: Sequence[TeamShare]
    charts_mirror: str
    unassigned: Mapping[str, int] = field(default_factory=dict)
    cohort: str | None = "teams"
    """What teams lend each other in; None: nobody lends."""
    fair_sharing: bool = True
    strategy: str = "BestEffortFIFO"
    preemption: Preemption = field(default_factory=Preemption)
    priorities: Mapping[str, int] = field(default_factory=dict)
    wait_minutes: int = 20
    recovery_minutes: int = 10
    requeues: int = 10
    ready: Sequence[pulumi.Output[str] | pulumi.Resource] = ()
    """Nodes for the controller, and the cluster's DNS."""


def problems(args: QueueingArgs) -> list[str]:
    """What Kueue would refuse, or the pinned release cannot do."""
    found = []
    if versions.release_of(versions.KUEUE) < versions.KUEUE_V1BETA2:
        first = ".".join(map(str, versions.KUEUE_V1BETA2))
        found.append(f"Kueue {versions.KUEUE} does not store {objects.API_VERSION}: {first} is the first that does")
    names = {pool.name: pool for pool in args.pools}
    for share in args.shares:
        for what in (share.nodes, share.borrowing, share.lending):
            found += [
                f"team {share.team} names the pool {name}, which is not queued for" for name in what.keys() - names
            ]
    for name in names:
        given = sum(share.nodes.get(name, 0) for share in args.shares) + args.unassigned.get(name, 0)
        if given < 0 or any(share.nodes.get(name, 0) < 0 for share in args.shares):
            found.append(f"pool {name}: nobody has fewer than 0 nodes")
    return found


def configuration(args: QueueingArgs) -> dict[str, Any]:
    """The manager's configuration (``config.kueue.x-k8s.io/v1beta2``); what is not here is the release's default."""
    return {
        "apiVersion": CONFIG_API,
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443", "enableClusterQueueResources": True},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "controller": {
            "groupKindConcurrency": {
                "Job.batch": 5,
                "Workload.kueue.x-k8s.io": 10,
                "LocalQueue.kueue.x-k8s.io": 5,
                "ClusterQueue.kueue.x-k8s.io": 5,
                "ResourceFlavor.kueue.x-k8s.io": 1,
            }
        },
        "clientConnection": {"qps": 300, "burst": 500},
        # Jobs of the cluster itself and of add-ons run as ever. In teams' namespaces a job gets the queue `default`.
        "manageJobsWithoutQueueName": False,
        # Also the selector of the webhooks: while the manager is away, only teams' namespaces take no new jobs.
        "managedJobsNamespaceSelector": {"matchExpressions": [{"key": TEAM_LABEL, "operator": "Exists"}]},
        "waitForPodsReady": {
            "timeout": _minutes(args.wait_minutes),
            "recoveryTimeout": _minutes(args.recovery_minutes),
            # One slow start would hold up every other job. No half of a gang can wait for the other half's nodes:
            # quota and the topology hold all of them before the first pod is made.
            "blockAdmission": False,
            "requeuingStrategy": {
                "timestamp": "Eviction",
                "backoffLimitCount": args.requeues,
                "backoffBaseSeconds": 60,
                "backoffMaxSeconds": 3600,
            },
        },
        "integrations": {"frameworks": list(FRAMEWORKS)},
        # Scratch space on a node's disk is nobody's quota; a job that asks for it would never be admitted.
        "resources": {"excludeResourcePrefixes": ["ephemeral-storage"]},
        **(
            {"fairSharing": {"preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]}}
            if args.fair_sharing
            else {}
        ),
    }


def values(args: QueueingArgs) -> dict[str, Any]:
    """Values of the chart ``kueue``: its configuration, and where its defaults would not do."""
    text = yaml.safe_dump(configuration(args), sort_keys=False)
    manager = {
        # The chart in the repository has a tag that floats and is pulled at every start.
        "image": {"tag": f"v{versions.KUEUE}", "pullPolicy": "IfNotPresent"},
        # The file is mounted by sub-path: nothing else starts the manager again when it changes.
        "podAnnotations": {"slipway.dev/configuration": hashlib.sha256(text.encode()).hexdigest()[:16]},
        # The chart's 512Mi: it keeps every workload, pod and node in memory, and dies of thousands.
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    }
    return {"controllerManager": {"manager": manager}, "managerConfig": {"controllerManagerConfigYaml": text}}


def _minutes(count: int) -> str:
    """A duration as Go writes it, so that it reads back the same."""
    hours, minutes = divmod(count, SECONDS_PER_MINUTE)
    return f"{hours}h{minutes}m0s" if hours else f"{minutes}m0s"


class Queueing(pulumi.ComponentResource):
    """Kueue as a pinned Helm release, with the flavors, topologies, queues and priorities of one platform.

    Removable: jobs and teams' namespaces go first (they depend on ``ready``), then queues, flavors and topologies while
    the manager still takes its finalizers off, and the release with its CRDs last.
    """

    namespace: pulumi.Output[str]
    ready: pulumi.Output[str]
    """Resolves once every team's ClusterQueue admits. Namespaces wait for it: they are deleted while the queues are
    still there, so that no job that somebody left behind keeps a queue from going."""

    def __init__(self, name: str, args: QueueingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse("Queueing", name, problems(args))
        super().__init__(tokens.of(self), name, None, opts)
        namespace, manager = self._create_manager(name, args)
        flavors = self._create_flavors(name, args, manager)
        priorities = [self._create(f"{name}-{key}", item, [manager]) for key, item in _priorities(args).items()]
        queues = self._create_queues(name, args, flavors)
        self.namespace = namespace.metadata.name
        self.ready = ready(self.namespace, *flavors, *queues, *priorities)
        self.register_outputs({"namespace": self.namespace, "ready": self.ready})

    def _create_manager(self, name: str, args: QueueingArgs) -> tuple[k8s.core.v1.Namespace, k8s.helm.v3.Release]:
        opts = pulumi.ResourceOptions(parent=self, depends_on=after(*args.ready))
        made = create_namespace(name, NAMESPACE, ports=PORTS, opts=opts)
        manager = release(
            f"{name}-{CHART}",
            chart=CHART,
            mirror=args.charts_mirror,
            namespace=made.namespace.metadata.name,
            values=values(args),
            opts=pulumi.ResourceOptions(parent=self, depends_on=made.resources),
        )
        return made.namespace, manager

    def _create_flavors(self, name: str, args: QueueingArgs, manager: pulumi.Resource) -> list[pulumi.Resource]:
        topologies = {
            key: self._create(f"{name}-{key}", manifest, [manager]) for key, manifest in _topologies(args).items()
        }
        return [
            self._create(
                f"{name}-{pool.name}-flavor",
                objects.flavor(pool),
                [manager, topologies[objects.topology_name(pool.profile)]],
            )
            for pool in args.pools
        ]

    def _create_queues(self, name: str, args: QueueingArgs, flavors: list[pulumi.Resource]) -> list[pulumi.Resource]:
        first = list(flavors)
        if args.cohort is not None:
            shared = objects.cohort(args.cohort, args.pools, args.unassigned)
            first.append(self._create(f"{name}-cohort", shared, flavors))
        return [
            self._create(
                f"{name}-{share.team}-queue",
                objects.cluster_queue(
                    share, args.pools, cohort=args.cohort, strategy=args.strategy, preemption=args.preemption
                ),
                first,
            )
            for share in args.shares
        ]

    def _create(self, name: str, manifest: Manifest, first: Sequence[pulumi.Resource]) -> pulumi.Resource:
        return ClusterObject(name, manifest, pulumi.ResourceOptions(parent=self, depends_on=list(first)))


def _topologies(args: QueueingArgs) -> dict[str, Manifest]:
    return {objects.topology_name(pool.profile): objects.topology(pool.profile) for pool in args.pools}


def _priorities(args: QueueingArgs) -> dict[str, Manifest]:
    return {f"priority-{key}": objects.priority_class(key, value) for key, value in sorted(args.priorities.items())}
