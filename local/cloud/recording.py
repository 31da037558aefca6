"""What a Pulumi program declared, as plain data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from local.cloud.values import Json


@dataclass(kw_only=True)
class RecordedResource:
    """One resource that the program registered (or read)."""

    urn: str
    type: str
    name: str
    custom: bool
    """False for components and for the stack."""
    id: str = ""
    parent: str = ""
    """URN of the parent; empty for the stack."""
    provider: str = ""
    """``urn::id`` of the provider that it was given; empty for the default one."""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    """Checked inputs (autonames and default tags included), without secret wrappers."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """Outputs, for components those that they registered; without secret wrappers."""
    secrets: frozenset[str] = frozenset()
    """Names of inputs and outputs that hold a secret."""
    dependencies: tuple[str, ...] = ()
    """URNs."""
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protect: bool = False
    read: bool = False
    """True for ``.get`` and stack references."""
    options: Mapping[str, Json] = field(default_factory=dict)
    """Other options that differ from their default: ``ignoreChanges``, ``deleteBeforeReplace``, ``aliases`` …"""
    marker: str = ""
    """``shape only, replacement unknown`` for types that the simulator does not model."""
    registered_outputs: bool = False
    """True once a component called ``register_outputs``."""


@dataclass(frozen=True)
class RecordedInvoke:
    """One data source call."""

    token: str
    arguments: Mapping[str, Json]


@dataclass(kw_only=True)
class Recording:
    """Everything that one run of a program declared, in the order of registration."""

    project: str
    stack: str
    resources: list[RecordedResource] = field(default_factory=list)
    invokes: list[RecordedInvoke] = field(default_factory=list)
    exports: Mapping[str, Json] = field(default_factory=dict)
    """Stack outputs, without secret wrappers."""
    secret_exports: frozenset[str] = frozenset()
    result: Json = None
    """What the program function returned; an Output is resolved."""
    logs: list[tuple[str, str]] = field(default_factory=list)
    """Severity and text of what the program logged."""

    def get(self, type_: str, name: str | None = None) -> RecordedResource:
        """The one resource of that type (and logical name).

        Raises:
            LookupError: none, or more than one; the message lists what there is.
        """
        found = [item for item in self.of_type(type_) if name in (None, item.name)]
        if len(found) != 1:
            there = ", ".join(sorted(item.name for item in self.of_type(type_))) or "none"
            raise LookupError(f"{len(found)} resources are {type_} {name or ''}; of that type there are: {there}")
        return found[0]

    def of_type(self, type_: str) -> list[RecordedResource]:
        """All resources of a type token."""
        return [item for item in self.resources if item.type == type_]

    def where(self, matches: Callable[[RecordedResource], bool]) -> list[RecordedResource]:
        """All resources for which ``matches`` is true."""
        return [item for item in self.resources if matches(item)]

    def by_urn(self, urn: str) -> RecordedResource:
        """The resource with that URN.

        Raises:
            LookupError: there is none.
        """
        for item in self.resources:
            if item.urn == urn:
                return item
        raise LookupError(f"no resource has the URN {urn}")

    def children(self, parent: RecordedResource) -> list[RecordedResource]:
        """Resources whose parent is ``parent``."""
        return [item for item in self.resources if item.parent == parent.urn]
