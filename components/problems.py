"""One way to refuse arguments: everything that is wrong, in one error, before any resource exists."""

from collections.abc import Sequence


class RefusedArgumentsError(ValueError):
    """Arguments that a component cannot be made of. Nothing was created for it."""


def refuse(kind: str, name: str, problems: Sequence[str]) -> None:
    """Raise one error with all ``problems`` of the component ``name`` of class ``kind``; return when there are none.

    Raises:
        RefusedArgumentsError: there is a problem.
    """
    if problems:
        raise RefusedArgumentsError(f"{kind} {name!r}: " + "; ".join(problem.rstrip(".") for problem in problems) + ".")
