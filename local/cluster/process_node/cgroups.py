"""Limits on memory and CPU: control groups of version 1 or 2 where they may be made, else a poll that kills."""

import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cluster.process_node.cgroup_bases import Bases
from local.cluster.process_node.quantities import quantity, whole

_LOG = logging.getLogger(__name__)
_PERIOD_MICROSECONDS = 100_000
_LEAST_QUOTA_MICROSECONDS = 1000
_SHARES_PER_CORE = 1024
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of one container; 0: none."""

    memory_bytes: int = 0
    cpu_cores: float = 0
    cpu_request_cores: float = 0

    @classmethod
    def of(cls, resources: Mapping[str, Mapping[str, str]]) -> "Limits":
        """Out of ``resources`` of a container."""
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        return cls(
            memory_bytes=whole(limits.get("memory", "0")),
            cpu_cores=float(quantity(limits.get("cpu", "0"))),
            cpu_request_cores=float(quantity(requests.get("cpu", limits.get("cpu", "0")))),
        )


@dataclass(frozen=True)
class Group:
    """The control groups of one container; without any, its processes are only watched."""

    limits: Limits
    directories: Mapping[str, Path] = field(default_factory=dict)
    """By controller; version 2 has all in one, called ``unified``."""

    @property
    def files(self) -> list[str]:
        """Where a process writes ``0`` to enter."""
        return [str(path / "cgroup.procs") for path in sorted(set(self.directories.values()))]

    @property
    def limits_memory(self) -> bool:
        """Whether the kernel holds the memory limit."""
        return bool({"memory", "unified"} & set(self.directories))

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group for its limit."""
        for name, file in (("memory", "memory.oom_control"), ("unified", "memory.events")):
            path = self.directories.get(name)
            if path and _numbers(path / file).get("oom_kill", 0):
                return True
        return False

    def usage(self, pid: int) -> tuple[int, int]:
        """CPU nanoseconds and bytes of memory (working set); without groups, of the process and its descendants."""
        unified, memory, cpu = (self.directories.get(name) for name in ("unified", "memory", "cpuacct"))
        if unified:
            used = _number(unified / "memory.current") - _numbers(unified / "memory.stat").get("inactive_file", 0)
            return _numbers(unified / "cpu.stat").get("usage_usec", 0) * 1000, max(0, used)
        if memory and cpu:
            inactive = _numbers(memory / "memory.stat").get("total_inactive_file", 0)
            return _number(cpu / "cpuacct.usage"), max(0, _number(memory / "memory.usage_in_bytes") - inactive)
        return _polled_usage(pid)

    def exceeds(self, pid: int) -> bool:
        """Whether its processes use more than the limit, where only this poll holds it."""
        return (
            bool(self.limits.memory_bytes)
            and not self.limits_memory
            and (_polled_usage(pid)[1] > self.limits.memory_bytes)
        )

    def remove(self) -> None:
        """Give the groups back; those with living processes stay until those have ended."""
        for path in set(self.directories.values()):
            with contextlib.suppress(OSError):
                path.rmdir()


class Cgroups:
    """The control groups of one node."""

    def __init__(self, directory: Path) -> None:
        """Make them for the node whose state is in ``directory``; what former agents left goes first."""
        self._bases: Bases | None = None
        self.problem = ""
        """Why limits are polled; "" when the kernel holds them."""
        try:
            self._bases = Bases(directory)
            _weigh(self._bases.paths)
        except OSError as error:
            self.problem = f"control groups cannot be made ({error}): memory limits are polled, CPU limits not held"
            _LOG.warning("%s", self.problem)

    def create(self, name: str, limits: Limits) -> Group:
        """Groups for one run of a container, limits set; only watched when the kernel does not let us."""
        made: dict[str, Path] = {}
        try:
            for controller, base in (self._bases.paths if self._bases else {}).items():
                path = base / name
                path.mkdir(exist_ok=True)
                made[controller] = path
                for file, value in _settings(controller, limits).items():
                    (path / file).write_text(value)
        except OSError as error:
            _LOG.warning("limits of %s are polled: %s", name, error)
            for path in made.values():
                with contextlib.suppress(OSError):
                    path.rmdir()
            return Group(limits)
        return Group(limits, made)

    def remove(self, pod: str) -> None:
        """Give back every group of a pod, whose uid begins their names; those with living processes stay."""
        for base in set(self._bases.paths.values()) if self._bases else ():
            for path in base.glob(f"{pod}-*"):
                with contextlib.suppress(OSError):
                    path.rmdir()

    def close(self) -> None:
        """Give the node's own groups back, and end what is left in them."""
        if self._bases:
            self._bases.close()


def _settings(controller: str, limits: Limits) -> dict[str, str]:
    """Files and values. Source: the kernel's cgroup-v1/memory, scheduler/sched-bwc and cgroup-v2 documents."""
    found: dict[str, str] = {}
    quota = max(_LEAST_QUOTA_MICROSECONDS, round(limits.cpu_cores * _PERIOD_MICROSECONDS))
    shares = max(2, round(limits.cpu_request_cores * _SHARES_PER_CORE))
    if controller == "memory" and limits.memory_bytes:
        found["memory.limit_in_bytes"] = str(limits.memory_bytes)
    if controller == "cpu":
        found["cpu.shares"] = str(shares)
        if limits.cpu_cores:
            found |= {"cpu.cfs_period_us": str(_PERIOD_MICROSECONDS), "cpu.cfs_quota_us": str(quota)}
    if controller == "unified":
        # KEP-2254: the range 2..262144 of shares onto 1..10000 of weights.
        found["cpu.weight"] = _weight(shares)
        if limits.cpu_cores:
            found["cpu.max"] = f"{quota} {_PERIOD_MICROSECONDS}"
        if limits.memory_bytes:
            found |= {"memory.max": str(limits.memory_bytes), "memory.oom.group": "1"}
    return found


def _weight(shares: int) -> str:
    """Shares of version 1 as a weight of version 2. KEP-2254: the range 2..262144 onto 1..10000."""
    return str(1 + ((min(shares, 262_144) - 2) * 9999) // 262_142)


def _weigh(bases: Mapping[str, Path]) -> None:
    """Pods together count for as much as the machine has processors, as under a kubelet; otherwise as one process."""
    shares = _SHARES_PER_CORE * (os.cpu_count() or 1)
    # Without it limits hold all the same.
    with contextlib.suppress(OSError):
        if "cpu" in bases:
            (bases["cpu"].parent / "cpu.shares").write_text(str(shares))
        if "unified" in bases:
            (bases["unified"].parent / "cpu.weight").write_text(_weight(shares))


def _polled_usage(pid: int) -> tuple[int, int]:
    """CPU nanoseconds and resident bytes of all processes in the PID namespace of ``pid``."""
    try:
        namespace = Path(f"/proc/{pid}/ns/pid").readlink()
    except OSError:
        return 0, 0
    ticks = pages = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns/pid").readlink() == namespace:
                    words = (entry / "stat").read_text().rpartition(")")[2].split()
                    # proc(5): utime and stime are the 14th and 15th of all fields, rss the 24th.
                    ticks += int(words[11]) + int(words[12])
                    pages += int(words[21])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"), pages * _PAGE_BYTES


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _numbers(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    return {words[0]: int(words[1]) for words in (line.split() for line in lines) if len(words) > 1}
