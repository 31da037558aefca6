"""Where a node's control groups are: made and held by its agent, given back after it, and swept up where nobody did."""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import time
from pathlib import Path

from local.cluster.files import write_private

_ROOT = Path("/sys/fs/cgroup")
_PARENT = "slipway"
_NAME = re.compile(r"node-[0-9a-f]{16}")
"""Of a group that its agent locks. Those of former versions were not locked: nobody can tell whether one is in use."""
_RECORD = "control-groups.json"
_ATTEMPTS = 10
_CLEAR_SECONDS = 5.0
_CLEAR_POLL_SECONDS = 0.05


class Bases:
    """The groups of one node, which hold those of its containers; locked as long as this process lives."""

    def __init__(self, directory: Path) -> None:
        """Make them for the node whose state is in ``directory``; what former agents left goes first.

        Raises:
            OSError: control groups cannot be made here.
        """
        clear(directory)
        sweep()
        # By the state directory: environments beside each other have nodes of the same name.
        node = f"node-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]}"
        self._locks: list[int] = []
        self.paths = _version_2(node) if (_ROOT / "cgroup.controllers").exists() else _version_1(node)
        """By controller; version 2 has all in one, called ``unified``."""
        own = sorted(set(self.paths.values()))
        # First, so that a successor also knows of those that a killed agent had just made.
        write_private(directory / _RECORD, json.dumps([str(base) for base in own]))
        try:
            self._locks.extend(map(hold, own))
            if "unified" in self.paths:
                _delegate(self.paths["unified"])
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give them back, and end what is left in them; they stay while it has not ended."""
        for base in set(self.paths.values()):
            _cleared(base)
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()


def hold(base: Path) -> int:
    """Make a group and lock it: `sweep` leaves it alone until the descriptor is closed, or its process has ended.

    Raises:
        OSError: it cannot be made.
    """
    for _ in range(_ATTEMPTS):
        # Somebody's sweep may remove it, or the group above it, before it is locked.
        with contextlib.suppress(FileNotFoundError):
            base.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if base.exists():
                return descriptor
            os.close(descriptor)
    raise FileNotFoundError(f"{base} does not stay: others remove it")


def sweep(root: Path = _ROOT) -> None:
    """Give back this user's groups that hold no process and belong to no living agent.

    They are of environments whose state was removed without ``slipway local down``: no record leads to them. A living
    agent is known by its lock, which the kernel drops with its process.
    """
    for path, names, _ in os.walk(root):
        if Path(path).name == _PARENT:
            for name in filter(_NAME.fullmatch, names):
                _sweep(Path(path, name))
            with contextlib.suppress(OSError):
                Path(path).rmdir()
            names.clear()


def _sweep(base: Path) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as open_:
        descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        open_.callback(os.close, descriptor)
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if any(path.read_text().strip() for path in base.glob("**/cgroup.procs")):
            return
        for path in [*(path for path in base.iterdir() if path.is_dir()), base]:
            path.rmdir()


def clear_all(nodes: Path) -> None:
    """`clear` of every node that has its state below ``nodes``."""
    for directory in nodes.glob("*"):
        clear(directory)


def clear(directory: Path) -> None:
    """Kill what is left in the control groups of a node whose agent has ended, and give the groups back.

    ``directory`` is the node's state, where its agent wrote down its groups: those of a process are below the ones of
    whoever started it, which may be others today.
    """
    try:
        bases = [Path(text) for text in json.loads((directory / _RECORD).read_text())]
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _CLEAR_SECONDS
    for base in bases:
        # A process that was killed is in its group for a moment more.
        while not _cleared(base) and time.monotonic() < deadline:
            time.sleep(_CLEAR_POLL_SECONDS)


def _cleared(base: Path) -> bool:
    for path in base.glob("*/cgroup.procs"):
        with contextlib.suppress(OSError):
            for pid in map(int, path.read_text().split()):
                # 0 stands for a process that is not seen from here, and for kill(2) for all of ours.
                if pid > 0:
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    with contextlib.suppress(OSError):
        base.rmdir()
    return not base.exists()


def _version_1(node: str) -> dict[str, Path]:
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    found: dict[str, Path] = {}
    for controller in ("memory", "cpu", "cpuacct"):
        above = _ROOT / controller
        if controller not in own or not above.is_dir():
            raise OSError(f"no controller {controller} below {_ROOT}")
        found[controller] = above / own[controller].strip("/") / _PARENT / node
    return found


def _version_2(node: str) -> dict[str, Path]:
    own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    return {"unified": _ROOT / own.strip("/") / _PARENT / node}


def _delegate(base: Path) -> None:
    """Have the kernel offer memory and CPU below ``base``."""
    for path in (base.parent.parent, base.parent, base):
        enabled = (path / "cgroup.subtree_control").read_text().split()
        if not {"memory", "cpu"} <= set(enabled):
            (path / "cgroup.subtree_control").write_text("+memory +cpu")
