"""Low-rank adapters (LoRA, Hu et al., arXiv:2106.09685): train two thin matrices beside each frozen one.

Our own thirty lines: the library that is best kept, peft, brings transformers and accelerate into the image, wraps the
model under other names and knows neither FSDP2's `fully_shard` nor a pipeline's stages; torchao has no adapters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from workloads.trainer.model import WEIGHT_STD, Decoder, draw


class AdaptedLinear(nn.Linear):
    """``x W' + (x D') U' * scale`` with W frozen; U starts at zero, so that training starts from the given model."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=False, device="meta")
        self.weight = nn.Parameter(linear.weight.detach(), requires_grad=False)
        self.adapter_down = nn.Parameter(torch.empty(rank, linear.in_features))
        self.adapter_up = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.scale = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        """As `nn.Linear`, with the adapter's part added."""
        small = functional.linear(functional.linear(x, self.adapter_down), self.adapter_up)
        return super().forward(x) + small * self.scale


def adapt(model: Decoder, *, rank: int, alpha: float, seed: int) -> None:
    """Freeze ``model`` and put an adapter beside every matrix of its layers; before it is spread."""
    model.requires_grad_(requires_grad=False)
    for layer in model.layers.values():
        for part in layer.children():
            for name, child in part.named_children():
                if isinstance(child, nn.Linear):
                    setattr(part, name, AdaptedLinear(child, rank, alpha))
    for name, parameter in model.named_parameters():
        if name.endswith("adapter_down"):
            draw(parameter, name, seed, WEIGHT_STD)
