"""Kubernetes quantities, spelled as the API server stores them.

The server writes 8192Gi as 8Ti. A declaration that spells it otherwise looks changed after every refresh.
"""

_SUFFIXES = ("Mi", "Gi", "Ti", "Pi")
_STEP = 1024
_THOUSAND = 1000


def mebibytes(amount: int) -> str:
    """``amount`` MiB with the largest suffix that leaves a whole number (apimachinery, resource.Quantity)."""
    for suffix in _SUFFIXES[:-1]:
        if amount == 0 or amount % _STEP:
            return f"{amount}{suffix}" if amount else "0"
        amount //= _STEP
    return f"{amount}{_SUFFIXES[-1]}"


def gibibytes(amount: int) -> str:
    """``amount`` GiB, likewise."""
    return mebibytes(amount * _STEP)


def decimal(amount: int) -> str:
    """A count of whole things: the server writes 2000 as 2k, and leaves 1536 alone."""
    for suffix in ("", "k", "M", "G"):
        if amount == 0 or amount % _THOUSAND:
            return f"{amount}{suffix}" if amount else "0"
        amount //= _THOUSAND
    return f"{amount}T"
