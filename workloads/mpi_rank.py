"""Starts a training script as one of mpirun's ranks: torch reads other variables than Open MPI writes.

    mpirun -np 8 -x MASTER_ADDR=host -x MASTER_PORT=29500 python workloads/mpi_rank.py train.py --steps=100

Open MPI does not promise which host gets rank 0, and torch's store must lie where MASTER_ADDR points. So the first rank
on that very host keeps the store, whatever its number, and every rank is a client of it.

    python workloads/mpi_rank.py --stop

sends SIGTERM to the ranks of this pod and waits until they have ended: the hook that runs before the pod is stopped.
mpirun told by SIGTERM leaves its ranks no time for a last checkpoint: it kills them 2 s later with Open MPI 4.1, half a
second with 5.0 (seen with 4.1.4 and 5.0.8). `odls_base_sigkill_timeout` is no way out: in 4.1 it delays the SIGTERM too
(open-mpi/ompi#7033), and every end of a failed run besides; 5.0 ignores it. And sshd, told by SIGTERM, ends its pod.
"""

import os
import runpy
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_FROM_OPEN_MPI = {
    "RANK": "OMPI_COMM_WORLD_RANK",
    "WORLD_SIZE": "OMPI_COMM_WORLD_SIZE",
    "LOCAL_RANK": "OMPI_COMM_WORLD_LOCAL_RANK",
    "LOCAL_WORLD_SIZE": "OMPI_COMM_WORLD_LOCAL_SIZE",
}
"""torch.distributed's variables and those of Open MPI 4 and 5 that mean the same."""
AGENT_STORE = "TORCHELASTIC_USE_AGENT_STORE"
"""Tells ``init_method="env://"`` that somebody else keeps the store (torch/distributed/rendezvous.py)."""

RUNNING = Path("/tmp")  # noqa: S108 -- the container's own
"""Where each rank of a pod leaves a file named after its process while it runs."""
POLL_SECONDS = 0.2


def rank_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What torch wants to know, from what mpirun said.

    Raises:
        KeyError: mpirun did not start this process; the variable that is missing.
    """
    return {name: environment[source] for name, source in _FROM_OPEN_MPI.items()} | {AGENT_STORE: "True"}


def keeps_store(environment: Mapping[str, str], host: str) -> bool:
    """Whether this rank is the first on the host that MASTER_ADDR names."""
    master = environment.get("MASTER_ADDR", host).partition(".")[0]
    return environment["LOCAL_RANK"] == "0" and host.partition(".")[0] == master


def main(arguments: list[str], running: Path = RUNNING) -> None:
    """Run ``arguments[0]`` with the rest as its arguments; exit status 2 without mpirun or without a script."""
    if arguments == ["--stop"]:
        stop(running)
        return
    try:
        os.environ.update(rank_variables(os.environ))
    except KeyError as missing:
        sys.exit(_refused(f"mpirun did not start this process: {missing} is not set"))
    if not arguments:
        sys.exit(_refused("no script was named"))
    store = _store() if keeps_store(os.environ, socket.gethostname()) else None
    sys.argv = arguments
    with _listed(running):
        runpy.run_path(arguments[0], run_name="__main__")
    del store


def stop(running: Path) -> None:
    """SIGTERM to every rank of this pod; returns when all have ended. The pods' grace period is the limit."""
    ranks = [int(path.name.rpartition("-")[2]) for path in running.glob("mpi-rank-*")]
    for rank in ranks:
        # Its file is all that is left of a rank that was killed.
        with suppress(ProcessLookupError):
            os.kill(rank, signal.SIGTERM)
    while any(Path(f"/proc/{rank}").exists() for rank in ranks):
        time.sleep(POLL_SECONDS)


@contextmanager
def _listed(running: Path) -> Iterator[None]:
    own = running / f"mpi-rank-{os.getpid()}"
    own.touch()
    try:
        yield
    finally:
        own.unlink()


def _refused(what: str) -> int:
    usage = (
        "usage: mpirun … python workloads/mpi_rank.py SCRIPT [ARGUMENT…]\n       python workloads/mpi_rank.py --stop"
    )
    sys.stderr.write(f"{what}\n{usage}\n")
    return 2


def _store() -> object:
    from torch.distributed import TCPStore  # noqa: PLC0415 -- the translation above needs no torch

    port = int(os.environ.get("MASTER_PORT", "29500"))
    # Kept alive by the caller until the script has ended: the server runs on a thread of this process.
    return TCPStore("0.0.0.0", port, is_master=True, wait_for_workers=False)  # noqa: S104 -- peers are other pods


if __name__ == "__main__":
    main(sys.argv[1:])
