"""The upgrade from the first release to this checkout: nothing that holds data may be replaced on the way."""

from pathlib import Path

import pytest

from tests.support.releases import HOW_TO_FETCH, first_release
from tests.support.sandbox import REPOSITORY, Sandbox

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(590)]


def test_the_first_release_is_updated_to_this_checkout_and_keeps_its_data(tmp_path: Path) -> None:
    revision = first_release(REPOSITORY)
    if revision is None:
        pytest.skip(HOW_TO_FETCH)
    # The checkout itself: it is what git knows, and rehearsals work on copies.
    checkout = Sandbox(REPOSITORY, tmp_path / "state")
    told = checkout.expect("rehearse", "local", "--json", "--from", revision, "--scenario", "none", timeout=580).json
    assert (told["passed"], told["from"]) == (True, revision)
    assert [item["urn"] for item in told["replacements"] if item["stateful"]] == []
    assert "upgrade: up" in [stage["title"] for stage in told["stages"]]
