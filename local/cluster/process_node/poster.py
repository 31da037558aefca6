"""Posts a pod's status: the newest one, in order, again and again until the API server has it."""

import asyncio
import logging

import httpx2

from local.cluster.kube import Document, Kube, KubeError
from local.cluster.process_node.waits import until_set

_LOG = logging.getLogger(__name__)
_STRATEGIC = "application/strategic-merge-patch+json"
_RETRY_SECONDS = 0.5
_GONE = frozenset({404, 409})
"""The pod is no more, or another one of its name is there."""
_WRONG = frozenset({400, 422})
"""The status itself is at fault: only another one can be taken."""


class StatusPoster:
    """The status of one pod."""

    def __init__(self, kube: Kube, namespace: str, name: str, uid: str) -> None:
        self._kube = kube
        self._path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        self._uid = uid
        self._wanted: Document | None = None
        self._posted: Document | None = None
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def post(self, status: Document) -> None:
        """Post it soon, unless it is what was posted last."""
        if status == (self._wanted or self._posted):
            return
        self._wanted = status
        self._idle.clear()
        self._changed.set()

    async def flush(self, seconds: float) -> None:
        """Wait until the newest one is posted, at most so long."""
        await until_set(self._idle, seconds)

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._wanted is not None:
                status, self._wanted = self._wanted, None
                if not await self._post(status):
                    # Something newer may have come meanwhile; it replaces this one.
                    self._wanted = self._wanted or status
                    await asyncio.sleep(_RETRY_SECONDS)
            self._idle.set()

    async def _post(self, status: Document) -> bool:
        # The uid: a pod of the same name that came after this one is not touched.
        patch = {"metadata": {"uid": self._uid}, "status": status}
        try:
            await self._kube.request("PATCH", self._path, patch, _STRATEGIC)
        except KubeError as error:
            if error.status in _GONE:
                return True
            _LOG.warning("status of %s is refused: %s", self._path, error)
            return error.status in _WRONG
        except (httpx2.HTTPError, ValueError):
            # Also an answer that is no JSON: nobody else would post after an end of this task.
            return False
        self._posted = status
        return True
