"""Faults that need a cluster: no machines to be had, a dead control plane, a dead supervisor. In their order."""

import os
import signal
from collections.abc import Iterator

import pytest

from local.cloud.aws.controllers import Owner, classic_balancer, network_balancer, volume
from tests.support.processes import Process, gone_within
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1000)]

ORPHAN_SECONDS = 10.0
"""How long a process may outlive the supervisor that it served."""
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok")
SUPERVISOR = "local.cluster.supervisor"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path_factory.mktemp("platform"))
    sandbox.shrink()
    sandbox.expect("local", "up")
    yield sandbox
    sandbox.close()


def processes(sandbox: Sandbox, program: str) -> list[Process]:
    """Running executables of that name."""
    return [item for item in sandbox.processes() if item.command.split()[0].rpartition("/")[2] == program]


def supervisors(sandbox: Sandbox) -> list[Process]:
    return [item for item in sandbox.processes() if SUPERVISOR in item.command]


def test_without_machines_the_update_fails_and_the_next_one_goes_on(platform: Sandbox) -> None:
    platform.expect("local", "faults", "add", "capacity", "--kind", "ec2:Instance", "--id", "p5.48xlarge")
    told = platform.expect("up", "local", "--yes", status=1).text
    assert "InsufficientInstanceCapacity" in told
    assert "eks:NodeGroup training" in told
    assert "the zone has no such machines now" in told
    platform.expect("recover", "local", "--yes")
    platform.expect("up", "local", "--yes")
    with platform.store() as store:
        groups = store.find("eks:Nodegroup")
    assert [group.body["status"] for group in groups] == ["ACTIVE", "ACTIVE"], "the failed group is gone"


@pytest.mark.parametrize("program", CONTROL_PLANE)
def test_a_killed_process_of_the_control_plane_comes_back(platform: Sandbox, program: str) -> None:
    (victim,) = processes(platform, program)
    os.kill(victim.pid, signal.SIGKILL)
    platform.expect("local", "up")
    (new,) = processes(platform, program)
    assert new.pid != victim.pid
    assert platform.slipway("status", "local").status == 0


def test_a_killed_supervisor_takes_its_processes_along_and_is_replaced(platform: Sandbox) -> None:
    (victim,) = supervisors(platform)
    os.kill(victim.pid, signal.SIGKILL)
    assert gone_within(ORPHAN_SECONDS, platform.processes) == []
    told = platform.expect("up", "local", "--yes").text
    assert "had died; starting a new one" in told
    assert platform.expect("status", "local", "--json").json["clusters"][0]["gpus"] == 16


def test_what_controllers_left_goes_before_the_network_although_the_cluster_does_not_answer(platform: Sandbox) -> None:
    with platform.store() as store, store.transaction():
        (cluster,) = store.find("eks:Cluster")
        zone = str(store.find("ec2:Subnet")[0].body["AvailabilityZone"])
        owners = [Owner(cluster=cluster.id, namespace="web", name=name) for name in ("front", "store", "data")]
        made = [classic_balancer(store, owners[0]), network_balancer(store, owners[1])]
        made.append(volume(store, owners[2], zone=zone, size_gib=20))
        # Nobody is let in any more: its API does not answer, as after a change of the office's address.
        cluster.body["resourcesVpcConfig"]["publicAccessCidrs"] = ["198.51.100.1/32"]
        store.put(cluster)
    told = platform.expect("destroy", "local", "--yes").text
    assert "the cluster cannot be reached" in told
    assert all(f"{item.kind} {item.id}" in told for item in made), "each is named before it goes"
    assert told.index("destroying: cluster") < told.index("leftovers: made by") < told.index("destroying: network")
    assert platform.remaining() == []


def test_after_all_that_nothing_is_left(platform: Sandbox) -> None:
    platform.expect("destroy", "local", "--yes")
    assert platform.remaining() == []
    platform.expect("local", "down")
    assert platform.processes() == []
