"""The tensors of a checkpoint: model and optimizer under the names of the whole model, whatever layout this rank has.

DCP stores each tensor by name and global offset, so what eight ranks wrote sharded, three read replicated. Optimizer
state is flattened to one entry per parameter and quantity: parameter groups of one layout mean nothing in another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from workloads.trainer.state import ExitCode, TrainerError, TrainState

MODEL = "model."
OPTIMIZER = "optimizer."
OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True)


@dataclass(frozen=True, kw_only=True)
class PartState:
    """One model part with its optimizer: entries by name."""

    model: dict[str, Any]
    optimizer: dict[str, Any]

    def flat(self) -> Iterator[tuple[str, Any]]:
        """The entries under the names that they bear in the checkpoint."""
        yield from ((MODEL + name, value) for name, value in self.model.items())
        yield from ((OPTIMIZER + name, value) for name, value in self.optimizer.items())


def parts(state: TrainState) -> list[PartState]:
    """The live tensors of this rank. An optimizer that has not stepped yet gets its (zero) state by this."""
    return [
        PartState(
            model=get_model_state_dict(model, options=OPTIONS),
            optimizer=get_optimizer_state_dict(model, optimizer, options=OPTIONS),
        )
        for model, optimizer in zip(state.models, state.optimizers, strict=True)
    ]


def flat(state: TrainState) -> dict[str, Any]:
    """Everything that this rank hands to DCP."""
    return {name: value for part in parts(state) for name, value in part.flat()}


def read(state: TrainState, checkpoint: Path, group: Any) -> None:
    """Load `checkpoint` into the live model and optimizer of this rank.

    Raises:
        TrainerError: a tensor is missing in it or has another shape.
    """
    mine = parts(state)
    wanted = {name: value for part in mine for name, value in part.flat()}
    reader = dcp.FileSystemReader(checkpoint)
    if problems := list(_misfits(wanted, reader.read_metadata())):
        raise TrainerError(
            f"{checkpoint} does not fit this model: {'; '.join(problems[:3])}"
            f"{f' and {len(problems) - 3} more' if len(problems) > 3 else ''}. "  # noqa: PLR2004  # a line's worth
            "Resume with the model that wrote it, or give the run another name.",
            ExitCode.REFUSED,
        )
    dcp.load(wanted, storage_reader=reader, process_group=group, no_dist=group is None)
    for part, model, optimizer in zip(mine, state.models, state.optimizers, strict=True):
        set_model_state_dict(model, {name: wanted[MODEL + name] for name in part.model}, options=OPTIONS)
        loaded = {name: wanted[OPTIMIZER + name] for name in part.optimizer}
        set_optimizer_state_dict(model, optimizer, loaded, options=OPTIONS)


def _misfits(wanted: dict[str, Any], metadata: Metadata) -> Iterator[str]:
    stored = metadata.state_dict_metadata
    for name, value in wanted.items():
        if name not in stored:
            yield f"it has no {name}"
            continue
        entry = stored[name]
        if not isinstance(value, torch.Tensor) or not isinstance(entry, TensorStorageMetadata):
            continue
        if list(entry.size) != list(value.size()):
            yield f"{name} has shape {list(entry.size)} there and {list(value.size())} here"
