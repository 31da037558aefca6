"""Files that only their owner may read."""

import os
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


def write_private(path: Path, text: str) -> None:
    """Write ``text`` so that a reader sees the old or the new file, never half of one; mode 0600 from the start."""
    private_directory(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)


def private_directory(path: Path) -> Path:
    """``path`` as a directory of mode 0700, made with its parents."""
    path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    return path
