"""Makes bindings of AWS types: what all of them share is written once here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.cloud.aws.common import tag_list
from local.cloud.aws.constraints import constraints_of
from local.cloud.model import Binding, CloudObject, Context, Maker, Operation
from local.cloud.values import Json

ToBody = Callable[[dict[str, Json], Context], dict[str, Json]]


def calls(create: str, delete: str, update: str = "") -> dict[Operation, str]:
    """Names of the API calls of a type; ``update`` may be missing where every change replaces."""
    named = {Operation.CREATE: create, Operation.DELETE: delete}
    return named | ({Operation.UPDATE: update} if update else {})


def bind(
    token: str,
    kind: str,
    operations: Mapping[Operation, str],
    *,
    identity: str,
    create_only: Sequence[str] = (),
    to_body: ToBody | None = None,
    tags: str | None = "Tags",
    tags_as_map: bool = False,
    regional: bool = True,
    **rest: Any,
) -> Binding:
    """A binding with what all types share: the provider's ``region`` (since 7.0, ForceNew), tags, constraints.

    ``create_only`` is reviewed against the ForceNew attributes of the Terraform resource of the same name
    (hashicorp/terraform-provider-aws v6, which pulumi-aws 7 bridges).
    """
    return Binding(
        token=token,
        kind=kind,
        operations=operations,
        identity=identity,
        create_only=(*create_only, "region") if regional else tuple(create_only),
        constraints=constraints_of(token),
        to_body=_with_tags(to_body, tags, as_map=tags_as_map) if to_body else None,
        tags=tags,
        tags_as_map=tags_as_map,
        **rest,
    )


def _with_tags(to_body: ToBody, member: str | None, *, as_map: bool) -> ToBody:
    """Own converters need not think of tags."""

    def convert(inputs: dict[str, Json], context: Context) -> dict[str, Json]:
        body = to_body(inputs, context)
        given = inputs.get("tags")
        if member is not None and given is not None:
            body[member] = tag_list(given) if isinstance(given, dict) and not as_map else given
        return {name: value for name, value in body.items() if value is not None}

    return convert


def service_made(kind: str, identifier: str, body: dict[str, Json], context: Context) -> CloudObject:
    """An object that the cloud makes on its own in the account's region."""
    account = context.account
    return CloudObject(
        kind=kind, id=identifier, region=account.region, body=body, maker=Maker.SERVICE, created_at=account.now()
    )


def keep_computed(before: CloudObject, after: CloudObject, *members: str) -> None:
    """Members of nested objects that only the service knows survive an update that re-sends the object."""
    for member in members:
        old, new = before.body.get(member), after.body.get(member)
        if isinstance(old, dict) and isinstance(new, dict):
            after.body[member] = {**old, **new}
