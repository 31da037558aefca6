"""A complete, valid document of settings that tests break in one place."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIG = Path(__file__).parents[3] / "stacks" / "config"


@pytest.fixture
def document() -> dict[str, Any]:
    """The checked-in local stack as a mapping, keys without namespace; without the run on processors and its pool.

    So what the mistakes are about keeps its position, whatever the stack shows beside it.
    """
    text = (CONFIG / "Pulumi.local.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    found = {
        key.removeprefix("slipway:"): copy.deepcopy(value)
        for key, value in config.items()
        if key.startswith("slipway:")
    }
    found["pools"] = [pool for pool in found["pools"] if pool["name"] != "cpu"]
    found["training"] = [run for run in found["training"] if run["pool"] != "cpu"]
    return found
