"""Two people on one stack, a killed command, two environments on one machine: nobody is in another's way unawares."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local.cloud.faults import Fault, FaultType
from local.cluster.environment import DEPLOYER
from local.cluster.ports import PortBook
from tests.support.cluster_world import CLUSTER, World
from tests.support.processes import beside, gone_within
from tests.support.sandbox import BINARIES, REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(500)]

PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "steps" / "__main__.py"
SUPERVISOR = "local.cluster.supervisor"
ORPHAN_SECONDS = 10.0
HELD_SECONDS = 240.0
UNCHANGED = "8 unchanged"
"""All resources of the program, with their provider."""
UP = ("up", "local", "--yes", "--no-wait")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path)
    shutil.copy(PROGRAM, sandbox.directory / "stacks" / "__main__.py")
    try:
        sandbox.expect("local", "up")
        yield sandbox
    finally:
        sandbox.close()


def held_update(sandbox: Sandbox) -> "subprocess.Popen[bytes]":
    """An update that stops in the middle of its last creation."""
    with sandbox.store() as store:
        parameters = {"realSeconds": HELD_SECONDS}
        number = store.add_fault(Fault(type=FaultType.HOLD, operation="CreateSecurityGroup", parameters=parameters))
    first = subprocess.Popen(
        [str(BINARIES / "slipway"), *UP],
        cwd=sandbox.directory,
        env=sandbox.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + HELD_SECONDS
    with sandbox.store() as store:
        while not any("heldBy" in fault.parameters for fault in store.faults() if fault.id == number):
            assert first.poll() is None, "the update ended before it was held"
            assert time.monotonic() < deadline, "the update never came to the held call"
            time.sleep(0.05)
    # What the engine began beside the held call still comes to its end.
    seen: list[str] = []
    while seen != (now := sandbox.remaining()):
        assert time.monotonic() < deadline, "the update never came to rest"
        seen = now
        time.sleep(2)
    return first


def release(sandbox: Sandbox) -> None:
    with sandbox.store() as store:
        store.clear_faults()


def test_the_second_person_is_told_who_is_at_work_and_changes_nothing(stack: Sandbox) -> None:
    first = held_update(stack)
    try:
        (engine,) = [item for item in stack.processes() if "/bin/pulumi " in item.command]
        before = stack.remaining()
        for command in (UP, ("destroy", "local", "--yes"), ("refresh", "local", "--accept")):
            told = stack.expect(*command, status=1).text
            assert "somebody else is updating local" in told
            assert f"pid {engine.pid} of {getpass.getuser()}@{socket.gethostname()} since 20" in told
            assert "still running" in told
            assert "wait until it has ended, or interrupt it where it runs; nothing was changed here" in told
        assert "an update of this stack is running" in stack.expect("recover", "local", "--yes", status=1).text
        assert stack.remaining() == before
    finally:
        release(stack)
        assert first.wait(120) == 0, "the first one goes on as if nobody had come"
    assert UNCHANGED in stack.expect(*UP).text


def test_what_a_killed_command_started_ends_and_is_recovered(stack: Sandbox) -> None:
    first = held_update(stack)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert gone_within(ORPHAN_SECONDS, lambda: beside(stack.state, SUPERVISOR)) == []
    release(stack)
    stack.expect("recover", "local", "--yes")
    stack.expect(*UP)
    assert UNCHANGED in stack.expect(*UP).text
    with stack.store() as store:
        assert len([group for group in store.find("ec2:SecurityGroup") if group.urn]) == 1


def test_a_lock_that_a_killed_engine_left_is_told_before_an_engine_starts(stack: Sandbox) -> None:
    first = held_update(stack)
    (engine,) = [item for item in stack.processes() if "/bin/pulumi " in item.command]
    os.kill(engine.pid, signal.SIGKILL)
    assert first.wait(120) == 1
    release(stack)
    told = stack.expect(*UP, status=1).text
    assert "an update of local was killed and left its lock" in told
    assert f"pid {engine.pid}" in told
    assert "`slipway recover local` puts the stack right" in told


def test_two_stacks_go_up_side_by_side_each_in_its_own_account_and_state(stack: Sandbox) -> None:
    shutil.copy(stack.settings_file, stack.settings_file.with_name("Pulumi.second.yaml"))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: stack.slipway("up", name, "--yes", "--no-wait"), ("local", "second")))
    try:
        assert [answer.status for answer in answers] == [0, 0], [answer.text for answer in answers]
        second = Sandbox(stack.directory, stack.state, stack="second")
        for sandbox in (stack, second):
            with sandbox.store() as store:
                urns = {item.urn.split("::")[0] for item in store.objects() if item.urn}
            assert urns == {f"urn:pulumi:{sandbox.stack}"}
            backend = sandbox.state / sandbox.stack / "backend" / ".pulumi" / "stacks" / "slipway"
            assert sorted(path.name for path in backend.glob("*.json")) == [f"{sandbox.stack}.json"]
        stack.expect("destroy", "second", "--yes")
        assert UNCHANGED in stack.expect(*UP).text, "the other one's end changed nothing here"
    finally:
        stack.slipway("local", "down", "--discard", "--env", "second")


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[World]]:
    """Two environments that come up at the same moment, with clusters of the same name."""
    monkeypatch.setenv("SLIPWAY_STATE_DIR", str(tmp_path))
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(World, ("one", "other")))
        try:
            list(pool.map(_fill, made, (1, 2)))
            yield made
        finally:
            for world in made:
                world.store.close()
                world.environment.down(world.console)


def _fill(world: World, nodes: int) -> None:
    world.cluster()
    world.node_group("training", nodes)
    world.wait_for_node_group("training")


def test_two_environments_share_no_port_no_key_and_no_node(worlds: list[World]) -> None:
    one, other = worlds
    assert not set(_ports(one)) & set(_ports(other))
    configs = [world.environment.kubeconfig(CLUSTER) for world in worlds]
    assert configs[0] != configs[1]
    assert one.environment.variables()["SLIPWAY_ACCOUNT"] != other.environment.variables()["SLIPWAY_ACCOUNT"]
    names = [{_instance(node) for node in world.nodes()} for world in worlds]
    assert [len(found) for found in names] == [1, 2]
    for world, found in zip(worlds, names, strict=True):
        assert found == {item.id for item in world.store.find("ec2:Instance")}
    assert not names[0] & names[1]
    theirs = other.token(principal=DEPLOYER)
    assert one.call("/api/v1/nodes", theirs).status_code == 401, "the same name and role, and yet not the same account"
    put = dict(one.body("eks:Cluster", CLUSTER))
    other_authority = other.body("eks:Cluster", CLUSTER)["certificateAuthority"]
    one.put("eks:Cluster", CLUSTER, **{**put, "certificateAuthority": other_authority})
    with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        one.call("/api/v1/nodes")


def _instance(node: dict[str, Any]) -> str:
    return str(node["spec"]["providerID"]).rpartition("/")[2]


def _ports(world: World) -> list[int]:
    """Every port that the environment wrote down."""
    paths = world.environment.paths
    books = [
        paths.supervisor / "ports.json",
        *paths.clusters.glob("*/ports.json"),
        *paths.clusters.glob("*/front.json"),
    ]
    found = [port for book in books for port in PortBook(book).known().values()]
    assert len(found) >= 11, "the supervisor's, the control plane's and the endpoint's"
    return found
