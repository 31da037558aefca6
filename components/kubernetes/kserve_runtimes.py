"""Serving runtimes of KServe that the kit installs on demand, free of any SDK."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class ServingRuntime:
    """A ClusterServingRuntime of the chart ``kserve-runtime-configs`` (v0.20.0)."""

    key: str
    """Its key in the chart's values."""
    formats: Sequence[str]
    """``supportedModelFormats``; KServe makes no pod for any other (kserve v0.20.0, config/runtimes)."""


SERVING_RUNTIMES = MappingProxyType(
    {
        "kserve-huggingfaceserver": ServingRuntime(key="huggingfaceserver", formats=("huggingface",)),
        "kserve-tritonserver": ServingRuntime(
            key="tritonserver", formats=("onnx", "pytorch", "tensorflow", "tensorrt", "triton")
        ),
    }
)
"""By name. Runtimes whose image the chart does not pin (``vllm/vllm-openai:latest``) are left out."""
ALL_KEYS = (
    "autogluonserver",
    "huggingfaceserver",
    "huggingfaceserver_multinode",
    "lgbserver",
    "mlserver",
    "paddleserver",
    "pmmlserver",
    "predictiveserver",
    "sklearnserver",
    "tensorflow",
    "torchserve",
    "tritonserver",
    "vllmserver",
    "xgbserver",
)
"""Every key of the chart: what nobody uses is switched off."""
