"""The agent of a process node is killed: its containers die with it, and its successor says so."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.support.process_world import ENDLESS, ProcessWorld, script

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(400)]
NEVER, ALWAYS, OUTLIVES = (f"{ENDLESS}{number}" for number in (4, 5, 6))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = ProcessWorld("agent-dies")
        try:
            yield made
        finally:
            made.close()


def test_containers_die_with_the_agent_and_are_reported_lost_or_run_again(node: ProcessWorld) -> None:
    """What containerd reports after its shim is gone: exit code 255, reason Unknown."""
    node.create(script("never", f"exec sleep {NEVER}"))
    node.create(script("always", f"exec sleep {ALWAYS}", restartPolicy="Always"))
    for name in ("never", "always"):
        node.phase(name, "Running")
    before = {name: node.processes(number) for name, number in (("never", NEVER), ("always", ALWAYS))}
    assert all(before.values()), "both run as processes of this machine"

    (first,) = node.agents()
    node.kill_agents()
    node.wait("its containers ended", lambda: not set(before["never"] + before["always"]) & set(_all(node)))
    node.wait("a new agent", lambda: [pid for pid in node.agents() if pid != first])

    lost = node.ended("never")
    assert (lost["exitCode"], lost["reason"]) == (255, "Unknown")
    assert node.status("never")["phase"] == "Failed"
    node.wait("a second run", lambda: node.container("always").get("restartCount") == 1)
    node.wait("it runs", lambda: "running" in node.container("always")["state"])
    assert node.container("always")["lastState"]["terminated"]["reason"] == "Unknown"
    node.told("always", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
    shown = node.world.environment.status().processes
    assert [item.restarts for item in shown if item.name.startswith("process-node-")] == [1]


def test_nothing_outlives_a_killed_supervisor(node: ProcessWorld) -> None:
    node.create(script("outlives", f"exec sleep {OUTLIVES}"))
    node.phase("outlives", "Running")
    node.wait("its process", lambda: node.processes(OUTLIVES))
    shown = node.world.environment.status().processes
    (supervisor,) = [item.pid for item in shown if item.name == "supervisor" and item.pid]
    os.kill(supervisor, signal.SIGKILL)
    node.wait("no process is left", lambda: not _all(node) and not node.processes(OUTLIVES))
    left = node.world.environment.down(node.world.console)
    assert not [line for line in left if line.startswith("process ")]


def _all(node: ProcessWorld) -> list[int]:
    return [pid for number in (NEVER, ALWAYS) for pid in node.processes(number)]
