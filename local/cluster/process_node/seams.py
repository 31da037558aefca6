"""What the halves of a process node know of each other: pods, their network, and the kubelet's API. No behaviour."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from local.cluster.kube import Document


class NodeError(Exception):
    """A pod cannot be run as it asks; the message is fit for an event."""


class UnknownContainerError(NodeError):
    """A request names a pod or a container that this node does not have, or that does not run."""


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """Everything that the agent of one node is started with; travels as a JSON file."""

    node: str
    """Name of the Node object."""
    cluster: str
    server: str
    """URL of the API server."""
    authority: Path
    """PEM of the cluster's certificate authority."""
    certificate: Path
    """Client certificate of ``system:node:<node>``, also the certificate of the kubelet's API (SAN 127.0.0.1)."""
    key: Path
    kubelet_port: int
    """Port of the kubelet's API on 127.0.0.1."""
    directory: Path
    """This node's own state: pods, logs, sockets. Survives the agent."""
    cluster_directory: Path
    """The cluster's directory, which all its process nodes share (network helper, Lustre file systems)."""
    file_systems: Path = Path()
    """Directories that stand for Lustre file systems, by id; all clusters of the environment share them."""
    address: str = ""
    """The instance's private IPv4 address: ``status.hostIP`` of its pods."""
    service_cidr: str = "172.20.0.0/16"
    pod_cidr: str = "100.100.0.0/16"
    """All process nodes of a cluster share it; KWOK's pods have other addresses (``commands.POD_ADDRESSES``)."""
    repository: Path = Path()
    """Checkout whose ``workloads`` package the kit's images carry."""
    environment: str = ""
    """Prefix of the workloads' Python environment; empty: the toolchain's, looked up when a pod needs it."""
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PodRef:
    """Which pod is meant."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A pod's place in the network."""

    ip: str
    netns: Path
    """A path that setns(2) can open: the pod's network namespace, with ``lo`` up and the address set."""
    resolv_conf: str
    """Text of the pod's ``/etc/resolv.conf`` for ``dnsPolicy: ClusterFirst``; pods applies ``dnsConfig`` to it."""


class PodNetwork(Protocol):
    """One per agent."""

    async def attach(self, pod: PodRef) -> Attachment:
        """Give the pod a network namespace and an address; a second call for the same uid returns the same.

        Raises:
            NodeError: it cannot be done now; the pod waits in ContainerCreating with ``FailedCreatePodSandBox``.
        """
        ...

    async def detach(self, uid: str) -> None:
        """Take address and namespace back, also after a restart of the agent; nothing when there is none.

        Raises:
            OSError: the address is free now, but that could not be written down.
        """
        ...

    async def keep(self, uids: Collection[str]) -> None:
        """Take the addresses of all other pods back: of those that ended or went while no agent ran."""
        ...

    async def problem(self) -> str:
        """Why the node's network does not work; "" when it does. Becomes the node's Ready condition."""
        ...

    async def close(self) -> None:
        """Release what the agent holds; the cluster's namespace goes with its last user."""
        ...


@dataclass(frozen=True, kw_only=True)
class ContainerLog:
    """One container's log: files in the format of the container runtime interface (CRI).

    A line is ``2006-01-02T15:04:05.000000000Z stdout F text`` (``stderr``; ``P`` for a piece of a long line). Rotation
    renames ``0.log`` to ``0.log.1`` and so on and makes a new ``0.log``: a follower sees the inode change.
    """

    path: Path
    """The file that is written now, such as ``…/<namespace>_<pod>_<uid>/<container>/0.log``."""
    rotated: Sequence[Path] = ()
    """Older files of the same run of the container, oldest first."""
    running: bool = False
    """Whether more may come (asked at the moment of the call): a follower of a finished container ends."""


@dataclass(frozen=True, kw_only=True)
class ContainerUsage:
    """What a container uses now."""

    name: str
    cpu_nanoseconds: int
    """Sum since its start."""
    memory_bytes: int
    """Working set where a cgroup tells it, else resident memory."""


@dataclass(frozen=True, kw_only=True)
class PodUsage:
    """What a pod uses now."""

    pod: PodRef
    containers: Sequence[ContainerUsage]


Stdio: TypeAlias = tuple[int, int, int]
"""Descriptors of standard input, output and error."""


class ExecProcess(Protocol):
    """A process beside a container's own."""

    async def wait(self) -> int:
        """Its exit code, 128 + N when signal N ended it; 126 or 127 when the command cannot be run."""
        ...

    def kill(self) -> None:
        """SIGKILL; nothing when it has ended."""
        ...


class PodStore(Protocol):
    """What the kubelet's API reads; all calls come from the agent's event loop."""

    def pods(self) -> Sequence[Document]:
        """The pods of this node, with their status as it is known here."""
        ...

    def log(self, namespace: str, pod: str, container: str, *, previous: bool = False) -> ContainerLog:
        """A container's log; ``container`` may be empty when the pod has one container.

        Raises:
            UnknownContainerError: no such pod or container, or it has not run (``previous``: has not run before), in a
                kubelet's words.
        """
        ...

    async def start_exec(
        self, namespace: str, pod: str, container: str, command: Sequence[str], stdio: Stdio, *, tty: bool = False
    ) -> ExecProcess:
        """Run ``command`` in the container's namespaces, as its user, with its environment.

        The descriptors are given to the process; the caller keeps its own copies and closes them. With ``tty`` they
        are one terminal's slave side, which becomes the process's controlling terminal.

        Raises:
            UnknownContainerError: no such container, or it does not run.
        """
        ...

    async def usage(self) -> Sequence[PodUsage]:
        """Resource use of every running pod."""
        ...
