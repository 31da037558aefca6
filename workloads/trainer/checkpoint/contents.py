"""The tensors of a checkpoint: model and optimizer under the names of the whole model, whatever layout this rank has.

DCP stores each tensor by name and global offset, so what eight ranks wrote sharded, three read replicated. Optimizer
state is flattened to one entry per parameter and quantity: parameter groups of one layout mean nothing in another.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import Metadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load

from workloads.trainer.state import ExitCode, TrainerError, TrainState

MODEL = "model."
OPTIMIZER = "optimizer."
GROUPS = "param_groups."
OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True)
SHOWN = 3
"""Misfits that one line names."""


@dataclass(frozen=True, kw_only=True)
class PartState:
    """One model part with its optimizer: entries by name."""

    model: dict[str, Any]
    optimizer: dict[str, Any]

    def flat(self) -> Iterator[tuple[str, Any]]:
        """The entries under the names that they bear in the checkpoint."""
        yield from ((MODEL + name, value) for name, value in self.model.items())
        yield from ((OPTIMIZER + name, value) for name, value in self.optimizer.items() if not name.startswith(GROUPS))

    def options(self) -> Iterator[tuple[str, str, Any]]:
        """Parameter, option and value of the optimizer's groups, such as the learning rate."""
        for name, value in self.optimizer.items():
            if name.startswith(GROUPS):
                parameter, _, option = name.removeprefix(GROUPS).rpartition(".")
                yield parameter, option, value


def parts(state: TrainState) -> list[PartState]:
    """The live tensors of this rank. An optimizer that has not stepped yet gets its (zero) state by this."""
    return [
        PartState(
            model=get_model_state_dict(model, options=OPTIONS),
            optimizer=get_optimizer_state_dict(model, optimizer, options=OPTIONS),
        )
        for model, optimizer in zip(state.models, state.optimizers, strict=True)
    ]


Options = list[tuple[dict[str, Any], list[str]]]
"""Options of an optimizer, and the parameters that have them: one entry per kind of parameter, not per parameter."""


def collect(state: TrainState) -> tuple[dict[str, Any], Options]:
    """What this rank saves: tensors for DCP, and the optimizers' options for the manifest.

    DCP would store every option of every parameter as an object of its own: ten thousand of them for a model of a
    thousand tensors, all with the same few values.
    """
    tensors: dict[str, Any] = {}
    by_parameter: dict[str, dict[str, Any]] = {}
    for part in parts(state):
        tensors |= dict(part.flat())
        for parameter, option, value in part.options():
            by_parameter.setdefault(parameter, {})[option] = _plain(value)
    return tensors, merge([[(options, [parameter]) for parameter, options in by_parameter.items()]])


def merge(by_rank: Iterable[Options]) -> Options:
    """The options of all ranks, equal ones together."""
    merged: dict[str, list[str]] = {}
    for options, parameters in (entry for entries in by_rank for entry in entries):
        known = merged.setdefault(json.dumps(options, sort_keys=True), [])
        known += [parameter for parameter in parameters if parameter not in known]
    return [(json.loads(text), sorted(parameters)) for text, parameters in merged.items()]


def read(state: TrainState, checkpoint: Path, options: Options, group: Any) -> None:
    """Load `checkpoint` into the live model and optimizer of this rank.

    Raises:
        TrainerError: a tensor is missing in it or has another shape.
    """
    mine = parts(state)
    wanted = {name: value for part in mine for name, value in part.flat()}
    reader = FileSystemReader(checkpoint)
    if problems := list(_misfits(wanted, reader.read_metadata())):
        shown = "; ".join(problems[:SHOWN]) + (f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else "")
        raise TrainerError(
            f"{checkpoint} does not fit this model: {shown}. "
            "Resume with the model that wrote it, or give the run another name.",
            ExitCode.REFUSED,
        )
    load(wanted, storage_reader=reader, process_group=group, no_dist=group is None)
    by_parameter = {parameter: values for values, parameters in options for parameter in parameters}
    for part, model, optimizer in zip(mine, state.models, state.optimizers, strict=True):
        set_model_state_dict(model, {name: wanted[MODEL + name] for name in part.model}, options=OPTIONS)
        loaded = {name: wanted.get(OPTIMIZER + name, value) for name, value in part.optimizer.items()}
        for parameter, option, value in part.options():
            stored = by_parameter.get(parameter, {}).get(option)
            loaded[f"{GROUPS}{parameter}.{option}"] = value if stored is None else _live(stored, value)
        set_optimizer_state_dict(model, optimizer, loaded, options=OPTIONS)


def _plain(value: Any) -> Any:
    """An option as JSON; None for what is none (a function), which then stays as the resumed run sets it."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.numel() == 1 else None
    return value if isinstance(value, bool | int | float | str | list | tuple) else None


def _live(stored: Any, live: Any) -> Any:
    """A stored option in the type that the optimizer has it in."""
    if isinstance(live, torch.Tensor):
        return torch.full_like(live, stored)
    return tuple(stored) if isinstance(live, tuple) else stored


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
