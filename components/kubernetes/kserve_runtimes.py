"""Serving runtimes of KServe that the kit installs on demand, free of any SDK."""

from types import MappingProxyType

RUNTIME_NAMES = MappingProxyType(
    {
        "kserve-huggingfaceserver": "huggingfaceserver",
        "kserve-tritonserver": "tritonserver",
    }
)
"""Name of the ClusterServingRuntime -> its key in the values of ``kserve-runtime-configs`` (v0.20.0).

Runtimes whose image the chart does not pin (``vllm/vllm-openai:latest``) are left out.
"""
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
