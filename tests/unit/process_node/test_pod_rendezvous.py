"""How an agent and the holder of the cluster's network meet."""

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.cluster.process_node.network.addresses import NoAddressError
from local.cluster.process_node.network.rendezvous import Door, join


def _full(node: str) -> Any:
    raise NoAddressError(f"all 3 are taken, {node}")


def _older(_: str) -> Any:
    return SimpleNamespace(to_json=lambda: b'{"block": "100.100.1.0/24"}\n')


def _descriptors_of(file: Path) -> int:
    return sum(path.resolve() == file for path in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize(("welcome", "why"), [(_full, "all 3 are taken, n"), (_older, "speaks another version")])
def test_a_node_that_is_not_let_in_keeps_nothing_of_what_it_was_handed(tmp_path: Path, welcome: Any, why: str) -> None:
    """It asks again twice a second, as long as it takes."""
    namespace = tmp_path / "namespace"
    namespace.touch()

    async def story() -> int:
        handed = os.open(namespace, os.O_RDONLY)
        serving = asyncio.create_task(Door(tmp_path / "door", welcome, [handed]).serve())
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(ConnectionError, match=why):
                await asyncio.to_thread(join, tmp_path / "door", "n")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        held = _descriptors_of(namespace)
        os.close(handed)
        return held

    assert asyncio.run(story()) == 1, "the holder's own"
