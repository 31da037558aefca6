"""Dependencies that carry no value: "not before this exists", without making anything unknown in a preview."""

from collections.abc import Sequence

import pulumi


def after(*things: pulumi.Output[str] | pulumi.Resource) -> pulumi.Output[Sequence[pulumi.Input[pulumi.Resource]]]:
    """A value for ``depends_on`` that waits for every resource behind ``things``.

    Components pass each other plain data, so what must come first is often an Output and not a resource; the engine
    only cares which resources an Output comes from.
    """
    urns = [thing.urn if isinstance(thing, pulumi.Resource) else thing for thing in things]

    def nothing(_: Sequence[str]) -> Sequence[pulumi.Input[pulumi.Resource]]:
        return []

    return pulumi.Output.all(*urns).apply(nothing)


def ready(value: pulumi.Output[str], *first: pulumi.Resource) -> pulumi.Output[str]:
    """``value``, but whoever uses it waits for ``first`` as well.

    A resource's URN is known in previews even while the resource is new, so ``value`` stays as known as it was.
    """

    def only_value(values: Sequence[str]) -> str:
        return values[0]

    return pulumi.Output.all(value, *(resource.urn for resource in first)).apply(only_value)
