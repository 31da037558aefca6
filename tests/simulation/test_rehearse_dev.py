"""The environment `dev`: one zone, spot machines, a public endpoint, an end."""

from pathlib import Path

import pytest

from tests.support.rehearsals import SECONDS, check, rehearsed

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(SECONDS + 100)]


def test_dev_passes_its_rehearsal_with_every_scenario(tmp_path: Path) -> None:
    with rehearsed(tmp_path, "dev") as (sandbox, told):
        check(told, skipped=["zone-loss"])
        assert not (sandbox.state / "dev-rehearsal").exists(), "nothing of the copy is left"
