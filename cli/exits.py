"""What ``slipway`` says with its exit status: scripts may rely on these numbers."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """One number for each kind of end."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_READY = 3
    NO_TOOLCHAIN = 4
    VIOLATIONS = 5
    INTERRUPTED = 130


MEANINGS: Final = {
    Exit.OK: "done, and everything is as it should be",
    Exit.FAILED: "the work failed; the error says why",
    Exit.USAGE: "wrong arguments, or settings that cannot be used; nothing was done",
    Exit.NOT_READY: "it ran, and something is not ready, has drifted, or was left over",
    Exit.NO_TOOLCHAIN: "an executable is missing; `slipway toolchain build` makes the local ones",
    Exit.VIOLATIONS: "a policy is broken at or above the threshold, a suppression has ended, or a budget is exceeded",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


def epilog() -> str:
    """The table for ``slipway --help``."""
    lines = [f"{int(status):>3}  {meaning}" for status, meaning in MEANINGS.items()]
    return "\n\n".join(["Exit status:", *lines])
