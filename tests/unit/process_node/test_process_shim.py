"""No process of a pod outlives its shim or the agent, whenever these die."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.cluster.process_node import cgroup_bases, cgroups, rootfs, stopping
from local.cluster.process_node.images import program
from local.cluster.process_node.process import Exit, PodProcess, ProcessSpec, Shim, User
from local.cluster.process_node.records import Record
from local.cluster.process_node.sandbox import Sandbox
from local.cluster.process_node.seams import NodeError
from local.cluster.process_node.shim.rootfs import below
from local.paths import REPOSITORY

MARK = f"7654.{os.getpid()}"
"""Seconds that containers of this test run sleep, and how their processes are found among all of the machine."""
LONG = 60.0
CHANGES_ITS_USER = (
    "import os, sys, time; os.setgid(1000); os.setuid(1000); print('changed', flush=True); time.sleep(MARK)"
)
AGENT = """
import asyncio, json, sys
from pathlib import Path
from tests.unit.process_node.test_process_shim import container, sandbox

async def main():
    async with sandbox() as made:
        await container(made, Path(sys.argv[1]), json.loads(sys.argv[2]))
        print("runs", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def sandbox() -> AsyncIterator[Sandbox]:
    made = await Sandbox.create("shims", (), None, shared_pid=False)
    try:
        yield made
    finally:
        await made.close()


def spec(made: Sandbox, directory: Path, argv: list[str], user: User) -> ProcessSpec:
    image = program("busybox")
    rootfs.prepare(directory / "root", image)
    return ProcessSpec(
        argv=argv,
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        working_directory="/",
        user=user,
        namespaces=made.namespaces,
        new=made.new,
        root=str(directory / "root"),
        mounts=rootfs.base_mounts(image, None, REPOSITORY),
        log={"path": str(directory / "log"), "limit_bytes": 1 << 20, "files": 2},
    )


async def container(made: Sandbox, directory: Path, argv: list[str]) -> PodProcess:
    return await PodProcess.start(spec(made, directory, argv, User()))


def left() -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if MARK.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def until(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, f"not within {LONG:g} s: {what}"
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    async def probe() -> None:
        async with sandbox():
            pass

    try:
        asyncio.run(probe())
    except NodeError as error:
        pytest.skip(f"this system forbids namespaces: {error}")


def test_a_container_whose_shim_dies_while_it_is_prepared_never_runs(tmp_path: Path) -> None:
    """The kernel's parent-death signal alone leaves a gap: it is asked for after the fork and after the last setuid."""

    async def one(made: Sandbox, directory: Path, delay: float) -> None:
        wanted = spec(made, directory, ["sleep", MARK], User(uid=1000, gid=1000))
        shim = await Shim.start("process", wanted.to_json())
        children = Path(f"/proc/{shim.pid}/task/{shim.pid}/children")
        until("the shim has forked", children.read_text)
        await asyncio.sleep(delay)
        os.kill(shim.pid, signal.SIGKILL)
        await shim.end()

    async def main() -> None:
        async with sandbox() as made:
            for number in range(10):
                await one(made, tmp_path / str(number), number * 0.002)

    asyncio.run(main())
    until("every container has ended", lambda: not left())


def test_a_container_that_changed_its_user_dies_with_the_agent(tmp_path: Path) -> None:
    """Linux forgets the parent-death signal of a process that changes its user: prctl(2)."""
    script = CHANGES_ITS_USER.replace("MARK", MARK)
    command = [sys.executable, "-c", AGENT, str(tmp_path), json.dumps(["python3", "-c", script])]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    with agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "runs\n"
        until("it has changed its user", lambda: "changed" in (tmp_path / "log").read_text())
        agent.kill()
    until("it has ended", lambda: not left())


def test_a_start_that_is_cancelled_leaves_no_process(tmp_path: Path) -> None:
    async def main() -> None:
        async with sandbox() as made:
            for number in range(5):
                task = asyncio.create_task(container(made, tmp_path / str(number), ["sleep", MARK]))
                await asyncio.sleep(number * 0.05)
                task.cancel()
                ended = (await asyncio.gather(task, return_exceptions=True))[0]
                if isinstance(ended, PodProcess):
                    await ended.abort()
                assert not left(), "whoever cancels a start finds nothing running when it returns"

    asyncio.run(main())


class StubbornProcess:
    """Ends at SIGKILL only."""

    def __init__(self) -> None:
        self.killed = asyncio.Event()
        self.exit = asyncio.create_task(self._wait())

    async def _wait(self) -> Exit:
        await self.killed.wait()
        return Exit(137, 9)

    def signal(self, number: int) -> None:
        assert number == signal.SIGTERM

    def kill(self) -> None:
        self.killed.set()


def test_a_second_stop_shortens_the_first_ones_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """`kubectl delete --force` after a `kubectl delete` with a grace period of an hour."""
    monkeypatch.setattr(stopping, "_LEAST_GRACE_SECONDS", 0.01)

    async def main() -> None:
        process: Any = StubbornProcess()
        record = Record({"name": "main"}, process=process)
        context: Any = SimpleNamespace(event=lambda *_args, **_kwargs: None)
        first = asyncio.create_task(stopping.stop(context, record, 3600))
        await asyncio.sleep(0)
        assert record.stopping
        await asyncio.wait_for(stopping.stop(context, record, 0), LONG)
        await asyncio.wait_for(first, LONG)
        assert not record.stopping

    asyncio.run(main())


def test_processes_of_a_dead_agent_are_found_by_their_control_groups(tmp_path: Path) -> None:
    made = cgroups.Cgroups(tmp_path)
    if made.problem:
        pytest.skip(made.problem)
    group = made.create("a-main-0", cgroups.Limits())
    files: list[Any] = [Path(file) for file in group.files]
    process = subprocess.Popen(["sleep", MARK])
    for file in files:
        file.write_text(str(process.pid))
    cgroup_bases.clear(tmp_path)
    assert process.wait(LONG) == -signal.SIGKILL
    until("the groups are gone", lambda: not any(file.parent.parent.exists() for file in files))


def test_a_link_in_a_volume_leads_no_mount_to_the_machines_own_files(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "data" / "inside").mkdir(parents=True)
    (root / "bin").symlink_to("data/inside")
    (root / "data" / "out").symlink_to("/etc")
    (root / "data" / "up").symlink_to("../../..")
    assert below(root, "/bin/tool").resolve() == root / "data" / "inside" / "tool", "a link of the image's own"
    for target in ("/data/out", "/data/out/mine", "/data/up/mine"):
        with pytest.raises(OSError, match=f"mount path {target} leads out of the container's root"):
            below(root, target)
