"""Children must not outlive the parent that they serve: a killed engine leaves no plugin, no program, no helper."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 1.0


def end_with_parent(*, signal_number: int = signal.SIGTERM) -> None:
    """End this process when its parent dies.

    Linux delivers ``signal_number`` when the parent *thread* exits (prctl); a poll of the parent's pid covers other
    systems and parents that died before this call.
    """
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os._exit(1)
