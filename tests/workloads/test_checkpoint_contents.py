"""What a checkpoint holds besides weights: options of optimizers, schedules, scalers; and its size before the run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.training.alone import alone
from workloads.trainer.checkpoint.capacity import tensor_bytes
from workloads.trainer.checkpoint.contents import merge
from workloads.trainer.checkpoint.manifest import Manifest
from workloads.trainer.state import TrainerError, TrainState


def test_a_learning_rate_that_has_moved_is_resumed_where_it_was(tmp_path: Path) -> None:
    before = alone(tmp_path)
    before.train(1)
    group = before.state.optimizers[0].param_groups[0]
    group["lr"], group["betas"] = 0.00123, (0.8, 0.9)
    before.save(1)
    after = alone(tmp_path)
    after.checkpointer.resume()
    resumed = after.state.optimizers[0].param_groups[0]
    assert resumed["lr"] == 0.00123
    assert resumed["betas"] == (0.8, 0.9), "a tuple, as the optimizer unpacks it"
    drawn = torch.get_rng_state()
    after.train(1)
    torch.set_rng_state(drawn)  # both trainers live in this process and share its generator
    before.train(1)
    assert after.digest() == before.digest(), "the next step is the same too"


def test_options_lie_in_the_manifest_once_and_not_once_per_parameter(tmp_path: Path) -> None:
    trainer = alone(tmp_path)
    trainer.train(1)
    trainer.save(1)
    ((options, parameters),) = Manifest.read(tmp_path / "step-00000001").options
    assert options["lr"] == 0.01
    assert parameters == ["0.bias", "0.weight", "2.bias", "2.weight"]


def test_equal_options_of_several_ranks_become_one_entry() -> None:
    merged = merge([[({"lr": 1}, ["a", "b"])], [({"lr": 1}, ["c", "a"]), ({"lr": 2}, ["d"])]])
    assert merged == [({"lr": 1}, ["a", "b", "c"]), ({"lr": 2}, ["d"])]


class Part:
    """A scaler or schedule of one number."""

    def __init__(self, value: float) -> None:
        self.value = value

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        self.value = state_dict["value"]


def test_schedule_and_scaler_are_resumed(tmp_path: Path) -> None:
    before, after = alone(tmp_path), alone(tmp_path)
    before.checkpointer.state = replace(before.state, scheduler=Part(0.1 + 0.2), scaler=Part(65536.0))
    before.train(1)
    before.save(1)
    scheduler, scaler = Part(0), Part(0)
    after.checkpointer.state = replace(after.state, scheduler=scheduler, scaler=scaler)
    after.checkpointer.resume()
    assert (scheduler.value, scaler.value) == (0.1 + 0.2, 65536.0), "every bit, through JSON"


def test_a_run_with_a_scaler_does_not_resume_from_one_without(tmp_path: Path) -> None:
    before, after = alone(tmp_path), alone(tmp_path)
    before.train(1)
    before.save(1)
    after.checkpointer.state = replace(after.state, scaler=Part(1))
    with pytest.raises(TrainerError, match="holds no state of the scaler"):
        after.checkpointer.resume()


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> TrainState:
    return TrainState(models=[model], optimizers=[optimizer], identity={}, layout={"world": 1}, seed=1, data=Part(0))


@pytest.mark.parametrize(
    ("make", "dtype", "bytes_per_parameter"),
    [
        (torch.optim.AdamW, torch.float32, 12),
        (lambda p: torch.optim.AdamW(p, amsgrad=True), torch.float32, 16),
        (torch.optim.AdamW, torch.bfloat16, 6),
        (lambda p: torch.optim.SGD(p, lr=0.1), torch.float32, 4),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), torch.float32, 8),
    ],
)
def test_the_size_before_the_run_knows_the_optimizer(
    make: Callable[[Any], torch.optim.Optimizer], dtype: torch.dtype, bytes_per_parameter: int
) -> None:
    model = nn.Linear(100, 1000, bias=False, dtype=dtype)
    optimizer = make(model.parameters())
    found = sum(tensor_bytes(state_of(model, optimizer)).values())
    assert found == pytest.approx(100_000 * bytes_per_parameter, abs=8), "and Adam's step counter"
    assert not optimizer.state, "asking for the size changes nothing: Adam's bias correction counts its steps"


def test_frozen_parameters_take_no_optimizer_state() -> None:
    model = nn.Sequential(nn.Linear(100, 1000, bias=False), nn.Linear(1000, 1, bias=False))
    model[0].weight.requires_grad_(False)
    optimizer = torch.optim.AdamW([model[1].weight])
    assert sum(tensor_bytes(state_of(model, optimizer)).values()) == pytest.approx(4 * 100_000 + 12 * 1000, abs=8)
