"""A cache of one kind of object, kept current by a watch; keeps only what its user projects out of each object."""

import asyncio
import logging
from collections.abc import Callable
from typing import Generic, TypeVar
from urllib.parse import quote

import httpx2

from local.cluster.kube import Document, Kube, KubeError

_LOG = logging.getLogger(__name__)
_GONE = 410
_RETRY_SECONDS = 0.5

T = TypeVar("T")


class Informer(Generic[T]):
    """``items`` by "namespace/name" ("name" for kinds without a namespace)."""

    def __init__(
        self,
        kube: Kube,
        path: str,
        project: Callable[[Document], T],
        changed: Callable[[], None],
        field_selector: str = "",
    ) -> None:
        self._kube = kube
        self._path = path
        self._project = project
        self._changed = changed
        self._selector = field_selector
        self.items: dict[str, T] = {}
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List, watch, list again when the watch is lost; until cancelled."""
        while True:
            try:
                await self._follow(await self._list())
            except (KubeError, httpx2.HTTPError, ValueError) as error:
                _LOG.debug("watch of %s ended: %s", self._path, error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _list(self) -> str:
        query = f"?fieldSelector={quote(self._selector)}" if self._selector else ""
        answer = await self._kube.request("GET", self._path + query)
        self.items = {_key(item): self._project(item) for item in answer.get("items") or ()}
        self.synced.set()
        self._changed()
        return str(answer["metadata"]["resourceVersion"])

    async def _follow(self, version: str) -> None:
        while True:
            async for event in self._kube.watch(self._path, version, self._selector):
                item = event["object"]
                if event["type"] == "ERROR":
                    raise KubeError(item.get("code", _GONE), item.get("reason", ""), item.get("message", ""))
                version = item["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._store(event["type"], item)

    def _store(self, kind: str, item: Document) -> None:
        key = _key(item)
        if kind == "DELETED":
            if self.items.pop(key, None) is not None:
                self._changed()
            return
        projected = self._project(item)
        if self.items.get(key) != projected:
            self.items[key] = projected
            self._changed()


def _key(item: Document) -> str:
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])
