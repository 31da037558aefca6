"""Four teams that share a pool: their own parts of it, what they may borrow, and one that keeps a part to itself."""

from collections.abc import Sequence
from typing import Final

from tests.support.queued.platform import Team

LATE: Final = ("blue",)
"""Comes when the others have borrowed what is blue's."""
LATE_SHARE: Final = 0.25
"""Part of all jobs that is admitted before."""
_PARTS: Final = (
    ("red", 0.35, 0.30, None),
    ("blue", 0.25, 0.45, None),
    ("green", 0.20, 0.50, None),
    ("white", 0.10, 0.50, 0.05),
)


def teams(nodes: int) -> Sequence[Team]:
    """Parts of ``nodes``; a tenth is nobody's own."""
    return [
        Team(
            namespace=name,
            nodes=round(own * nodes),
            borrowing=round(borrowing * nodes),
            lending=None if lending is None else round(lending * nodes),
        )
        for name, own, borrowing, lending in _PARTS
    ]
