"""Teams' queues, as ``status`` tells them: from what a stack exports and what Kueue says about its ClusterQueues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from cli.outputs import QueueExport
from cli.terminal import table
from components import versions

Json = Mapping[str, Any]
CLUSTER_QUEUES: Final = f"/apis/{versions.KUEUE_API}/clusterqueues"


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """A team's queue: nodes of its own by pool, and how many runs are in it."""

    team: str
    phase: str
    """Active, Inactive, Missing or Unknown."""
    nodes: Mapping[str, int]
    waiting: int
    admitted: int
    borrowing: bool
    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        """Whether it admits runs."""
        return self.phase == "Active"

    def to_json(self) -> dict[str, Any]:
        """The member of ``slipway status --json``."""
        return {
            "team": self.team,
            "ready": self.ready,
            "phase": self.phase,
            "nodes": dict(self.nodes),
            "waiting": self.waiting,
            "admitted": self.admitted,
            "borrowing": self.borrowing,
        }


def queue_state(export: QueueExport, queues: Sequence[Json], problem: str) -> QueueState:
    """The state of one queue; ``problem`` says why nothing could be read."""
    found = next((item for item in queues if item["metadata"]["name"] == export.cluster_queue), None)
    status = (found or {}).get("status", {})
    phase, reasons = _phase(export, found)
    return QueueState(
        team=export.team,
        phase="Unknown" if problem else phase,
        nodes=dict(export.nodes),
        waiting=int(status.get("pendingWorkloads", 0)),
        admitted=int(status.get("admittedWorkloads", 0)),
        borrowing=_borrows(status),
        reasons=() if problem else reasons,
    )


def _phase(export: QueueExport, queue: Json | None) -> tuple[str, list[str]]:
    if queue is None:
        return "Missing", [f"ClusterQueue {export.cluster_queue} does not exist"]
    for item in queue.get("status", {}).get("conditions", []):
        if item["type"] == "Active":
            if item.get("status") == "True":
                return "Active", []
            return "Inactive", [f"{item.get('reason', 'it admits nothing')}: {item.get('message', '')}"]
    return "Inactive", ["Kueue has not looked at it yet"]


def _borrows(status: Json) -> bool:
    # Kueue leaves the member out, or says "0", where nothing is borrowed.
    return any(
        str(row.get("borrowed", "0")) != "0"
        for flavor in status.get("flavorsUsage", [])
        for row in flavor.get("resources", [])
    )


def queues_table(queues: Sequence[QueueState]) -> Table:
    """One line per team."""
    made = table("team", "own nodes", "running", "waiting", "", title="queues")
    for item in queues:
        own = ", ".join(f"{count} {pool}" for pool, count in item.nodes.items() if count) or "-"
        mark = Text("active", style="green") if item.ready else Text(item.phase.lower(), style="yellow")
        running = f"{item.admitted} (borrows)" if item.borrowing else str(item.admitted)
        made.add_row(item.team, own, running, str(item.waiting), mark)
    return made
