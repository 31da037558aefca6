"""A supervisor that nobody can find any more ends by itself, and with it everything that it runs."""

import asyncio
import shutil
from pathlib import Path

import pytest

from local.cluster.files import private_directory, write_private
from local.cluster.layout import SupervisorFiles
from local.cluster.supervisor import Supervisor
from local.paths import STATE_VARIABLE, StatePaths

LONG = 60.0


@pytest.mark.parametrize("what", ["removed", "taken over"])
def test_a_supervisor_ends_when_its_state_is_no_longer_its_own(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of the tests that was killed leaves a daemon behind; its directory goes with the next ones."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))
    paths = StatePaths.of("left-behind")
    files = SupervisorFiles(paths)

    async def main() -> None:
        private_directory(paths.root)
        running = asyncio.create_task(Supervisor(paths, {}).run())
        async with asyncio.timeout(LONG):
            # It writes the file in its own time and sets no event here.
            while not files.record.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if what == "removed":
            shutil.rmtree(paths.root)
        else:
            write_private(files.record, '{"pid": 1}')
        await asyncio.wait_for(running, LONG)

    asyncio.run(main())
