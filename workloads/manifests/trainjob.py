"""A training run as a Kubeflow TrainJob: pure functions from a spec and a pool's fabric profile to dicts.

Trainer makes a JobSet of it, and JobSet the Job, the headless Service and the pods' host names. Variables of the
training container go through ``trainer.env`` only; a runtime patch that names them is refused.
"""

from collections.abc import Mapping
from typing import Any

from components import versions
from components.outputs import FabricProfile
from workloads.manifests.launching import MPI_RANK, torchrun
from workloads.manifests.pods import (
    CONTAINER_SECURITY,
    Part,
    affinity,
    environment,
    resources,
    tolerations,
    volumes,
)
from workloads.manifests.runtimes import LAUNCHER, NODE, own_runtime, runtime_name
from workloads.manifests.training import (
    CLUSTER_DOMAIN,
    RENDEZVOUS_PORT,
    RUN_LABEL,
    labels,
    nodes_range,
    policy,
    queue_labels,
)
from workloads.specs import Launcher, TrainingSpec

Manifest = dict[str, Any]

PATCH_MANAGER = "slipway.dev/run"
"""Owner of the run's patch: Kueue adds one of its own beside it."""
REQUIRED_TOPOLOGY = "kueue.x-k8s.io/podset-required-topology"
PREFERRED_TOPOLOGY = "kueue.x-k8s.io/podset-preferred-topology"
MPI_PORT = 29500
"""Where rank 0 keeps torch's store in a run that mpirun starts."""


def manifests(spec: TrainingSpec, profile: FabricProfile) -> dict[str, Manifest]:
    """Every object of the run, by role, in the order in which they must be made."""
    runtime = own_runtime(spec)
    return {
        "policy": policy(spec),
        **({"runtime": runtime} if runtime else {}),
        "job": trainjob(spec, profile),
    }


def trainjob(spec: TrainingSpec, profile: FabricProfile) -> Manifest:
    """The TrainJob. It has no time to live: a finished run that vanished would look like one to start again."""
    own = own_runtime(spec)
    return {
        "apiVersion": versions.TRAINER_API,
        "kind": "TrainJob",
        "metadata": {
            "name": spec.run,
            "namespace": spec.namespace,
            "labels": {**labels(spec), **queue_labels(spec)},
            # The run takes hours and may wait for nodes: an update must not wait for it, nor fail with it.
            "annotations": {"pulumi.com/skipAwait": "true"},
        },
        "spec": {
            "runtimeRef": {
                "apiGroup": versions.TRAINER_API.partition("/")[0],
                "kind": own["kind"] if own else "ClusterTrainingRuntime",
                "name": own["metadata"]["name"] if own else runtime_name(spec),
            },
            "activeDeadlineSeconds": spec.time_limit_seconds,
            "trainer": {
                "image": spec.image,
                "command": command(spec),
                "args": [*launcher_arguments(spec, profile.environment), spec.script, *spec.arguments],
                "env": environment(spec, profile.environment),
                "numNodes": spec.nodes,
                "numProcPerNode": spec.processes,
                "resourcesPerNode": resources(spec, profile),
            },
            "runtimePatches": [
                {
                    "manager": PATCH_MANAGER,
                    "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": _patches(spec, profile)}}},
                }
            ],
        },
    }


def command(spec: TrainingSpec) -> list[str]:
    """What starts the processes; Trainer tells torchrun their numbers and where to meet (``PET_*``)."""
    return torchrun(spec) if spec.launcher is Launcher.TORCHRUN else [str(spec.launcher)]


def launcher_arguments(spec: TrainingSpec, fabric: Mapping[str, str]) -> list[str]:
    """The launcher's own arguments, before the script; ``fabric``: variables that the pool's fabric sets."""
    if spec.launcher is Launcher.MPIRUN:
        return _mpirun(spec, fabric)
    if spec.min_nodes is None:
        return []
    # Trainer v2.3 knows no elastic run (plugins/torch: "TODO: Add support for PyTorch elastic") and sets PET_NNODES to
    # one number; arguments win over variables. Trainer's own static rendezvous admits no late-comers.
    return [
        f"--nnodes={nodes_range(spec)}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={first_host(spec)}:{RENDEZVOUS_PORT}",
        f"--rdzv-id={spec.run}",
        "--rdzv-conf=join_timeout=900,last_call_timeout=60,read_timeout=600",
        "--local-addr=$(POD_IP)",
        f"--max-restarts={spec.max_restarts}",
    ]


def first_host(spec: TrainingSpec) -> str:
    """Full host name of the first pod, as the kubelet writes it into that pod's own hosts file."""
    return f"{spec.run}-{NODE}-0-0.{spec.run}.{spec.namespace}.svc.{CLUSTER_DOMAIN}"


def launcher_host(spec: TrainingSpec) -> str:
    """Full host name of the pod that runs mpirun, and rank 0 with it."""
    return f"{spec.run}-{LAUNCHER}-0-0.{spec.run}.{spec.namespace}.svc.{CLUSTER_DOMAIN}"


def _mpirun(spec: TrainingSpec, fabric: Mapping[str, str]) -> list[str]:
    """Ranks by slot from Trainer's hostfile. ``workloads/mpi_rank.py`` tells torch what mpirun tells its ranks.

    Only the launcher's container has the run's variables, and sshd hands none on: mpirun has to, by name.
    """
    passed = sorted({"PATH", *(item["name"] for item in environment(spec, fabric) if "value" in item)})
    return [
        "-np",
        str(spec.world_size),
        "--map-by",
        f"ppr:{spec.processes}:node",
        "--bind-to",
        "none",
        *(word for name in passed for word in ("-x", name)),
        "-x",
        f"MASTER_ADDR={launcher_host(spec)}",
        "-x",
        f"MASTER_PORT={MPI_PORT}",
        "python",
        MPI_RANK,
    ]


def _patches(spec: TrainingSpec, profile: FabricProfile) -> list[Manifest]:
    names = [NODE, LAUNCHER] if spec.launcher is Launcher.MPIRUN else [NODE]
    return [{"name": name, "template": {"spec": {"template": _pod_patch(spec, profile)}}} for name in names]


def _pod_patch(spec: TrainingSpec, profile: FabricProfile) -> Manifest:
    """What the run brings to its pods."""
    given, mounts = volumes(spec)
    near = affinity(profile, labels(spec), RUN_LABEL) if spec.topology is None else {}
    pod: Part = {
        "nodeSelector": dict(profile.node_selector),
        "tolerations": tolerations(profile.taints),
        "volumes": given,
        "containers": [{"name": NODE, "volumeMounts": mounts, "securityContext": {**CONTAINER_SECURITY}}],
    }
    optional = {
        "affinity": near or None,
        "imagePullSecrets": [{"name": spec.pull_secret}] if spec.pull_secret else None,
    }
    annotations = {"slipway.dev/content-hash": spec.content_hash, **profile.pod_annotations, **topology(spec)}
    return {
        "metadata": {"labels": labels(spec), "annotations": annotations},
        "spec": {**pod, **{key: value for key, value in optional.items() if value is not None}},
    }


def topology(spec: TrainingSpec) -> dict[str, str]:
    """Kueue's request for closeness: an annotation of the pods."""
    if spec.topology is None:
        return {}
    return {REQUIRED_TOPOLOGY if spec.topology.required else PREFERRED_TOPOLOGY: spec.topology.level}
