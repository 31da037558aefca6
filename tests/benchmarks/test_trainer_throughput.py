"""Tokens per second and MFU of the trainer beside a plain PyTorch loop over the same model, in two precisions.

On a GPU a model that fills it; `SLIPWAY_THROUGHPUT` gives other arguments (tests/support/training/throughput.py).
"""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.toolchain.errors import ToolchainError
from local.toolchain.workloads import environment
from tests.benchmarks.measure import report

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
ON_CPU = "--model tiny --steps 10"
ON_GPU = "--model large --batch 64 --micro-batch 8 --steps 10 --vocabulary 32768 --compile"
TARGET = "at least 0.95 of the plain loop; on an H100 or H200 50 % MFU in bf16"
HAS_GPU = "import torch, sys; sys.exit(not torch.cuda.is_available())"


def test_trainer_throughput(repository: Path) -> None:
    try:
        python = str(environment() / "bin/python")
    except ToolchainError as error:
        pytest.skip(f"waits for `make toolchain`: {error}")
    gpu = subprocess.run([python, "-c", HAS_GPU], check=False).returncode == 0
    arguments = os.environ.get("SLIPWAY_THROUGHPUT", ON_GPU if gpu else ON_CPU)
    told = subprocess.run(
        [python, "-m", "tests.support.training.throughput", *shlex.split(arguments)],
        cwd=repository,
        env={"OMP_NUM_THREADS": "1", **os.environ},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    precisions = {name: value for name, value in found.items() if isinstance(value, dict)}
    figures = {"arguments": arguments, "device": f"{found['device']}, torch {found['torch']}"}
    for name, value in precisions.items():
        mfu = f"{100 * value['mfu']:.1f} % of {value['peak'] / 1e12:.0f} TFLOP/s" if value["peak"] else "peak not known"
        figures[f"{name}, tokens/s"] = f"{value['trainer']:,.0f} (plain loop {value['plain']:,.0f})"
        figures[f"{name}, MFU"] = mfu
    ratios = ", ".join(f"{name} {value['trainer'] / value['plain']:.2f}" for name, value in precisions.items())
    report("trainer throughput", figures, ratio=f"{ratios} of the plain loop", target=TARGET)
