"""State of a rank's random number generators: Python's, NumPy's, torch's on the CPU and on this rank's accelerator.

Rule: when a run goes on with the same number of processes in the same layout, each rank continues its own generators
bit for bit. In any other layout there is nothing to continue (rank 2 of 3 has not drawn what rank 2 of 4 drew), so each
rank seeds its generators anew from (seed of the run, step, layout, rank): reproducible, independent between ranks, and
never the numbers that the run began with. The order of the data does not depend on any of these generators.
"""

import base64
import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def capture() -> dict[str, Any]:
    """The generators of this process, as JSON values."""
    version, numbers, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002  # the global one is state
    state: dict[str, Any] = {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), int(position), int(has_gauss), float(cached)],
        "torch": _text(torch.get_rng_state()),
    }
    if torch.cuda.is_available():
        state["cuda"] = _text(torch.cuda.get_rng_state())
    return state


def restore(state: Mapping[str, Any]) -> None:
    """Continue where `capture` was called."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002  # as above
    torch.set_rng_state(_tensor(state["torch"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(_tensor(state["cuda"]))


def reseed(*, seed: int, step: int, layout: Mapping[str, int], rank: int) -> None:
    """Seed every generator for a rank that has no past."""
    text = json.dumps([seed, step, dict(layout), rank], sort_keys=True)
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    random.seed(number)
    np.random.seed(number & 0xFFFFFFFF)  # noqa: NPY002  # the global generator is what libraries draw from
    torch.manual_seed(number)


def _text(state: torch.Tensor) -> str:
    return base64.b64encode(state.cpu().numpy().tobytes()).decode()


def _tensor(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
