"""Starts a command that the kernel ends when the process that started it dies.

A script of its own, run by path with ``python -I -S``: setting the parent-death signal between fork and exec of a
threaded gRPC server (``preexec_fn``) may deadlock, and the command may belong to another virtual environment.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_USAGE = 2


def main(arguments: list[str]) -> None:
    """``arguments``: the parent's pid, the signal's number, the command. Never returns."""
    if len(arguments) < 3:  # noqa: PLR2004 (the three that the docstring names)
        sys.exit(_USAGE)
    parent, number = int(arguments[0]), int(arguments[1])
    if sys.platform == "linux":
        # Survives the exec below.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        # It died before the call above: nobody is left to send the signal.
        sys.exit(128 + signal.SIGTERM)
    os.execvp(arguments[2], arguments[2:])  # noqa: S606 (no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])
