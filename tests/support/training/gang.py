"""Several processes of the tiny loop as one job, started and killed by their ids.

They are forked from a server that has imported torch: an import takes seconds, and a test starts up to nine processes.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.support.training import tiny_loop
from workloads.trainer import journal

PATIENCE_SECONDS = 240
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([tiny_loop.__name__])


@dataclass(kw_only=True)
class Gang:
    """The processes of one attempt, and the files that hold what they print."""

    processes: list[ForkServerProcess]
    outputs: list[Path]

    def wait(self) -> list[tuple[int, str]]:
        """Exit code and output of every rank."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))
        alive = [process for process in self.processes if process.is_alive()]
        self.kill()
        for process in alive:
            process.join()
        results = [
            (-1000 if process in alive else process.exitcode or 0, output.read_text())
            for process, output in zip(self.processes, self.outputs, strict=True)
        ]
        assert not alive, f"{len(alive)} processes did not end: {results}"
        return results

    def kill(self, rank: int | None = None, number: int = signal.SIGKILL) -> None:
        """A signal to one rank, or to all."""
        for index, process in enumerate(self.processes):
            if rank in (None, index) and process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)

    def until(self, path: Path) -> None:
        """Wait for a file that a rank writes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not path.exists() or path.stat().st_size == 0:
            if time.monotonic() > deadline or any(process.exitcode for process in self.processes):
                self.kill()
                raise AssertionError(f"{path} did not appear: {self.wait()}")
            time.sleep(0.01)


def start(world: int, directory: Path, *arguments: str) -> Gang:
    """`world` ranks of the tiny loop that write to `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    attempt = len(list(directory.glob("rendezvous-*")))
    rendezvous = directory / f"rendezvous-{attempt}"
    rendezvous.touch()
    processes, outputs = [], []
    for rank in range(world):
        environment = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world),
            "INIT": f"file://{rendezvous}",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        output = directory / f"output-{attempt}-{rank}.txt"
        command = ["--directory", str(directory), *arguments]
        process = CONTEXT.Process(target=_rank, args=(command, environment, output), daemon=True)
        process.start()
        processes.append(process)
        outputs.append(output)
    return Gang(processes=processes, outputs=outputs)


def _rank(command: list[str], environment: dict[str, str], output: Path) -> None:
    """In the new process: what `python -m tests.support.training.tiny_loop` would do."""
    with output.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115  # a descriptor, for as long as it runs
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115  # as above
    os.environ |= environment
    sys.argv = ["tiny_loop", *command]
    tiny_loop.run_as_program()


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
