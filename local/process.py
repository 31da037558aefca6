"""Children must not outlive the parent that they serve: a killed engine leaves no plugin, no program, no helper."""

import os
import select
import stat
import sys
import threading

_POLL_MILLISECONDS = 1000


def end_with_parent() -> None:
    """End this process as soon as its parent dies, whatever its threads are doing.

    The kernel's parent-death signal (prctl) is not used: Linux sends it when the *thread* that started us ends, and
    the engine is a Go program, whose threads come and go.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    watched = select.poll()
    # At once, not at the next look: what still ran for a moment could create an object after `recover` has looked.
    if (descriptor := _handle(parent)) is not None:
        watched.register(descriptor, select.POLLIN)
    # A parent that died before we asked for it is told by the pipe that it read our output from.
    output = sys.__stdout__.fileno() if sys.__stdout__ is not None else -1
    if output >= 0 and stat.S_ISFIFO(os.fstat(output).st_mode):
        watched.register(output, 0)
    while os.getppid() == parent and not watched.poll(_POLL_MILLISECONDS):
        pass
    os._exit(1)


def _handle(parent: int) -> int | None:
    """A descriptor that becomes readable when ``parent`` dies; None on other systems and old kernels."""
    try:
        return os.pidfd_open(parent)
    except (AttributeError, OSError):
        return None
