"""Shapes of the decoder, as named functions from half a million to a billion parameters. No torch here.

Widths, heads and hidden sizes follow what is common for decoders of their class (head size 64 and up, hidden size about
8/3 of the width, rounded to what tensor cores like); nothing is copied from one model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

DEFAULT_ROPE_BASE = 10_000.0
"""Su et al., arXiv:2104.09864, section 3.2.2."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """Shape of a decoder without its vocabulary, which the tokenizer decides."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    """Heads of keys and values, shared by ``heads / kv_heads`` query heads each (arXiv:2305.13245)."""
    hidden: int
    """Inner width of the feed-forward network."""
    context: int
    """Tokens per sequence."""
    rope_base: float = DEFAULT_ROPE_BASE

    @property
    def head(self) -> int:
        """Width of one head."""
        return self.width // self.heads

    def parameters(self, vocabulary: int, *, tied: bool = False) -> int:
        """Trainable numbers of the whole model."""
        attention = self.width * self.head * (2 * self.heads + 2 * self.kv_heads)
        block = attention + 3 * self.width * self.hidden + 2 * self.width
        return self.layers * block + self.width + vocabulary * self.width * (1 if tied else 2)


def tiny() -> Size:
    """Learns within a minute on a laptop's CPU; for tests and for trying the kit."""
    return Size(width=96, layers=4, heads=4, kv_heads=2, hidden=256, context=128)


def small() -> Size:
    """Some 10 million parameters: minutes on a CPU, seconds on a GPU."""
    return Size(width=320, layers=8, heads=5, kv_heads=5, hidden=896, context=256)


def base() -> Size:
    """Some 120 million parameters with a vocabulary of 32,768."""
    return Size(width=768, layers=12, heads=12, kv_heads=4, hidden=2048, context=1024)


def medium() -> Size:
    """Some 350 million parameters with a vocabulary of 32,768."""
    return Size(width=1024, layers=24, heads=16, kv_heads=8, hidden=2816, context=2048)


def large() -> Size:
    """Some billion parameters with a vocabulary of 32,768."""
    return Size(width=2048, layers=18, heads=16, kv_heads=8, hidden=5632, context=2048, rope_base=500_000.0)


SIZES: Mapping[str, Callable[[], Size]] = {size.__name__: size for size in (tiny, small, base, medium, large)}
