"""How fast this rank's own device is, measured without the others.

In synchronous training every rank's step takes as long as the slowest one's: the others wait for it inside collectives,
and wall times of steps tell nobody apart. So each rank times the same few matrix products once in a while, alone. That
finds a throttled GPU and a starved core; a slow link it does not find.
"""

import math
import time

import torch

EVERY_STEPS = 20
REPEATS = 3
CPU_SIZE = 128
ACCELERATOR_SIZE = 4096


class Probe:
    """Times a fixed piece of work; draws no random numbers and leaves nothing behind."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        accelerated = device.type != "cpu"
        size = ACCELERATOR_SIZE if accelerated else CPU_SIZE
        dtype = torch.bfloat16 if accelerated else torch.float32
        self._matrix = torch.ones(size, size, device=device, dtype=dtype)

    def seconds(self, step: int) -> float:
        """Seconds of the fastest of some repetitions; NaN in the steps between two measurements."""
        if step % EVERY_STEPS:
            return math.nan
        return min(self._once() for _ in range(REPEATS))

    def _once(self) -> float:
        self._wait()
        began = time.perf_counter()
        torch.mm(self._matrix, self._matrix)
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
