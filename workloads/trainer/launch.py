"""torchrun, with the exit code of the trainer: `python -m workloads.trainer.launch <torchrun's arguments>`.

torchrun itself ends with 1 whatever its processes ended with, so that a pod failure policy could not tell a run that
diverged (65: a restart would do the same again) from one whose collective hung (75). Arguments and environment (PET_*)
are torchrun's own. Give `--shutdown-timeout` (or TORCH_ELASTIC_SHUTDOWN_TIMEOUT) a little less than the pods' grace
period: after it the processes are killed, however far their last checkpoint is.

With `--max-restarts` torchrun starts its processes again in place whatever they ended with, and this module sees their
last end only: a run that diverged does so that many times more. torch 2.15 lets nobody say which failures are worth
it: `launch_agent` makes its agent itself (torch/distributed/launcher/api.py), so an agent of our own, which its
documentation offers ("Extending the Agent"), would need a copy of that function that follows every release.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from workloads.trainer.state import ExitCode

TELLING = (ExitCode.REFUSED, ExitCode.DIVERGED, ExitCode.HUNG)
"""Codes that say why; others that were seen at the same time are their consequence."""


def exit_code(codes: Iterable[int]) -> int:
    """One code for a pod, from its processes' codes in the order in which they failed; signals count as a shell's."""
    seen = [128 - code if code < 0 else code for code in codes]
    for telling in TELLING:
        if telling.value in seen:
            return telling.value
    return seen[0] if seen else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run torchrun; the exit code of its processes."""
    # torch leaves these two without annotations.
    parse: Callable[[list[str] | None], Any] = parse_args
    start: Callable[[Any], None] = run
    try:
        start(parse(list(arguments) if arguments is not None else None))
    except ChildFailedError as error:
        failures = sorted(error.failures.items(), key=lambda item: item[1].timestamp)
        for rank, failure in failures:
            sys.stderr.write(f"launch: rank {rank} ended with {failure.exitcode}\n")
        return exit_code(failure.exitcode for _, failure in failures)
    except SignalException as error:
        return 128 + int(error.sigval)
    return ExitCode.DONE.value


if __name__ == "__main__":
    sys.exit(main())
