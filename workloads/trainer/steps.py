"""Forward and backward of one step, in micro-batches: through a whole model, or through a pipeline's stages."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from workloads.parallelism import Schedule
from workloads.trainer.choices import Precision
from workloads.trainer.data import Batch
from workloads.trainer.parallel import World
from workloads.trainer.precision import computing

Loss = Callable[[Tensor, Tensor], Tensor]


def micro_batches(share: int, *, at_most: int, at_least: int = 1) -> int:
    """Into how many equal micro-batches of ``at_most`` sequences a process cuts its ``share``; ``at_least`` so many.

    A pipeline needs at least one per stage.

    Raises:
        ValueError: ``share`` has no such divisor.
    """
    for count in range(max(1, at_least), share + 1):
        if share % count == 0 and share // count <= at_most:
            return count
    raise ValueError(f"{share} sequences per process cannot be cut into {at_least} or more equal micro-batches")


def summed_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy summed over all tokens, in fp32 whatever the layers compute in."""
    return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="sum")


def loss_context(world: World) -> AbstractContextManager[Any]:
    """What surrounds loss and backward: with tensor parallel the logits are cut by vocabulary."""
    if world.parallelism.tensor == 1:
        return nullcontext()
    from torch.distributed.tensor.parallel import loss_parallel  # noqa: PLC0415  (imports that others do not need)

    return loss_parallel()


class Steps(Protocol):
    """How the run computes; both kinds leave the same gradients."""

    def gradients(self, batch: Batch, tokens: int) -> Tensor:
        """Backward of this process's share of a step of ``tokens`` tokens in the whole run.

        Returns the share's summed loss (0 on earlier stages). Gradients are those of the mean loss per token once the
        processes of the data axes have averaged theirs, which DDP and FSDP2 do in the backward.
        """
        ...

    def loss(self, batch: Batch) -> Tensor:
        """Summed loss without backward (0 on earlier stages)."""
        ...


class Whole:
    """The model is whole here, though it may be sharded or cut inside its layers."""

    def __init__(self, model: nn.Module, world: World, precision: Precision, *, micro_batch: int, loss: Loss) -> None:
        self.model, self.world, self.precision = model, world, precision
        self.micro_batch, self.summed = micro_batch, loss

    def gradients(self, batch: Batch, tokens: int) -> Tensor:
        """See `Steps`."""
        count = micro_batches(len(batch.inputs), at_most=self.micro_batch)
        scale = self.world.parallelism.data / tokens
        total = torch.zeros((), device=self.world.device)
        pieces = zip(batch.inputs.chunk(count), batch.targets.chunk(count), strict=True)
        for number, (inputs, targets) in enumerate(pieces, 1):
            with self._quiet(last=number == count), loss_context(self.world):
                with computing(self.precision, self.world):
                    loss = self.summed(self.model(inputs), targets)
                (loss * scale).backward()  # type: ignore[no-untyped-call]  # torch leaves it so
            total += _local(loss.detach())
        return total

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """See `Steps`."""
        count = micro_batches(len(batch.inputs), at_most=self.micro_batch)
        total = torch.zeros((), device=self.world.device)
        for inputs, targets in zip(batch.inputs.chunk(count), batch.targets.chunk(count), strict=True):
            with loss_context(self.world), computing(self.precision, self.world):
                total += _local(self.summed(self.model(inputs), targets))
        return total

    def _quiet(self, *, last: bool) -> AbstractContextManager[Any]:
        # FSDP2 reduces after each micro-batch instead: keeping whole gradients until the last would undo the sharding.
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return nullcontext()


class Pipelined:
    """This process has one stage of the model; micro-batches go through all of them."""

    def __init__(self, model: nn.Module, world: World, *, share: int, micro_batch: int, loss: Loss) -> None:
        from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe  # noqa: PLC0415  (as above)

        self.world, self.summed, self.scale = world, loss, 1.0
        stages = world.parallelism.pipeline
        stage = PipelineStage(model, world.stage, stages, world.device, group=world.mesh.get_group("pipeline"))
        kind = {Schedule.ONE_F_ONE_B: Schedule1F1B, Schedule.GPIPE: ScheduleGPipe}[world.parallelism.schedule]
        count = micro_batches(share, at_most=micro_batch, at_least=stages)
        self.schedule = kind(stage, count, loss_fn=self._scaled, scale_grads=False)

    def gradients(self, batch: Batch, tokens: int) -> Tensor:
        """See `Steps`."""
        self.scale = self.world.parallelism.data / tokens
        return self._through(partial(self.schedule.step, return_outputs=False), batch)

    @torch.no_grad()
    def loss(self, batch: Batch) -> Tensor:
        """See `Steps`."""
        self.scale = 1.0
        return self._through(self.schedule.eval, batch)

    def _through(self, run: Callable[..., Any], batch: Batch) -> Tensor:
        losses: list[Tensor] = []
        inputs = (batch.inputs,) if self.world.stage == 0 else ()
        targets = batch.targets if self.world.last_stage else None
        with loss_context(self.world):
            run(*inputs, target=targets, losses=losses if self.world.last_stage else None)
        if not losses:
            return torch.zeros((), device=self.world.device)
        return torch.stack([_local(loss.detach()) for loss in losses]).sum() / self.scale

    def _scaled(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.summed(logits, targets) * self.scale


def _local(loss: Tensor) -> Tensor:
    """A loss that tensor parallel left as a DTensor, as the plain number that it is."""
    whole: Callable[[], Tensor] | None = getattr(loss, "full_tensor", None)
    return whole() if whole else loss
