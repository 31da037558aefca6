"""Warnings about pods, told as a kubelet tells them: one Event per problem, counted up while it lasts."""

import datetime as dt
import hashlib
import time

from local.cluster.kube import Document, Kube
from local.cluster.views import PodView

_REPEAT_SECONDS = 15.0


class PodEvents:
    """Warnings about the pods of one cluster."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._reported: dict[tuple[str, str], tuple[float, int]] = {}
        """(pod's uid, message) -> when it was last told, and how often."""

    async def warn(self, pod: PodView, reason: str, message: str) -> None:
        """Tells a problem, at most four times a minute."""
        last, count = self._reported.get((pod.uid, message), (0.0, 0))
        if time.monotonic() - last < _REPEAT_SECONDS and count:
            return
        self._reported[pod.uid, message] = (time.monotonic(), count + 1)
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{pod.name}.{hashlib.sha256(f'{pod.uid} {message}'.encode()).hexdigest()[:16]}"[-253:]
        path = f"/api/v1/namespaces/{pod.namespace}/events"
        if count and await self._kube.patch(f"{path}/{name}", {"count": count + 1, "lastTimestamp": now}):
            return
        event: Document = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": pod.namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": pod.namespace,
                "name": pod.name,
                "uid": pod.uid,
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": count + 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet", "host": pod.node},
            "reportingComponent": "kubelet",
            "reportingInstance": pod.node,
        }
        await self._kube.create(path, event)
