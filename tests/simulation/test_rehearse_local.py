"""The environment `local`: every scenario applies."""

from pathlib import Path

import pytest

from tests.support.rehearsals import SECONDS, check, rehearsed

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(SECONDS + 100)]


def test_local_passes_its_rehearsal_with_every_scenario(tmp_path: Path) -> None:
    with rehearsed(tmp_path, "local") as (sandbox, told):
        check(told, hit=["zone-loss"])
        assert not (sandbox.state / "local-rehearsal").exists(), "nothing of the copy is left"
