"""A small asynchronous client of a Kubernetes API server: plain dicts, because a thousand nodes are mostly JSON."""

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import httpx2

Document: TypeAlias = dict[str, Any]
"""A Kubernetes object."""

MERGE_PATCH = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_NOT_FOUND = 404
_CONFLICT = 409
_ERROR = 400
_WATCH_SECONDS = 600

_PLURALS = {"NetworkPolicy": "networkpolicies", "StorageClass": "storageclasses", "CSIDriver": "csidrivers"}
_CLUSTER_SCOPED = frozenset(
    {"Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "CSIDriver", "CSINode", "PersistentVolume"}
)


class KubeError(Exception):
    """The API server refused, with its own reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Kube:
    """Requests to one API server, authenticated by a client certificate."""

    def __init__(self, server: str, authority: Path, certificate: Path, key: Path) -> None:
        context = ssl.create_default_context(cafile=str(authority))
        context.load_cert_chain(str(certificate), str(key))
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64)
        timeout = httpx2.Timeout(30.0)
        # trust_env off: a proxy of the user's environment must not see loopback traffic.
        self._client = httpx2.AsyncClient(
            base_url=server, verify=context, limits=limits, timeout=timeout, trust_env=False
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def request(self, method: str, path: str, body: object = None, content_type: str = "") -> Document:
        """One request.

        Raises:
            KubeError: the server refused.
            httpx2.TransportError: the server could not be reached.
        """
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content_type or "application/json"} if content else {}
        response = await self._client.request(method, path, content=content, headers=headers)
        if response.status_code >= _ERROR:
            raise _error(response.status_code, response.content)
        answer: Document = response.json() if response.content else {}
        return answer

    async def healthy(self, path: str = "/readyz") -> str:
        """Why the server is not healthy; "" when it answers ok."""
        try:
            response = await self._client.get(path, timeout=3.0)
        except httpx2.TransportError as error:
            return f"does not answer: {error or type(error).__name__}"
        return "" if response.is_success else f"not ready: {_failed_checks(response.text)}"

    async def get(self, path: str) -> Document | None:
        """The object at ``path``, or None."""
        try:
            return await self.request("GET", path)
        except KubeError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def list(self, path: str) -> list[Document]:
        """All items of a collection."""
        items: list[Document] = (await self.request("GET", path)).get("items") or []
        return items

    async def create(self, path: str, document: Document) -> bool:
        """Create in the collection ``path``; False when the object exists already."""
        try:
            await self.request("POST", path, document)
        except KubeError as error:
            if error.status == _CONFLICT and error.reason == "AlreadyExists":
                return False
            raise
        return True

    async def patch(self, path: str, document: Document) -> Document | None:
        """Merge patch; None when the object is gone, or is not the one that the patch names by uid."""
        try:
            return await self.request("PATCH", path, document, MERGE_PATCH)
        except KubeError as error:
            if error.status in {_NOT_FOUND, _CONFLICT}:
                return None
            raise

    async def delete(self, path: str, *, uid: str = "", grace_seconds: int | None = None) -> bool:
        """Delete; False when there was nothing, or something of the same name that is not ``uid``."""
        options: Document = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.request("DELETE", path, options)
        except KubeError as error:
            if error.status in {_NOT_FOUND, _CONFLICT}:
                return False
            raise
        return True

    async def apply(self, document: Document, *, manager: str = "eks") -> Document:
        """Server-side apply; ``eks`` is the field manager that the service itself uses for its add-ons."""
        query = f"?fieldManager={manager}&force=true"
        return await self.request("PATCH", object_path(document) + query, document, _APPLY)

    async def watch(self, path: str, resource_version: str, field_selector: str = "") -> AsyncIterator[Document]:
        """Events of a collection from ``resource_version`` on, until the server ends the stream."""
        query: Mapping[str, str] = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(_WATCH_SECONDS),
            **({"fieldSelector": field_selector} if field_selector else {}),
        }
        timeout = httpx2.Timeout(30.0, read=_WATCH_SECONDS + 30.0)
        async with self._client.stream("GET", path, params=query, timeout=timeout) as response:
            if response.status_code >= _ERROR:
                raise _error(response.status_code, await response.aread())
            async for line in response.aiter_lines():
                if line:
                    yield json.loads(line)


def collection_path(api_version: str, kind: str, namespace: str = "") -> str:
    """The URL path of the objects of a kind."""
    plural = _PLURALS.get(kind, kind.lower() + "s")
    prefix = "/api/v1" if api_version == "v1" else f"/apis/{api_version}"
    scope = f"/namespaces/{namespace}" if namespace and kind not in _CLUSTER_SCOPED else ""
    return f"{prefix}{scope}/{plural}"


def object_path(document: Document) -> str:
    """The URL path of one object."""
    meta = document["metadata"]
    return f"{collection_path(document['apiVersion'], document['kind'], meta.get('namespace', ''))}/{meta['name']}"


def _error(status: int, content: bytes) -> KubeError:
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return KubeError(
        status, str(body.get("reason", "")), str(body.get("message", content[:200].decode(errors="replace")))
    )


def _failed_checks(text: str) -> str:
    failed = [line.removeprefix("[-]").split()[0] for line in text.splitlines() if line.startswith("[-]")]
    return ", ".join(failed) or text[:120].strip()
