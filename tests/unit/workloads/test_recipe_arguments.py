"""The trainer's own checks accept what every recipe tells it, for every number of nodes that the recipe allows."""

import json
import os
import subprocess

import pytest

from local.paths import REPOSITORY
from local.toolchain.errors import ToolchainError
from local.toolchain.workloads import environment
from tests.unit.workloads.test_trainjob_manifests import CPU_TARGET, GPU_TARGET, recipe
from workloads.recipes import RECIPES, Target

ASK = """
import json, sys
from workloads.trainer.checks import wrong_with
from workloads.trainer.options import parse
found = []
for words, processes, on_node in json.load(sys.stdin):
    options = parse(words, "")
    found.append([*wrong_with(options, processes=processes, processes_per_node=on_node)])
    if options.run.grace_seconds >= 120:
        found[-1].append("the kubelet kills it before")
json.dump(found, sys.stdout)
"""
MADE_FOR_GPUS = ("fsdp_4x8", "tp_pp_dp_16x8")


def asked(target: Target, names: list[str]) -> list[tuple[list[str], int, int]]:
    specs = [recipe(name, target) for name in names]
    return [
        ([*spec.arguments], nodes * spec.processes, spec.processes)
        for spec in specs
        for nodes in range(spec.min_nodes or spec.nodes, spec.nodes + 1)
    ]


def test_the_trainer_accepts_the_arguments_of_every_recipe() -> None:
    try:
        python = environment() / "bin" / "python"
    except ToolchainError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"the workloads' environment is not there: {error}")
    questions = asked(GPU_TARGET, sorted(RECIPES))
    questions += asked(CPU_TARGET, sorted(set(RECIPES) - set(MADE_FOR_GPUS)))
    done = subprocess.run(
        [str(python), "-c", ASK],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = {" ".join(words): wrong for (words, _, _), wrong in zip(questions, json.loads(done.stdout), strict=True)}
    assert {words: wrong for words, wrong in told.items() if wrong} == {}
    assert len(questions) >= 12, "an elastic recipe asks once for every number of its nodes"
