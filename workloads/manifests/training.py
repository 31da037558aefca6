"""A training run as Kubernetes objects: pure functions from a spec and a pool's fabric profile to dicts.

The shape is an Indexed Job (stable host names, one pod per node), a headless Service that resolves them before they are
ready, and a policy that lets the pods of the run, and nobody else, talk to each other. torchrun does the rest.
"""

from typing import Any

from components.outputs import FabricProfile
from workloads.manifests.launching import CONFIGURATION_EXIT_CODES, torchrun
from workloads.manifests.pods import CONTAINER, pod_spec
from workloads.specs import TrainingSpec

Manifest = dict[str, Any]

RENDEZVOUS_PORT = 29400
"""torchrun's default for the c10d backend."""
CLUSTER_DOMAIN = "cluster.local"
"""What EKS, GKE, AKS and kubeadm call a cluster's DNS domain."""

RUN_LABEL = "slipway.dev/run"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
PRIORITY_LABEL = "kueue.x-k8s.io/priority-class"


def labels(spec: TrainingSpec) -> dict[str, str]:
    """Labels of every object of the run."""
    return {
        "app.kubernetes.io/name": spec.name,
        "app.kubernetes.io/component": "training",
        "app.kubernetes.io/managed-by": "slipway",
        RUN_LABEL: spec.run,
        "slipway.dev/team": spec.namespace,
    }


def queue_labels(spec: TrainingSpec) -> dict[str, str]:
    """What Kueue reads of a Job or TrainJob: who admits it, and who goes first.

    The pods get no priority of their own: the scheduler puts out single pods of a gang, Kueue puts out whole runs.
    """
    wanted = {QUEUE_LABEL: spec.queue, PRIORITY_LABEL: spec.priority_class}
    return {key: value for key, value in wanted.items() if value is not None}


def manifests(spec: TrainingSpec, profile: FabricProfile) -> dict[str, Manifest]:
    """Every object of the run, by role."""
    return {"service": service(spec), "policy": policy(spec), "job": job(spec, profile)}


def _metadata(spec: TrainingSpec) -> Manifest:
    return {
        "name": spec.run,
        "namespace": spec.namespace,
        "labels": labels(spec),
        # The run takes hours and may wait for nodes: an update must not wait for it, nor fail with it.
        "annotations": {"pulumi.com/skipAwait": "true"},
    }


def service(spec: TrainingSpec) -> Manifest:
    """Headless Service: pods find each other before they are ready, since readiness comes after the rendezvous."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(spec),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {RUN_LABEL: spec.run},
            "ports": [{"name": "rendezvous", "port": RENDEZVOUS_PORT, "protocol": "TCP"}],
        },
    }


def policy(spec: TrainingSpec) -> Manifest:
    """All traffic within the run (NCCL opens ports of its own choice) in a namespace that denies everything."""
    own = {RUN_LABEL: spec.run}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(spec),
        "spec": {
            "podSelector": {"matchLabels": {**own}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": {**own}}}]}],
            "egress": [{"to": [{"podSelector": {"matchLabels": {**own}}}]}],
        },
    }


def command(spec: TrainingSpec) -> list[str]:
    """Run the script under torchrun on every node, meeting at the pod of index 0.

    ``$(POD_IP)`` is filled in by the kubelet: without it each node would offer a host name that only resolves once
    its pod is published.
    """
    return [
        *torchrun(spec),
        f"--nnodes={nodes_range(spec)}",
        f"--nproc-per-node={spec.processes}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={rendezvous_endpoint(spec)}",
        f"--rdzv-id={spec.run}",
        # Pods of a large run start minutes apart while images are pulled. read_timeout is how long a pod waits for the
        # store of index 0; torchrun's default of 60 s would cost the early pods an attempt each.
        "--rdzv-conf=join_timeout=900,last_call_timeout=60,read_timeout=600",
        "--local-addr=$(POD_IP)",
        f"--max-restarts={spec.max_restarts}",
        spec.script,
        *spec.arguments,
    ]


def nodes_range(spec: TrainingSpec) -> str:
    """Torchrun's ``--nnodes``: a number, or ``MIN:MAX`` of an elastic run."""
    return str(spec.nodes) if spec.min_nodes is None else f"{spec.min_nodes}:{spec.nodes}"


def rendezvous_endpoint(spec: TrainingSpec) -> str:
    """Host and port of the pod of index 0: an Indexed Job names it ``<job>-0`` under the Service's domain.

    The full name, as the kubelet writes it into that pod's own hosts file: torchrun hosts the store only where this
    name is the machine's own, and asks before the cluster's DNS may know it (elastic/rendezvous/utils.py).
    """
    return f"{spec.run}-0.{spec.run}.{spec.namespace}.svc.{CLUSTER_DOMAIN}:{RENDEZVOUS_PORT}"


def failure_policy() -> Manifest:
    """What a failed pod means, first match first.

    A pod that the cluster took away (preemption, drain, node repair) costs no attempt. One pod that says that every
    attempt ends the same way fails the Job with all of its pods, whatever the others ended with: the controller asks
    each failed pod before it counts them (Kubernetes v1.36, pkg/controller/job, getFailJobMessage). Other codes cost
    an attempt; with another script than the kit's trainer torchrun says 1 for all of them.
    """
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {
                    "containerName": CONTAINER,
                    "operator": "In",
                    "values": list(CONFIGURATION_EXIT_CODES),
                },
            },
        ]
    }


def job(spec: TrainingSpec, profile: FabricProfile) -> Manifest:
    """The Indexed Job.

    No ``ttlSecondsAfterFinished``: a finished job that vanished by itself would be a run that Pulumi believes missing
    after the next refresh, and starts again. Finished jobs hold no devices; they go with their entry in the settings.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**_metadata(spec), "labels": {**labels(spec), **queue_labels(spec)}},
        "spec": {
            "completionMode": "Indexed",
            "completions": spec.nodes,
            "parallelism": spec.nodes,
            # One lost node fails every pod of the run: an attempt costs up to one failure per node.
            "backoffLimit": spec.max_restarts * spec.nodes,
            "activeDeadlineSeconds": spec.time_limit_seconds,
            # Not before the old pod is gone: it still holds the node's devices.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": failure_policy(),
            "template": {
                "metadata": {
                    "labels": labels(spec),
                    "annotations": {"slipway.dev/content-hash": spec.content_hash, **profile.pod_annotations},
                },
                "spec": pod_spec(spec, profile, command=command(spec), labels=labels(spec), run_label=RUN_LABEL),
            },
        },
    }
