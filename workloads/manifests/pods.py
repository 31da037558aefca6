"""The pod of a run: resources, placement, security and volumes, from a spec and a fabric profile."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from components.kubernetes.quantities import gibibytes, mebibytes
from components.outputs import FabricProfile, Taint
from workloads.specs import NodeShare, TrainingSpec

Part = dict[str, Any]

CONTAINER = "trainer"
USER = 1000
"""A user without rights; images must not need root."""
GRACE_SECONDS = 120
"""From SIGTERM to SIGKILL: two minutes is also what EC2 gives when it takes spot capacity back."""
SHUTDOWN_SECONDS = GRACE_SECONDS - 10
"""From SIGTERM until torchrun kills its processes, so that it still has time to say how they ended. Its own 30 s would
cut the last checkpoint short."""
NODE_LOSS_SECONDS = 30
"""Kubernetes waits 300 s before it gives up on a silent node; meanwhile all other nodes of the run idle."""
SHARED_MEMORY_GIB_PER_PROCESS = 8
"""Shared memory, for NCCL's intra-node transport and the batches of data loader workers; the default is 64 MiB."""
SHARED_MEMORY_GIB_PER_CPU_PROCESS = 1
"""Without accelerators: batches of data loader workers only (gloo talks by TCP), from the same memory."""
NODE_FRACTION = 0.85
"""Part of a node that a run requests; the rest is for the kubelet, DaemonSets and the file system's client."""
MEBIBYTE_PER_GIB = 1024


class Placed(Protocol):
    """Whatever takes a share of nodes: a run or a model service."""

    @property
    def share(self) -> NodeShare:
        """What one pod takes."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The spec's own variables."""


POD_SECURITY: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    # Otherwise every start changes the owner of every file of the file system.
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Of every pod: what pod security ``restricted`` wants."""
CONTAINER_SECURITY: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""Of every container, likewise."""


def resources(spec: Placed, profile: FabricProfile) -> Part:
    """Requests and limits of one pod.

    Devices and huge pages cannot be overcommitted, so limits equal requests. Memory too, or the node's kernel chooses
    whom to kill. CPU has no limit: throttled data loaders starve GPUs while processors idle.
    """
    hugepages = profile.hugepages_2mi if spec.share.whole else 0
    # Huge pages are cut from the same memory.
    fixed = {"memory": gibibytes(memory_gib(spec) - math.ceil(hugepages / MEBIBYTE_PER_GIB))}
    if profile.accelerator_resource is not None:
        fixed[profile.accelerator_resource] = str(spec.share.accelerators)
    if spec.share.whole:
        fixed.update({name: str(count) for name, count in profile.fabric_resources.items()})
    if hugepages:
        fixed["hugepages-2Mi"] = mebibytes(hugepages)
    return {"requests": {"cpu": str(cpus(spec)), **fixed}, "limits": fixed}


def memory_gib(spec: Placed) -> int:
    """Memory of one pod, huge pages included: its share of the node."""
    return int(spec.share.memory_gib * NODE_FRACTION * spec.share.fraction)


def cpus(spec: Placed) -> int:
    """Processors that one pod requests."""
    return max(1, int(spec.share.vcpus * NODE_FRACTION * spec.share.fraction))


def environment(spec: TrainingSpec, fabric: Mapping[str, str]) -> list[Part]:
    """Variables of the container; what the spec says wins over the kit's own and over those of the ``fabric``."""
    values = {
        "PYTHONUNBUFFERED": "1",
        # The user is in no passwd file and the root is read-only: compilers put their caches below these.
        "HOME": "/tmp",  # noqa: S108 -- the container's own
        "USER": "trainer",
        # One thread pool per process: torchrun's own default is 1, PyTorch's is every core of the node.
        "OMP_NUM_THREADS": str(max(1, cpus(spec) // max(1, spec.processes))),
        "NCCL_DEBUG": "WARN",
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        # A variable and no flag: a torchrun that is older than both (pytorch/pytorch#172596) refuses the flag.
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(SHUTDOWN_SECONDS),
        "SLIPWAY_RUN": spec.run,
        **({"SLIPWAY_CHECKPOINTS": spec.checkpoint_directory} if spec.checkpoint_directory else {}),
        **fabric,
        **spec.environment,
    }
    address = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    return [address, *({"name": name, "value": value} for name, value in sorted(values.items()))]


def environment_variables(spec: Placed, profile: FabricProfile) -> dict[str, str]:
    """Variables of a server: the fabric's, and the spec's own, which win."""
    # The root is read-only, and engines write caches below the home directory.
    return {"PYTHONUNBUFFERED": "1", "HOME": "/tmp", **profile.environment, **spec.environment}  # noqa: S108


def tolerations(taints: Sequence[Taint]) -> list[Part]:
    """The pool's taints, and impatience with nodes that do not answer."""
    own = [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect}
        if taint.value
        else {"key": taint.key, "operator": "Exists", "effect": taint.effect}
        for taint in taints
    ]
    lost = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_LOSS_SECONDS}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    ]
    return [*own, *lost]


def affinity(profile: FabricProfile, labels: Mapping[str, str], run_label: str) -> Part:
    """A wish to stand close together, strongest at the narrowest level of the network.

    A wish, because a run that waits for ideal neighbours computes nothing.
    """
    keys = list(profile.topology_label_keys)
    terms = [
        {
            "weight": 100 * (level + 1) // len(keys),
            "podAffinityTerm": {
                "labelSelector": {"matchLabels": {run_label: labels[run_label]}},
                "topologyKey": key,
            },
        }
        for level, key in enumerate(keys)
    ]
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}} if terms else {}


def volumes(spec: TrainingSpec) -> tuple[list[Part], list[Part]]:
    """(volumes, mounts) of the pod."""
    each = SHARED_MEMORY_GIB_PER_PROCESS if spec.share.accelerators else SHARED_MEMORY_GIB_PER_CPU_PROCESS
    shared_memory = gibibytes(each * spec.processes)
    pairs: list[tuple[Part, str]] = [
        ({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": shared_memory}}, "/dev/shm"),  # noqa: S108
        ({"name": "tmp", "emptyDir": {}}, "/tmp"),  # noqa: S108 -- the container's own, its root is read-only
    ]
    if spec.mount is not None:
        claim = {"name": "shared", "persistentVolumeClaim": {"claimName": spec.mount.claim}}
        pairs.append((claim, spec.mount.path))
    return [volume for volume, _ in pairs], [{"name": volume["name"], "mountPath": path} for volume, path in pairs]


def container(spec: TrainingSpec, profile: FabricProfile, command: Sequence[str], mounts: Sequence[Part]) -> Part:
    """The one container.

    Pod security ``restricted`` holds with a fabric too: pools with a fabric lift their container runtime's limit on
    locked memory, so that registering memory for RDMA needs no IPC_LOCK.
    """
    return {
        "name": CONTAINER,
        "image": spec.image,
        "command": list(command),
        "env": environment(spec, profile.environment),
        "resources": resources(spec, profile),
        "volumeMounts": list(mounts),
        # The end of the log becomes the pod's message: what happened is seen without a log system.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {**CONTAINER_SECURITY},
    }


def pod_spec(
    spec: TrainingSpec, profile: FabricProfile, *, command: Sequence[str], labels: Mapping[str, str], run_label: str
) -> Part:
    """The pod's spec; ``subdomain`` gives it a stable name under the run's Service."""
    given, mounts = volumes(spec)
    result: Part = {
        "restartPolicy": "Never",
        "subdomain": spec.run,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        # A trainer has no business with the Kubernetes API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(profile.node_selector),
        "tolerations": tolerations(profile.taints),
        "securityContext": {**POD_SECURITY},
        "containers": [container(spec, profile, command, mounts)],
        "volumes": given,
    }
    near = affinity(profile, labels, run_label)
    optional = {
        "affinity": near or None,
        "imagePullSecrets": [{"name": spec.pull_secret}] if spec.pull_secret else None,
    }
    return {**result, **{key: value for key, value in optional.items() if value is not None}}
