"""One build at a time per cache: the second waits, says so, and says for whom."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_POLL_SECONDS: Final = 0.2


@contextmanager
def exclusive(path: Path, waiting: Callable[[str], None]) -> Iterator[None]:
    """Holds the lock file `path`; when another process has it, calls `waiting` once with that process' id, and waits.

    The kernel drops the lock with its holder, so a killed build leaves nothing to clean up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        said = False
        while not _try_lock(file.fileno()):
            if not said:
                waiting(path.read_text(encoding="utf-8").strip() or "unknown")
                said = True
            time.sleep(_POLL_SECONDS)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
