"""Children of the supervisor: what stays silent is started again."""

import asyncio
import sys
from pathlib import Path

import pytest

from local.cluster import children
from local.cluster.children import Child, ChildSpec

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_child_that_stays_silent_is_ended_and_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kueue 0.19.2 does: it waits for ever for a certificate when the API server is away at its start."""
    monkeypatch.setattr(children, "_ALIVE_POLL_SECONDS", 0.01)
    monkeypatch.setattr(children, "SILENT_SECONDS", 0.05)
    starts = 0
    asked: list[int] = []

    answered = asyncio.Event()

    async def alive() -> str:
        asked.append(starts)
        if asked.count(2) > 20:
            answered.set()
        return "does not answer" if starts == 1 else ""

    async def fine() -> str:
        return ""

    async def prepare() -> None:
        nonlocal starts
        starts += 1

    async def run() -> tuple[int, str]:
        spec = ChildSpec(
            name="silent", arguments=SLEEP, log=tmp_path / "log", ports={}, healthy=fine, alive=alive, prepare=prepare
        )
        child = Child(spec, lambda: None)
        child.start()
        await answered.wait()
        status = await child.status()
        words = child._last_exit
        await child.stop()
        return status.restarts, words

    restarts, words = asyncio.run(asyncio.wait_for(run(), 60))
    assert restarts == 1, "the first was silent for too long; the second answers and stays"
    assert words.startswith("ended by SIGKILL")
