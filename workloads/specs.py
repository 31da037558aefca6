"""What a job is, as plain data: no cloud, no Kubernetes, no Pulumi resource."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from components.outputs import Observables

HASH_CHARACTERS = 8
"""32 bits: two specs of one name collide once in about 65,000 changes."""

_NOT_HASHED = ("observables", "pull_secret")
"""How a run is watched and how its image is fetched do not change what it computes."""


@dataclass(frozen=True, kw_only=True)
class ClaimMount:
    """A claim of the run's namespace, mounted at ``path``."""

    claim: str
    path: str


@dataclass(frozen=True, kw_only=True)
class NodeShare:
    """What one pod of a run takes of its node.

    ``accelerators`` of ``accelerators_of_node``; ``vcpus`` and ``memory_gib`` are the whole node's.
    """

    accelerators: int
    accelerators_of_node: int
    vcpus: int
    memory_gib: int

    @property
    def whole(self) -> bool:
        """Whether the pod has the node for itself."""
        return self.accelerators == self.accelerators_of_node


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """One distributed training run: ``nodes`` pods, one process for each accelerator.

    A run is immutable. Its name carries a hash of everything below that decides what is computed, so a changed spec is
    a new run beside the old one's name, never a change of a running job.
    """

    name: str
    """What people call it; runs of one name share their checkpoints."""
    namespace: str
    pool: str
    """Name of the pool whose nodes it takes."""
    nodes: int
    share: NodeShare
    image: str
    script: str
    """Path of the Python file in the image."""
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mount: ClaimMount | None = None
    time_limit_seconds: int = 24 * 3600
    max_restarts: int = 3
    pull_secret: str | None = None
    queue: str | None = None
    priority_class: str | None = None
    observables: Observables = field(default_factory=Observables)

    @property
    def accelerators(self) -> int:
        """Accelerators of the whole run: its world size."""
        return self.nodes * self.share.accelerators

    @property
    def content_hash(self) -> str:
        """Hash of the spec, stable over Python versions and key order.

        It covers the spec and not the manifests: a new release of the kit may write better manifests, and must not
        start finished runs again. For the same reason it leaves out what the catalogue of instance types says.
        """
        content = {key: value for key, value in asdict(self).items() if key not in _NOT_HASHED}
        content["share"] = self.share.accelerators
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_CHARACTERS]

    @property
    def run(self) -> str:
        """Name of the run and of its objects: at most 39 characters, so that pod host names stay under 63."""
        return f"{self.name}-{self.content_hash}"

    @property
    def checkpoint_directory(self) -> str | None:
        """Where the run keeps checkpoints, and finds those of earlier runs of its name.

        In the team's directory: the file system's root belongs to root, and runs do not run as root.
        """
        return f"{self.mount.path}/{self.namespace}/checkpoints/{self.name}" if self.mount else None
