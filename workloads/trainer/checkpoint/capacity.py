"""How large a checkpoint will be, and whether the file system has room, asked before the first step is computed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict

from workloads.trainer.checkpoint.store import Store
from workloads.trainer.state import ExitCode, TrainerError, TrainState

TENSOR_OVERHEAD_BYTES = 2048
"""What each rank adds to each tensor: torch.save's zip archive around its shard, and the shard's entry in .metadata."""
RANK_OVERHEAD_BYTES = 32 * 1024
"""Generators of one rank."""


def tensor_bytes(state: TrainState) -> dict[str, int]:
    """Bytes that each tensor of this rank's models takes in a checkpoint, its optimizer state included.

    Parameters count whole, even if this rank has only a shard of them, so that the union over all ranks by name is the
    size of the whole model. With float32 parameters and Adam that is 12 bytes per parameter (the parameter and two
    moments); with bfloat16 parameters and a float32 master copy 14, and 16 with float32 gradients kept.
    """
    sizes: dict[str, int] = {}
    for model, optimizer in zip(state.models, state.optimizers, strict=True):
        ratio = {
            id(parameter): _optimizer_bytes(optimizer, group, parameter)
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        for name, value in get_model_state_dict(model).items():
            if isinstance(value, torch.Tensor):
                sizes[name] = value.numel() * value.itemsize
        sizes |= _moments(model, ratio)
    return sizes


def _moments(model: nn.Module, bytes_by_parameter: Mapping[int, int]) -> dict[str, int]:
    return {
        f"optimizer of {name}": bytes_by_parameter[id(parameter)]
        for name, parameter in model.named_parameters()
        if id(parameter) in bytes_by_parameter
    }


def _optimizer_bytes(optimizer: torch.optim.Optimizer, group: Mapping[str, Any], parameter: nn.Parameter) -> int:
    """Bytes of the state that `optimizer` keeps for `parameter`, found by one step on a tiny stand-in of its type."""
    tiny = nn.Parameter(torch.zeros(2, 2, dtype=parameter.dtype))
    tiny.grad = torch.zeros_like(tiny)
    # A group's own options win over the constructor's; a fused kernel would want the tensor on an accelerator.
    make = cast("Callable[[list[dict[str, Any]]], torch.optim.Optimizer]", type(optimizer))
    probe = make([{**group, "params": [tiny], "fused": None}])
    probe.step()
    total = 0
    for value in probe.state[tiny].values():
        if isinstance(value, torch.Tensor):
            scaled = value.numel() == tiny.numel()
            total += value.itemsize * (parameter.numel() if scaled else value.numel())
    return total


def total_bytes(by_rank: Sequence[Mapping[str, int]]) -> int:
    """The size of one checkpoint: replicated tensors count once, however many ranks have them."""
    union: dict[str, int] = {}
    for sizes in by_rank:
        union |= sizes
    # A parameter has its own entry, and one for each of the optimizer's quantities: Adam's step and two moments.
    shards = sum(len(sizes) for sizes in by_rank) * 2
    return sum(union.values()) + shards * TENSOR_OVERHEAD_BYTES + len(by_rank) * RANK_OVERHEAD_BYTES


def check_room(store: Store, checkpoint_bytes: int) -> None:
    """Refuse a run whose checkpoints cannot all lie in its directory: `keep` of them and the one being written.

    What this run's older checkpoints hold counts as room, since they go as new ones come.

    Raises:
        TrainerError: there is less.
    """
    needed = (store.keep + 1) * checkpoint_bytes
    held = sum(bytes_in(path) for path in store.published()[: store.keep + 1])
    room = store.free_bytes() + held
    if needed <= room:
        return
    fitting = room // checkpoint_bytes - 1
    advice = f"lower --keep to {fitting}" if fitting >= 1 else "no number of kept checkpoints fits"
    raise TrainerError(
        f"{store.keep} + 1 checkpoints of {size(checkpoint_bytes)} each need {size(needed)}, but {store.directory} has "
        f"room for {size(room)}: enlarge the file system, or {advice}.",
        ExitCode.REFUSED,
    )


def bytes_in(directory: Path) -> int:
    """Bytes of the files in a checkpoint."""
    return sum(path.stat().st_size for path in directory.iterdir() if path.is_file())


def size(count: float) -> str:
    """Bytes for people: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:  # noqa: PLR2004  # binary units
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} TiB"
