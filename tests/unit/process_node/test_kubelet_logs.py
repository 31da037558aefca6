"""Slices of container logs, as the API documents ``PodLogOptions``."""

import asyncio
import datetime as dt
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.cluster.process_node.kubelet_api import logs
from local.cluster.process_node.kubelet_api.exchange import Request, RequestError
from local.cluster.process_node.kubelet_api.logs import LogOptions, entry_of, normal_time, tail_offset
from local.cluster.process_node.seams import ContainerLog, UnknownContainerError

NOW = dt.datetime(2026, 1, 2, 3, 4, 50, tzinfo=dt.UTC)
LINES = [
    "2026-01-02T03:04:05.100000000Z stdout F one",
    "2026-01-02T03:04:15.200000000Z stderr F two",
    "2026-01-02T03:04:25.300000000Z stdout P thr",
    "2026-01-02T03:04:25.400000000Z stdout F ee",
    "2026-01-02T03:04:45.500000000Z stdout F four",
]


@pytest.fixture
def log(tmp_path: Path) -> ContainerLog:
    path = tmp_path / "0.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return ContainerLog(path=path)


def options(**query: str) -> LogOptions:
    pairs = {name: [value] for name, value in query.items()}
    request = Request(method="GET", segments=(), query=pairs, headers={}, head=b"")
    return LogOptions.of(request, NOW)


async def read(wanted: LogOptions, log: ContainerLog) -> str:
    return b"".join([piece async for piece in logs.text(wanted, lambda: log)]).decode()


def read_now(log: ContainerLog, **query: str) -> str:
    return asyncio.run(read(options(**query), log))


def test_the_whole_log_is_its_text_with_long_lines_put_together(log: ContainerLog) -> None:
    assert read_now(log) == "one\ntwo\nthree\nfour\n"


def test_timestamps_stand_once_before_each_line(log: ContainerLog) -> None:
    assert read_now(log, timestamps="true") == (
        "2026-01-02T03:04:05.100000000Z one\n2026-01-02T03:04:15.200000000Z two\n"
        "2026-01-02T03:04:25.300000000Z three\n2026-01-02T03:04:45.500000000Z four\n"
    ), "a piece of a line has no time of its own"


@pytest.mark.parametrize(
    ("lines", "text"), [("0", ""), ("1", "four\n"), ("2", "ee\nfour\n"), ("99", "one\ntwo\nthree\nfour\n")]
)
def test_tail_counts_entries_of_the_file_as_a_kubelet_does(log: ContainerLog, lines: str, text: str) -> None:
    assert read_now(log, tailLines=lines) == text


def test_since_seconds_counts_back_from_now(log: ContainerLog) -> None:
    assert read_now(log, sinceSeconds="25") == "three\nfour\n", "25 s before 03:04:50 is 03:04:25, before .300"


def test_since_time_takes_any_zone_and_keeps_the_fraction(log: ContainerLog) -> None:
    assert read_now(log, sinceTime="2026-01-02T04:04:25.4+01:00") == "ee\nfour\n"


def test_limit_bytes_cuts_in_the_middle(log: ContainerLog) -> None:
    assert read_now(log, limitBytes="6") == "one\ntw"


def test_one_stream_can_be_chosen(log: ContainerLog) -> None:
    assert read_now(log, stream="Stderr") == "two\n"


def test_tail_and_since_are_both_conditions(log: ContainerLog) -> None:
    assert read_now(log, tailLines="4", sinceSeconds="20") == "four\n"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"tailLines": "-1"}, "tailLines: '-1' is not a whole number"),
        ({"tailLines": "many"}, "tailLines: 'many'"),
        ({"limitBytes": "1e3"}, "limitBytes"),
        ({"sinceTime": "yesterday"}, "sinceTime: 'yesterday' is not an RFC 3339 time"),
        ({"sinceTime": "2026-01-02T03:04:05"}, "has no time zone"),
        ({"sinceSeconds": "3", "sinceTime": "2026-01-02T03:04:05Z"}, "at most one of"),
        ({"stream": "stdin"}, "none of All, Stdout, Stderr"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name(query: dict[str, str], problem: str) -> None:
    with pytest.raises(RequestError, match=problem):
        options(**query)


def test_damaged_lines_are_left_out(log: ContainerLog) -> None:
    log.path.write_bytes(
        b"garbage\n\n2026-01-02T03:04:05Z stdout F fine\n2026-01-02T03:04:05Z stdin F no\n2026-01-02T03"
    )
    assert read_now(log) == "fine\n", "an agent that is killed in mid-write leaves such lines"


def test_an_empty_line_is_a_line() -> None:
    entry = entry_of(b"2026-01-02T03:04:05Z stdout F ")
    assert entry is not None
    assert entry.text == b"\n", "print() writes one"


def test_a_log_that_is_not_written_yet_is_empty(tmp_path: Path) -> None:
    assert read_now(ContainerLog(path=tmp_path / "0.log")) == ""


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000000Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T03:04:05.5-02:00", "2026-01-02T05:04:05.500000000Z"),
    ],
)
def test_times_are_compared_to_the_nanosecond(text: str, normal: str) -> None:
    assert normal_time(text) == normal


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=40), st.integers(0, 45))
def test_the_tail_is_that_of_the_split_text(lines: list[bytes], wanted: int) -> None:
    content = b"".join(line + b"\n" for line in lines)
    offset = tail_offset(io.BytesIO(content), wanted)
    assert content[offset:].split(b"\n")[:-1] == lines[max(0, len(lines) - wanted) :]


def test_the_tail_of_a_large_file_crosses_blocks() -> None:
    lines = [b"%06d " % index + b"x" * 100 for index in range(5000)]
    content = b"\n".join(lines) + b"\n"
    assert content[tail_offset(io.BytesIO(content), 3000) :].startswith(b"002000 "), "5000 - 3000"


def entry(text: str) -> str:
    return f"2026-01-02T03:04:46.000000000Z stdout F {text}\n"


def test_following_crosses_a_rotation_and_ends_with_the_container(log: ContainerLog) -> None:
    state = {"running": True}

    def find() -> ContainerLog:
        return ContainerLog(path=log.path, running=state["running"])

    async def follow() -> list[str]:
        seen: list[str] = []
        async for piece in logs.text(options(follow="true", tailLines="1"), find):
            seen.append(piece.decode())
            if len(seen) == 1:
                with log.path.open("a") as file:
                    file.write(entry("before"))
                log.path.rename(log.path.with_name("0.log.1"))
                log.path.write_text(entry("after"))
            if piece == b"after\n":
                with log.path.open("a") as file:
                    file.write(entry("last"))
                state["running"] = False
        return seen

    assert asyncio.run(follow()) == ["four\n", "before\n", "after\n", "last\n"], (
        "nothing lost at the rotation, and what was written before the end is read after it"
    )


def test_following_waits_for_the_rest_of_a_line(log: ContainerLog) -> None:
    state = {"running": True}

    async def follow() -> list[str]:
        looked = [0]
        half = entry("whole")
        with log.path.open("a") as file:
            file.write(half[:-4])

        async def finish() -> None:
            while looked[0] < 3:  # noqa: ASYNC110 - the follower looks again and again, nothing tells when
                await asyncio.sleep(0.01)
            with log.path.open("a") as file:
                file.write(half[-4:])
            state["running"] = False

        task = asyncio.create_task(finish())

        def find() -> ContainerLog:
            looked[0] += 1
            return ContainerLog(path=log.path, running=state["running"])

        seen = [piece.decode() async for piece in logs.text(options(follow="true", tailLines="1"), find)]
        await task
        return seen

    assert asyncio.run(follow())[-1] == "whole\n", "half a line is no line"


def test_following_ends_when_the_pod_is_gone(log: ContainerLog) -> None:
    calls = []

    def find() -> ContainerLog:
        calls.append(1)
        if len(calls) > 1:
            raise UnknownContainerError("gone")
        return log

    async def follow() -> int:
        return len([piece async for piece in logs.text(options(follow="true"), find)])

    assert asyncio.run(follow()) == 5, "what is there is read, then it is over"
