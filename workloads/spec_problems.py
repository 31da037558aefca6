"""What a check of a run looks at and what it finds; see ``workloads/validation.py``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run is to go, as far as its spec can contradict it.

    ``nodes``, ``instance_type``, ``devices`` (accelerators of a node) and ``fabric`` are the pool's; ``levels`` are its
    topology labels; ``claims``, ``gpus``, ``cpus`` and ``memory_gib`` are what the team's namespace has and may hold.
    """

    pool: str
    nodes: int
    instance_type: str
    devices: int
    vcpus: int
    fabric: bool
    levels: tuple[str, ...]
    team: str
    claims: tuple[str, ...]
    gpus: int
    cpus: int
    memory_gib: int
    trainer: bool = True
    """Whether Kubeflow Trainer is installed."""
    queues: bool = True
    """Whether Kueue is installed."""
    fabric_variables: Mapping[str, str] = field(default_factory=dict)
    """What the pool's fabric sets in every container of a run."""


@dataclass(frozen=True, kw_only=True)
class SpecProblem:
    """One thing to correct: ``path`` leads to it in the settings' keys; ``rule`` is a stable id."""

    rule: str
    path: tuple[str | int, ...]
    value: object
    what: str
    allowed: str
    fix: str

    def __str__(self) -> str:
        where = ".".join(str(step) for step in self.path)
        return f"{where}: {self.what}; received {self.value!r}, allowed {self.allowed}: {self.fix}"


Found = Iterator[SpecProblem]


def problem(rule: str, *path: str | int, value: object, what: str, allowed: str, fix: str) -> SpecProblem:
    """One thing to correct at ``path``."""
    return SpecProblem(rule=rule, path=path, value=value, what=what, allowed=allowed, fix=fix)
