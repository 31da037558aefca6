from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from local.toolchain.progress import Progress, Step, clock, seconds_left

if TYPE_CHECKING:
    import pytest

LOG = Path("/no/such/log")


def test_before_anything_is_known_the_recorded_sizes_are_shared_by_the_cores() -> None:
    steps = [Step("a", 100, log=LOG), Step("b", 60, log=LOG)]
    assert seconds_left(steps, cores=2, now=0) == 80


def test_a_slow_machine_shows_in_the_estimate_after_its_first_step() -> None:
    steps = [Step("a", 100, log=LOG, started=0, took=200), Step("b", 60, log=LOG)]
    assert seconds_left(steps, cores=2, now=200) == 120


def test_a_step_that_came_from_the_build_cache_does_not_make_the_rest_look_quick() -> None:
    steps = [Step("a", 100, log=LOG, started=0, took=2), Step("b", 60, log=LOG)]
    assert seconds_left(steps, cores=2, now=2) == 30


def test_the_network_says_nothing_about_the_compiler() -> None:
    steps = [Step("fetch", 20, started=0, took=400), Step("b", 60, log=LOG)]
    assert seconds_left(steps, cores=2, now=400) == 30


def test_a_running_step_counts_for_what_is_left_of_it_and_never_for_nothing() -> None:
    assert seconds_left([Step("a", 100, log=LOG, started=0)], cores=2, now=20) == 30
    assert seconds_left([Step("a", 100, log=LOG, started=0)], cores=2, now=500) == 2.5


def test_the_clock_has_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 65, 3600)] == ["0:00", "1:00", "1:05", "60:00"]


def _terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80)


def test_no_color_and_pipes_get_lines_instead_of_a_moving_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert [Progress(_terminal()).plain, Progress(Console(file=io.StringIO())).plain] == [False, True]
    monkeypatch.setenv("NO_COLOR", "1")
    assert Progress(_terminal()).plain is True


def test_on_a_terminal_steps_packages_and_the_rest_are_redrawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    log = tmp_path / "log"
    log.write_text("one\ntwo\n")
    console = _terminal()
    with Progress(console) as progress:
        progress.steps = [Step("etcd 3.6.14", 28, log=log), Step("kwok 0.8.0", 60, log=log)]
        with progress.running(progress.steps[0]):
            progress.tick()
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert "0:00, 2 packages" in drawn
    assert "elapsed 0:00, about " in drawn
