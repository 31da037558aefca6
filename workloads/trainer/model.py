"""A compact decoder of today's kind: RMSNorm, rotary positions, grouped-query attention, SwiGLU.

One class serves every way of sharing the work: a pipeline stage is the same decoder with fewer layers, tensor parallel
finds the projections by name, and weights depend on the seed and a parameter's name only, never on who holds them.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts

from workloads.trainer.choices import Recompute
from workloads.trainer.sizes import Size

WEIGHT_STD = 0.02
"""Standard deviation of the first weights (Radford et al. 2019, section 2.3), smaller for what feeds the residual."""
NORM_EPSILON = 1e-6


def rotary_table(size: Size) -> Tensor:
    """Cosines and sines of every position: ``[2, context, head]`` in fp32 (arXiv:2104.09864, equation 34)."""
    frequencies = size.rope_base ** (-torch.arange(0, size.head, 2, dtype=torch.float32) / size.head)
    angles = torch.outer(torch.arange(size.context, dtype=torch.float32), frequencies).repeat(1, 2)
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Turn ``x`` of ``[batch, heads, positions, head]`` by its positions; computed in fp32."""
    cosine, sine = table[:, : x.shape[-2]]
    first, second = x.float().chunk(2, dim=-1)
    turned: Tensor = x.float() * cosine + torch.cat((-second, first), dim=-1) * sine
    return turned.to(x.dtype)


EXPENSIVE = [
    getattr(torch.ops.aten, name).default
    for name in (
        "mm",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_cudnn_attention",
    )
]
"""Operations whose results are worth their memory."""
CHEAP = partial(create_selective_checkpoint_contexts, EXPENSIVE)


class Attention(nn.Module):
    """Causal attention whose keys and values are shared by groups of heads."""

    rotary: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.head = size.head
        self.query = nn.Linear(size.width, size.heads * size.head, bias=False)
        self.key = nn.Linear(size.width, size.kv_heads * size.head, bias=False)
        self.value = nn.Linear(size.width, size.kv_heads * size.head, bias=False)
        self.output = nn.Linear(size.heads * size.head, size.width, bias=False)
        # In each layer, so that FSDP's mixed precision, which casts a layer's arguments, leaves it in fp32.
        self.register_buffer("rotary", rotary_table(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, positions, width]`` to the same."""
        # Heads are counted from the tensor: under tensor parallelism a process has some of them.
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head)).transpose(1, 2)
            for projection in (self.query, self.key, self.value)
        )
        query, key = rotate(query, self.rotary), rotate(key, self.rotary)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(-2))
        return output


class FeedForward(nn.Module):
    """SwiGLU (Shazeer, arXiv:2002.05202)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gate = nn.Linear(size.width, size.hidden, bias=False)
        self.up = nn.Linear(size.width, size.hidden, bias=False)
        self.down = nn.Linear(size.hidden, size.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, positions, width]`` to the same."""
        output: Tensor = self.down(functional.silu(self.gate(x)) * self.up(x))
        return output


class Block(nn.Module):
    """One layer: attention, then feed-forward, each behind a norm and added to the residual."""

    def __init__(self, size: Size, dropout: float) -> None:
        super().__init__()
        self.recompute = Recompute.NOTHING
        self.dropout = nn.Dropout(dropout)
        self.attention_norm = nn.RMSNorm(size.width, eps=NORM_EPSILON)
        self.attention = Attention(size)
        self.feed_forward_norm = nn.RMSNorm(size.width, eps=NORM_EPSILON)
        self.feed_forward = FeedForward(size)

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, positions, width]`` to the same."""
        if self.recompute is Recompute.NOTHING or not self.training:
            return self._layer(x)
        if self.recompute is Recompute.CHEAP:
            return checkpoint(self._layer, x, use_reentrant=False, context_fn=CHEAP)
        # Without the argument, not with a function that does nothing: torch.compile knows partials and None only.
        return checkpoint(self._layer, x, use_reentrant=False)

    def _layer(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Tokens ``[batch, positions]`` to logits ``[batch, positions, vocabulary]``.

    With ``layers`` it is one pipeline stage: only the stage of layer 0 has the embedding, only that of the last layer
    has the final norm and the head, and what goes between stages is ``[batch, positions, width]``.
    """

    def __init__(
        self,
        size: Size,
        vocabulary: int,
        *,
        tied: bool = False,
        dropout: float = 0.0,
        layers: Iterable[int] | None = None,
    ) -> None:
        super().__init__()
        mine = list(range(size.layers) if layers is None else layers)
        first, last = 0 in mine, size.layers - 1 in mine
        self.size = size
        self.embedding = nn.Embedding(vocabulary, size.width) if first else None
        # By the layer's number in the whole model, so that checkpoints do not know how a run was cut into stages.
        self.layers = nn.ModuleDict({str(number): Block(size, dropout) for number in mine})
        self.norm = nn.RMSNorm(size.width, eps=NORM_EPSILON) if last else None
        self.head = nn.Linear(size.width, vocabulary, bias=False) if last and not tied else None

    def blocks(self) -> Iterator[Block]:
        """The layers of this stage."""
        return (cast("Block", layer) for layer in self.layers.values())

    def forward(self, x: Tensor) -> Tensor:
        """One stage's part of the way from tokens to logits."""
        if self.embedding is not None:
            x = self.embedding(x)
        for layer in self.layers.values():
            x = layer(x)
        if self.norm is None:
            return x
        x = self.norm(x)
        if self.embedding is not None and self.head is None:
            return functional.linear(x, self.embedding.weight)
        logits: Tensor = self.head(x) if self.head is not None else x
        return logits


def initialise(model: Decoder, seed: int) -> None:
    """Draw every parameter from a generator of its own, seeded by ``seed`` and its name.

    So a weight has the same first value in one process, in a stage of a pipeline and in a shard, and adding a layer
    changes no other layer's weights.
    """
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            nn.init.ones_(parameter)
            continue
        feeds_residual = name.endswith(("attention.output.weight", "feed_forward.down.weight"))
        std = WEIGHT_STD / math.sqrt(2 * model.size.layers) if feeds_residual else WEIGHT_STD
        draw(parameter, name, seed, std)


@torch.no_grad()
def draw(parameter: nn.Parameter, name: str, seed: int, std: float) -> None:
    """Fill ``parameter`` with normal numbers that depend on ``seed`` and ``name`` only."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    parameter.normal_(0.0, std, generator=generator)
