"""Reading Kubernetes objects as they come from the API: small pure functions that several verbs share."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Json = Mapping[str, Any]
_TOLD_EVENTS: Final = 2


def namespace_of(item: Json) -> str | None:
    """The namespace that an object lies in; None for objects of the cluster."""
    namespace = item["metadata"].get("namespace")
    return None if namespace is None else str(namespace)


def find(items: Sequence[Json], namespace: str | None, name: str | None) -> Json | None:
    """The object of that name."""
    return next((one for one in items if one["metadata"]["name"] == name and namespace_of(one) == namespace), None)


def conditions(item: Json) -> set[str]:
    """The types of the conditions that are true."""
    listed = item.get("status", {}).get("conditions", [])
    return {one["type"] for one in listed if one.get("status") == "True"}


def owned_by(item: Json, owner: Json) -> bool:
    """Whether ``owner`` is among the object's owners."""
    wanted = owner["metadata"].get("uid") or owner["metadata"]["name"]
    return any(wanted in (one.get("uid"), one.get("name")) for one in item["metadata"].get("ownerReferences", []))


def events_of(events: Sequence[Json], kind: str, namespace: str | None, name: str) -> list[str]:
    """The latest warnings about one object, newest first, each reason once."""
    about = [
        event
        for event in events
        if event.get("type") == "Warning"
        and event.get("involvedObject", {}).get("kind") == kind
        and event.get("involvedObject", {}).get("name") == name
        and (namespace is None or namespace_of(event) == namespace)
    ]
    about.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), reverse=True)
    told: dict[str, str] = {}
    for event in about:
        told.setdefault(str(event.get("reason", "")), str(event.get("message", "")))
    return [f"{reason}: {message}" for reason, message in list(told.items())[:_TOLD_EVENTS]]
