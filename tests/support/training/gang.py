"""Several processes of the tiny loop as one job, started and killed by their ids."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workloads.trainer import journal

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_SECONDS = 120


@dataclass(kw_only=True)
class Gang:
    """The processes of one attempt."""

    processes: list[subprocess.Popen[str]]

    def wait(self) -> list[tuple[int, str]]:
        """Exit code and output of every rank."""
        results = []
        for process in self.processes:
            output, _ = process.communicate(timeout=PATIENCE_SECONDS)
            results.append((process.returncode, output))
        return results

    def kill(self, rank: int | None = None, number: int = signal.SIGKILL) -> None:
        """A signal to one rank, or to all."""
        for index, process in enumerate(self.processes):
            if rank in (None, index) and process.poll() is None:
                process.send_signal(number)

    def until(self, path: Path) -> None:
        """Wait for a file that a rank writes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not path.exists() or path.stat().st_size == 0:
            if time.monotonic() > deadline or any(process.poll() not in (None, 0) for process in self.processes):
                self.kill()
                raise AssertionError(f"{path} did not appear: {self.wait()}")
            time.sleep(0.01)


def start(world: int, directory: Path, *arguments: str) -> Gang:
    """`world` ranks of the tiny loop that write to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    attempt = len(list(directory.glob("rendezvous-*")))
    rendezvous = directory / f"rendezvous-{attempt}"
    rendezvous.touch()
    processes = []
    for rank in range(world):
        environment = os.environ | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "INIT": f"file://{rendezvous}",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "GLOO_SOCKET_IFNAME": "lo",
        }
        command = [sys.executable, "-m", "tests.support.training.tiny_loop", "--directory", str(directory), *arguments]
        processes.append(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
    return Gang(processes=processes)


def run(world: int, directory: Path, *arguments: str, code: int = 0) -> list[tuple[int, str]]:
    """Run to the end; every rank ends with `code`."""
    results = start(world, directory, *arguments).wait()
    assert [result for result, _ in results] == [code] * world, results
    return results


def losses(directory: Path) -> dict[int, str]:
    """Exact loss by step; the last attempt's where a step was computed twice."""
    return {line["step"]: line["loss_hex"] for line in journal.read(directory) if line["event"] == "step"}


def events(directory: Path, name: str) -> list[dict[str, object]]:
    """The lines of one event."""
    return [line for line in journal.read(directory) if line["event"] == name]


def steps_of(checkpoints: Sequence[Path]) -> list[str]:
    """Names, for comparison."""
    return sorted(path.name for path in checkpoints)
