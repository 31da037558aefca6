"""Where an environment keeps what it makes: one directory, and nothing outside it.

Only the toolchain's executables live elsewhere, in the user's cache, because every checkout shares them.
"""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
STATE_VARIABLE = "SLIPWAY_STATE_DIR"
ACCOUNT_VARIABLE = "SLIPWAY_ACCOUNT"
CHARTS_VARIABLE = "SLIPWAY_CHARTS_MIRROR"
SIMULATED_ACCOUNT_ID = "000000000000"
"""No real AWS account has this id: settings that name it are simulated, and the simulator serves nothing else."""


def state_root() -> Path:
    """The directory of all environments' state: ``$SLIPWAY_STATE_DIR`` or ``.slipway`` in the checkout."""
    override = os.environ.get(STATE_VARIABLE)
    return Path(override).resolve() if override else REPOSITORY / ".slipway"


@dataclass(frozen=True)
class StatePaths:
    """Paths of one environment (``local``, or the name of a rehearsal)."""

    environment: str
    root: Path

    @classmethod
    def of(cls, environment: str) -> "StatePaths":
        """The paths of ``environment`` under ``state_root()``; creates nothing."""
        return cls(environment, state_root() / environment)

    @property
    def account(self) -> Path:
        """The simulated account: a SQLite file."""
        return self.root / "account.db"

    @property
    def backend(self) -> Path:
        """Pulumi's file backend."""
        return self.root / "backend"

    @property
    def pulumi_home(self) -> Path:
        """PULUMI_HOME: plugins are linked here."""
        return self.root / "pulumi-home"

    @property
    def supervisor(self) -> Path:
        """The supervisor's pid file, socket and log."""
        return self.root / "supervisor"

    @property
    def clusters(self) -> Path:
        """One directory per simulated cluster: certificates, etcd data, logs."""
        return self.root / "clusters"

    @property
    def logs(self) -> Path:
        """Logs of the engine's updates."""
        return self.root / "logs"
