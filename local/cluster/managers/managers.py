"""All managers of one cluster, in the order in which they need each other."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from local.cluster.control_plane import ControlPlane
from local.cluster.kube import Kube
from local.cluster.managers.declaration import Manager
from local.cluster.managers.jobset import JOBSET
from local.cluster.managers.kserve import KSERVE
from local.cluster.managers.kueue import KUEUE
from local.cluster.managers.releases import DeploymentView
from local.cluster.managers.running import RunningManager
from local.cluster.managers.trainer import TRAINER
from local.cluster.views import PodView
from local.toolchain.errors import ToolchainError

MANAGERS: Final[tuple[Manager, ...]] = (KUEUE, JOBSET, TRAINER, KSERVE)


def sources_of(executable: str) -> Path:
    """The sources that the charts of the manager ``executable`` are packed from; see ``Manager.sources``.

    Raises:
        local.toolchain.errors.ToolchainError: the sources or the executable are missing.
    """
    return next(manager for manager in MANAGERS if manager.executable == executable).sources()


class Managers:
    """Runs every manager whose release is in the cluster."""

    def __init__(self, plane: ControlPlane, kube: Kube) -> None:
        self._running = [RunningManager(manager, plane, kube) for manager in MANAGERS]

    async def reconcile(self, deployments: Collection[DeploymentView], pods: Collection[PodView]) -> None:
        """One pass over all managers.

        Raises:
            local.toolchain.errors.ToolchainError: one of them is not in the toolchain; the others were looked after.
        """
        missing: ToolchainError | None = None
        # A handful of thousands.
        held = [pod for pod in pods if pod.waits_for]
        for manager in self._running:
            try:
                await manager.reconcile(deployments, held)
            except ToolchainError as error:
                missing = error
        if missing is not None:
            raise missing
