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
MODEL_FORMATS = MappingProxyType(
    {
        "kserve-huggingfaceserver": ("huggingface",),
        "kserve-tritonserver": ("onnx", "pytorch", "tensorflow", "tensorrt", "triton"),
    }
)
"""Name of the ClusterServingRuntime -> ``supportedModelFormats``; KServe makes no pod for any other (kserve v0.20.0,
config/runtimes)."""
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
