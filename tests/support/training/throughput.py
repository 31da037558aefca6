"""Tokens per second of the trainer and of a plain PyTorch loop, in turns, on whatever this machine has.

    python -m tests.support.training.throughput --model base --batch 64 --micro-batch 16 --steps 20 --compile

Both train the same model from the same tokens with the same optimizer, precision and compilation. The plain loop has no
mesh, no accumulation across processes, no clipping over shards, no report: what is left is what the kit's loop costs.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.support.training.runs import made
from workloads.data.tokens import Tokenizer
from workloads.trainer.choices import Precision
from workloads.trainer.flops import peak_flops
from workloads.trainer.main import next_batch, one_step
from workloads.trainer.options import ComputeOptions, DataOptions, LearningOptions, ModelOptions, Options, RunOptions
from workloads.trainer.parallel import World, joined
from workloads.trainer.setup import device_of, reader_of, service_options, text_of
from workloads.trainer.steps import micro_batches, summed_loss

WARM = 3
"""Steps that are not measured: the first compiles, the next fill caches."""
ROUNDS = 3
"""Each loop is measured so often, in turns, and its median counts."""


def trainer_loop(options: Options, world: World) -> Callable[[int], None]:
    """Steps of the kit's own loop."""
    run = made(options, world)
    done = iter(range(1, sys.maxsize))

    def steps(count: int) -> None:
        for _ in range(count):
            one_step(next(done), run)

    return steps


def plain_loop(options: Options, world: World) -> Callable[[int], None]:
    """The same model in the loop of a PyTorch tutorial."""
    run = made(options, world)
    count = micro_batches(options.data.batch, at_most=options.data.micro_batch)
    loss_of = torch.compile(summed_loss) if options.compute.compile else summed_loss
    mixed = options.compute.precision is not Precision.FP32

    def steps(number: int) -> None:
        for _ in range(number):
            batch = next_batch(run.reader, run)
            total = torch.zeros((), device=world.device)
            for inputs, targets in zip(batch.inputs.chunk(count), batch.targets.chunk(count), strict=True):
                with torch.autocast(world.device.type, dtype=torch.bfloat16, enabled=mixed):
                    loss = loss_of(run.model(inputs), targets) / batch.inputs.numel()
                loss.backward()
                total += loss.detach()
            torch.nn.utils.clip_grad_norm_(run.model.parameters(), options.learning.clip)
            run.optimizer.step()
            run.optimizer.zero_grad()
            total.item()

    return steps


def measured(options: Options) -> dict[str, float]:
    """Tokens per second of both loops, and the trainer's MFU (0 where the device's peak is not known)."""
    with joined(options.parallelism, device_of(options)) as world:
        loops = {"trainer": trainer_loop(options, world), "plain": plain_loop(options, world)}
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for loop in loops.values():
            loop(WARM)
        for _ in range(ROUNDS):
            for name, loop in loops.items():
                began = time.perf_counter()
                loop(options.learning.steps)
                seconds[name].append(time.perf_counter() - began)
        watched = service_options(options, world, text_of(options, world))
        tokens = (
            options.learning.steps * options.data.batch * reader_of(text_of(options, world).train(), options).context
        )
        rates = {name: tokens / statistics.median(times) for name, times in seconds.items()}
        name = torch.cuda.get_device_name(world.device) if world.device.type == "cuda" else ""
        peak = peak_flops(name, options.compute.precision)
        return {**rates, "mfu": rates["trainer"] * watched.flops_per_token / peak if peak else 0.0, "peak": peak}


def main() -> None:
    """Measures each precision; one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    for flag, default in {"--batch": 12, "--micro-batch": 12, "--steps": 10, "--vocabulary": 1024}.items():
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--compile", action="store_true")
    told = parser.parse_args()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    found: dict[str, object] = {"device": device, "torch": torch.__version__, "model": told.model}
    with tempfile.TemporaryDirectory() as folder:
        for precision in told.precision:
            options = Options(
                model=ModelOptions(model=told.model),
                data=DataOptions(
                    tokenizer=Tokenizer.BPE,
                    vocabulary=told.vocabulary,
                    batch=told.batch,
                    micro_batch=told.micro_batch,
                ),
                learning=LearningOptions(steps=told.steps),
                compute=ComputeOptions(precision=Precision(precision), compile=told.compile),
                run=RunOptions(directory=str(Path(folder))),
            )
            found[precision] = measured(options)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
