"""One object at the cloud, and what can be asked of an account."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

STACK_TAG: Final = "slipway:stack"
NAME_TAG: Final = "slipway:resource"

Clients = Callable[[str], Any]
"""A boto3 client by service name."""


@dataclass(frozen=True, kw_only=True)
class Owned:
    """One object of the stack at the cloud."""

    kind: str
    """``service:Shape`` in the vendor's words, for example ``ec2:Vpc``."""
    types: tuple[str, ...]
    """Type tokens that such an object may have in the state; none for what no program of the kit makes."""
    id: str
    """As Pulumi's state knows it; the ARN where nothing in a state stands for it."""
    name: str
    """Logical name (tag ``slipway:resource``); of what cannot be tagged, whose it is."""
    holds_data: bool
    handle: tuple[str, ...] = ()
    """What the API's own calls name it by; ``id`` alone when empty."""
    failed: bool = False
    """The cloud gave up on making it."""
    status: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The arguments of a call that is about it."""
        return self.handle or (self.id,)


class RemovalRefusedError(Exception):
    """The cloud does not delete it (yet); the message says why."""


class Inventory(Protocol):
    """Looks at the account behind the engine's back."""

    can_remove: bool

    def owned(self, project: str, stack: str) -> Sequence[Owned]:
        """Everything that carries the stack's tags, and what hangs on it and cannot be tagged."""

    def remove(self, item: Owned) -> None:
        """Delete it.

        Raises:
            RemovalRefusedError: something still needs it, or it may not be deleted now.
        """


def tags_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """The tags of an object, in any of the forms in which the APIs show them."""
    found: Any = next((entry[name] for name in ("Tags", "tags", "TagSet", "ResourceTags") if entry.get(name)), {})
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    return {str(item["Key"]): str(item["Value"]) for item in found}


def pages(client: Any, operation: str, member: str, **query: Any) -> list[Any]:
    """The items of every page of a Describe or List call."""
    if not client.can_paginate(operation):
        return list(getattr(client, operation)(**query).get(member) or [])
    return [item for page in client.get_paginator(operation).paginate(**query) for item in page.get(member) or []]
