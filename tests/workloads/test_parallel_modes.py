"""Every way of sharing the work over 4 processes computes what one process computes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(900)
"""Half a minute on two idle cores; five processes on a busy machine take minutes."""
LOSS_TOLERANCE = 1e-5
"""Relative, fp32: only the order of sums differs between the modes, some 1e-7 per sum; measured below 2e-7."""
NORM_TOLERANCE = 1e-4
"""Relative: a norm adds up half a million squares in another order."""
BF16_TOLERANCE = 5e-3
"""Relative: bf16 keeps 8 bits, and FSDP2 casts in other places than autocast."""

MODES: dict[str, dict[str, Any]] = {
    "DDP": {"replicas": 4, "shards": 1},
    "DDP with accumulated gradients": {"replicas": 4, "shards": 1, "micro_batch": 1},
    "FSDP2": {"shards": 4},
    "HSDP": {"replicas": 2, "shards": 2},
    "tensor 2 x shards 2": {"tensor": 2, "shards": 2},
    "tensor 2 x replicas 2": {"tensor": 2, "replicas": 2, "shards": 1},
    "pipeline 2 x shards 2": {"pipeline": 2},
    "pipeline 2 x tensor 2": {"pipeline": 2, "tensor": 2},
    "pipeline 4, GPipe": {"pipeline": 4, "schedule": "GPipe"},
    "FSDP2 in bf16": {"shards": 4, "precision": "bf16"},
}


def _launch(processes: int, folder: Path, modes: dict[str, dict[str, Any]], repository: Path) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    ended = subprocess.run(
        [*torchrun, "-m", "tests.support.training.modes", str(folder), json.dumps(modes)],
        env=environment,
        cwd=repository,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    found: dict[str, Any] = json.loads((folder / f"modes-{processes}.json").read_text())
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, Any]:
    """One launch of one process, one of four: starting Python and torch takes longer than all steps."""
    folder = tmp_path_factory.mktemp("modes")
    one = _launch(1, folder, {"one": {}, "one in bf16": {"precision": "bf16"}}, repository)
    return {**one, **_launch(4, folder, MODES, repository)}


@pytest.mark.parametrize("mode", [mode for mode in MODES if "bf16" not in mode])
def test_a_mode_has_the_losses_of_one_process(results: dict[str, Any], mode: str) -> None:
    one, found = results["one"], results[mode]
    assert found["losses"] == pytest.approx(one["losses"], rel=LOSS_TOLERANCE), "same data, weights and updates"
    assert found["norms"] == pytest.approx(one["norms"], rel=NORM_TOLERANCE), (
        "the norm of the whole model, not of a part"
    )
    assert found["validation"] == pytest.approx(one["validation"], rel=LOSS_TOLERANCE), "forward only, after updates"


def test_fewer_bits_stay_near(results: dict[str, Any]) -> None:
    for mode in ("one in bf16", "FSDP2 in bf16"):
        assert results[mode]["losses"] == pytest.approx(results["one"]["losses"], rel=BF16_TOLERANCE), mode
        assert results[mode]["losses"] != results["one"]["losses"], f"{mode} computes in fp32"


def test_the_updates_change_the_losses(results: dict[str, Any]) -> None:
    losses = results["one"]["losses"]
    assert losses[-1] < losses[0] - 0.2, "four equal losses would agree in every mode, whatever it does"


def test_shards_and_stages_hold_a_part_of_the_weights(results: dict[str, Any]) -> None:
    whole = results["one"]["mine"]
    assert results["DDP"]["mine"] == whole, "each replica has all"
    for mode in ("FSDP2", "tensor 2 x shards 2"):
        assert results[mode]["mine"] < 0.3 * whole, f"{mode}: a quarter each, but for what does not divide"
    assert results["pipeline 4, GPipe"]["mine"] < 0.4 * whole, "a layer, and the embedding on the first stage"
