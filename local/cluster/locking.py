"""One command at a time brings an environment up or down; the others wait."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.1
_MODE = 0o600


@contextmanager
def exclusive(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock file ``path``, which is gone afterwards; calls ``waiting`` once when another process has it.

    The file lies beside the environment's directory, because ``down`` removes the directory while it holds the lock.
    """
    descriptor = _acquire(path, waiting)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def hold(path: Path) -> int | None:
    """Lock ``path`` for the life of this process; None when another process has it. Returns the open descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    if _try(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def _acquire(path: Path, waiting: Callable[[], None]) -> int:
    said = False
    while True:
        # A former holder may also have removed the directory, when its environment was the last one there.
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        # The former holder removed the file: a lock on what no longer has the name excludes nobody.
        if _try(descriptor) and _same(descriptor, path):
            return descriptor
        os.close(descriptor)
        if not said:
            waiting()
            said = True
        time.sleep(_POLL_SECONDS)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
