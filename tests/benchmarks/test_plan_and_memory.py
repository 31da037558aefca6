"""`slipway plan` cold and warm, and the memory of a whole `slipway up` of the checked-in stack."""

import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks.measure import report, seconds
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.benchmark, pytest.mark.simulation, pytest.mark.timeout(580)]

SAMPLE_SECONDS = 0.5
KIB_PER_MIB = 1024
IMPORTS = "import stacks.build"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox.copy(tmp_path)
    yield made
    made.close()


def test_plan_from_nothing_and_again(sandbox: Sandbox, tmp_path: Path) -> None:
    # Cold: no compiled Python, no schema of the SDK; only the disk cache of the machine is warm.
    sandbox.extra = {
        "SLIPWAY_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPYCACHEPREFIX": str(tmp_path / "pycache"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    cold = seconds(lambda: sandbox.expect("plan", "local"))
    local = _best(lambda: sandbox.expect("plan", "local"))
    prod = _best(lambda: sandbox.expect("plan", "prod"))
    imports = _best(lambda: sandbox.run([sys.executable, "-c", IMPORTS]))
    report(
        "slipway plan",
        {
            "local, cold": f"{cold:.1f} s",
            "local, warm": _told(local),
            "prod, warm": _told(prod),
            "importing the program": _told(imports),
            "load of the machine": f"{os.getloadavg()[0]:.1f}",
        },
        ratio=f"processor time of a warm plan: {local[1] / imports[1]:.1f} x (local), {prod[1] / imports[1]:.1f} x "
        "(prod) that of importing the program and what it uses of the SDKs",
        target="cold under 60 s, warm at most 5 s",
    )


def _best(work: Callable[[], object]) -> tuple[float, float]:
    """The shortest of three times, and the least processor time of the commands, s."""
    pairs = [(seconds(work), _spent(work)) for _ in range(3)]
    return min(wall for wall, _ in pairs), min(spent for _, spent in pairs)


def _spent(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _told(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.1f} s, {pair[1]:.1f} s of processor time (best of 3)"


class Memory(threading.Thread):
    """Samples the memory of every process of an environment, and of the command that builds it."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(daemon=True)
        self._sandbox = sandbox
        self._done = threading.Event()
        self.peak_mib = 0.0
        self.peak_processes: dict[str, float] = {}
        self.last_mib = 0.0

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        sizes: dict[str, float] = {}
        for process in self._sandbox.processes():
            name = _name(process.command)
            sizes[name] = sizes.get(name, 0.0) + process.resident_kib() / KIB_PER_MIB
        self.last_mib = sum(sizes.values())
        if self.last_mib > self.peak_mib:
            self.peak_mib, self.peak_processes = self.last_mib, sizes

    def stop(self) -> None:
        self._done.set()
        self.join()


def _name(command: str) -> str:
    words = command.split()
    modules = [word.rpartition(".")[2] for word in words if word.startswith("local.")]
    scripts = [Path(word).name for word in words[:3] if "/" in word and not Path(word).name.startswith("python")]
    return (modules or scripts or [Path(word).name for word in words] or ["(ending)"])[0]


def test_memory_of_up(sandbox: Sandbox) -> None:
    memory = Memory(sandbox)
    memory.start()
    took = seconds(lambda: sandbox.expect("up", "local", "--yes"))
    memory.stop()
    time.sleep(2)
    memory.sample()
    largest = sorted(memory.peak_processes.items(), key=lambda pair: -pair[1])
    report(
        "memory of `slipway up local` (sum of PSS of all its processes)",
        {
            "up": f"{took:.0f} s",
            "peak": f"{memory.peak_mib:,.0f} MiB",
            "at rest after it": f"{memory.last_mib:,.0f} MiB",
            "largest at the peak": ", ".join(f"{name} {size:.0f}" for name, size in largest[:8]),
        },
        ratio=f"peak {memory.peak_mib / memory.last_mib:.2f} x the environment at rest",
        target="3,072 MiB",
    )
