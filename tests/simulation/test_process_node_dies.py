"""The agent of a process node is killed: its containers die with it, and its successor says so."""

from collections.abc import Iterator

import pytest

from tests.support.process_world import ProcessWorld, script

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(400)]


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
    node.create(script("never", "exec sleep 76501"))
    node.create(script("always", "exec sleep 76502", restartPolicy="Always"))
    for name in ("never", "always"):
        node.phase(name, "Running")
    before = {name: node.processes(number) for name, number in (("never", "76501"), ("always", "76502"))}
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


def test_nothing_outlives_the_supervisor(node: ProcessWorld) -> None:
    node.create(script("outlives", "exec sleep 76503"))
    node.phase("outlives", "Running")
    node.wait("its process", lambda: node.processes("76503"))
    node.world.environment.down(node.world.console)
    node.wait("no process is left", lambda: not _all(node) and not node.processes("76503"))


def _all(node: ProcessWorld) -> list[int]:
    return [pid for number in ("76501", "76502") for pid in node.processes(number)]
