"""A trainer of one process, inside the test: its state, its checkpointer and a step that changes it."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from workloads.trainer.checkpoint.cadence import Cadence
from workloads.trainer.checkpoint.checkpointer import Checkpointer
from workloads.trainer.checkpoint.saving import Saved
from workloads.trainer.checkpoint.storage import Opener, open_file
from workloads.trainer.checkpoint.store import Store
from workloads.trainer.side import Side
from workloads.trainer.state import Interval, TrainState


class Count:
    """A data position."""

    def __init__(self) -> None:
        self.consumed = 0

    def state_dict(self) -> dict[str, Any]:
        return {"consumed": self.consumed}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.consumed = state_dict["consumed"]


@dataclass(kw_only=True)
class Alone:
    """One process's trainer."""

    state: TrainState
    checkpointer: Checkpointer
    data: Count = field(default_factory=Count)

    def train(self, steps: int) -> None:
        """Change everything that a checkpoint holds."""
        model, optimizer = self.state.models[0], self.state.optimizers[0]
        for _ in range(steps):
            loss = model(torch.randn(4, 8)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.data.consumed += 4

    def save(self, step: int) -> Saved:
        """Save and wait."""
        (outcome,) = self.checkpointer.save(step)
        return outcome

    def digest(self) -> list[bytes]:
        """Every number that training has changed."""
        model, optimizer = self.state.models[0], self.state.optimizers[0]
        moments = [value for each in optimizer.state.values() for value in each.values()]
        tensors = [*model.parameters(), *moments, torch.get_rng_state()]
        return [tensor.detach().numpy().tobytes() for tensor in tensors]


def alone(
    directory: Path,
    *,
    keep: int = 3,
    width: int = 16,
    opener: Opener = open_file,
    crossed: Callable[[str], None] = lambda _stage: None,
    identity: dict[str, Any] | None = None,
) -> Alone:
    """A trainer whose checkpoints lie in `directory`."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, width), nn.GELU(), nn.Linear(width, 1))
    data = Count()
    state = TrainState(
        models=[model],
        optimizers=[torch.optim.AdamW(model.parameters(), lr=0.01)],
        identity=identity if identity is not None else {"width": width},
        layout={"world": 1},
        seed=1,
        data=data,
    )
    checkpointer = Checkpointer(
        store=Store(directory=directory, keep=keep),
        side=Side(),
        state=state,
        cadence=Cadence(interval=Interval(steps=1)),
        run="alone",
        opener=opener,
        crossed=crossed,
    )
    directory.mkdir(parents=True, exist_ok=True)
    return Alone(state=state, checkpointer=checkpointer, data=data)


class FullDisk:
    """Opens files on a disk that takes so many bytes of each file while `full` is set."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.full = False

    def __call__(self, path: Path) -> BinaryIO:
        file = path.open("wb")
        if self.full:
            write, limit = file.write, self.limit

            def refuse(data: Any) -> int:
                if file.tell() + memoryview(data).nbytes > limit:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return write(data)

            file.write = refuse  # type: ignore[method-assign]  # one file's writes fail
        return file
