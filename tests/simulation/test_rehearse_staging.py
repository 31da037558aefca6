"""The environment `staging`: protected, behind a tunnel, with reserved capacity."""

from pathlib import Path

import pytest

from tests.support.rehearsals import SECONDS, check, rehearsed

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(SECONDS + 100)]


def test_staging_passes_its_rehearsal_with_every_scenario(tmp_path: Path) -> None:
    with rehearsed(tmp_path, "staging") as (sandbox, told):
        check(told, hit=["zone-loss"], ok=["destroy refused"])
        assert not (sandbox.state / "staging-rehearsal").exists(), "nothing of the copy is left"
