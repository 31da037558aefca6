"""Train a small language model on real text: on one CPU, on one GPU, or on many nodes, with the same file.

On a laptop, one process, then two that average their gradients:

    python workloads/trainer/main.py --model tiny --steps 50
    torchrun --nproc-per-node 2 workloads/trainer/main.py --model tiny --steps 50 --replicas 2 --shards 1

On one node of 8 GPUs, the model sharded over them (FSDP2):

    torchrun --nproc-per-node 8 workloads/trainer/main.py --model large --precision bf16 --compile \
        --corpus packages --vocabulary 32768 --batch 256 --micro-batch 8 --learning-rate 6e-4

On 16 nodes, tensor parallel inside a node and two stages across them; torchrun's own options say where the nodes meet,
and under Kubeflow Trainer they come from the environment (PET_*):

    torchrun --nnodes 16 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29400 workloads/trainer/main.py \
        --model large --precision bf16 --batch 1024 --tensor 8 --pipeline 2

Started again, it goes on from the newest whole checkpoint of its directory, also with another number of processes.
SIGTERM writes a checkpoint and ends it.

Exit codes: 0 done; 65 the loss diverged; 75 something hung; 78 refused before training (options, text, checkpoint);
143 stopped by SIGTERM with a checkpoint written. torchrun itself ends with 1 whatever its processes return;
`python -m workloads.trainer.launch` takes torchrun's options and hands on their code.
"""

import math
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

if not __package__:
    # Started as a file: imports are absolute from the repository's root, and this folder's names must hide no library.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch
from torch import nn
from torch.optim import Optimizer

from workloads.data.tokens import Prepared
from workloads.trainer.checks import wrong_with
from workloads.trainer.data import Batch, Reader
from workloads.trainer.options import LearningOptions, Options, parse
from workloads.trainer.parallel import World, clip, joined
from workloads.trainer.services import Services
from workloads.trainer.setup import (
    device_of,
    model_of,
    optimizer_of,
    reader_of,
    service_options,
    state_of,
    steps_of,
    text_of,
)
from workloads.trainer.state import ExitCode, StepReport, TrainerError
from workloads.trainer.steps import Steps


def main(arguments: list[str]) -> int:
    """Train as the command line says; returns the exit code."""
    options = parse(arguments, __doc__ or "")
    processes, on_this_node = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if wrong := wrong_with(options, processes=processes, processes_per_node=on_this_node):
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(*(f"error: {problem}" for problem in wrong), sep="\n", file=sys.stderr)
        return ExitCode.REFUSED
    try:
        with joined(options.parallelism, device_of(options)) as world:
            return train(options, world)
    except TrainerError as error:
        print(f"error: rank {os.environ.get('RANK', '0')}: {error}", file=sys.stderr)
        return error.exit_code


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the loop works with."""

    options: Options
    world: World
    text: Prepared
    reader: Reader
    model: nn.Module
    steps: Steps
    optimizer: Optimizer


def train(options: Options, world: World) -> int:
    """The run, from its text to its last checkpoint.

    Raises:
        TrainerError: it cannot start, or its numbers are not finite.
    """
    # Dropout must differ between processes, and be the same in a repeated run. Weights have generators of their own.
    torch.manual_seed(options.learning.seed * world.size + world.rank)
    text = text_of(options, world)
    reader = reader_of(text.train(), options)
    model, steps = steps_of(options, world, model_of(options, world, text))
    optimizer = optimizer_of(options.learning, model, world)
    run = Run(options=options, world=world, text=text, reader=reader, model=model, steps=steps, optimizer=optimizer)

    with Services.open(
        service_options(options, world, text), state_of(options, world, text, (model, optimizer, reader))
    ) as services:
        position = services.resume()
        done = position.step if position else 0
        if world.rank == 0:
            # Not before: a directory with another model's checkpoints keeps their tokenizer.
            text.copy_tokenizer(options.directory)
        for step in range(done + 1, options.learning.steps + 1):
            report = one_step(step, run)
            if not services.after_step(report):
                return services.exit_code
            every = options.run.evaluate_every
            if step == options.learning.steps or (every and step % every == 0):
                validate(step, run, services)
        # A directory may hold more steps than this run asks for: its last one keeps its own number.
        services.finish(max(done, options.learning.steps))
        return services.exit_code


def one_step(step: int, run: Run) -> StepReport:
    """Read, forward and backward, clip, learn."""
    began = time.perf_counter()
    batch = next_batch(run.reader, run)
    waited = time.perf_counter() - began

    learning, tokens = run.options.learning, run.options.data.batch * run.reader.context
    loss = run.steps.gradients(batch, tokens)
    norm = clip(run.model.parameters(), run.world, learning.clip)
    rate = learning_rate(step, learning)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.step()
    run.optimizer.zero_grad()

    # Every process learns the run's loss; here it waits for its GPU and for the others.
    mean = run.world.total_loss(loss) / tokens
    return StepReport(
        step=step,
        loss=mean,
        tokens=tokens,
        seconds=time.perf_counter() - began,
        data_wait_seconds=waited,
        grad_norm=norm.item(),
        learning_rate=rate,
    )


def learning_rate(step: int, options: LearningOptions) -> float:
    """Of ``step``, counted from 1: up in a line, then down half a cosine to ``final_share`` of its highest."""
    if step <= options.warmup:
        return options.learning_rate * step / options.warmup
    progress = (step - options.warmup) / max(1, options.steps - options.warmup)
    share = options.final_share + (1 - options.final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return options.learning_rate * share


def validate(step: int, run: Run, services: Services) -> None:
    """Mean loss per token on text that training never sees, the same sequences each time."""
    batches = run.options.run.evaluation_batches
    if batches == 0:
        return
    reader = reader_of(run.text.validation(), run.options, shuffle=False)
    run.model.eval()
    total = sum(run.world.total_loss(run.steps.loss(next_batch(reader, run))) for _ in range(batches))
    run.model.train()
    services.evaluated(step, total / (batches * run.options.data.batch * reader.context))


def next_batch(reader: Reader, run: Run) -> Batch:
    """This process's share of the next batch, where the model is."""
    world = run.world
    batch = reader.next(run.options.data.batch, rank=world.data_rank, ranks=world.parallelism.data)
    return Batch(batch.inputs.to(world.device), batch.targets.to(world.device))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
