"""What an environment reports about itself; plain data that travels from the supervisor to the command."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One process of the environment."""

    name: str
    cluster: str = ""
    """The cluster that it serves; empty for the supervisor."""
    pid: int | None = None
    ports: dict[str, int] = field(default_factory=dict)
    memory_mib: int = 0
    log: str = ""
    ready: bool = False
    reason: str = ""
    """Why it is not ready."""
    restarts: int = 0


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """One simulated cluster."""

    name: str
    status: str
    """EKS's word: CREATING, ACTIVE, …"""
    endpoint: str = ""
    nodes: int = 0
    nodes_ready: int = 0
    reason: str = ""
    """What it waits for, if anything."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The environment as a whole."""

    environment: str
    running: bool
    ready: bool
    state_directory: str
    processes: Sequence[ProcessStatus] = ()
    clusters: Sequence[ClusterStatus] = ()
    charts_mirror: str = ""
    problems: Sequence[str] = ()
    simulated: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON members."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The inverse of ``to_json``."""
        members = dict(value)
        members["processes"] = tuple(ProcessStatus(**item) for item in value.get("processes", ()))
        members["clusters"] = tuple(ClusterStatus(**item) for item in value.get("clusters", ()))
        members["problems"] = tuple(value.get("problems", ()))
        return cls(**members)
