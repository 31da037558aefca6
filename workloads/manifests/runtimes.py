"""The kit's training runtimes: what all TrainJobs of a kind share, as plain data for the component that installs them.

A runtime is a JobSet template. A TrainJob refers to it and patches what is its own: image, command, variables, size,
placement and volumes. What a TrainJob cannot patch (Trainer v2.3, ``PodSpecPatch``) has to be right here: how the gang
restarts, what the pods may do, and how long nothing else is tried.
"""

from typing import Any

from components import versions
from workloads.manifests.launching import CONFIGURATION_EXIT_CODES, MPI_RANK
from workloads.manifests.pods import CONTAINER_SECURITY, GRACE_SECONDS, POD_SECURITY, Part
from workloads.specs import DEFAULT_RESTARTS, Launcher, TrainingSpec

Manifest = dict[str, Any]

TORCH = "slipway-torch"
ELASTIC = "slipway-torch-elastic"
MPI = "slipway-mpi"
NODE = "node"
"""Trainer's name of the job and of the container that train; both are fixed by its webhook."""
LAUNCHER = "launcher"
"""Trainer's name of the job that runs mpirun."""
ANCESTOR_LABEL = "trainer.kubeflow.org/trainjob-ancestor-step"
STOPPED_EXIT_CODE = 143
"""The trainer was told to stop and has saved (``workloads/trainer/state.py``): when a node is drained, its peers agree
to end like this too, and any of them may be the first that is seen."""
ELASTIC_POD_FAILURES = 1000
"""Pods that an elastic run may lose one by one before its whole gang restarts: it is meant to outlive them."""
SSH_PORT = 2222
"""Of the sshd in the image for mpirun; below 1024 it would need root."""
SSH_DIRECTORY = "/home/mpiuser/.ssh"
"""Where Trainer mounts the run's own key pair."""


def cluster_runtimes() -> list[Manifest]:
    """The ClusterTrainingRuntimes of the kit, with the default number of restarts."""
    return [_runtime("ClusterTrainingRuntime", name, DEFAULT_RESTARTS) for name in (TORCH, ELASTIC, MPI)]


def runtime_name(spec: TrainingSpec) -> str:
    """The kit's runtime for a run."""
    if spec.launcher is Launcher.MPIRUN:
        return MPI
    return TORCH if spec.min_nodes is None else ELASTIC


def own_runtime(spec: TrainingSpec) -> Manifest | None:
    """The TrainingRuntime that a run brings along, where the kit's does not fit.

    ``maxRestarts`` belongs to the JobSet's template, and no TrainJob can patch it (Trainer v2.3, ``JobSetSpecPatch``).
    """
    if spec.max_restarts == DEFAULT_RESTARTS:
        return None
    return _runtime("TrainingRuntime", spec.run, spec.max_restarts, like=runtime_name(spec), namespace=spec.namespace)


def _runtime(kind: str, name: str, max_restarts: int, *, like: str = "", namespace: str = "") -> Manifest:
    flavour = like or name
    policy, jobs = _SHAPES[flavour]
    return {
        "apiVersion": versions.TRAINER_API,
        "kind": kind,
        "metadata": {
            "name": name,
            **({"namespace": namespace} if namespace else {}),
            "labels": {
                "app.kubernetes.io/managed-by": "slipway",
                "trainer.kubeflow.org/framework": "mpi" if flavour == MPI else "torch",
            },
        },
        "spec": {
            "mlPolicy": {"numNodes": 1, **policy},
            "template": {
                "spec": {
                    # Pods find each other before they are ready: readiness comes after the rendezvous.
                    "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
                    "failurePolicy": failure_policy(max_restarts),
                    **({"successPolicy": _mpi_success()} if flavour == MPI else {}),
                    "replicatedJobs": jobs,
                }
            },
        },
    }


def failure_policy(max_restarts: int) -> Manifest:
    """What a failed Job means for its JobSet, first match first; anything else restarts the gang and is counted.

    ``BlockingRecreate``: no pod of the next attempt starts while one of the last still runs, or two attempts would
    write the same checkpoints. The messages are those of Kubernetes' Job controller (pkg/controller/job,
    pod_failure_policy.go, v1.36).
    """
    return {
        "maxRestarts": max_restarts,
        "restartStrategy": "BlockingRecreate",
        "rules": [
            {
                "name": "configuration",
                "action": "FailJobSet",
                "onJobFailureReasons": ["PodFailurePolicy"],
                "onJobFailureMessagePatterns": [
                    f"failed with exit code ({'|'.join(map(str, CONFIGURATION_EXIT_CODES))}) "
                ],
            },
            {
                "name": "disruption",
                "action": "RestartJobSetAndIgnoreMaxRestarts",
                "onJobFailureReasons": ["PodFailurePolicy"],
                "onJobFailureMessagePatterns": [
                    "has condition DisruptionTarget",
                    f"failed with exit code {STOPPED_EXIT_CODE} ",
                ],
            },
        ],
    }


def _pod_failures(disruption: str) -> Manifest:
    """``disruption``: what a pod means that the cluster took away (preemption, drain, node repair)."""
    return {
        "rules": [
            {"action": disruption, "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            _on_exit(disruption, STOPPED_EXIT_CODE),
            _on_exit("FailJob", *CONFIGURATION_EXIT_CODES),
        ]
    }


def _on_exit(action: str, *codes: int) -> Manifest:
    return {"action": action, "onExitCodes": {"containerName": NODE, "operator": "In", "values": list(codes)}}


def _job(name: str, *, ancestor: bool = True, elastic: bool = False, more: Manifest | None = None) -> Manifest:
    return {
        "name": name,
        "template": {
            **({"metadata": {"labels": {ANCESTOR_LABEL: "trainer"}}} if ancestor else {}),
            "spec": {
                # A rank that came back alone would find the rendezvous closed: the first failed pod fails the Job, and
                # the JobSet starts all of them again. Elastic runs replace the pod instead.
                "backoffLimit": ELASTIC_POD_FAILURES if elastic else 0,
                # Not before the old pod is gone: it still holds the node's devices.
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": _pod_failures("Ignore" if elastic else "FailJob"),
                "template": {"spec": _pod(more or {})},
            },
        },
        **({"dependsOn": [{"name": NODE, "status": "Ready"}]} if name == LAUNCHER else {}),
    }


def _pod(container: Manifest) -> Part:
    """The pod's spec without what each run brings: enough to train with by itself."""
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        # A trainer has no business with the Kubernetes API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {**POD_SECURITY},
        "containers": [
            {
                "name": NODE,
                "image": versions.IMAGES["trainer"],
                "volumeMounts": [
                    {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 -- the container's own
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- the container's own, its root is read-only
                ],
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "securityContext": {**CONTAINER_SECURITY},
                **container,
            }
        ],
        "volumes": [
            # The default is 64 MiB: too little for NCCL and for data loaders. A run's patch sets the size.
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }


def _mpi_success() -> Manifest:
    """The launcher's end is the run's: the other pods only wait for it, and would wait for ever."""
    return {"operator": "All", "targetReplicatedJobs": [LAUNCHER]}


def _sshd() -> Manifest:
    """What the pods other than the launcher's run; mpirun starts the ranks in it."""
    return {
        "command": ["/usr/sbin/sshd"],
        "args": ["-De", "-f", "/home/mpiuser/.sshd_config"],
        "readinessProbe": {"tcpSocket": {"port": SSH_PORT}, "initialDelaySeconds": 2, "periodSeconds": 2},
        **_stopping(),
    }


def _stopping() -> Manifest:
    """The pod's ranks are told first, and save; neither mpirun nor sshd would leave them the time."""
    return {"lifecycle": {"preStop": {"exec": {"command": ["python", MPI_RANK, "--stop"]}}}}


_SHAPES: dict[str, tuple[Manifest, list[Manifest]]] = {
    TORCH: ({"torch": {}}, [_job(NODE)]),
    ELASTIC: ({"torch": {}}, [_job(NODE, elastic=True)]),
    MPI: (
        {
            "mpi": {
                "numProcPerNode": 1,
                "mpiImplementation": "OpenMPI",
                "sshAuthMountPath": SSH_DIRECTORY,
                # The launcher's pod trains too: otherwise a node's GPUs would watch mpirun.
                "runLauncherAsNode": True,
            }
        },
        [_job(NODE, ancestor=False, more=_sshd()), _job(LAUNCHER, more=_stopping())],
    ),
}
