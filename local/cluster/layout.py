"""Files of the supervisor inside an environment's state directory."""

from pathlib import Path

from local.paths import StatePaths


def nodes_of(cluster_directory: Path) -> Path:
    """Where the process nodes of a cluster keep their state, a directory each."""
    return cluster_directory / "nodes"


class SupervisorFiles:
    """Where the supervisor of one environment keeps what it needs."""

    def __init__(self, paths: StatePaths) -> None:
        self.directory: Path = paths.supervisor

    @property
    def record(self) -> Path:
        """Who it is (pid and start), where it answers, and the token for asking (mode 0600)."""
        return self.directory / "supervisor.json"

    @property
    def log(self) -> Path:
        """Its own log."""
        return self.directory / "supervisor.log"

    @property
    def ports(self) -> Path:
        """Ports that it chose."""
        return self.directory / "ports.json"

    @property
    def lock(self) -> Path:
        """Held by the living supervisor: one per environment."""
        return self.directory / "lock"

    @property
    def pki(self) -> Path:
        """Certificates of its webhook."""
        return self.directory / "pki"
