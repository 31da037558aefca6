"""In which number format a run computes. Weights and optimizer state stay in fp32 in all of them."""

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from workloads.trainer.choices import Precision

if TYPE_CHECKING:
    from torch import nn

    from workloads.trainer.parallel import World

FLOAT8_CAPABILITY = (8, 9)
"""Of CUDA devices with float8 matrix products: Ada and Hopper (torchao, `torchao.float8`)."""
FLOAT8_MULTIPLE = 16
"""Both sides of a matrix must divide by it (cuBLAS `cublasLtMatmul`, 8-bit requirements)."""


def unavailable(precision: Precision, device: torch.device) -> str | None:
    """Why ``precision`` cannot be had here, or None."""
    if precision is not Precision.FLOAT8:
        return None
    if device.type != "cuda":
        return "--precision float8 needs a GPU with float8 matrix products (Ada, Hopper or later); choose bf16 or fp32"
    if (capability := torch.cuda.get_device_capability(device)) < FLOAT8_CAPABILITY:
        name = torch.cuda.get_device_name(device)
        return f"--precision float8 needs CUDA capability 8.9 or later, {name} has {capability[0]}.{capability[1]}"
    if find_spec("torchao") is None:
        return (
            "--precision float8 needs the package torchao, which is not installed: add it to the image, or choose bf16"
        )
    return None


def fsdp_policy(precision: Precision) -> Any:
    """FSDP2's own mixed precision: weights are gathered in bf16, gradients summed in fp32."""
    from torch.distributed.fsdp import MixedPrecisionPolicy  # noqa: PLC0415  (a second of imports that DDP does not need)

    if precision is Precision.FP32:
        return MixedPrecisionPolicy()
    return MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)


def offload_policy(*, offload: bool) -> Any:
    """Whether FSDP2 keeps shards, gradients and optimizer state in the host's memory."""
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy  # noqa: PLC0415  (as above)

    return CPUOffloadPolicy() if offload else OffloadPolicy()


def computing(precision: Precision, world: "World") -> AbstractContextManager[Any]:
    """What surrounds forward and loss: autocast, where FSDP2 does not cast already."""
    if precision is Precision.FP32 or world.sharded:
        return nullcontext()
    return torch.autocast(world.device.type, dtype=torch.bfloat16)


def to_float8(model: "nn.Module") -> None:
    """Give the layers' matrices float8 products; embedding and head stay in bf16, where accuracy is lost first."""
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training  # noqa: PLC0415  (optional, for GPUs)

    def fits(module: "nn.Module", name: str) -> bool:
        shape = getattr(module, "weight", torch.empty(1)).shape
        return name.startswith("layers.") and all(side % FLOAT8_MULTIPLE == 0 for side in shape)

    convert_to_float8_training(model, config=Float8LinearConfig(), module_filter_fn=fits)
