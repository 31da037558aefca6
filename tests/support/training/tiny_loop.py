"""A training loop small enough to read at once, for tests of what watches over one; gang.py starts it.

Dropout draws from torch's generator, the batches from a position in a fixed permutation, so that a resumed run equals
an undisturbed one only if both were restored. `--mid-step` stops a rank between backward and optimizer step, leaves a
marker and waits there to be killed.
"""

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from tests.support.training.alone import FullDisk
from workloads.trainer.checkpoint import generators
from workloads.trainer.services import Services
from workloads.trainer.state import Interval, ServiceOptions, StepReport, TrainerError, TrainState

SAMPLES = 960
BATCH = 12
WIDTH = 16
SEED = 7


class Order:
    """A fixed permutation of the samples and how many the whole run has consumed."""

    def __init__(self) -> None:
        self.order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(SEED)).tolist()
        self.consumed = 0

    def batch(self) -> list[int]:
        chosen = [self.order[(self.consumed + i) % SAMPLES] for i in range(BATCH)]
        self.consumed += BATCH
        return chosen

    def state_dict(self) -> dict[str, Any]:
        return {"consumed": self.consumed}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.consumed = state_dict["consumed"]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--keep", type=int, default=3)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--layout", choices=["ddp", "fsdp"], default="fsdp")
    parser.add_argument("--mid-step", default="", help="RANK:STEP")
    parser.add_argument("--nan-at", type=int, default=0)
    parser.add_argument("--hang-at", default="", help="RANK:STEP")
    parser.add_argument("--hang-seconds", type=float, default=0)
    parser.add_argument("--step-seconds", type=float, default=0.0)
    parser.add_argument("--forget", choices=["generators", "data"], help="sabotage: what is not restored")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--full-at", default="", help="RANK:STEP whose checkpoint meets a full disk")
    return parser.parse_args()


def build(args: argparse.Namespace, world: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(SEED)
    width = args.width
    model: nn.Module = nn.Sequential(
        nn.Linear(8, width),
        nn.GELU(),
        nn.Dropout(args.dropout),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Linear(width, 1),
    )
    if world > 1 and args.layout == "ddp":
        model = DistributedDataParallel(model)
    elif world > 1:
        mesh = init_device_mesh("cpu", (world,))
        fully_shard(model, mesh=mesh)  # type: ignore[call-overload,unused-ignore]  # a module of modules
    return model, torch.optim.AdamW(model.parameters(), lr=1e-2)


def samples(chosen: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.randn(8, generator=torch.Generator().manual_seed(index)) for index in chosen]
    inputs = torch.stack(rows)
    return inputs, inputs.sin().sum(dim=1, keepdim=True)


def wait_to_be_killed(args: argparse.Namespace, rank: int, step: int) -> None:
    if args.mid_step == f"{rank}:{step}":
        marker = args.directory / "mid-step.json"
        marker.write_text(json.dumps({"rank": rank, "step": step, "pid": os.getpid(), "after": "backward"}))
        threading.Event().wait()


def train(args: argparse.Namespace, services: Services, state: TrainState, rank: int, world: int) -> int:
    model, optimizer, data = state.models[0], state.optimizers[0], state.data
    assert isinstance(data, Order)
    disk = FullDisk(limit=2_000)
    assert services._checkpointer is not None
    services._checkpointer.opener = disk
    position = services.resume()
    if position is not None and args.forget == "data":
        data.consumed = 0
    if position is not None and args.forget == "generators":
        generators.reseed(seed=SEED, step=0, layout={}, rank=rank)
    seen = (args.directory / f"data-{rank}.jsonl").open("a")
    for step in range(position.step + 1 if position else 1, args.steps + 1):
        disk.full = args.full_at == f"{rank}:{step}"
        began = time.monotonic()
        chosen = data.batch()
        share = chosen[rank * BATCH // world : (rank + 1) * BATCH // world]
        seen.write(json.dumps({"step": step, "ids": share}) + "\n")
        seen.flush()
        inputs, wanted = samples(share)
        loss = nn.functional.mse_loss(model(inputs), wanted)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        wait_to_be_killed(args, rank, step)
        if args.hang_at == f"{rank}:{step}":
            threading.Event().wait()
        optimizer.step()
        mean = loss.detach().clone()
        if world > 1:
            dist.all_reduce(mean)
            mean /= world
        if step == args.nan_at:
            mean *= float("nan")
        time.sleep(args.step_seconds)
        report = StepReport(step=step, loss=mean.item(), tokens=BATCH * 8, seconds=time.monotonic() - began)
        if not services.after_step(report):
            return services.exit_code
    services.finish(args.steps)
    return services.exit_code


def main() -> int:
    args = options()
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    args.directory.mkdir(parents=True, exist_ok=True)
    if world > 1:
        dist.init_process_group("gloo", init_method=os.environ["INIT"], rank=rank, world_size=world)
    model, optimizer = build(args, world)
    state = TrainState(
        models=[model],
        optimizers=[optimizer],
        identity={"width": args.width},
        layout={"world": world, args.layout: world},
        seed=SEED,
        data=Order(),
    )
    generators.reseed(seed=SEED, step=0, layout=state.layout, rank=rank)
    watch = ServiceOptions(
        directory=args.directory,
        run="tiny",
        total_steps=args.steps,
        keep=args.keep,
        interval=Interval(steps=args.every),
        hang_seconds=args.hang_seconds,
        wait=args.wait,
    )
    try:
        with Services.open(watch, state) as services:
            return train(args, services, state, rank, world)
    except TrainerError as error:
        sys.stderr.write(f"trainer: {error}\n")
        return error.exit_code


def run_as_program() -> None:
    """Train, and end the process with the trainer's exit code."""
    # Numbers depend on how many threads sum them.
    torch.set_num_threads(1)
    code = main()
    if dist.is_initialized():
        dist.destroy_process_group()
    sys.exit(code)


if __name__ == "__main__":
    run_as_program()
