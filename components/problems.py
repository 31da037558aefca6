"""One way to refuse arguments: everything that is wrong, in one error, before any resource exists."""

from collections.abc import Sequence


def refuse(kind: str, name: str, problems: Sequence[str]) -> None:
    """Raise ValueError with all ``problems`` of the component ``name`` of class ``kind``; return when there are none.

    Raises:
        ValueError: there is a problem.
    """
    if problems:
        raise ValueError(f"{kind} {name!r}: " + "; ".join(problem.rstrip(".") for problem in problems) + ".")
