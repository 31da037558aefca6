"""What starts the processes of a run under torchrun, and which of their exit codes no further attempt would change."""

from workloads.specs import TrainingSpec

KIT_TRAINER = "workloads/trainer/main.py"
"""The kit's own trainer, in its own image."""
CONFIGURATION_EXIT_CODES = (2, 65, 78)
"""Every further attempt ends the same way: torchrun refused its own arguments (argparse), the loss diverged, or the
trainer refused to begin (``workloads/trainer/state.py``, ExitCode). torchrun itself hides the last two behind 1."""

MPI_RANK = "workloads/mpi_rank.py"
"""Starts a script as one of mpirun's ranks, and stops the ranks of a pod."""


def torchrun(spec: TrainingSpec) -> list[str]:
    """Torchrun, or for the kit's own trainer the one that hands on its exit code (``workloads/trainer/launch.py``).

    With it, what the trainer refuses, or what diverges, ends the run. Other scripts have images of their own, without
    the kit's module.
    """
    return ["python", "-m", "workloads.trainer.launch"] if spec.script == KIT_TRAINER else ["torchrun"]
