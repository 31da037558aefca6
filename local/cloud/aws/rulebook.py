"""A rule is written as one function under one decorator: what it guards, where AWS says so, one yes and one no."""

from collections.abc import Callable, Iterator, Sequence

from local.cloud.model import Operation, Request, Rule, Scenario

Check = Callable[[Request], None]
CREATE = (Operation.CREATE,)
UPDATE = (Operation.UPDATE,)
DELETE = (Operation.DELETE,)
WRITE = (Operation.CREATE, Operation.UPDATE)


class RuleBook:
    """The rules of one service, in the order in which they are asked."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules)

    def rule(
        self,
        identifier: str,
        tokens: str | Sequence[str],
        operations: Sequence[Operation],
        code: str,
        *,
        source: str,
        accepts: Scenario,
        refuses: Scenario,
    ) -> Callable[[Check], Check]:
        """Add the decorated check to the book; the arguments are those of ``model.Rule``."""

        def add(check: Check) -> Check:
            self._rules.append(
                Rule(
                    id=identifier,
                    tokens=(tokens,) if isinstance(tokens, str) else tuple(tokens),
                    operations=tuple(operations),
                    check=check,
                    code=code,
                    source=source,
                    accepts=accepts,
                    refuses=refuses,
                )
            )
            return check

        return add


def prior_id(request: Request) -> str:
    """The id of the object that an update or a delete is about; empty for a create."""
    return request.prior.id if request.prior else ""
