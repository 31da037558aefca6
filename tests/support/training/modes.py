"""Started by torchrun: trains a few steps in every way of sharing the work, in one launch, and writes what came out.

torchrun --nproc-per-node 4 tests/support/training/modes.py FOLDER '{"name": {"shards": 4}, …}'
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch
import torch.distributed as dist

from tests.support.training.runs import made
from workloads.data.tokens import Tokenizer
from workloads.parallelism import Parallelism, Schedule
from workloads.trainer.choices import Precision
from workloads.trainer.main import next_batch, one_step
from workloads.trainer.options import ComputeOptions, DataOptions, LearningOptions, ModelOptions, Options, RunOptions
from workloads.trainer.parallel import joined, placed


def losses(folder: Path, degrees: dict[str, object]) -> dict[str, object]:
    """Loss and gradient norm of each step, and the validation loss after the last."""
    precision, micro_batch = Precision(str(degrees.pop("precision", "fp32"))), int(str(degrees.pop("micro_batch", 3)))
    if "schedule" in degrees:
        degrees["schedule"] = Schedule(str(degrees["schedule"]))
    options = Options(
        model=ModelOptions(context=64),
        data=DataOptions(tokenizer=Tokenizer.BYTES, data=str(folder / "data"), micro_batch=micro_batch),
        learning=LearningOptions(steps=4, warmup=2),
        parallelism=Parallelism(**degrees),  # type: ignore[arg-type]
        compute=ComputeOptions(precision=precision),
        run=RunOptions(directory=str(folder)),
    )
    world = placed(options.parallelism, torch.device("cpu"))
    run = made(options, world)
    reports = [asdict(one_step(step, run)) for step in range(1, options.learning.steps + 1)]
    run.model.eval()
    validation = world.total_loss(run.steps.loss(next_batch(run.reader, run))) / (options.data.batch * 64)
    return {
        "losses": [report["loss"] for report in reports],
        "norms": [report["grad_norm"] for report in reports],
        "validation": validation,
        "mine": sum(
            parameter.to_local().numel() if hasattr(parameter, "to_local") else parameter.numel()
            for parameter in run.model.parameters()
        ),
    }


def main() -> None:
    """Each mode in turn, in the processes that met once."""
    folder, modes = Path(sys.argv[1]), json.loads(sys.argv[2])
    with joined(Parallelism(), torch.device("cpu")):
        found = {name: losses(folder, degrees) for name, degrees in modes.items()}
        if dist.get_rank() == 0:
            (folder / f"modes-{dist.get_world_size()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
