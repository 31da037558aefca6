"""Which tokens come in which step: one order for the whole run, whoever reads it.

The run reads sequences number 0, 1, 2 … of an endless shuffled order; a step takes the next ``batch`` of them, and a
process its share of these. The position is the count of sequences that the run has read, so 4 processes, then 2, then
3 see the same data, and a resumed run goes on with the next sequence exactly.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


def shuffled(sequences: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``sequences`` numbers that is the same in every release of NumPy.

    Sorts the numbers by their splitmix64 hash (Steele et al., OOPSLA 2014); NumPy's own shuffles may change between
    releases (NEP 19), and a resumed run would then see other data.
    """
    with np.errstate(over="ignore"):
        state = np.arange(1, sequences + 1, dtype=np.uint64)
        for salt in (seed, epoch):
            state = _mixed(state + np.uint64(salt + 1) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(state, kind="stable")


def _mixed(state: np.ndarray) -> np.ndarray:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(state ^ (state >> np.uint64(31)))


@dataclass(frozen=True)
class Batch:
    """Sequences of one process in one step: ``[sequences, positions]`` each."""

    inputs: Tensor
    targets: Tensor


class Reader:
    """Reads the run's sequences in order and hands each process its share.

    ``sample`` is the position: sequences that the whole run has read.
    """

    def __init__(self, tokens: np.ndarray, *, context: int, seed: int, shuffle: bool = True) -> None:
        self.tokens, self.context, self.seed, self.shuffle = tokens, context, seed, shuffle
        # A sequence and its targets overlap by all but one token.
        self.sequences = (len(tokens) - 1) // context
        if self.sequences < 1:
            raise ValueError(
                f"{len(tokens)} tokens are less than one sequence of {context} and its next token: "
                f"a longer text, or a shorter --context"
            )
        self.sample = 0
        self._epoch = -1
        self._order = np.arange(self.sequences)

    def next(self, batch: int, *, rank: int = 0, ranks: int = 1) -> Batch:
        """The next ``batch`` sequences of the run, of which this is the share of process ``rank`` of ``ranks``."""
        share = batch // ranks
        first = self.sample + rank * share
        windows = np.stack([self._window(sample) for sample in range(first, first + share)])
        self.sample += batch
        both = torch.from_numpy(windows)
        return Batch(both[:, :-1], both[:, 1:])

    def _window(self, sample: int) -> np.ndarray:
        epoch, place = divmod(sample, self.sequences)
        if self.shuffle and epoch != self._epoch:
            self._order, self._epoch = shuffled(self.sequences, self.seed, epoch), epoch
        start = int(self._order[place]) * self.context
        return self.tokens[start : start + self.context + 1].astype(np.int64)

    def state_dict(self) -> dict[str, Any]:
        """The exact position, for a checkpoint."""
        return {"sample": self.sample, "seed": self.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the checkpoint was written.

        Raises:
            ValueError: the checkpoint's order is another one, since it was shuffled with another seed.
        """
        if state["seed"] != self.seed:
            raise ValueError(f"the checkpoint read its data in the order of --seed {state['seed']}, not {self.seed}")
        self.sample = int(state["sample"])
