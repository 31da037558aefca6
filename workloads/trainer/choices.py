"""Closed sets of options, without torch."""

from enum import StrEnum


class Device(StrEnum):
    """Where a run computes."""

    AUTO = "auto"
    """A GPU when there is one."""
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """Number format of forward and backward. Weights and optimizer state are fp32 in all of them."""

    FP32 = "fp32"
    """Everything in fp32: the reference, and what is bit for bit repeatable on a CPU."""
    BF16 = "bf16"
    """Layers in bf16, sums of gradients in fp32."""
    FLOAT8 = "float8"
    """bf16 with the layers' matrix products in float8 (torchao, dynamic scaling per tensor)."""


class Recompute(StrEnum):
    """Activation checkpointing: what of a layer is computed again in the backward pass instead of kept."""

    NOTHING = "nothing"
    """Fastest, most memory."""
    CHEAP = "cheap"
    """Keep the results of matrix products and attention, compute the rest again."""
    ALL = "all"
    """Keep a layer's input only: about a third more computation."""
