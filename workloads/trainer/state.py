"""The seam between the training loop and what watches over it: the values that they hand each other, and nothing else.

The loop makes one `TrainState`, opens `services.Services`, and per optimizer step hands over one `StepReport`:

    with Services.open(ServiceOptions(...), state) as services:      # workloads/trainer/services.py
        position = services.resume()                                 # None: a fresh start
        for step in range(position.step + 1 if position else 1, steps + 1):
            ...
            if not services.after_step(StepReport(step=step, ...)):
                return services.exit_code                            # SIGTERM: a checkpoint is on disk
        services.finish(steps)

Every method is collective: all ranks call it in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


class Stateful(Protocol):
    """A scheduler, scaler or data loader: small state, as plain JSON values, the same on every rank.

    A data loader's state must not depend on the number of ranks (for example: the samples consumed by the whole run),
    since a checkpoint may be resumed by another number of them.
    """

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON values: numbers, strings, lists and dicts."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take back what `state_dict` gave."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """Everything that a checkpoint holds besides the random number generators.

    Attributes:
        models: the parts of the model on this rank: one, or one per pipeline stage of this rank. Parameters may be
            plain tensors (replicated) or DTensors (sharded); their names are those of the whole model, so that any
            layout can be read by any other.
        optimizers: one per model part, in the same order.
        identity: what makes a checkpoint fit: shape of the model, tokenizer, sequence length. Compared value by value
            on resume; a checkpoint of another identity is refused. Leave out whatever may change between attempts
            (world size, parallelism, learning rate).
        layout: how ranks are laid out, e.g. {"world": 4, "shards": 2, "tensor": 2}. The generators of each rank are
            only continued when it is unchanged.
        seed: the run's seed; feeds the generators when the layout has changed.
        data: position in the data, global to the run.
        scheduler: the learning-rate schedule.
        scaler: the gradient scaler of float16.
    """

    models: Sequence["nn.Module"]
    optimizers: Sequence["Optimizer"]
    identity: Mapping[str, Any]
    layout: Mapping[str, int]
    seed: int
    data: Stateful
    scheduler: Stateful | None = None
    scaler: Stateful | None = None

    def small(self) -> dict[str, Stateful]:
        """The parts that are plain values, by name."""
        parts = {"data": self.data, "scheduler": self.scheduler, "scaler": self.scaler}
        return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A checkpoint that was there and was not used."""

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a resumed run goes on.

    Attributes:
        step: optimizer steps that are done; the next one is `step + 1`.
        checkpoint: the directory that was read.
        world_size: processes that wrote it.
        same_layout: whether every rank's generators were continued (True) or seeded anew (False).
        skipped: newer checkpoints that were damaged, with the reason.
    """

    step: int
    checkpoint: Path
    world_size: int
    same_layout: bool
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One optimizer step, as seen by one rank.

    Attributes:
        step: the step that is now done, counted from 1 over all attempts.
        loss: mean loss per token of the global batch. NaN-free on a healthy run. Ranks that do not know it (earlier
            pipeline stages) report None.
        tokens: tokens of the global batch.
        seconds: wall time of the step on this rank, data wait included.
        data_wait_seconds: the part of `seconds` that the loop waited for its batch.
        grad_norm: norm of the gradients before clipping; None where it was not computed.
        learning_rate: of the step.
        own_seconds: time that this rank computed, without waiting for others; the straggler guard compares it between
            ranks. None: each rank times a small piece of work of its own now and then (probe.py).
    """

    step: int
    loss: float | None
    tokens: int
    seconds: float
    data_wait_seconds: float = 0.0
    grad_norm: float | None = None
    learning_rate: float | None = None
    own_seconds: float | None = None


class ExitCode(IntEnum):
    """How a trainer process ends. Restart policies may tell them apart (sysexits.h where it has a fitting number)."""

    DONE = 0
    DIVERGED = 65
    """Loss or gradients are NaN or infinite, or the loss left its range: a restart would do the same again."""
    HUNG = 75
    """A collective or the data stood still: the whole gang has to be restarted."""
    REFUSED = 78
    """Nothing was trained: another model's checkpoint, no room for checkpoints, a setting that cannot work."""
    STOPPED = 143
    """SIGTERM; the state is on disk."""


class TrainerError(Exception):
    """Ends this process with one clear line and `exit_code`."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        # Both go to the base class: rank 0 hands its refusal to the others, and what unpickles it calls this again.
        super().__init__(message, exit_code)
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, kw_only=True)
class Interval:
    """When a checkpoint is due: `steps` or `seconds`; neither: Young-Daly from the measured save time and `mtbf_hours`.

    Attributes:
        steps: every so many optimizer steps.
        seconds: at the first step after so many seconds.
        mtbf_hours: mean time between failures of the whole job, for Young-Daly. 3 h is what Meta states for 16,384 GPUs
            (The Llama 3 Herd of Models, arXiv:2407.21783, section 3.3.4: 419 unexpected interruptions in 54 days).
    """

    steps: int | None = None
    seconds: float | None = None
    mtbf_hours: float = 3.0


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What watches over a run, and how.

    Attributes:
        directory: of the run on the shared volume; checkpoints and metrics.jsonl go there. None: nothing is written.
        run: the run's name, in every line of metrics.
        total_steps: optimizer steps of the whole run.
        keep: complete checkpoints that stay.
        interval: when to save.
        grace_seconds: from SIGTERM until the process is killed (the pod's terminationGracePeriodSeconds).
        metrics_port: of the Prometheus endpoint, on the first process of every pod; 0: none.
        flops_per_token: of training; 0: no MFU. See flops.py.
        peak_flops: of one device at the run's precision; 0: no MFU.
        precision: the name of the precision that `peak_flops` belongs to.
        hang_seconds: without a finished step until the watchdog ends the process; 0: never.
        spike_score: robust z-score of the loss that counts as a spike.
        straggler_ratio: of a rank's own time to the median of all ranks.
        wait: whether a save blocks the loop (debugging) instead of running beside it.
    """

    directory: Path | None
    run: str
    total_steps: int
    keep: int = 3
    interval: Interval = field(default_factory=Interval)
    grace_seconds: float = 30.0
    metrics_port: int = 0
    flops_per_token: float = 0.0
    peak_flops: float = 0.0
    precision: str = ""
    hang_seconds: float = 600.0
    spike_score: float = 8.0
    straggler_ratio: float = 1.5
    wait: bool = False
