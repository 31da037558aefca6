"""Rehearsals end to end, on a program without a cluster: what passes (the control of `test_rehearse_defects.py`)."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox import REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(590)]

PROGRAM = REPOSITORY / "tests" / "simulation" / "programs" / "small" / "__main__.py"
MAIN = "stacks/__main__.py"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox.copy(tmp_path)
    shutil.copy(PROGRAM, sandbox.directory / MAIN)
    yield sandbox
    sandbox.slipway("local", "down", "--discard", "--env", "local-rehearsal", timeout=60)


def rehearsal(sandbox: Sandbox, *options: str, status: int = 0) -> Any:
    return sandbox.expect("rehearse", "local", "--json", *options, status=status, timeout=580).json


def git(sandbox: Sandbox, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=sandbox.directory, check=True, capture_output=True)


def protected(settings: dict[str, Any]) -> None:
    settings["protect"] = True
    del settings["ttl"]


def test_a_sound_protected_program_passes_and_nothing_of_it_is_left(small: Sandbox) -> None:
    small.settings(protected)
    told = rehearsal(small, "-s", "throttle", "-s", "drift", "-s", "kill")
    assert (told["passed"], told["findings"], told["simulated"]) == (True, [], True)
    results = {stage["title"]: stage["result"] for stage in told["stages"]}
    passed = ("second up", "refresh", "names, tags, retention", "destroy refused", "residue")
    assert [results[title] for title in passed] == ["ok"] * len(passed)
    hit = ("drift", "throttle: up", "kill: up", "kill: update", "kill: refresh", "kill: destroy")
    assert [results[title] for title in hit] == ["recovered"] * len(hit)
    (page,) = (small.state / "rehearsals").glob("local-*.html")
    assert "Rehearsal of local" in page.read_text()
    assert not (small.state / "local-rehearsal").exists()
    assert not (small.state / "local").exists(), "the environment itself was not touched"


def test_a_revision_that_git_does_not_know_is_one_clear_error(small: Sandbox) -> None:
    git(small, "init", "-q")
    told = small.expect("rehearse", "local", "-s", "none", "--from", "v0", status=2).text
    assert "git cannot give that revision" in told
    assert "value: v0" in told
