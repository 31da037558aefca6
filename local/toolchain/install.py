"""Puts finished executables in place: whole or not at all."""

import os
from pathlib import Path

_MODE = 0o755


def temporary(target: Path) -> Path:
    """A name beside `target` that nobody takes for it; `rename` within one directory is atomic."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.parent / f".{target.name}.{os.getpid()}.half"


def write_executable(target: Path, content: bytes) -> None:
    """Writes an executable file in one step."""
    half = temporary(target)
    try:
        half.write_bytes(content)
        publish(half, target)
    finally:
        half.unlink(missing_ok=True)


def publish(half: Path, target: Path) -> None:
    """Gives a finished file its name."""
    half.chmod(_MODE)
    half.replace(target)


def remove_halves(root: Path) -> None:
    """Removes what a killed build left; call it with the lock held."""
    for half in root.glob("*/*/.*.half"):
        half.unlink(missing_ok=True)
