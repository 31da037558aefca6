"""When EKS's support of Kubernetes versions ends."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Final

STANDARD_SUPPORT_ENDS: Final[Mapping[str, date]] = MappingProxyType(
    {
        "1.29": date(2025, 3, 23),
        "1.30": date(2025, 7, 23),
        "1.31": date(2025, 11, 26),
        "1.32": date(2026, 3, 23),
        "1.33": date(2026, 7, 29),
        "1.34": date(2026, 12, 2),
        "1.35": date(2027, 3, 27),
        "1.36": date(2027, 8, 2),
    }
)
"""By version. Source: Amazon EKS user guide, release calendar, as kept by endoflife.date (1.34 and older read in its
repository, 1.35 on its page of February 2026). 1.36: DescribeClusterVersions, quoted by a public version table of
September 2026, which gives the same days for 1.34 and 1.35."""


def _minor(version: str) -> tuple[int, int] | None:
    parts = version.split(".")
    digits = len(parts) > 1 and all(part.isascii() and part.isdigit() for part in parts[:2])
    return (int(parts[0]), int(parts[1])) if digits and len(version) < 20 else None  # noqa: PLR2004 -- int()'s own limit


def standard_support_ended(version: str, today: date) -> date | None:
    """The day on which standard support of ``version`` ended, or None while it lasts or when nothing is known of it.

    A version older than all that are listed ended with the oldest of them at the latest.
    """
    known = _minor(version)
    if known is None:
        return None
    oldest = min(STANDARD_SUPPORT_ENDS, key=lambda item: _minor(item) or known)
    if known < (_minor(oldest) or known):
        return STANDARD_SUPPORT_ENDS[oldest]
    end = STANDARD_SUPPORT_ENDS.get(f"{known[0]}.{known[1]}")
    return end if end is not None and today > end else None
