"""What an account holds of a stack, whatever the state says: found by the kit's tags.

Two implementations: the simulated account is read from its store and can be cleaned; a real one is listed through the
tagging API and never touched, because a wrong guess there costs data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from local.cloud.failures import CloudError
from local.cloud.lifecycle import Effects
from local.cloud.model import Binding, CloudObject, CloudPackage, Maker
from local.cloud.paths import lookup
from local.cloud.session import render
from local.cloud.simulator import Simulator
from local.cloud.store import SqliteStore

STACK_TAG: Final = "slipway:stack"
NAME_TAG: Final = "slipway:resource"
_HOLDS_DATA: Final = frozenset({"fsx:FileSystem", "s3:Bucket", "kms:Key"})


@dataclass(frozen=True, kw_only=True)
class Owned:
    """One object of the stack at the cloud."""

    kind: str
    types: tuple[str, ...]
    """Type tokens that such an object may have in the state."""
    id: str
    """As Pulumi knows it."""
    name: str
    """Logical name (tag ``slipway:resource``), or empty."""
    holds_data: bool
    failed: bool = False
    """The cloud gave up on making it."""
    status: str = ""


class RemovalRefusedError(Exception):
    """The cloud does not delete it (yet); the message says why."""


class Inventory(Protocol):
    """Looks at the account behind the engine's back."""

    can_remove: bool

    def owned(self, project: str, stack: str) -> Sequence[Owned]:
        """Everything that carries the stack's tags."""

    def remove(self, item: Owned) -> None:
        """Delete it.

        Raises:
            RemovalRefusedError: something still needs it, or it may not be deleted now.
        """


class SimulatedInventory:
    """The account of a simulated environment."""

    can_remove = True

    def __init__(self, package: CloudPackage, store: SqliteStore, *, effects: Effects = Effects.SUPERVISOR) -> None:
        self._package = package
        self._store = store
        self._effects = effects
        self._bindings: dict[str, list[Binding]] = {}
        for binding in package.bindings.values():
            self._bindings.setdefault(binding.kind, []).append(binding)

    def owned(self, project: str, stack: str) -> list[Owned]:
        """By the tags; what cannot be tagged (routes, attachments) belongs to the stack that its URN names."""
        mine = []
        for item in self._store.objects(maker=Maker.PROGRAM):
            bindings = self._bindings.get(item.kind, [])
            tags = next((found for binding in bindings if (found := tags_of(binding, item.body))), {})
            tagged = tags.get(STACK_TAG) == f"{project}/{stack}"
            untaggable = all(binding.tags is None for binding in bindings)
            if bindings and (tagged or (untaggable and item.urn.startswith(f"urn:pulumi:{stack}::{project}::"))):
                mine.append(self._owned(item, bindings, tags))
        return mine

    def _owned(self, item: CloudObject, bindings: Sequence[Binding], tags: Mapping[str, str]) -> Owned:
        lifecycle = next((binding.lifecycle for binding in bindings if binding.lifecycle is not None), None)
        status = str(lookup(item.body, lifecycle.path) or "") if lifecycle else ""
        identifiers = [
            text for binding in bindings if binding.pulumi_id and (text := render(binding.pulumi_id, item.body))
        ]
        return Owned(
            kind=item.kind,
            types=tuple(binding.token for binding in bindings),
            id=identifiers[0] if identifiers else item.id,
            name=tags.get(NAME_TAG, item.urn.rpartition("::")[2]),
            holds_data=item.kind in _HOLDS_DATA,
            failed=lifecycle is not None and status == lifecycle.failed,
            status=status,
        )

    def remove(self, item: Owned) -> None:
        """Delete through the simulator, which refuses what the service refuses."""
        simulator = Simulator(self._package, self._store, self._effects)
        try:
            simulator.delete(item.types[0], item.id)
        except CloudError as error:
            raise RemovalRefusedError(str(error)) from None


class AwsInventory:
    """A real account through the Resource Groups Tagging API; lists, and removes nothing."""

    can_remove = False

    def __init__(self, region: str, client: Any | None = None) -> None:
        self._region = region
        self._client = client

    def owned(self, project: str, stack: str) -> list[Owned]:
        """Every tagged resource of the region; ids are ARNs."""
        client = self._client
        if client is None:
            import boto3

            client = boto3.client("resourcegroupstaggingapi", region_name=self._region)
        found: list[Owned] = []
        query = {"TagFilters": [{"Key": STACK_TAG, "Values": [f"{project}/{stack}"]}]}
        for page in client.get_paginator("get_resources").paginate(**query):
            for entry in page["ResourceTagMappingList"]:
                arn = str(entry["ResourceARN"])
                tags = {item["Key"]: item["Value"] for item in entry["Tags"]}
                service = arn.split(":")[2]
                found.append(
                    Owned(
                        kind=service,
                        types=(),
                        id=arn,
                        name=tags.get(NAME_TAG, ""),
                        holds_data=service in {"fsx", "s3", "kms"},
                    )
                )
        return found

    def remove(self, item: Owned) -> None:
        """Never: that is for a person to decide."""
        raise RemovalRefusedError(f"{item.id} is in a real account: delete it with the cloud's own tools")


def tags_of(binding: Binding, body: Mapping[str, Any]) -> dict[str, str]:
    """The tags in an object's body, in either of the two forms in which services keep them."""
    if binding.tags is None:
        return {}
    found = lookup(dict(body), binding.tags)
    if isinstance(found, dict):
        return {str(key): str(value) for key, value in found.items()}
    if isinstance(found, list):
        return {
            str(item.get("Key", item.get("TagKey"))): str(item.get("Value", item.get("TagValue"))) for item in found
        }
    return {}
