"""Control groups that nobody gave back are swept up, and no others; in a made-up tree without a kernel."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.cluster.process_node import cgroup_bases, cgroups
from local.paths import REPOSITORY

NODE = "node-0123456789abcdef"
HOLDER = """
import sys, time
from pathlib import Path
from local.cluster.process_node.cgroup_bases import hold
hold(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(3600)
"""


def base(root: Path, name: str = NODE) -> Path:
    """A node's group with one of a container; nothing runs, so that both can be removed."""
    made = root / "memory" / "session" / "slipway" / name
    (made / "uid-main-0").mkdir(parents=True)
    return made


def test_groups_that_a_killed_agent_left_without_a_record_go(tmp_path: Path) -> None:
    left = base(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(left)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as agent:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "held\n"
        cgroup_bases.sweep(tmp_path)
        assert (left / "uid-main-0").is_dir(), "its agent lives and may be about to start a process in it"
        agent.send_signal(signal.SIGKILL)
    cgroup_bases.sweep(tmp_path)
    assert not left.parent.exists()
    assert left.parent.parent.is_dir(), "whoever made the session's group removes it"


def test_groups_with_processes_stay_as_they_are(tmp_path: Path) -> None:
    used = base(tmp_path)
    (used / "uid-side-0").mkdir()
    (used / "uid-side-0" / "cgroup.procs").write_text("4711\n")
    cgroup_bases.sweep(tmp_path)
    assert sorted(path.name for path in used.iterdir()) == ["uid-main-0", "uid-side-0"]


def test_groups_of_another_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = base(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: other.stat().st_uid + 1)
    cgroup_bases.sweep(tmp_path)
    assert other.is_dir()


@pytest.mark.parametrize("name", ["0123456789abcdef", "node-0123456789abcdef0", "pods", "ip-10-0-0-4.ec2.internal"])
def test_groups_that_no_agent_made_stay(tmp_path: Path, name: str) -> None:
    foreign = base(tmp_path, name)
    elsewhere = tmp_path / "memory" / "other" / NODE
    elsewhere.mkdir(parents=True)
    cgroup_bases.sweep(tmp_path)
    assert foreign.is_dir()
    assert elsewhere.is_dir()


def test_all_groups_of_a_pod_go_with_it_and_those_of_others_stay(tmp_path: Path) -> None:
    made = cgroups.Cgroups(tmp_path)
    if made.problem:
        pytest.skip(made.problem)
    try:
        ended, other = (made.create(name, cgroups.Limits()) for name in ("uid-main-0", "other-main-0"))
        made.remove("uid")
        assert not any(path.exists() for path in ended.directories.values())
        assert all(path.exists() for path in other.directories.values())
    finally:
        made.close()


def test_an_agent_makes_its_group_again_when_a_sweep_took_it_before_it_was_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = tmp_path / "slipway" / NODE
    real, opened = os.open, list[int]()

    def interrupted(path: Path, flags: int) -> int:
        descriptor = real(path, flags)
        opened.append(descriptor)
        if len(opened) == 1:
            monkeypatch.setattr(os, "open", real)
            cgroup_bases.sweep(tmp_path)
            assert not wanted.parent.exists()
            monkeypatch.setattr(os, "open", interrupted)
        return descriptor

    monkeypatch.setattr(os, "open", interrupted)
    held = cgroup_bases.hold(wanted)
    try:
        assert len(opened) == 2
        cgroup_bases.sweep(tmp_path)
        assert wanted.is_dir()
    finally:
        os.close(held)
