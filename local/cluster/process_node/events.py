"""Events about pods and the node, as a kubelet records them: in the background, repeated ones counted up."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import logging
from dataclasses import dataclass

import httpx2

from local.cluster.kube import Document, Kube, KubeError
from local.cluster.process_node.records import stamp

_LOG = logging.getLogger(__name__)
_WAITING_AT_MOST = 1000
_REMEMBERED = 4096


@dataclass(frozen=True)
class _Event:
    involved: Document
    reason: str
    message: str
    warning: bool


class Events:
    """Writes events in their order; an API server that is away loses the oldest ones, as with a kubelet."""

    def __init__(self, kube: Kube, node: str) -> None:
        self._kube = kube
        self._node = node
        self._queue: asyncio.Queue[_Event] = asyncio.Queue(_WAITING_AT_MOST)
        self._written: dict[str, tuple[int, str]] = {}

    def pod(self, pod: Document, reason: str, message: str, *, warning: bool = False, field: str = "") -> None:
        """About a pod; ``field`` names the container, such as ``spec.containers{main}``."""
        meta = pod["metadata"]
        involved = {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "resourceVersion": meta.get("resourceVersion", ""),
            **({"fieldPath": field} if field else {}),
        }
        self._put(_Event(involved, reason, message, warning))

    def node(self, reason: str, message: str, *, warning: bool = False) -> None:
        """About the node."""
        involved = {"apiVersion": "v1", "kind": "Node", "name": self._node, "uid": self._node}
        self._put(_Event(involved, reason, message, warning))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._write(event)
            except (KubeError, httpx2.HTTPError, ValueError) as error:
                # A namespace that is going away takes no events; an API server that is away will miss this one.
                _LOG.info("event %s is lost: %s", event.reason, error)
            self._queue.task_done()

    async def flush(self, seconds: float = 2.0) -> None:
        """Wait until all is written, but not long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), seconds)

    def _put(self, event: _Event) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self._queue.task_done()
        self._queue.put_nowait(event)

    async def _write(self, event: _Event) -> None:
        now = stamp(dt.datetime.now(dt.UTC))
        involved = event.involved
        words = (involved["uid"], involved.get("fieldPath", ""), event.reason, event.message)
        key = hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]
        name = f"{involved['name'][:230]}.{key}"
        namespace = involved.get("namespace", "default")
        path = f"/api/v1/namespaces/{namespace}/events"
        count, first = self._written.pop(key, (0, now))
        self._written[key] = (count + 1, first)
        while len(self._written) > _REMEMBERED:
            self._written.pop(next(iter(self._written)))
        if count and await self._kube.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": now}):
            return
        document: Document = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved,
            "reason": event.reason,
            "message": event.message[:1024],
            "type": "Warning" if event.warning else "Normal",
            "count": count + 1,
            "firstTimestamp": first,
            "lastTimestamp": now,
            "source": {"component": "kubelet", "host": self._node},
            "reportingComponent": "kubelet",
            "reportingInstance": self._node,
        }
        if not await self._kube.create(path, document):
            # A former agent of this node wrote it.
            await self._kube.patch(f"{path}/{name}", {"lastTimestamp": now})
