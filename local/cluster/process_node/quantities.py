"""Kubernetes quantities (``500m``, ``1Gi``). Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions."""

import math
from decimal import Decimal, InvalidOperation

_FACTORS = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50),
}  # fmt: skip


def quantity(text: str | float) -> Decimal:
    """The value of a quantity.

    Raises:
        ValueError: it is none.
    """
    words = str(text)
    suffix = words.lstrip("+-0123456789.")
    number = words[: len(words) - len(suffix)]
    try:
        if suffix[:1] in {"e", "E"} and suffix[1:].lstrip("+-").isdigit():
            return Decimal(words)
        return Decimal(number) * _FACTORS[suffix]
    except (KeyError, InvalidOperation):
        raise ValueError(f"{text!r} is no quantity; allowed are numbers with a unit such as 500m, 2, 1Gi") from None


def whole(text: str | float) -> int:
    """A quantity rounded up to a whole number: bytes, or cores."""
    return math.ceil(quantity(text))


def in_units_of(text: str | float, divisor: str) -> str:
    """What ``resourceFieldRef`` gives: the value in units of ``divisor``, rounded up."""
    unit = quantity(divisor)
    return str(math.ceil(quantity(text) / (unit or Decimal(1))))
