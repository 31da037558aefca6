"""Process groups of our own beside the one that trains: small agreements between ranks, and the storage of checkpoints.

Both run gloo on the CPU, so that they neither wait for nor hold up what the accelerators do. They are separate, since a
checkpoint is written from a background thread while the loop goes on agreeing, and one group carries one conversation.
"""

import socket
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.distributed as dist


class Side:
    """The ranks of this run, for values that are small. A single process without process groups is a world of one.

    Every method is collective and must be called by all ranks in the same order, from one thread per group.
    """

    def __init__(self) -> None:
        self.distributed = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if self.distributed else 0
        self.world = dist.get_world_size() if self.distributed else 1
        self._control = _new_group() if self.distributed else None
        self.storage = _new_group() if self.distributed else None

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def exchange(self, row: Sequence[float]) -> list[list[float]]:
        """Everyone's row of numbers, by rank."""
        mine = torch.tensor(list(row), dtype=torch.float64)
        if not self.distributed:
            return [mine.tolist()]
        rows = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(rows, mine, group=self._control)
        return [each.tolist() for each in rows]

    def from_first(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        if not self.distributed:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._control)
        return box[0]

    def from_all(self, value: Any) -> list[Any]:
        """Everyone's value, by rank."""
        return self._gather(value, self._control)

    def stored_by_all(self, value: Any) -> list[Any]:
        """Everyone's value, by rank, in the conversation of the storage thread."""
        return self._gather(value, self.storage)

    def stored_by_first(self, value: Any) -> Any:
        """Rank 0's value, on every rank, in the conversation of the storage thread."""
        if not self.distributed:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self.storage)
        return box[0]

    def hosts(self) -> list[str]:
        """Host name of every rank."""
        return self.from_all(socket.gethostname())

    def _gather(self, value: Any, group: Any) -> list[Any]:
        if not self.distributed:
            return [value]
        values: list[Any] = [None] * self.world
        dist.all_gather_object(values, value, group=group)
        return values


def _new_group() -> dist.ProcessGroup:
    # Typed as possibly "not a member", which a group of all ranks has none of.
    return cast("dist.ProcessGroup", dist.new_group(backend="gloo"))
