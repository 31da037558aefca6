"""A stack's state as ``pulumi stack export`` gives it, and the edits that recovery makes: pure functions.

Format: ``apitype.DeploymentV3`` of the engine's SDK (``sdk/v3/go/common/apitype/core.go``).
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cli.events import urn_name, urn_type

Document = dict[str, Any]
_RUNS: Final = ("kubernetes:batch/", "kubernetes:jobset.", "kubernetes:kubeflow.")


@dataclass(frozen=True, kw_only=True)
class Pending:
    """An operation that had begun when the engine died."""

    kind: str
    """creating, updating, deleting, reading or importing."""
    resource: Mapping[str, Any]

    @property
    def urn(self) -> str:
        """URN of the resource."""
        return str(self.resource["urn"])

    @property
    def type(self) -> str:
        """Type token of the resource."""
        return urn_type(self.urn)

    @property
    def name(self) -> str:
        """Logical name of the resource."""
        return urn_name(self.urn)


def resources(document: Mapping[str, Any]) -> list[Document]:
    """The resources of the state, in its order."""
    return list((document.get("deployment") or {}).get("resources") or [])


def pending(document: Mapping[str, Any]) -> list[Pending]:
    """The operations that were interrupted."""
    operations = (document.get("deployment") or {}).get("pending_operations") or []
    return [Pending(kind=str(item["type"]), resource=item["resource"]) for item in operations]


def runs(document: Mapping[str, Any]) -> list[str]:
    """URNs of training runs: their objects go some time after they have ended, and they are not to start again."""
    return [str(item["urn"]) for item in resources(document) if str(item["type"]).startswith(_RUNS)]


def identifiers(document: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(type token, id) of everything that the state knows at the cloud, also what waits for deletion."""
    return {
        (str(item["type"]), str(item["id"])) for item in resources(document) if item.get("custom") and item.get("id")
    }


def arns(document: Mapping[str, Any]) -> set[str]:
    """What the tagging API would call them."""
    return {str((item.get("outputs") or {}).get("arn") or item.get("id") or "") for item in resources(document)}


def repaired(document: Mapping[str, Any], adopted: Iterable[Mapping[str, Any]]) -> Document:
    """The state without pending operations and with the ``adopted`` resources, which need their ids."""
    edited: Document = copy.deepcopy(dict(document))
    deployment = edited["deployment"]
    deployment["pending_operations"] = []
    deployment["resources"] = [*(deployment.get("resources") or []), *(dict(item) for item in adopted)]
    return edited


def adoptable(resource: Mapping[str, Any], identifier: str, known: Sequence[Mapping[str, Any]]) -> Document | None:
    """``resource`` as an entry of the state under the id that the cloud gave it.

    None when its parent or its provider is not in the state: the engine would refuse such an entry.
    """
    urns = {str(item["urn"]) for item in known}
    provider = provider_reference(str(resource.get("provider", "")), known)
    parent = str(resource.get("parent", ""))
    if provider is None or (parent and parent not in urns):
        return None
    entry: Document = {
        "urn": str(resource["urn"]),
        "custom": True,
        "id": identifier,
        "type": urn_type(str(resource["urn"])),
        "inputs": dict(resource.get("inputs") or {}),
        # Empty, and filled in by the refresh that follows. A guess would look like drift in everything that it leaves
        # out, the service's defaults would become inputs, and the next update would replace what was just saved.
        "outputs": {},
        "provider": provider,
        "dependencies": [urn for urn in resource.get("dependencies") or [] if urn in urns],
    }
    if parent:
        entry["parent"] = parent
    if resource.get("protect"):
        entry["protect"] = True
    return entry


def provider_reference(reference: str, known: Sequence[Mapping[str, Any]]) -> str | None:
    """``urn::id`` of the provider in the state that ``reference`` means; a plan knows its URN, not its id."""
    urn = reference.rpartition("::")[0]
    return next((f"{item['urn']}::{item['id']}" for item in known if item["urn"] == urn and item.get("id")), None)
