"""What a run tells in files: metrics.jsonl, one JSON object per line, and attempts.json, which outlives every attempt.

Every line of metrics.jsonl has `event`, `time` (epoch seconds), `run`, `attempt` (from 1) and `step`. Events:
    start       a trainer process group came up: world size, layout, precision, the peak that MFU compares with
    resume      it goes on from a checkpoint: which, and which damaged ones were skipped
    step        loss, loss_hex (float.hex: exact), tokens_per_second, seconds, data_wait_seconds, mfu, ettr, and of the
                last 200 steps seconds_p50, seconds_p99, data_wait_ratio
    evaluation  mean loss per token on text that training never sees
    checkpoint  a save ended: path or error, bytes, seconds, stall_seconds
    guard       something that must not go unnoticed: guard, message, fatal
    end         the loop ended: reason
Steps after the last checkpoint appear once more when they are computed again; the last line of a step counts.
"""

import contextlib
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

NAME = "metrics.jsonl"
ATTEMPTS = "attempts.json"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Which attempt of the run this is.

    Attributes:
        number: from 1.
        first_start: epoch seconds of the first attempt's start.
    """

    number: int
    first_start: float


def begin_attempt(directory: Path | None, *, now: Callable[[], float] = time.time) -> Attempt:
    """Count this attempt. A run without a directory has no memory, so each is its first."""
    if directory is None:
        return Attempt(number=1, first_start=now())
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / ATTEMPTS
    number, first_start = 0, now()
    # Counting is not worth a failed run: a file that is torn or gone starts the count anew.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(path.read_text(encoding="utf-8"))
        number, first_start = int(known["attempts"]), float(known["first_start"])
    attempt = Attempt(number=number + 1, first_start=first_start)
    with contextlib.suppress(OSError):
        draft = path.with_suffix(".partial")
        draft.write_text(json.dumps({"attempts": attempt.number, "first_start": first_start}), encoding="utf-8")
        draft.replace(path)
    return attempt


class Journal:
    """Appends to metrics.jsonl on rank 0; elsewhere, or without a directory, writes nothing.

    A full disk must not end a training run: lines that cannot be written are dropped and counted in `dropped`.
    """

    def __init__(self, directory: Path | None, *, run: str, attempt: int, now: Callable[[], float] = time.time) -> None:
        self._run = run
        self._attempt = attempt
        self._now = now
        self._path = directory / NAME if directory is not None else None
        self._stream: TextIO | None = None
        self.dropped = 0

    def write(self, event: str, step: int, **fields: Any) -> None:
        """One line, in the file when this returns."""
        if self._path is None:
            return
        about = {"event": event, "time": self._now(), "run": self._run, "attempt": self._attempt, "step": step}
        line = json.dumps({**about, **{name: _plain(value) for name, value in fields.items()}})
        try:
            stream = self._open(self._path)
            stream.write(line + "\n")
            stream.flush()
        except OSError:
            self.dropped += 1
            # What sits in the buffer would be written again, in the middle of the next line.
            self._abandon()

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None

    def _open(self, path: Path) -> TextIO:
        if self._stream is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            torn = path.exists() and path.stat().st_size > 0 and _last_byte(path) != b"\n"
            self._stream = path.open("a", encoding="utf-8")
            if torn:
                # The attempt before was killed in mid-line; its half line must not swallow ours.
                self._stream.write("\n")
        return self._stream

    def _abandon(self) -> None:
        if self._stream is not None:
            descriptor = self._stream.fileno()
            with contextlib.suppress(OSError):
                self._stream.close()
            with contextlib.suppress(OSError):
                os.close(descriptor)
            self._stream = None


def read(directory: Path) -> list[dict[str, Any]]:
    """Every whole line of a run's metrics, oldest first; what a kill tore is left out."""
    events = []
    for line in (directory / NAME).read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return events


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity; readers that hold to it would refuse the line."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
