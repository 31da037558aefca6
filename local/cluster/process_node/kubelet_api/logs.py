"""Container logs as ``kubectl logs`` asks for them: which lines of a CRI log file, and in which form.

Like a kubelet's, answers come from the newest file of a container alone, and a follower crosses rotations.
"""

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from local.cluster.process_node.kubelet_api.exchange import Request, RequestError
from local.cluster.process_node.seams import ContainerLog, UnknownContainerError

_POLL_SECONDS = 0.1
_BLOCK = 1 << 16
_STREAMS = frozenset({"", "All", "Stdout", "Stderr"})
_CRI_FIELDS = 4
_NANOSECOND_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """``PodLogOptions`` of the API (core/v1), as far as a kubelet sees them."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: str = ""
    """Only lines of this time and later, as ``normal_time`` writes it; "": all."""
    limit_bytes: int | None = None
    stream: str = "All"

    @staticmethod
    def of(request: Request, now: dt.datetime) -> "LogOptions":
        """From a request's query.

        Raises:
            RequestError: a value is not allowed.
        """
        since_seconds, since_time = request.number("sinceSeconds"), request.value("sinceTime")
        if since_seconds is not None and since_time:
            raise RequestError(HTTPStatus.BAD_REQUEST, "at most one of sinceTime and sinceSeconds may be given")
        since = ""
        if since_seconds is not None:
            since = normal_time((now - dt.timedelta(seconds=since_seconds)).astimezone(dt.UTC).isoformat())
        elif since_time:
            since = normal_time(since_time)
        stream = request.value("stream")
        if stream not in _STREAMS:
            raise RequestError(HTTPStatus.BAD_REQUEST, f"stream: {stream!r} is none of All, Stdout, Stderr")
        return LogOptions(
            follow=request.flag("follow"),
            previous=request.flag("previous"),
            timestamps=request.flag("timestamps"),
            tail_lines=request.number("tailLines"),
            since=since,
            limit_bytes=request.number("limitBytes"),
            stream=stream or "All",
        )


@dataclass(frozen=True)
class Entry:
    """One line of a CRI log file, or a piece of a long one."""

    time: str
    stream: str
    text: bytes
    """With its newline, except a piece's."""


def entry_of(line: bytes) -> Entry | None:
    """A line of a file without its newline; None when it is damaged (a crash in mid-write)."""
    fields = line.split(b" ", _CRI_FIELDS - 1)
    if len(fields) != _CRI_FIELDS or fields[1] not in {b"stdout", b"stderr"}:
        return None
    end = b"" if fields[2].startswith(b"P") else b"\n"
    return Entry(fields[0].decode("ascii", "replace"), fields[1].decode(), fields[3] + end)


def normal_time(text: str) -> str:
    """An RFC 3339 time in UTC with nine digits of a second: such texts compare as the times do.

    Raises:
        RequestError: it is no such time.
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"sinceTime: {text!r} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"sinceTime: {text!r} has no time zone")
    whole = moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = text.partition(".")[2]
    fraction = digits[: len(digits) - len(digits.lstrip("0123456789"))]
    return f"{whole}.{fraction[:_NANOSECOND_DIGITS]:0<{_NANOSECOND_DIGITS}}Z"


def entries(options: LogOptions, find: Callable[[], ContainerLog]) -> AsyncIterator[Entry]:
    """The entries that are asked for; with ``follow`` until the container has ended and all is read.

    ``find`` looks the log up again. What is written after this call is new to ``tail_lines``. Iterating sleeps while
    there is nothing to read.
    """
    return _entries(options, find, _Reader(find().path, options.tail_lines))


async def _entries(options: LogOptions, find: Callable[[], ContainerLog], reader: "_Reader") -> AsyncIterator[Entry]:
    try:
        while True:
            # Asked before reading: what is written between an empty read and the end would be lost otherwise.
            running = options.follow and _running(find)
            lines = reader.lines()
            for line in lines:
                entry = entry_of(line)
                if entry and _wanted(entry, options):
                    yield entry
            if not running and not lines:
                return
            if not lines:
                await asyncio.sleep(_POLL_SECONDS)
    finally:
        reader.close()


async def text(options: LogOptions, find: Callable[[], ContainerLog]) -> AsyncIterator[bytes]:
    """What the client reads, piece by piece."""
    left = options.limit_bytes
    line_begins = True
    async for entry in entries(options, find):
        piece = entry.text
        if options.timestamps and line_begins:
            piece = entry.time.encode() + b" " + piece
        line_begins = piece.endswith(b"\n")
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        yield piece
        if left == 0:
            return


def _running(find: Callable[[], ContainerLog]) -> bool:
    try:
        return find().running
    except UnknownContainerError:
        # Its pod is gone: what is read is all there will be.
        return False


def _wanted(entry: Entry, options: LogOptions) -> bool:
    if options.stream != "All" and entry.stream != options.stream.lower():
        return False
    return not options.since or entry.time >= options.since


class _Reader:
    """Complete lines of a file, across its rotations."""

    def __init__(self, path: Path, tail_lines: int | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self._open()
        if self._file and tail_lines is not None:
            self._file.seek(tail_offset(self._file, tail_lines))

    def close(self) -> None:
        if self._file:
            self._file.close()

    def lines(self) -> list[bytes]:
        """The next lines, at most a block's worth; none at the end."""
        if self._file is None:
            self._open()
            if self._file is None:
                return []
        block = self._file.read(_BLOCK)
        if not block and self._rotated():
            self.close()
            self._open()
            block = self._file.read(_BLOCK) if self._file else b""
        *whole, self._rest = (self._rest + block).split(b"\n")
        # A block without a newline is progress too, but no line: the caller must not take it for the end.
        return whole or (self.lines() if block else [])

    def _open(self) -> None:
        self._rest = b""
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            # Between the two steps of a rotation, or not written yet.
            self._file = None

    def _rotated(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return self._file is not None and there.st_ino != os.fstat(self._file.fileno()).st_ino


def tail_offset(file: BinaryIO, lines: int) -> int:
    """Where the last ``lines`` complete lines of a file begin, in bytes; reads backwards, a block at a time."""
    position = end = file.seek(0, os.SEEK_END)
    if not lines:
        return end
    # The newline that ends the last line begins nothing.
    wanted = lines + 1
    while position > 0:
        size = min(_BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        found = block.count(b"\n")
        if found >= wanted:
            at = len(block)
            for _ in range(wanted):
                at = block.rindex(b"\n", 0, at)
            return position + at + 1
        wanted -= found
    return 0
