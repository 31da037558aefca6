"""A cluster for the cases of a file; the pods of the chosen ones are created at once, so that they run side by side."""

from collections.abc import Iterator

import pytest

from tests.support.process_world import ProcessWorld


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLIPWAY_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        made = ProcessWorld("conformance")
        try:
            chosen = (item for item in request.session.items if item.getparent(pytest.Module) is request.node)
            for item in chosen:
                for marker in item.iter_markers("conforms"):
                    for document in marker.kwargs["objects"]:
                        made.create(document)
            yield made
        finally:
            made.close()
